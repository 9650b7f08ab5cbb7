/* Checking and compiling: what is refused, what programs look like, and what they tell an index. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/program.h"
#include "tests/support_eql.h"

struct fixture {
	struct arena *arena;
	struct fields *fields;
	struct program_set *set;
	struct event_builder *builder;
	struct complaints complaints;
	struct counters counters;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	fixture->arena = arena_open(0);
	fixture->fields = fields_open();
	fixture->set = program_set_open(fixture->fields, fixture->arena);
	fixture->builder = event_builder_open(fixture->fields, &fixture->counters);
	*state = fixture;
	return fixture->set && fixture->builder ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	event_builder_close(fixture->builder);
	program_set_close(fixture->set);
	fields_close(fixture->fields);
	arena_close(fixture->arena);
	free(fixture);
	return 0;
}

static const struct program *compile_with(struct fixture *fixture, const char *query,
					  const struct query_options *options)
{
	memset(&fixture->complaints, 0, sizeof(fixture->complaints));
	const struct query_source source = { .file = "rule" };
	const struct query_ast *ast =
		eql_parse(query, strlen(query), &source, fixture->arena, &fixture->complaints);
	const struct program *program = ast ? program_compile(fixture->set, &ast->terms[0], options,
							      &source, &fixture->complaints)
					    : NULL;
	if ((program == NULL) != (fixture->complaints.count > 0))
		fail_msg("%s", query);
	return program;
}

static const struct program *compile(struct fixture *fixture, const char *query)
{
	const struct program *program = compile_with(fixture, query, NULL);
	complaints_print(&fixture->complaints);
	assert_non_null(program);
	return program;
}

static char *printed(const struct program *program)
{
	char *text;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	program_print(program, stream);
	fclose(stream);
	return text;
}

static void conditions_that_make_no_sense_are_refused_at_their_place(void **state)
{
	static const struct {
		const char *query;
		uint64_t column;
		const char *text;
		bool strict;
	} cases[] = {
		/* NOLINT(clang-analyzer-optin.performance.Padding): in reading order */
		{ "any where process.nmae == \"x\"", 11, "did you mean `process.name`", true },
		{ "any where process.pid", 11, "expected a condition", false },
		{ "any where process.name and true", 11, "found a string, expected a condition",
		  false },
		{ "any where process.pid == process.parent.pid", 23, "comparison of two fields",
		  false },
		{ "any where process.name == \"a\" or process.name > 1", 49, "beside a string",
		  false },
		{ "any where process.pid == \"x\"", 26, "beside a number", false },
		{ "any where process.pid == \"1\"", 26, "beside a number", true },
		{ "any where destination.ip == \"x\"", 29, "beside an IP address", false },
		{ "any where destination.ip : \"10.*\"", 11, "left of a string test", false },
		{ "any where process.pid : \"1\"", 11, "left of a string test", false },
		{ "any where process.name in (user.name)", 28, "not constant", false },
		{ "any where process.pid in~ (1)", 11, "left of a string test", false },
		{ "any where process.name in~ (1)", 29, "expected a string", false },
		{ "any where @timestamp > \"soon\"", 24, "beside a date", false },
		{ "any where -process.name == 1", 12, "expected a number", false },
		{ "any where true > false", 16, "boolean", false },
		{ "any where lenght(process.name) == 1", 11, "did you mean `length`", false },
		{ "any where length~(process.name) == 1", 11, "without a `~` form", false },
		{ "any where length() == 1", 11, "expected 1", false },
		{ "any where length(1) == 1", 18, "expected a string", false },
		{ "any where cidrMatch(destination.ip)", 11, "at least 2", false },
		{ "any where cidrMatch(process.name, \"10.0.0.0/8\")", 21, "expected an IP address",
		  false },
		{ "any where cidrMatch(destination.ip, \"10.0.0.0/99\")", 37, "expected a network",
		  false },
		{ "any where cidrMatch(destination.ip, user.name)", 37, "not constant", false },
		{ "any where process.name regex \"~a\"", 24, "complement", false },
	};
	struct fixture *fixture = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fields_add(fixture->fields, "@timestamp", 10, FIELD_TYPE_DATE);
		const struct program *program =
			compile_with(fixture, cases[i].query,
				     &(struct query_options){ .strict_fields = cases[i].strict });
		const struct complaint *complaint = &fixture->complaints.items[0];
		if (program)
			fail_msg("accepted: %s", cases[i].query);
		if (complaint->column == cases[i].column && strstr(complaint->text, cases[i].text))
			continue;
		complaint_print(complaint, stdout);
		fail_msg(": %s", cases[i].query);
	}
}

