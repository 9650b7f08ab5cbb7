/* ruleset_builder.c: rule files to rules, queries to programs, equal programs to one step. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/expression.h"
#include "rules/kql.h"
#include "rules/lint.h"
#include "rules/rule_file.h"
#include "rules/rule_filter.h"
#include "rules/rule_paths.h"
#include "rules/ruleset_parts.h"

enum {
	RULES_MAX = 64 * 1024,
	STEPS_MAX = 1024 * 1024,
	TREE_BYTES_MAX = 96 * 1024 * 1024, /* one rule's file and query trees; freed rule by rule */
};

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

/* --- opening and closing -------------------------------------------------------------------------
 */

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

/* --- steps ---------------------------------------------------------------------------------------
 */

static bool same_text(struct text left, struct text right)
{
	return left.size_bytes == right.size_bytes &&
	       (left.size_bytes == 0 || memcmp(left.bytes, right.bytes, left.size_bytes) == 0);
}

/* The bucket of a step that says the same for the same datasets, or the empty one for it. */
static step_id *find_bucket(const struct ruleset_builder *builder, const struct program *program,
			    uint32_t datasets)
{
	for (uint32_t i = program_hash(program);; i++) {
		step_id *bucket = &builder->buckets[i & (builder->bucket_count - 1)];
		if (*bucket == RULE_NO_STEP)
			return bucket;
		const struct indexed_step *step = &builder->indexed[*bucket];
		if (step->datasets == datasets && program_equal(step->program, program))
			return bucket;
	}
}

static bool grow_buckets(struct ruleset_builder *builder)
{
	const uint32_t count = builder->bucket_count ? 2 * builder->bucket_count : 64;
	step_id *buckets = malloc(count * sizeof(*buckets));
	if (!buckets)
		return false;
	memset(buckets, 0xff, count * sizeof(*buckets));
	free(builder->buckets);
	builder->buckets = buckets;
	builder->bucket_count = count;
	for (uint32_t i = 0; i < builder->step_count; i++)
		*find_bucket(builder, builder->indexed[i].program, builder->indexed[i].datasets) =
			i;
	return true;
}

static bool grow_steps(struct ruleset_builder *builder)
{
	if (builder->step_count == STEPS_MAX)
		return false;
	if (builder->step_count == builder->step_room) {
		const uint32_t room = builder->step_room ? 2 * builder->step_room : 64;
		struct indexed_step *indexed =
			realloc(builder->indexed, room * sizeof(*builder->indexed));
		if (!indexed)
			return false;
		builder->indexed = indexed;
		builder->step_room = room;
	}
	return 2 * (builder->step_count + 1) <= builder->bucket_count || grow_buckets(builder);
}

/* --- queries -------------------------------------------------------------------------------------
 */

/* One rule on its way in. */
struct compilation {
	struct ruleset_builder *builder;
	struct arena *trees;
	const struct query_options *options;
	const struct query_source *source;
	struct complaints *complaints;
	struct rule *rule;
	const struct query_ast *query;
	const struct program **programs; /* per term, `until` last */
	struct rule_key *keys;		 /* key_count of each term, `until` last */
};

static bool no_memory(const struct compilation *compilation)
{
	return complain(complaints_next(compilation->complaints), compilation->source->file, 0, 0,
			"no memory for the rule");
}

/* The number of a compiled term, which is a new step or an older equal one. RULE_NO_STEP: no
 * memory. */
static step_id find_step(const struct compilation *compilation, const struct query_term *term,
			 const struct program *program)
{
	struct ruleset_builder *builder = compilation->builder;
	const uint32_t datasets = compilation->rule->datasets;
	if (!grow_steps(builder))
		return RULE_NO_STEP;
	step_id *bucket = find_bucket(builder, program, datasets);
	if (*bucket != RULE_NO_STEP)
		return *bucket;
	const char *category_field = compilation->options->category_field;
	struct access_set access =
		access_set_find(builder->fields, category_field ? category_field : "event.category",
				term->category, term->condition, compilation->trees);
	if (access.count) {
		struct access_key *kept = arena_take(builder->arena, access.count * sizeof(*kept));
		if (!kept)
			return RULE_NO_STEP;
		memcpy(kept, access.keys, access.count * sizeof(*kept));
		access.keys = kept;
	}
	builder->indexed[builder->step_count] =
		(struct indexed_step){ .program = program, .access = access, .datasets = datasets };
	*bucket = builder->step_count;
	return builder->step_count++;
}

