/* The language against the published cases: constant folding, refusals with a schema, and the
 * results of event queries. Skipped where the shared data is not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/node.h"
#include "rules/program.h"
#include "tests/support_documents.h"
#include "tests/support_eql.h"
#include "tests/support_shared.h"

static json_t *load_shared(const char *relative)
{
	const char *path = shared_path(relative);
	json_error_t error;
	return path ? json_load_file(path, 0, &error) : NULL;
}

static const char *text_of(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

/* --- folding ---------------------------------------------------------------------------------- */

static bool same_value(const struct value *value, json_t *expected)
{
	switch (value->kind) {
	case VALUE_IS_NULL:
		return json_is_null(expected);
	case VALUE_IS_BOOLEAN:
		return json_is_boolean(expected) && json_is_true(expected) == value->boolean;
	case VALUE_IS_INTEGER:
		return json_is_integer(expected) && json_integer_value(expected) == value->integer;
	case VALUE_IS_DOUBLE:
		return json_is_real(expected) &&
		       fabs(json_real_value(expected) - value->number) < 1e-12;
	case VALUE_IS_TEXT:
		return json_is_string(expected) &&
		       json_string_length(expected) == value->text.size_bytes &&
		       memcmp(json_string_value(expected), value->text.bytes,
			      value->text.size_bytes) == 0;
	default:
		return false;
	}
}

/* What is not folded while checking (string tests) is by compiling. */
static bool folds_to(const char *text, json_t *expected)
{
	struct arena *arena = arena_open(0);
	struct complaints complaints = { 0 };
	struct fields *fields = fields_open();
	struct program_set *set = program_set_open(fields, arena);
	struct checker checker = { .fields = fields, .arena = arena, .complaints = &complaints };
	const struct expression *expression =
		eql_parse_expression(text, strlen(text), NULL, arena, &complaints);
	const struct node *node = expression ? node_check(&checker, expression) : NULL;
	bool same = false;
	if (node && node->kind == NODE_CONSTANT) {
		same = same_value(&node->constant, expected);
	} else if (node) {
		const struct query_term term = { .condition = expression };
		const struct program *program =
			program_compile(set, &term, NULL, NULL, &complaints);
		same = program && json_is_boolean(expected) &&
		       program_constant(program) == (json_is_true(expected) ? PROGRAM_ALWAYS_TRUE
									    : PROGRAM_ALWAYS_FALSE);
	}
	if (!same) {
		printf("%s\n", text);
		complaints_print(&complaints);
	}
	program_set_close(set);
	fields_close(fields);
	arena_close(arena);
	return same;
}

static void published_constant_expressions_fold(void **state)
{
	(void)state;
	json_t *cases = load_shared("eql/fold.json");
	if (!cases)
		skip();
	size_t index;
	json_t *item;
	size_t bad = 0;
	json_array_foreach(cases, index, item) bad +=
		!folds_to(text_of(item, "expression"), json_object_get(item, "expected"));
	printf("fold.json: %zu of %zu\n", json_array_size(cases) - bad, json_array_size(cases));
	json_decref(cases);
	assert_int_equal(bad, 0);
}

/* --- queries ---------------------------------------------------------------------------------- */

struct compiled {
	struct arena *arena;
	struct program_set *set;
	const struct query_ast *query;
	const struct program *program; /* of the first term; NULL: refused */
	struct complaints complaints;
};

static void compile(struct compiled *compiled, const char *text, struct fields *fields,
		    const struct query_options *options)
{
	*compiled = (struct compiled){ .arena = arena_open(0) };
	compiled->set = program_set_open(fields, compiled->arena);
	compiled->query =
		eql_parse(text, strlen(text), NULL, compiled->arena, &compiled->complaints);
	bool good = compiled->query;
	for (size_t i = 0; good && i < compiled->query->term_count; i++) {
		const struct program *program =
			program_compile(compiled->set, &compiled->query->terms[i], options, NULL,
					&compiled->complaints);
		good = program;
		if (i == 0)
			compiled->program = program;
	}
	struct rule_key *keys = calloc(
		((good ? compiled->query->term_count : 0) + 1) * QUERY_KEYS_MAX, sizeof(*keys));
	good = good && program_resolve_keys(compiled->set, compiled->query, options, NULL,
					    &compiled->complaints, keys);
	free(keys);
	if (!good)
		compiled->program = NULL;
}

static void compiled_close(struct compiled *compiled)
{
	program_set_close(compiled->set);
	arena_close(compiled->arena);
}

static void published_queries_against_a_schema_are_refused(void **state)
{
	(void)state;
	json_t *file = load_shared("eql/negatives.json");
	if (!file)
		skip();
	size_t index;
	json_t *item;
	size_t all = 0;
	size_t bad = 0;
	json_array_foreach(json_object_get(file, "cases"), index, item)
	{
		if (strcmp(text_of(item, "stage"), "verify") != 0)
			continue;
		struct fields *fields = fields_open();
		const char *name;
		json_t *type;
		json_object_foreach(json_object_get(file, "schema_for_verify_stage"), name, type)
		{
			const uint16_t field =
				fields_add(fields, name, strlen(name), FIELD_TYPE_KEYWORD);
			fields_set_type(fields, field,
					field_type_of_mapping(json_string_value(type)));
		}
		struct compiled compiled;
		compile(&compiled, text_of(item, "query"), fields,
			&(struct query_options){ .strict_fields = true });
		all++;
		bad += compiled.program != NULL;
		printf("%s\n  -> %s\n", text_of(item, "query"),
		       compiled.program ? "ACCEPTED" : compiled.complaints.items[0].text);
		compiled_close(&compiled);
		fields_close(fields);
	}
	printf("negatives.json, verify: %zu of %zu\n", all - bad, all);
	json_decref(file);
	assert_int_equal(bad, 0);
}

