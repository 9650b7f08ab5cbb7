/* The grammar: what is read as what, and what is refused where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/eql.h"
#include "tests/support_eql.h"
#include "tests/support_shared.h"

struct fixture {
	struct arena *arena;
	struct complaints complaints;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	fixture->arena = arena_open(0);
	*state = fixture;
	return fixture->arena ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	arena_close(fixture->arena);
	free(fixture);
	return 0;
}

static const struct query_ast *parse(struct fixture *fixture, const char *query)
{
	/* Exact size, so that ASan sees one byte too far. */
	const size_t size = strlen(query);
	char *exact = malloc(size + (size == 0));
	for (size_t i = 0; i < size; i++)
		exact[i] = query[i];
	fixture->complaints.count = 0;
	fixture->complaints.omitted_count = 0;
	const struct query_ast *ast = eql_parse(exact, size, &(struct query_source){ "rule", 0 },
						fixture->arena, &fixture->complaints);
	free(exact);
	assert_int_equal(ast == NULL, fixture->complaints.count > 0);
	return ast;
}

/* --- the tree as text: (and (== process.name "cmd.exe") ...) ---------------------------------- */

static void write_expression(FILE *out, const struct expression *expression)
{
	static const char *const operations[] = { "",	"+",  "-", "*",	 "/", "%",
						  "==", "!=", "<", "<=", ">", ">=" };
	static const char *const kinds[] = {
		[EXPRESSION_NEGATE] = "negate", [EXPRESSION_IN] = "in",
		[EXPRESSION_LIKE] = "like",	[EXPRESSION_REGEX] = "regex",
		[EXPRESSION_NOT] = "not",	[EXPRESSION_AND] = "and",
		[EXPRESSION_OR] = "or",
	};
	const struct constant *constant = &expression->constant;
	switch (expression->kind) {
	case EXPRESSION_FIELD:
		fprintf(out, "%s%s", expression->optional ? "?" : "", expression->name.bytes);
		return;
	case EXPRESSION_CONSTANT:
		if (constant->type == CONSTANT_TEXT)
			fprintf(out, "\"%s\"", constant->text.bytes);
		else if (constant->type == CONSTANT_INTEGER)
			fprintf(out, "%lld", (long long)constant->integer);
		else if (constant->type == CONSTANT_DOUBLE)
			fprintf(out, "%g", constant->number);
		else if (constant->type == CONSTANT_BOOLEAN)
			fputs(constant->boolean ? "true" : "false", out);
		else
			fputs("null", out);
		return;
	case EXPRESSION_CALL:
		fprintf(out, "(%s", expression->name.bytes);
		break;
	case EXPRESSION_ARITHMETIC:
	case EXPRESSION_COMPARE:
		fprintf(out, "(%s", operations[expression->operation]);
		break;
	default:
		fprintf(out, "(%s", kinds[expression->kind]);
		break;
	}
	if (expression->insensitive)
		fputc('~', out);
	for (size_t i = 0; i < expression->operand_count; i++) {
		fputc(' ', out);
		write_expression(out, expression->operands[i]);
	}
	fputc(')', out);
}