static bool compile_terms(struct compilation *compilation)
{
	const struct query_ast *query = compilation->query;
	bool accepted = true;
	for (size_t i = 0; i < query->term_count + (query->until != NULL); i++) {
		const struct query_term *term =
			i < query->term_count ? &query->terms[i] : query->until;
		/* `with runs` repeats a term: one condition, one program */
		if (i > 0 && i < query->term_count &&
		    term->condition == query->terms[i - 1].condition &&
		    same_text(term->category, query->terms[i - 1].category)) {
			compilation->programs[i] = compilation->programs[i - 1];
			continue;
		}
		compilation->programs[i] =
			program_compile(compilation->builder->programs, term, compilation->options,
					compilation->source, compilation->complaints);
		accepted = accepted && compilation->programs[i];
	}
	return program_resolve_keys(compilation->builder->programs, query, compilation->options,
				    compilation->source, compilation->complaints,
				    compilation->keys) &&
	       accepted;
}

static void want_keys(const struct compilation *compilation, size_t key_count)
{
	for (size_t i = 0; i < key_count; i++)
		if (compilation->keys[i].field != FIELD_NONE)
			fields_want(compilation->builder->fields, compilation->keys[i].field);
}

/* Everything is compiled: numbers the steps and fills in the rule. */
static bool fill_stages(const struct compilation *compilation)
{
	const struct query_ast *query = compilation->query;
	struct rule *rule = compilation->rule;
	struct arena *arena = compilation->builder->arena;
	const size_t key_bytes = query->key_count * sizeof(struct rule_key);
	struct rule_stage *stages = arena_take(arena, query->term_count * sizeof(*stages));
	if (!stages)
		return false;
	for (size_t i = 0; i < query->term_count; i++) {
		stages[i].missing = query->terms[i].missing;
		stages[i].step = find_step(compilation, &query->terms[i], compilation->programs[i]);
		if (stages[i].step == RULE_NO_STEP)
			return false;
		memcpy(stages[i].keys, compilation->keys + i * query->key_count, key_bytes);
	}
	rule->stages = stages;
	rule->stage_count = (uint16_t)query->term_count;
	rule->key_count = (uint16_t)query->key_count;
	if (!query->until)
		return true;
	struct rule_key *until_keys = arena_take(arena, key_bytes);
	rule->until_step =
		find_step(compilation, query->until, compilation->programs[query->term_count]);
	if (!until_keys || rule->until_step == RULE_NO_STEP)
		return false;
	memcpy(until_keys, compilation->keys + query->term_count * query->key_count, key_bytes);
	rule->until_keys = until_keys;
	return true;
}

static bool fill_pipes(const struct compilation *compilation)
{
	const struct query_ast *query = compilation->query;
	struct rule_pipe *pipes =
		arena_take(compilation->builder->arena, query->pipe_count * sizeof(*pipes));
	if (!pipes)
		return false;
	for (size_t i = 0; i < query->pipe_count; i++)
		pipes[i] = (struct rule_pipe){ query->pipes[i].tail, query->pipes[i].count };
	compilation->rule->pipes = pipes;
	compilation->rule->pipe_count = query->pipe_count;
	return true;
}

static bool compile_query(struct compilation *compilation)
{
	static const enum rule_kind kinds[] = {
		[QUERY_EVENT] = RULE_EVENT,
		[QUERY_SEQUENCE] = RULE_SEQUENCE,
		[QUERY_SAMPLE] = RULE_SAMPLE,
	};
	const struct query_ast *query = compilation->query;
	const size_t rows = query->term_count + 1;
	compilation->programs = arena_take(compilation->trees, rows * sizeof(struct program *));
	compilation->keys =
		arena_take(compilation->trees, rows * query->key_count * sizeof(struct rule_key));
	if (!compilation->programs || !compilation->keys)
		return no_memory(compilation);
	if (!compile_terms(compilation))
		return false;
	want_keys(compilation, (query->term_count + (query->until != NULL)) * query->key_count);
	if (!fill_stages(compilation) || !fill_pipes(compilation))
		return no_memory(compilation);
	compilation->rule->kind = kinds[query->kind];
	compilation->rule->maxspan_ns = query->maxspan_ns;
	return true;
}

/* --- rules ---------------------------------------------------------------------------------------
 */