static void every_error_of_a_condition_is_told(void **state)
{
	struct fixture *fixture = *state;
	assert_null(compile_with(fixture,
				 "any where process.pid : \"x\" and lenght(user.name) > 1\n"
				 "  or cidrMatch(destination.ip, \"x\", \"y\")",
				 NULL));
	assert_int_equal(fixture->complaints.count, 4);
	assert_int_equal(fixture->complaints.items[3].line, 2);
}

static void programs_print_as_decisions(void **state)
{
	static const struct {
		const char *query;
		const char *text;
	} cases[] = {
		{ "any where true", "always yes\n" },
		{ "any where 1 + 1 == 3 or not \"a\" like \"?\"", "always no\n" },
		{ "any where process.name : \"CMD.exe\"",
		  "   0  true: yes  false: no  process.name in~ (\"CMD.exe\")\n" },
		{ "process where not process.pid in (3, 1, 3)",
		  "   0  true: 1  false: no  event.category in (\"process\")\n"
		  "   1  true: no  false: yes  process.pid in (1, 3)\n" },
		{ "any where process.name : (\"b*\", \"c\", \"a?\") or ?user.id == null",
		  "   0  true: 1  false: yes  user.id exists\n"
		  "   1  true: yes  false: 2  process.name in~ (\"c\")\n"
		  "   2  true: yes  false: no  process.name like~ (\"a?\", \"b*\")\n" },
		{ "any where cidrmatch(destination.ip, \"10.1.2.3/8\") and length(user.name) > 2 * "
		  "2",
		  "   0  true: 1  false: no  destination.ip in networks (10.0.0.0/8)\n"
		  "   1  true: yes  false: no  script >(length(user.name), 4)\n" },
		{ "any where destination.ip != \"::ffff:1.2.3.4\"",
		  "   0  true: no  false: yes  destination.ip in networks (1.2.3.4/32)\n" },
		{ "any where process.name : \"*\"",
		  "   0  true: yes  false: no  process.name exists\n" },
		{ "any where `a b`.c == 1.5", "   0  true: yes  false: no  `a b.c` in (1.5)\n" },
	};
	struct fixture *fixture = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = printed(compile(fixture, cases[i].query));
		if (strcmp(text, cases[i].text) != 0)
			fail_msg("%s:\n%s", cases[i].query, text);
		free(text);
	}
}

static void conditions_that_say_the_same_are_equal_programs(void **state)
{
	struct fixture *fixture = *state;
	const struct program *one = compile(
		fixture, "process where process.name : (\"b\", \"a\") and not process.pid == 4");
	const struct program *same = compile(
		fixture,
		"process where (process.name : (\"a\", \"b\", \"a\")) and process.pid != 2 + 2");
	const struct program *other = compile(
		fixture, "process where process.name : (\"a\", \"c\") and process.pid != 4");
	assert_true(program_equal(one, same));
	assert_int_equal(program_hash(one), program_hash(same));
	assert_false(program_equal(one, other));
}

static const struct conjunct *find_conjunct(const struct program *program, uint16_t field)
{
	size_t count;
	const struct conjunct *conjuncts = program_conjuncts(program, &count);
	for (size_t i = 0; i < count; i++)
		if (conjuncts[i].field == field)
			return &conjuncts[i];
	return NULL;
}