static void expressions_are_read_with_the_right_precedence(void **state)
{
	static const struct {
		const char *query;
		const char *tree;
	} cases[] = {
		{ "a == 1 or b == 2 and c == 3", "(or (== a 1) (and (== b 2) (== c 3)))" },
		{ "not a == 1 and b == 2", "(and (not (== a 1)) (== b 2))" },
		{ "not not a", "(not (not a))" },
		{ "not (a and b) or c", "(or (not (and a b)) c)" },
		{ "a and b and c and d", "(and a b c d)" },
		{ "1 + 2 * 3 == a", "(== (+ 1 (* 2 3)) a)" },
		{ "1 - 2 - 3 < a", "(< (- (- 1 2) 3) a)" },
		{ "-a * 2 > -1", "(> (* (negate a) 2) (negate 1))" },
		{ "+a > - -1", "(> a (negate (negate 1)))" },
		{ "a % 2 == 1", "(== (% a 2) 1)" },
		{ "a : \"x*\"", "(like~ a \"x*\")" },
		{ "a : (\"x*\", \"y\")", "(like~ a \"x*\" \"y\")" },
		{ "a like \"x\" and a like~ (\"y\")", "(and (like a \"x\") (like~ a \"y\"))" },
		{ "a regex \"x\" or a regex~ \"y\"", "(or (regex a \"x\") (regex~ a \"y\"))" },
		{ "a in (1, 2.5, null, true)", "(in a 1 2.5 null true)" },
		{ "a not in (\"x\")", "(not (in a \"x\"))" },
		{ "a not in~ (\"x\")", "(not (in~ a \"x\"))" },
		{ "a in~ (\"x\", \"y\") and b", "(and (in~ a \"x\" \"y\") b)" },
		{ "startsWith~(a.b, \"x\")", "(startsWith~ a.b \"x\")" },
		{ "length(a) + 1 == 2", "(== (+ (length a) 1) 2)" },
		{ "f() and g(1)", "(and (f) (g 1))" },
		{ "`a-b`.c.`x``y` == 1", "(== a-b.c.x`y 1)" },
		{ "?a.b != null", "(!= ?a.b null)" },
		{ "?`@x` == null and @timestamp > 0", "(and (== ?@x null) (> @timestamp 0))" },
		{ "a == 9223372036854775807", "(== a 9223372036854775807)" },
		{ "a == 9223372036854775808", "(== a 9.22337e+18)" },
		{ "a == 1e3 and b == .5 and c == 1.", "(and (== a 1000) (== b 0.5) (== c 1))" },
		{ "a == \"t\\t\\\"\\\\\\u0041\\u{1f4a9}\"", "(== a \"t\t\"\\A\xf0\x9f\x92\xa9\")" },
		{ "a == \"\"\"C:\\x \"q\" \"\"\"", "(== a \"C:\\x \"q\" \")" },
		{ "a == \"\"\"\"\"q\"\"\"\"\"", "(== a \"\"\"q\"\"\")" },
		{ "a == \"\" and b == \"\"\"\"\"\"", "(and (== a \"\") (== b \"\"))" },
		{ "a // c\n == /* x /* y */ z */ 1", "(== a 1)" },
	};
	struct fixture *fixture = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct expression *expression =
			eql_parse_expression(cases[i].query, strlen(cases[i].query), NULL,
					     fixture->arena, &fixture->complaints);
		char *text = NULL;
		size_t size;
		FILE *out = open_memstream(&text, &size);
		if (expression)
			write_expression(out, expression);
		fclose(out);
		if (strcmp(text, cases[i].tree) != 0) {
			complaints_print(&fixture->complaints);
			fail_msg("%s: read as %s", cases[i].query, text);
		}
		free(text);
	}
}