/* Ids as one text, ascending by index: these cases compare as sets unless pipes cut. */
static void run_event_query(const struct documents *documents, const struct compiled *compiled,
			    size_t size, json_t *out_ids)
{
	struct program_scratch *scratch = program_scratch_open(compiled->set);
	const struct query_ast *query = compiled->query;
	for (size_t i = 0; i < documents->count; i++) {
		program_scratch_next_event(scratch);
		if (program_match(compiled->program, scratch, documents->events[i]))
			json_array_append_new(out_ids, json_string(documents->ids[i]));
	}
	program_scratch_close(scratch);
	for (size_t i = 0; i <= query->pipe_count; i++) {
		const bool last = i == query->pipe_count;
		const size_t count = last ? size : query->pipes[i].count;
		const bool tail = last || query->pipes[i].tail;
		while (json_array_size(out_ids) > count)
			json_array_remove(out_ids, tail ? 0 : json_array_size(out_ids) - 1);
	}
}

static bool same_ids(json_t *found, json_t *expected)
{
	if (json_array_size(found) != json_array_size(expected))
		return false;
	size_t index;
	json_t *id;
	json_array_foreach(expected, index, id)
	{
		char text[64];
		if (json_is_integer(id))
			snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(id));
		else
			snprintf(text, sizeof(text), "%s", json_string_value(id));
		bool there = false;
		size_t other;
		json_t *candidate;
		json_array_foreach(found, other, candidate) there =
			there || strcmp(json_string_value(candidate), text) == 0;
		if (!there)
			return false;
	}
	return true;
}

static bool check_event_case(json_t *item)
{
	char relative[256];
	snprintf(relative, sizeof(relative), "eql/data/%s", text_of(item, "data"));
	struct documents *documents = documents_open(shared_path(relative));
	assert_non_null(documents);
	struct compiled compiled;
	compile(&compiled, text_of(item, "query"), documents->fields,
		&(struct query_options){ .category_field = documents->category_field });
	json_t *found = json_array();
	const json_t *size = json_object_get(item, "size");
	if (compiled.program)
		run_event_query(documents, &compiled,
				size ? (size_t)json_integer_value(size) : SIZE_MAX, found);
	const bool same =
		compiled.program && same_ids(found, json_object_get(item, "expected_event_ids"));
	if (!same) {
		char *text = json_dumps(found, JSON_COMPACT);
		char *expected =
			json_dumps(json_object_get(item, "expected_event_ids"), JSON_COMPACT);
		printf("%s: %s\n  found %s\n  expected %s\n", text_of(item, "id"),
		       text_of(item, "query"), text, expected);
		complaints_print(&compiled.complaints);
		if (compiled.program)
			program_print(compiled.program, stdout);
		free(text);
		free(expected);
	}
	json_decref(found);
	compiled_close(&compiled);
	documents_close(documents);
	return same;
}

static void published_event_queries_find_what_elasticsearch_finds(void **state)
{
	(void)state;
	json_t *cases = load_shared("eql/cases.json");
	if (!cases)
		skip();
	size_t index;
	json_t *item;
	size_t all = 0;
	size_t bad = 0;
	json_array_foreach(cases, index, item)
	{
		if (strcmp(text_of(item, "dialect"), "endgame") == 0 ||
		    json_array_size(json_object_get(item, "requires")) > 0 ||
		    !json_object_get(item, "expected_event_ids"))
			continue;
		all++;
		bad += !check_event_case(item);
	}
	printf("cases.json, event queries: %zu of %zu\n", all - bad, all);
	json_decref(cases);
	assert_int_equal(bad, 0);
}

/* --- rules ------------------------------------------------------------------------------------ */

struct rules_run {
	struct arena *arena;
	struct fields *fields;
	struct program_set *set;
	size_t bad;
	size_t programs;
};

static void compile_rule(void *context, const char *file, const char *text, size_t size_bytes)
{
	struct rules_run *run = context;
	struct complaints complaints = { 0 };
	const struct query_source source = { .file = file };
	const struct query_ast *query =
		eql_parse(text, size_bytes, &source, run->arena, &complaints);
	for (size_t i = 0; query && i < query->term_count; i++)
		run->programs += program_compile(run->set, &query->terms[i], NULL, &source,
						 &complaints) != NULL;
	struct rule_key keys[8 * QUERY_KEYS_MAX];
	if (query && query->term_count < 8)
		program_resolve_keys(run->set, query, NULL, &source, &complaints, keys);
	complaints_print(&complaints);
	run->bad += complaints.count > 0;
}

static void the_public_rules_compile(void **state)
{
	(void)state;
	struct rules_run run = { .arena = arena_open(0), .fields = fields_open() };
	run.set = program_set_open(run.fields, run.arena);
	const size_t count = each_rule_query("eql/rules", compile_rule, &run);
	printf("%zu public EQL rules, %zu programs, %zu refused, %zu MB\n", count, run.programs,
	       run.bad, arena_used_bytes(run.arena) >> 20);
	program_set_close(run.set);
	fields_close(run.fields);
	arena_close(run.arena);
	if (count == 0)
		skip();
	assert_int_equal(run.bad, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_constant_expressions_fold),
		cmocka_unit_test(published_queries_against_a_schema_are_refused),
		cmocka_unit_test(published_event_queries_find_what_elasticsearch_finds),
		cmocka_unit_test(the_public_rules_compile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