static void conjuncts_tell_an_index_what_must_hold(void **state)
{
	struct fixture *fixture = *state;
	const struct program *program = compile(
		fixture, "network where process.name : (\"CMD.exe\", \"powershell.exe\") and\n"
			 "  not (cidrmatch(destination.ip, \"10.0.0.0/8\", \"fe80::/10\") or\n"
			 "       process.pid in (4, 8)) and user.id != null and\n"
			 "  (event.action == \"a\" or event.type == \"b\")");
	const struct conjunct *category = find_conjunct(program, FIELD_event_category);
	assert_int_equal(category->kind, CONJUNCT_TEXTS);
	assert_string_equal(category->texts[0].bytes, "network");
	assert_false(category->insensitive);
	const struct conjunct *name = find_conjunct(program, FIELD_process_name);
	assert_int_equal(name->count, 2);
	assert_true(name->insensitive);
	assert_false(name->negated);
	const struct conjunct *networks = find_conjunct(program, FIELD_destination_ip);
	assert_int_equal(networks->kind, CONJUNCT_NETWORKS);
	assert_true(networks->negated);
	assert_int_equal(networks->count, 2);
	const struct conjunct *pid = find_conjunct(program, FIELD_process_pid);
	assert_int_equal(pid->kind, CONJUNCT_INTEGERS);
	assert_true(pid->negated);
	assert_int_equal(pid->integers[1], 8);
	assert_int_equal(find_conjunct(program, FIELD_user_id)->kind, CONJUNCT_EXISTS);
	assert_null(find_conjunct(program, FIELD_event_action));
}

static void required_fields_are_those_without_which_nothing_can_match(void **state)
{
	static const struct {
		const char *query;
		bool required; /* process.name */
	} cases[] = {
		{ "any where process.name == \"a\"", true },
		{ "any where process.name != \"a\"", false },
		{ "any where not process.name : \"a*\"", false },
		{ "any where process.name == null", false },
		{ "any where process.name != null", true },
		{ "any where process.name == \"a\" or process.name : \"b*\"", true },
		{ "any where process.name == \"a\" or user.id == \"b\"", false },
		{ "any where user.id == \"b\" and length(process.name) > 3", true },
		{ "any where not length(process.name) > 3", false },
		{ "any where concat(process.name, \"x\") == null", false },
		{ "any where user.id == \"b\"", false },
	};
	struct fixture *fixture = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct program *program = compile(fixture, cases[i].query);
		size_t count;
		const uint16_t *fields = program_required_fields(program, &count);
		bool required = false;
		for (size_t j = 0; j < count; j++)
			required |= fields[j] == FIELD_process_name;
		if (required != cases[i].required)
			fail_msg("%s", cases[i].query);
	}
	size_t count;
	const uint16_t *fields = program_fields(
		compile(fixture, "any where length(process.name) > 1 or user.id == \"x\""), &count);
	assert_int_equal(count, 2);
	assert_true(fields[0] < fields[1]);
	assert_true(fields_wanted(fixture->fields, FIELD_process_name));
	assert_false(fields_wanted(fixture->fields, FIELD_destination_port));
}

static void fields_that_nobody_typed_take_values_as_they_come(void **state)
{
	static const struct {
		const char *condition;
		bool matches;
	} cases[] = {
		{ "x.number == 5", true },
		{ "x.number == \"5\"", true },
		{ "x.number in (4, 5)", true },
		{ "x.number > 4", true },
		{ "x.text == 12", true },
		{ "x.text > 11.5", true },
		{ "x.text : \"1*\"", true },
		{ "x.address == \"10.0.0.1\"", true },
		{ "cidrmatch(x.address, \"10.0.0.0/8\")", true },
		{ "cidrmatch(x.text, \"10.0.0.0/8\")", false },
		{ "x.truth == true", true },
		{ "x.truth", true },
		{ "x.truth == \"true\"", true },
		{ "x.time == 1577836800000", true },
		{ "x.time > \"2019-12-31\"",
		  true }, /* as texts: nothing says that they are dates */
		{ "not x.none : \"a\"", true },
		{ "?x.none == ?y.none", true },
		{ "?x.none == ?x.text", false },
		{ "event.code == 4688", true },
		{ "process.pid == \"4\"", true },
		{ "?x.none != ?y.none", false },
	};
	struct fixture *fixture = *state;
	struct fields *fields = fixture->fields;
	const struct ip_address address = ip_address_from_v4((const uint8_t[]){ 10, 0, 0, 1 });
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char query[128];
		snprintf(query, sizeof(query), "any where %s", cases[i].condition);
		const struct program *program = compile(fixture, query);
		fields_want_all(fields);
		event_begin(fixture->builder);
#define ADD(kind, name, ...)                                                                       \
	event_add_##kind(fixture->builder, fields_add(fields, name, strlen(name), FIELD_TYPE_ANY), \
			 __VA_ARGS__)
		ADD(integer, "x.number", 5);
		ADD(text, "x.text", "12", 2);
		ADD(address, "x.address", &address);
		ADD(boolean, "x.truth", true);
		ADD(time, "x.time", 1577836800000000000U);
		event_add_text(fixture->builder, FIELD_event_code, "4688", 4);
		event_add_integer(fixture->builder, FIELD_process_pid, 4);
		const struct event *event = event_end(fixture->builder);
		struct program_scratch *scratch = program_scratch_open(fixture->set);
		program_scratch_next_event(scratch);
		if (program_match(program, scratch, event) != cases[i].matches)
			fail_msg("%s", cases[i].condition);
		program_scratch_close(scratch);
	}
}