static void refusals_tell_the_place_and_what_was_expected(void **state)
{
	static const struct {
		const char *query;
		uint32_t line;
		uint32_t column;
		const char *text;
	} cases[] = {
		{ "", 1, 1, "found the end of the query, expected an event category" },
		{ "process", 1, 8, "expected `where`" },
		{ "42 where true", 1, 1, "expected an event category" },
		{ "?x where true", 1, 1, "found `?`, expected an event category" },
		{ "`x` where true", 1, 1, "expected an event category" },
		{ "process where a = 1", 1, 17, "found `=`, expected `==`" },
		{ "process where a == 'x'", 1, 20, "single quote" },
		{ "process where\n\ta == \"x", 2, 7, "string that does not end" },
		{ "process where a == \"a\\qb\"", 1, 22, "unknown escape" },
		{ "process where a == \"\\u00U1\"", 1, 21, "bad `\\u` escape" },
		{ "process where a == \"\\u{1}\"", 1, 21, "bad `\\u` escape" },
		{ "process where a == \"\\ud800\"", 1, 21, "no character" },
		{ "process where a == \"\\u{110000}\"", 1, 21, "no character" },
		{ "process where a == \"\\u0000\"", 1, 21, "no character" },
		{ "process where a < b <= c", 1, 21, "comparisons do not chain" },
		{ "process where a[0] == 1", 1, 16, "array index" },
		{ "process where a : 1", 1, 19, "expected a string or a list of strings" },
		{ "process where a : (\"x\", b)", 1, 25, "expected a string" },
		{ "process where a in ()", 1, 21, "expected a value" },
		{ "process where a not like \"x\"", 1, 21, "expected `in`" },
		{ "process where child of [file where true]", 1, 21, "relationships" },
		{ "process where a and", 1, 20, "expected a value" },
		{ "process where (a", 1, 17, "expected `)`" },
		{ "process where a b", 1, 17, "found `b`, expected `and`, `or`" },
		{ "process where null.a == 1", 1, 19, "found `.`" },
		{ "process where a.any == 1", 1, 17, "reserved words need back-quotes" },
		{ "process where `a == 1", 1, 15, "never closed" },
		{ "process where `` == 1", 1, 15, "empty name" },
		{ "process where /* x", 1, 14, "comment that is never closed" },
		{ "process where true | sort a", 1, 22, "`head` and `tail`" },
		{ "process where true | head", 1, 26, "whole number" },
		{ "process where true | head -1", 1, 27, "whole number" },
		{ "process where true | head 1, 2", 1, 28, "found `,`" },
		{ "join [a where true] [b where true]", 1, 1, "`join`, which is not supported" },
		{ "sequence [a where true]", 1, 1, "sequence of one term" },
		{ "sequence by k with maxspan=5 x [a where true] [b where true]", 1, 30,
		  "unit of time" },
		{ "sequence with maxspan=1.5h [a where true] [b where true]", 1, 23,
		  "whole number and a unit" },
		{ "sequence with maxspan=0s [a where true] [b where true]", 1, 23, "positive" },
		{ "sequence with maxspan=999999999999d [a where true] [b where true]", 1, 23,
		  "positive" },
		{ "sequence with maxspan=1s by k [a where true] [b where true]", 1, 26,
		  "behind `with`" },
		{ "sequence [a where true] with runs=101 [b where true]", 1, 35, "101 runs" },
		{ "sequence [a where true] by x [b where true]", 1, 30, "found 0 join keys" },
		{ "sequence [a where true] ![b where true]", 1, 25, "missing event" },
		{ "sequence with maxspan=1s ![a where true] ![b where true]", 1, 1,
		  "only missing" },
		{ "sequence [a where true] [b where true] until ![c where true]", 1, 46,
		  "behind `until`" },
		{ "sample [a where true] [b where true]", 1, 1, "without join keys" },
		{ "sample by x with maxspan=1s [a where true] [b where true]", 1, 18,
		  "no maxspan" },
		{ "sample by x [a where true] with runs=2", 1, 33, "sample cannot" },
		{ "sample by x [a where true] ![b where true]", 1, 28, "missing events" },
		{ "sample by x [a where true] [b where true] until [c where true]", 1, 43,
		  "`until`" },
	};
	struct fixture *fixture = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (parse(fixture, cases[i].query))
			fail_msg("accepted: %s", cases[i].query);
		const struct complaint *complaint = &fixture->complaints.items[0];
		if (complaint->line != cases[i].line || complaint->column != cases[i].column ||
		    !strstr(complaint->text, cases[i].text)) {
			complaint_print(complaint, stdout);
			fail_msg(": %s", cases[i].query);
		}
	}
}

static void every_bad_term_of_a_sequence_is_told(void **state)
{
	struct fixture *fixture = *state;
	assert_null(parse(fixture, "sequence by k\n"
				   "  [process where a = 1]\n"
				   "  [network where b : 2] by\n"
				   "x\n"
				   "  [file where true]\n"));
	complaints_print(&fixture->complaints);
	assert_int_equal(fixture->complaints.count, 3);
	assert_int_equal(fixture->complaints.items[0].line, 2);
	assert_int_equal(fixture->complaints.items[1].line, 3);
	assert_true(complaints_mention(&fixture->complaints, "join keys"));
}

