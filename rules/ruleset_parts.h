/* ruleset_parts.h: the inside of a ruleset, for ruleset.c (looking, matching), ruleset_builder.c
 * (loading) and pushdown.c alone.
 */
#pragma once

#include "rules/address_set.h"
#include "rules/ruleset.h"
#include "rules/step_index.h"

struct step {
	struct step_use *uses;
	size_t use_count;
};

struct ruleset {
	struct arena *arena; /* holds all below but the sets */
	struct program_set *programs;
	const struct rule *const *rules;
	uint32_t rule_count;
	uint32_t step_count;
	const struct indexed_step *indexed; /* per step: program and datasets */
	const struct step *steps;
	const struct step_index *index;
	struct address_set *wanted; /* destinations that some step can want */
};

/* The destinations of network events that could satisfy some step. NULL: no memory. */
struct address_set *pushdown_wanted(const struct ruleset *ruleset);

/* Could the step be satisfied by events of this category? */
bool pushdown_takes_category(const struct indexed_step *step, const char *category);
