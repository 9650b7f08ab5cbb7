/* ruleset_builder.c: rule files in, one snapshot out. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/rule_paths.h"
#include "rules/ruleset_parts.h"

enum {
	RULES_MAX = 64 * 1024,
	TREE_BYTES_MAX = 96 * 1024 * 1024, /* one rule's file and query trees; freed rule by rule */
};

/* --- opening and closing ---------------------------------------------------------------------- */

struct ruleset_builder *ruleset_builder_open(struct fields *fields)
{
	struct ruleset_builder *builder = calloc(1, sizeof(*builder));
	if (!builder)
		return NULL;
	builder->fields = fields;
	builder->arena = arena_open(0);
	if (builder->arena)
		builder->programs = program_set_open(fields, builder->arena);
	if (builder->programs)
		return builder;
	ruleset_builder_close(builder);
	errno = ENOMEM;
	return NULL;
}

void ruleset_builder_close(struct ruleset_builder *builder)
{
	if (!builder)
		return;
	program_set_close(builder->programs);
	arena_close(builder->arena);
	free(builder->rules);
	free(builder->indexed);
	free(builder->buckets);
	free(builder);
}

/* --- rules ------------------------------------------------------------------------------------ */

static bool add_rule(struct ruleset_builder *builder, const struct rule *rule)
{
	if (builder->rule_count == RULES_MAX)
		return false;
	if (builder->rule_count == builder->rule_room) {
		const uint32_t room = builder->rule_room ? 2 * builder->rule_room : 64;
		struct rule **rules = realloc(builder->rules, room * sizeof(struct rule *));
		if (!rules)
			return false;
		builder->rules = rules;
		builder->rule_room = room;
	}
	struct rule *kept = arena_take(builder->arena, sizeof(*kept));
	if (!kept)
		return false;
	*kept = *rule;
	kept->index = builder->rule_count;
	builder->rules[builder->rule_count++] = kept;
	return true;
}

static bool add_file(struct ruleset_builder *builder, const char *file, const struct text text,
		     struct arena *trees, struct complaints *complaints)
{
	struct rule_draft draft;
	if (!rule_file_read(file, text.bytes, text.size_bytes, trees, builder->arena, complaints,
			    &draft))
		return false;
	if (draft.rule.kind != RULE_NOT_RUN &&
	    !rule_compile_draft(builder, &draft, text, trees, complaints))
		return false;
	if (draft.rule.disabled && draft.rule.kind != RULE_NOT_RUN) {
		draft.rule.kind = RULE_NOT_RUN;
		draft.rule.not_run_because = "its file says enabled = false";
	}
	return add_rule(builder, &draft.rule) ||
	       complain(complaints_next(complaints), file, 0, 0, "no room for the rule");
}

bool ruleset_add_text(struct ruleset_builder *builder, const char *file, const char *text,
		      size_t size_bytes, struct complaints *complaints)
{
	struct arena *trees = arena_open(TREE_BYTES_MAX);
	if (!trees)
		return complain(complaints_next(complaints), file, 0, 0, "no memory for the rule");
	const bool accepted =
		add_file(builder, file, (struct text){ text, size_bytes }, trees, complaints);
	arena_close(trees);
	return accepted;
}

struct adding {
	struct ruleset_builder *builder;
	struct complaints *complaints;
};

static bool add_found(void *context, const char *file, const char *text, size_t size_bytes)
{
	const struct adding *adding = context;
	return ruleset_add_text(adding->builder, file, text, size_bytes, adding->complaints);
}

bool ruleset_add_path(struct ruleset_builder *builder, const char *path,
		      struct complaints *complaints)
{
	struct adding adding = { builder, complaints };
	return rule_paths_each(path, complaints, add_found, &adding);
}