static void sequences_keep_their_terms_keys_runs_and_pipes(void **state)
{
	struct fixture *fixture = *state;
	const struct query_ast *query =
		parse(fixture, "sequence by host.id, ?user.id with maxspan=2m\n"
			       "  [process where a == 1] by x with runs=3\n"
			       "  ![\"network\" where b == 1] by `y`\n"
			       "  [any where c == 1] by ?z\n"
			       "until [file where true] by w\n"
			       "| head 5 | tail 2");
	assert_non_null(query);
	assert_int_equal(query->kind, QUERY_SEQUENCE);
	assert_int_equal(query->term_count, 5);
	assert_int_equal(query->key_count, 3);
	assert_int_equal(query->maxspan_ns, 120000000000U);
	assert_ptr_equal(query->terms[0].condition, query->terms[2].condition);
	assert_false(query->terms[2].missing);
	assert_true(query->terms[3].missing);
	assert_string_equal(query->terms[3].category.bytes, "network");
	assert_null(query->terms[4].category.bytes);
	assert_string_equal(query->terms[1].keys[0].name.bytes, "host.id");
	assert_true(query->terms[1].keys[1].optional);
	assert_string_equal(query->terms[3].keys[2].name.bytes, "y");
	assert_true(query->terms[4].keys[2].optional);
	assert_string_equal(query->until->keys[2].name.bytes, "w");
	assert_int_equal(query->pipe_count, 2);
	assert_false(query->pipes[0].tail);
	assert_int_equal(query->pipes[0].count, 5);
	assert_true(query->pipes[1].tail);
}

static void samples_and_event_queries_are_told_apart(void **state)
{
	struct fixture *fixture = *state;
	const struct query_ast *sample =
		parse(fixture, "sample by host [a where true] [b where true] | head 1");
	assert_non_null(sample);
	assert_int_equal(sample->kind, QUERY_SAMPLE);
	const struct query_ast *event = parse(fixture, "any where true");
	assert_non_null(event);
	assert_int_equal(event->kind, QUERY_EVENT);
	assert_null(event->terms[0].category.bytes);
}

static void every_prefix_of_a_query_is_survived(void **state)
{
	static const char query[] =
		"sequence by `a``b`, ?c with maxspan=1h /* x /* y */ */\n"
		" [\"x\\u{1f4a9}\" where a.b : (\"x*\", \"\"\"raw\"\"\"\"\") and not f~(1.5e3, -2)]"
		" by d with runs=2\n ![any where ?a in~ (\"\\\"\", null)] by e // end\n"
		"until [z where a regex~ \"\\\\.\" or true] by f | head 1 | tail 2";
	struct fixture *fixture = *state;
	assert_non_null(parse(fixture, query));
	for (size_t size = 0; size < sizeof(query) - 1; size++) {
		char prefix[sizeof(query)];
		memcpy(prefix, query, size);
		prefix[size] = '\0';
		parse(fixture, prefix);
	}
}

/* `opening` n times, then `middle`, then `closing` n times. */
static char *repeated(const char *opening, size_t count, const char *middle, const char *closing)
{
	const size_t open_size = strlen(opening);
	const size_t close_size = strlen(closing);
	char *text = malloc(count * (open_size + close_size) + strlen(middle) + 32);
	char *at = stpcpy(text, "any where ");
	for (size_t i = 0; i < count; i++)
		at = stpcpy(at, opening);
	at = stpcpy(at, middle);
	for (size_t i = 0; i < count; i++)
		at = stpcpy(at, closing);
	return text;
}

