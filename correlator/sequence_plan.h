/* sequence_plan.h: rules as the sequence state wants them: which rules and terms does a step mean?
 *
 * A term is a step with its keys. Stages of one rule that are equal (`with runs`, `until` on a step
 * of the sequence) share a term, so that what an event means to a rule is one word of bits.
 *
 * Immutable once made. Only part of the sequence code; others use sequence.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/rule.h"

enum { TERMS_MAX = 64 }; /* distinct terms of a rule: bits of a word */

struct plan_rule {
	const struct rule *rule;
	uint64_t id_hash;	  /* of the rule's id: stable from run to run */
	uint64_t span_ns;	  /* first to last event; UINT64_MAX = any */
	uint64_t keep_missing_ns; /* how long an event counts that must be missing */
	uint64_t until_terms;	  /* bits; 0 = none */
	uint64_t missing_terms;
	uint64_t leading_terms; /* missing before the first positive stage */
	uint64_t trailing_terms;
	uint16_t positive_count;
	uint16_t term_count;
	uint8_t *stage_terms;	      /* of each stage of the rule */
	uint16_t *positives;	      /* stage numbers of the positive stages */
	const struct rule_key **keys; /* of each term */
	step_id *steps;		      /* of each term */
};

struct plan_use {
	uint32_t rule;
	uint32_t term;
};

struct sequence_plan;

/* `horizon_ns`: how long a sequence without maxspan may take when its rule looks back less far; 0 =
 * any time. A rule with more than TERMS_MAX distinct terms is left out and named in the log. NULL
 * with errno; the rules must outlive the plan. */
struct sequence_plan *sequence_plan_open(const struct rule *const *rules, size_t rule_count,
					 uint64_t horizon_ns);
void sequence_plan_close(struct sequence_plan *plan);

uint32_t sequence_plan_rule_count(const struct sequence_plan *plan);
const struct plan_rule *sequence_plan_rule(const struct sequence_plan *plan, uint32_t index);

/* The uses of a step, ascending by rule; borrowed. A step that nobody uses has none. */
const struct plan_use *sequence_plan_uses(const struct sequence_plan *plan, step_id step,
					  size_t *out_count);

/* All uses of all steps: no event can touch more. */
size_t sequence_plan_use_count(const struct sequence_plan *plan);

size_t sequence_plan_bytes(const struct sequence_plan *plan);