static void functions_count_utf16_units_and_fold_ascii_only(void **state)
{
	static const char *const truths[] = {
		"length(\"\\u{1f4a9}a\") == 3",
		"indexOf(\"\\u{1f4a9}a\", \"a\") == 2",
		"substring(\"\\u{1f4a9}a\", 2) == \"a\"",
		"substring(\"\xc3\xa9t\xc3\xa9\", -1) == \"\xc3\xa9\"",
		"startsWith~(\"ABC\", \"ab\")",
		"not endsWith~(\"\xc3\x89\", \"\xc3\xa9\")",
		"string(1.5) == \"1.5\" and string(100.0) == \"100.0\"",
		"string(1e10) == \"1.0E10\" and string(0.00025) == \"2.5E-4\"",
		"concat(1, true, \"x\", 2.5) == \"1truex2.5\"",
		"number(\"0x1F\") == 31 and number(\"1f\", 16) == 31 and number(\"x\") == null",
		"number(\"1e3\") == 1000 and number(\"\") == null",
		"7 / 0 == null and 7 % 0 == null and 1.0 / 0 == null",
		"-7 / 2 == -3 and -7 % 3 == -1 and 7 / 2.0 == 3.5",
		"9223372036854775807 + 1 == null and -(-9223372036854775807 - 1) == null",
		"indexOf(\"abc\", \"c\", 99) == null and indexOf(\"abc\", \"b\", -5) == 1",
		"cidrMatch(\"10.1.2.3\", \"10.0.0.0/8\") and not cidrMatch(\"::1\", \"0.0.0.0/0\")",
		"between(\"a[b][c]\", \"[\", \"]\", true) == \"b][c\"",
		"\"a\" in (null, \"a\") and not \"b\" in (\"a\", null)",
		"\"A\" in~ (\"b\", \"a\")",
		"\"a\" regex (\"b\", \"[a-c]\")",
		"add(1, 2) == 3 and subtract(1, 2) == -1 and multiply(3, 2) == 6",
		"divide(7, 2) == 3 and modulo(7, 4) == 3",
	};
	struct fixture *fixture = *state;
	for (size_t i = 0; i < sizeof(truths) / sizeof(truths[0]); i++) {
		char query[512];
		snprintf(query, sizeof(query), "any where %s", truths[i]);
		if (program_constant(compile(fixture, query)) != PROGRAM_ALWAYS_TRUE)
			fail_msg("%s", truths[i]);
	}
}

