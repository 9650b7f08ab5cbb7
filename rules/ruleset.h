/* ruleset.h: all loaded rules, compiled together: which steps does this event satisfy?
 *
 * Loading belongs to one thread and ends in an immutable snapshot; matching is done by any number
 * of threads, each with a scratch of its own. The sequence state lives in correlator/sequence.h,
 * not here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "collector/base/complaint.h"
#include "collector/event.h"
#include "rules/rule.h"

struct ruleset;
struct ruleset_builder;

/* --- loading ---------------------------------------------------------------------------------- */

/* `fields` learns the names that rules use, and which fields are wanted; it must outlive the
 * ruleset. */
struct ruleset_builder *ruleset_builder_open(struct fields *fields);
void ruleset_builder_close(struct ruleset_builder *builder); /* a no-op after ruleset_build */

/* Adds a rule file, or every *.toml below a directory in the order of their names.
 * False when anything was refused; each refusal is one complaint, and the other rules
 * are added nevertheless. */
bool ruleset_add_path(struct ruleset_builder *builder, const char *path,
		      struct complaints *complaints);

/* Adds one rule from TOML text. `file` names it in complaints. */
bool ruleset_add_text(struct ruleset_builder *builder, const char *file, const char *text,
		      size_t size_bytes, struct complaints *complaints);

/* Adds a bare EQL query as a rule without metadata. */
bool ruleset_add_query(struct ruleset_builder *builder, const char *query, size_t size_bytes,
		       const struct query_options *options, struct complaints *complaints);

/* Compiles what was added into a snapshot and closes the builder. NULL with errno (and the builder
 * stays). */
struct ruleset *ruleset_build(struct ruleset_builder *builder);
void ruleset_close(struct ruleset *ruleset);

/* --- looking ---------------------------------------------------------------------------------- */

uint32_t ruleset_rule_count(const struct ruleset *ruleset);
const struct rule *ruleset_rule(const struct ruleset *ruleset, uint32_t index);
uint32_t ruleset_step_count(const struct ruleset *ruleset);

/* A step's use: stage number of a rule, or RULE_STAGES_MAX for its `until`. */
struct step_use {
	uint32_t rule;
	uint32_t stage;
};

/* Who uses a step; borrowed. */
const struct step_use *ruleset_step_uses(const struct ruleset *ruleset, step_id step,
					 size_t *out_count);

/* Does the condition of a step read this field? */
bool ruleset_step_reads(const struct ruleset *ruleset, step_id step, uint16_t field);

/* Prints a rule's compiled program (for `eql --explain`). */
void ruleset_print_program(const struct ruleset *ruleset, uint32_t rule, FILE *stream);

/* --- matching --------------------------------------------------------------------------------- */

struct match_scratch;

struct match_scratch *match_scratch_open(const struct ruleset *ruleset);
void match_scratch_close(struct match_scratch *scratch);

/* The steps that the event satisfies, ascending, into `out_steps` (room for ruleset_step_count). A
 * step that is only used by rules whose `index` the event does not answer to is not among them. */
size_t ruleset_match(const struct ruleset *ruleset, struct match_scratch *scratch,
		     const struct event *event, step_id *out_steps);

/* False when no rule can want a flow to this destination, whatever process owns it: then the tap
 * may drop it. Sound: derived from the conditions that every step over network events puts on
 * destination.ip. */
bool ruleset_wants_destination(const struct ruleset *ruleset, const struct ip_address *destination);

/* The same for a tap that drops by prefix: the fewest prefixes that hold every destination that no
 * rule can want, up to `room` of them; returns how many there are. */
size_t ruleset_unwanted_prefixes(const struct ruleset *ruleset, struct ip_prefix *out_prefixes,
				 size_t room);

/* Can any rule be satisfied by events of this category ("network")? */
bool ruleset_wants_category(const struct ruleset *ruleset, const char *category);