static bool add_rule(struct ruleset_builder *builder, const struct rule *rule)
{
	if (builder->rule_count == RULES_MAX)
		return false;
	if (builder->rule_count == builder->rule_room) {
		const uint32_t room = builder->rule_room ? 2 * builder->rule_room : 64;
		struct rule **rules = realloc(builder->rules, room * sizeof(*rules));
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

/* The queries' trees may share a condition (`with runs`); filtered ones do too. */
struct filtering {
	struct arena *trees;
	struct expression *filter; /* or NULL: no filters */
	const struct expression *last;
	const struct expression *last_filtered;
};

/* The condition and the filters' one; every event of the rule must satisfy both. NULL: no memory.
 */
static const struct expression *add_filter(struct filtering *filtering,
					   const struct expression *condition)
{
	if (!filtering->filter || !condition)
		return condition;
	if (condition == filtering->last)
		return filtering->last_filtered;
	struct expression *operands[] = {
		(struct expression *)(uintptr_t)condition, /* no tree is changed once it is read */
		filtering->filter,
	};
	filtering->last = condition;
	filtering->last_filtered = expression_list(filtering->trees, EXPRESSION_AND, operands, 2);
	return filtering->last_filtered;
}

/* A copy of the query whose terms are filtered. NULL: no memory. */
static const struct query_ast *filter_query(struct filtering *filtering,
					    const struct query_ast *query)
{
	struct query_ast *filtered = arena_take(filtering->trees, sizeof(*filtered));
	struct query_term *terms =
		arena_take(filtering->trees, (query->term_count + 1) * sizeof(*terms));
	if (!filtered || !terms)
		return NULL;
	memcpy(terms, query->terms, query->term_count * sizeof(*terms));
	*filtered = *query;
	filtered->terms = terms;
	if (query->until) {
		terms[query->term_count] = *query->until;
		filtered->until = &terms[query->term_count];
	}
	for (size_t i = 0; i < query->term_count + (query->until != NULL); i++) {
		terms[i].condition = add_filter(filtering, terms[i].condition);
		if (!terms[i].condition)
			return NULL;
	}
	return filtered;
}

/* A KQL query is one term of any category. */
static const struct query_ast *parse_kql(struct compilation *compilation, struct text text)
{
	const struct expression *condition = kql_parse(
		text.bytes, text.size_bytes, compilation->source, compilation->builder->fields,
		compilation->trees, compilation->complaints);
	struct query_ast *query = arena_take(compilation->trees, sizeof(*query));
	struct query_term *term = arena_take(compilation->trees, sizeof(*term));
	if (!condition)
		return NULL;
	if (!query || !term) {
		no_memory(compilation);
		return NULL;
	}
	term->condition = condition;
	term->place = condition->place;
	*query = (struct query_ast){ .kind = QUERY_EVENT, .terms = term, .term_count = 1 };
	return query;
}

static const struct query_ast *parse_query(struct compilation *compilation, struct text text)
{
	if (strcmp(compilation->rule->language, "kuery") == 0)
		return parse_kql(compilation, text);
	return eql_parse(text.bytes, text.size_bytes, compilation->source, compilation->trees,
			 compilation->complaints);
}

/* Parses, filters, compiles. */
static bool compile_draft(struct compilation *compilation, struct rule_draft *draft)
{
	const struct query_source *source = compilation->source;
	const struct text text = { draft->query->text, draft->query->count };
	struct toml_reader reader = {
		.file = source->file,
		.arena = compilation->trees,
		.complaints = compilation->complaints,
	};
	struct filtering filtering = {
		.trees = compilation->trees,
		.filter = (struct expression *)(uintptr_t)rule_filters_read(
			&reader, draft->filters, compilation->builder->fields, source->line_offset,
			compilation->trees),
	};
	const struct query_ast *query = parse_query(compilation, text);
	if (!query || reader.failed)
		return false;
	compilation->query = filter_query(&filtering, query);
	if (!compilation->query)
		return no_memory(compilation);
	if (!compile_query(compilation))
		return false;
	if (strcmp(draft->rule.language, "eql") == 0)
		lint_query(draft, compilation->builder->arena, source->line_offset, query);
	for (size_t i = 0; i < query->term_count; i++)
		if (i == 0 || compilation->programs[i] != compilation->programs[i - 1])
			lint_program(draft, compilation->builder->arena, source->line_offset,
				     &query->terms[i], compilation->programs[i]);
	return true;
}

/* A place in the query's text, counted from the file's line after the offset, as the file has it:
 * escapes and a start in the middle of a line move it. */
static void relocate(const struct rule_draft *draft, const struct text file, uint32_t line_offset,
		     uint32_t *line, uint32_t *column)
{
	const struct toml_node *node = draft->query;
	const char *at = node->text;
	const char *end = node->text + node->count;
	if (*line <= line_offset)
		return; /* a filter's */
	for (uint32_t i = line_offset + 1; i < *line && at; i++) {
		at = memchr(at, '\n', (size_t)(end - at));
		at = at ? at + 1 : NULL;
	}
	if (!at || *column == 0 || *column - 1 > (size_t)(end - at))
		return;
	toml_locate(node, file.bytes, file.size_bytes, (size_t)(at - node->text) + *column - 1,
		    line, column);
}

/* Complaints and lints about the query speak of the file. */
static void relocate_all(struct rule_draft *draft, const struct text file, uint32_t line_offset,
			 struct complaints *complaints, size_t first, uint32_t first_lint)
{
	for (size_t i = first; i < complaints->count; i++)
		relocate(draft, file, line_offset, &complaints->items[i].line,
			 &complaints->items[i].column);
	for (size_t i = first_lint; i < draft->rule.lint_count; i++)
		relocate(draft, file, line_offset, &draft->lints[i].line, &draft->lints[i].column);
}

static bool compile_rule(struct ruleset_builder *builder, struct rule_draft *draft,
			 struct arena *trees, const struct text file, struct complaints *complaints)
{
	uint32_t first_line;
	uint32_t first_column;
	toml_locate(draft->query, file.bytes, file.size_bytes, 0, &first_line, &first_column);
	const struct query_source source = {
		.file = draft->rule.file,
		.line_offset = first_line - 1,
	};
	const struct query_options options = {
		.category_field = draft->rule.event_category_override,
	};
	struct compilation compilation = {
		.builder = builder,
		.trees = trees,
		.options = &options,
		.source = &source,
		.complaints = complaints,
		.rule = &draft->rule,
	};
	const size_t first_complaint = complaints->count;
	const size_t first_lint = draft->rule.lint_count;
	const bool accepted = compile_draft(&compilation, draft);
	relocate_all(draft, file, source.line_offset, complaints, first_complaint,
		     (uint32_t)first_lint);
	return accepted;
}

static bool add_file(struct ruleset_builder *builder, const char *file, const struct text text,
		     struct arena *trees, struct complaints *complaints)
{
	struct rule_draft draft;
	if (!rule_file_read(file, text.bytes, text.size_bytes, trees, builder->arena, complaints,
			    &draft))
		return false;
	if (draft.rule.kind != RULE_NOT_RUN &&
	    !compile_rule(builder, &draft, trees, text, complaints))
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

/* A query is a rule that says nothing about itself. */
static bool add_query(struct compilation *compilation, const struct text text)
{
	struct ruleset_builder *builder = compilation->builder;
	struct rule *rule = compilation->rule;
	rule->query = arena_copy_text(builder->arena, text.bytes, text.size_bytes);
	compilation->query = rule->query ? parse_query(compilation, text) : NULL;
	if (!compilation->query || !compile_query(compilation))
		return false;
	return add_rule(builder, rule) || no_memory(compilation);
}

bool ruleset_add_query(struct ruleset_builder *builder, const char *query, size_t size_bytes,
		       const struct query_options *options, struct complaints *complaints)
{
	static const struct query_options no_options;
	static const struct query_source no_source;
	struct rule rule = {
		.file = "",
		.type = "eql",
		.id = "query",
		.name = "query",
		.description = "",
		.version = "1",
		.language = "eql",
		.until_step = RULE_NO_STEP,
		.datasets = UINT32_MAX,
	};
	struct compilation compilation = {
		.builder = builder,
		.trees = arena_open(TREE_BYTES_MAX),
		.options = options ? options : &no_options,
		.source = &no_source,
		.complaints = complaints,
		.rule = &rule,
	};
	if (!compilation.trees)
		return no_memory(&compilation);
	const bool accepted = add_query(&compilation, (struct text){ query, size_bytes });
	arena_close(compilation.trees);
	return accepted;
}

/* --- building ------------------------------------------------------------------------------------
 */

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
	const struct rule **rules = arena_take(arena, (builder->rule_count + 1) * sizeof(*rules));
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