static void join_keys_have_to_be_of_one_type(void **state)
{
	static const struct {
		const char *query;
		bool good;
	} cases[] = {
		{ "sequence by process.pid [any where true] [any where true]", true },
		{ "sequence [any where true] by source.ip [any where true] by destination.ip",
		  true },
		{ "sequence [any where true] by process.pid [any where true] by user.name", false },
		{ "sequence [any where true] by process.pid [any where true] by no.such", true },
		{ "sequence [any where true] by user.id [any where true] by user.name until "
		  "[any where true] by source.port",
		  false },
	};
	struct fixture *fixture = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&fixture->complaints, 0, sizeof(fixture->complaints));
		const struct query_ast *ast = eql_parse(cases[i].query, strlen(cases[i].query),
							NULL, fixture->arena, &fixture->complaints);
		struct rule_key keys[3 * QUERY_KEYS_MAX];
		assert_non_null(ast);
		if (program_resolve_keys(fixture->set, ast, NULL, NULL, &fixture->complaints,
					 keys) != cases[i].good)
			fail_msg("%s", cases[i].query);
	}
	assert_string_equal(fixture->complaints.items[0].text,
			    "found the join key `source.port`, a number, which cannot equal "
			    "`user.id`, a string");
}

/* `piece` `count` times, each with its number for `#`. */
static char *repeated(const char *start, const char *piece, size_t count, const char *end)
{
	char *text;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	fputs(start, stream);
	for (size_t i = 0; i < count; i++)
		for (const char *byte = piece; *byte; byte++)
			if (*byte == '#')
				fprintf(stream, "%zu", i);
			else
				fputc(*byte, stream);
	fputs(end, stream);
	fclose(stream);
	return text;
}

static void hostile_conditions_are_refused_or_compiled_in_bounded_memory(void **state)
{
	static const struct {
		const char *name;
		const char *start;
		const char *piece;
		size_t count;
		const char *end;
	} cases[] = {
		{ "a long list", "any where user.name in (\"x\"", ",\"#\"", 90000, ")" },
		{ "many patterns", "any where user.name : (\"x\"", ",\"*#*\"", 5000, ")" },
		{ "too many patterns", "any where user.name : (\"x\"", ",\"*#*\"", 70000, ")" },
		{ "patterns that multiply", "any where user.name : (\"x\"", ",\"*a*b#*??????*\"",
		  2500, ")" },
		{ "many lists that multiply", "any where false",
		  " or user.name : \"*a????????????????*#????????????\"", 12000, "" },
		{ "many small patterns", "any where false", " or user.name : \"*#*\"", 30000, "" },
		{ "many expressions", "any where false", " or user.name regex \"(a|b)*#\"", 20000,
		  "" },
		{ "constant tests", "any where false", " or \"#\" like \"*x*\"", 30000, "" },
		{ "many fields", "any where false", " or f# == 1", 40000, "" },
		{ "many scripts", "any where false", " or length(user.name) == #", 20000, "" },
		{ "many networks", "any where cidrMatch(source.ip", ", \"10.#.0.0/16\"", 30000,
		  ")" },
		{ "alternations", "any where user.id : \"a\"",
		  " and (user.name : \"#\" or user.id : \"b\")", 15000, "" },
	};
	struct fixture *fixture = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena *arena = arena_open(0);
		struct fields *fields = fields_open();
		struct program_set *set = program_set_open(fields, arena);
		char *query =
			repeated(cases[i].start, cases[i].piece, cases[i].count, cases[i].end);
		const struct query_ast *ast =
			eql_parse(query, strlen(query), NULL, arena, &fixture->complaints);
		complaints_print(&fixture->complaints);
		assert_non_null(ast);
		memset(&fixture->complaints, 0, sizeof(fixture->complaints));
		if (ast)
			program_compile(set, &ast->terms[0], NULL, NULL, &fixture->complaints);
		if (arena_used_bytes(arena) > 200U << 20)
			fail_msg("%s: %zu MB", cases[i].name, arena_used_bytes(arena) >> 20);
		free(query);
		program_set_close(set);
		fields_close(fields);
		arena_close(arena);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(conditions_that_make_no_sense_are_refused_at_their_place),
		TEST(every_error_of_a_condition_is_told),
		TEST(programs_print_as_decisions),
		TEST(conditions_that_say_the_same_are_equal_programs),
		TEST(conjuncts_tell_an_index_what_must_hold),
		TEST(required_fields_are_those_without_which_nothing_can_match),
		TEST(fields_that_nobody_typed_take_values_as_they_come),
		TEST(functions_count_utf16_units_and_fold_ascii_only),
		TEST(join_keys_have_to_be_of_one_type),
		TEST(hostile_conditions_are_refused_or_compiled_in_bounded_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