bool ruleset_add_query(struct ruleset_builder *builder, const char *query, size_t size_bytes,
		       const struct query_options *options, struct complaints *complaints)
{
	struct rule rule = {
		.file = "",
		.type = "eql",
		.id = "query",
		.name = "query",
		.description = "",
		.version = "1",
		.language = "eql",
		.query = arena_copy_text(builder->arena, query, size_bytes),
		.until_step = RULE_NO_STEP,
		.datasets = UINT32_MAX,
	};
	struct arena *trees = arena_open(TREE_BYTES_MAX);
	bool accepted = rule.query && trees;
	if (!accepted)
		complain(complaints_next(complaints), NULL, 0, 0, "no memory for the query");
	accepted =
		accepted && rule_compile_query(builder, &rule, (struct text){ query, size_bytes },
					       options, trees, complaints);
	if (accepted && !add_rule(builder, &rule))
		accepted =
			complain(complaints_next(complaints), NULL, 0, 0, "no room for the query");
	arena_close(trees);
	return accepted;
}

/* --- building --------------------------------------------------------------------------------- */

/* Calls `use` for every use of a step: each stage, and `until`. */
static void each_use(const struct ruleset_builder *builder, struct step *steps,
		     void (*use)(struct step *, struct step_use))
{
	for (uint32_t i = 0; i < builder->rule_count; i++) {
		const struct rule *rule = builder->rules[i];
		for (uint32_t j = 0; rule->kind != RULE_NOT_RUN && j < rule->stage_count; j++)
			use(&steps[rule->stages[j].step], (struct step_use){ i, j });
		if (rule->kind != RULE_NOT_RUN && rule->until_step != RULE_NO_STEP)
			use(&steps[rule->until_step], (struct step_use){ i, RULE_STAGES_MAX });
	}
}

static void count_use(struct step *step, struct step_use use)
{
	(void)use;
	step->use_count++;
}

static void keep_use(struct step *step, struct step_use use)
{
	step->uses[step->use_count++] = use;
}

static bool fill_uses(const struct ruleset_builder *builder, struct step *steps)
{
	size_t total = 0;
	each_use(builder, steps, count_use);
	for (uint32_t i = 0; i < builder->step_count; i++)
		total += steps[i].use_count;
	struct step_use *uses = arena_take(builder->arena, (total + 1) * sizeof(*uses));
	for (uint32_t i = 0; uses && i < builder->step_count; i++) {
		steps[i].uses = uses;
		uses += steps[i].use_count;
		steps[i].use_count = 0;
	}
	if (uses)
		each_use(builder, steps, keep_use);
	return uses != NULL;
}

/* Steps that no rule uses (of a rule that is disabled) are answered by no event. */
static void silence_unused(const struct step *steps, struct indexed_step *indexed, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (steps[i].use_count == 0)
			indexed[i].datasets = 0;
}

static bool fill_ruleset(const struct ruleset_builder *builder, struct ruleset *ruleset)
{
	struct arena *arena = builder->arena;
	const size_t steps_bytes = builder->step_count * sizeof(struct indexed_step);
	struct step *steps = arena_take(arena, (builder->step_count + 1) * sizeof(*steps));
	struct indexed_step *indexed = arena_take(arena, steps_bytes + 1);
	const struct rule **rules =
		arena_take(arena, (builder->rule_count + 1) * sizeof(struct rule *));
	if (!steps || !indexed || !rules || !fill_uses(builder, steps))
		return false;
	if (builder->step_count)
		memcpy(indexed, builder->indexed, steps_bytes);
	silence_unused(steps, indexed, builder->step_count);
	for (uint32_t i = 0; i < builder->rule_count; i++)
		rules[i] = builder->rules[i];
	*ruleset = (struct ruleset){
		.arena = arena,
		.programs = builder->programs,
		.rules = rules,
		.rule_count = builder->rule_count,
		.step_count = builder->step_count,
		.indexed = indexed,
		.steps = steps,
		.index = step_index_make(indexed, builder->step_count, arena),
	};
	ruleset->wanted = ruleset->index ? pushdown_wanted(ruleset) : NULL;
	return ruleset->wanted != NULL;
}

struct ruleset *ruleset_build(struct ruleset_builder *builder)
{
	struct ruleset *ruleset = arena_take(builder->arena, sizeof(*ruleset));
	if (!ruleset || !fill_ruleset(builder, ruleset)) {
		errno = ENOMEM;
		return NULL;
	}
	builder->programs = NULL; /* the ruleset's now, as is the arena */
	builder->arena = NULL;
	ruleset_builder_close(builder);
	return ruleset;
}