static void deep_and_huge_queries_are_refused_or_read_in_bounded_memory(void **state)
{
	static const struct {
		const char *name;
		const char *opening;
		size_t count;
		const char *middle;
		const char *closing;
		const char *refusal; /* NULL: accepted */
	} cases[] = {
		{ "parentheses", "(", 500000, "true", ")", "nested more than" },
		{ "nots", "not ", 200000, "true", "", "nested more than" },
		{ "signs", "-", 500000, "1 == 1", "", "nested more than" },
		{ "calls", "f(", 300000, "1", ")", "nested more than" },
		{ "sums", "1+", 400000, "1 == a", "", "nested more than" },
		{ "ors", "a or ", 200000, "a", "", NULL },
		{ "lists", "1,", 500000, "a in (1)", "", "found `,`" },
		{ "beyond the size limit", "a or ", 300000, "a", "", "bytes, expected at most" },
		{ "open comments", "/*", 500000, "", "", "never closed" },
		{ "quotes", "\"\n", 500000, "", "", "does not end" },
	};
	struct fixture *fixture = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *query = repeated(cases[i].opening, cases[i].count, cases[i].middle,
				       cases[i].closing);
		const struct query_ast *ast = parse(fixture, query);
		if (cases[i].refusal ? !complaints_mention(&fixture->complaints, cases[i].refusal)
				     : !ast)
			fail_msg("%s", cases[i].name);
		free(query);
	}
	assert_true(arena_used_bytes(fixture->arena) < 128U << 20);
}

/* --- the public material ---------------------------------------------------------------------- */

static json_t *load_shared(const char *relative)
{
	const char *path = shared_path(relative);
	json_error_t error;
	return path ? json_load_file(path, 0, &error) : NULL;
}

static void published_queries_that_must_parse_do(void **state)
{
	struct fixture *fixture = *state;
	json_t *cases = load_shared("eql/accepts.json");
	if (!cases)
		skip();
	size_t index;
	json_t *item;
	size_t bad = 0;
	json_array_foreach(cases, index, item)
	{
		const char *query = json_string_value(json_object_get(item, "query"));
		if (parse(fixture, query))
			continue;
		printf("%s\n", query);
		complaints_print(&fixture->complaints);
		bad++;
	}
	printf("accepts.json: %zu of %zu\n", json_array_size(cases) - bad, json_array_size(cases));
	json_decref(cases);
	assert_int_equal(bad, 0);
}

static void published_queries_that_must_not_parse_do_not(void **state)
{
	struct fixture *fixture = *state;
	json_t *file = load_shared("eql/negatives.json");
	if (!file)
		skip();
	size_t index;
	json_t *item;
	size_t bad = 0;
	size_t all = 0;
	json_array_foreach(json_object_get(file, "cases"), index, item)
	{
		const char *query = json_string_value(json_object_get(item, "query"));
		if (strcmp(json_string_value(json_object_get(item, "stage")), "parse") != 0)
			continue;
		all++;
		if (!parse(fixture, query))
			continue;
		printf("accepted: %s\n", query);
		bad++;
	}
	printf("negatives.json, parse: %zu of %zu\n", all - bad, all);
	json_decref(file);
	assert_int_equal(bad, 0);
}

static void parse_rule(void *context, const char *file, const char *query, size_t size_bytes)
{
	struct fixture *fixture = context;
	const size_t before = fixture->complaints.count + fixture->complaints.omitted_count;
	if (!eql_parse(query, size_bytes, &(struct query_source){ file, 0 }, fixture->arena,
		       &fixture->complaints))
		assert_true(fixture->complaints.count + fixture->complaints.omitted_count > before);
}

static void the_public_rules_parse(void **state)
{
	struct fixture *fixture = *state;
	const size_t count = each_rule_query("eql/rules", parse_rule, fixture);
	if (count == 0)
		skip();
	complaints_print(&fixture->complaints);
	printf("%zu public EQL rules parsed\n", count);
	assert_int_equal(fixture->complaints.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(expressions_are_read_with_the_right_precedence),
		TEST(refusals_tell_the_place_and_what_was_expected),
		TEST(every_bad_term_of_a_sequence_is_told),
		TEST(sequences_keep_their_terms_keys_runs_and_pipes),
		TEST(samples_and_event_queries_are_told_apart),
		TEST(every_prefix_of_a_query_is_survived),
		TEST(deep_and_huge_queries_are_refused_or_read_in_bounded_memory),
		TEST(published_queries_that_must_parse_do),
		TEST(published_queries_that_must_not_parse_do_not),
		TEST(the_public_rules_parse),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
