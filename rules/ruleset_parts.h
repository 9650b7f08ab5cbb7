/* ruleset_parts.h: the inside of a ruleset, for the files that make and use one:
 * ruleset_builder.c (loading), rule_compile.c (one rule), ruleset.c (looking, matching),
 * pushdown.c and report.c. */
#pragma once

#include "rules/address_set.h"
#include "rules/rule_file.h"
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

/* --- on the way in ---------------------------------------------------------------------------- */

struct ruleset_builder {
	struct fields *fields;
	struct arena *arena; /* becomes the ruleset's */
	struct program_set *programs;
	struct rule **rules;
	uint32_t rule_count;
	uint32_t rule_room;
	struct indexed_step *indexed;
	uint32_t step_count;
	uint32_t step_room;
	step_id *buckets; /* steps by program_hash; RULE_NO_STEP = empty; at most half full */
	uint32_t bucket_count;
};

/* Compiles a draft's query and filters, numbers its steps and fills in its rule and lints. `trees`
 * is for what nobody needs afterwards; `file` is the text that the draft was read from. */
bool rule_compile_draft(struct ruleset_builder *builder, struct rule_draft *draft, struct text file,
			struct arena *trees, struct complaints *complaints);

/* Compiles an EQL query into a rule that says nothing about itself. */
bool rule_compile_query(struct ruleset_builder *builder, struct rule *rule, struct text query,
			const struct query_options *options, struct arena *trees,
			struct complaints *complaints);
