/* rule_compile.c: one rule's query to programs, steps and stages. */
#include <stdlib.h>
#include <string.h>

#include "rules/expression.h"
#include "rules/kql.h"
#include "rules/lint.h"
#include "rules/rule_filter.h"
#include "rules/ruleset_parts.h"

enum { STEPS_MAX = 1024 * 1024 };

/* --- steps ------------------------------------------------------------------------------------ */

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

/* --- queries ---------------------------------------------------------------------------------- */

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

/* A copy that outlives the trees. NULL: no memory. */
static void *keep(struct arena *arena, const void *bytes, size_t size_bytes)
{
	void *kept = arena_take(arena, size_bytes + 1);
	if (kept && size_bytes)
		memcpy(kept, bytes, size_bytes);
	return kept;
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
	struct gram_filter grams =
		gram_filter_find(builder->fields, term->condition, compilation->trees);
	access.keys = keep(builder->arena, access.keys, access.count * sizeof(*access.keys));
	grams.needs = keep(builder->arena, grams.needs, grams.count * sizeof(*grams.needs));
	if (!access.keys || !grams.needs)
		return RULE_NO_STEP;
	builder->indexed[builder->step_count] = (struct indexed_step){
		.program = program,
		.access = access,
		.grams = grams,
		.datasets = datasets,
	};
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

/* The queries' trees may share a condition (`with runs`); filtered ones do too. */
struct filtering {
	struct arena *trees;
	struct expression *filter; /* or NULL: no filters */
	const struct expression *last;
	const struct expression *last_filtered;
};

/* The condition and the filters' one; every event of the rule must satisfy both.
 * NULL: no memory. */
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
static bool compile_read_draft(struct compilation *compilation, struct rule_draft *draft)
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
			&reader, draft->filters, compilation->builder->fields, compilation->trees),
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
		lint_query(draft, compilation->builder->arena, query);
	for (size_t i = 0; i < query->term_count; i++)
		if (i == 0 || compilation->programs[i] != compilation->programs[i - 1])
			lint_program(draft, compilation->builder->arena, &query->terms[i],
				     compilation->programs[i]);
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

bool rule_compile_draft(struct ruleset_builder *builder, struct rule_draft *draft, struct text file,
			struct arena *trees, struct complaints *complaints)
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
	const bool accepted = compile_read_draft(&compilation, draft);
	relocate_all(draft, file, source.line_offset, complaints, first_complaint,
		     (uint32_t)first_lint);
	return accepted;
}

bool rule_compile_query(struct ruleset_builder *builder, struct rule *rule, struct text query,
			const struct query_options *options, struct arena *trees,
			struct complaints *complaints)
{
	static const struct query_options no_options;
	static const struct query_source no_source;
	struct compilation compilation = {
		.builder = builder,
		.trees = trees,
		.options = options ? options : &no_options,
		.source = &no_source,
		.complaints = complaints,
		.rule = rule,
	};
	compilation.query = parse_query(&compilation, query);
	return compilation.query && compile_query(&compilation);
}
