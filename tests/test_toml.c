/* TOML files as trees, and hostile ones refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "rules/toml.h"

/* Parses from a heap block of the exact size. */
static const struct toml_node *parse(const char *text, size_t size_bytes, struct arena *arena,
				     struct complaint *complaint)
{
	char *exact = malloc(size_bytes ? size_bytes : 1);
	memcpy(exact, text, size_bytes);
	const struct toml_node *root = toml_parse("t.toml", exact, size_bytes, arena, complaint);
	free(exact);
	return root;
}

static const char everything[] = "# a comment with \"quotes\n"
				 "title = \"caf\\u00e9\"\n"
				 "[rule]\n"
				 "score = 21\n"
				 "ratio = 0.5\n"
				 "on = true\n"
				 "when = 2026-01-02T03:04:05.5+01:00\n"
				 "list = [\"a\", 'b\\n', \"\"\"c\n\"d\"\"\"\"]\n"
				 "[[rule.threat]]\n"
				 "tactic.id = \"TA0002\"\n"
				 "[[rule.threat]]\n"
				 "\"dotted.key\" = { a = 1 }\n";

static void values_of_every_kind_come_back_with_their_places(void **state)
{
	(void)state;
	struct arena *arena = arena_open(0);
	struct complaint complaint;
	const struct toml_node *root = parse(everything, strlen(everything), arena, &complaint);
	assert_non_null(root);
	assert_string_equal(toml_get(root, "title")->text, "caf\xc3\xa9");
	const struct toml_node *rule = toml_get(root, "rule");
	assert_int_equal(toml_get(rule, "score")->integer, 21);
	assert_int_equal(toml_get(rule, "score")->line, 4);
	assert_int_equal(toml_get(rule, "score")->column, 9);
	assert_true(toml_get(rule, "ratio")->number == 0.5);
	assert_true(toml_get(rule, "on")->truth);
	assert_int_equal(toml_get(rule, "when")->unix_ns, 1767319445500000000);
	const struct toml_node *list = toml_get(rule, "list");
	assert_int_equal(list->count, 3);
	assert_string_equal(list->items[1].text, "b\\n");
	assert_string_equal(list->items[2].text, "c\n\"d\"");
	const struct toml_node *threats = toml_get(rule, "threat");
	assert_int_equal(threats->count, 2);
	assert_string_equal(toml_get(toml_get(&threats->items[0], "tactic"), "id")->text, "TA0002");
	assert_non_null(toml_get(&threats->items[1], "dotted.key"));
	assert_null(toml_get(rule, "absent"));
	assert_null(toml_get(NULL, "score"));
	assert_null(toml_get(list, "score"));
	arena_close(arena);
}

static void letters_after_joined_lines_are_kept(void **state)
{
	(void)state;
	static const char text[] = "a = \"\"\"b\\\n  \xc9\xa2\"\"\"";
	struct arena *arena = arena_open(0);
	struct complaint complaint;
	const struct toml_node *root = parse(text, strlen(text), arena, &complaint);
	assert_string_equal(toml_get(root, "a")->text, "b\xc9\xa2");
	arena_close(arena);
}

static void every_prefix_is_survived(void **state)
{
	(void)state;
	for (size_t size = 0; size < strlen(everything); size++) {
		struct arena *arena = arena_open(0);
		struct complaint complaint;
		parse(everything, size, arena, &complaint);
		arena_close(arena);
	}
}

static void faults_are_named_with_line_and_column(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *text;
		uint32_t line;
	} cases[] = {
		{ "value missing", "a = 1\nb =\n", 2 },
		{ "key twice", "a = 1\na = 2\n", 2 },
		{ "string without end", "a = \"x\n", 1 },
		{ "multi-line string without end", "a = '''x\n", 1 },
		{ "not UTF-8", "a = \"\xff\"\n", 1 },
		{ "header without a name", "a = 1\n[.b]\n", 2 },
		{ "letter outside of quotes", "a = 1\n\xc9\xa2 = 2\n", 2 },
		{ "control character", "a = \"\x01\"\n", 1 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena *arena = arena_open(0);
		struct complaint complaint = { .line = 0 };
		if (parse(cases[i].text, strlen(cases[i].text), arena, &complaint) ||
		    complaint.line != cases[i].line || complaint.column == 0 ||
		    strcmp(complaint.file, "t.toml") != 0 || complaint.text[0] == '\0')
			fail_msg("%s: %u:%u %s", cases[i].name, complaint.line, complaint.column,
				 complaint.text);
		arena_close(arena);
	}
}

/* `unit` again and again, up to `size_bytes`, after `head`. */
static char *repeat(const char *head, const char *unit, size_t size_bytes)
{
	char *text = malloc(size_bytes + 1);
	const size_t head_bytes = strlen(head);
	const size_t unit_bytes = strlen(unit);
	memcpy(text, head, head_bytes);
	for (size_t i = head_bytes; i < size_bytes; i++)
		text[i] = unit[(i - head_bytes) % unit_bytes];
	text[size_bytes] = '\0';
	return text;
}

static void hostile_shapes_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *head;
		const char *unit;
		size_t size_bytes;
	} cases[] = {
		{ "too large", "", "#\n", TOML_SIZE_MAX + 1 },
		{ "deep header", "[", "a.", TOML_SIZE_MAX },
		{ "deep dotted key", "", "a.", TOML_SIZE_MAX },
		{ "deep quoted key", "", "\"a\".", TOML_SIZE_MAX },
		{ "deep array", "a = ", "[", TOML_SIZE_MAX },
		{ "deep inline table", "a = ", "{b=", TOML_SIZE_MAX },
		{ "many headers", "", "[[a.b]]\n", TOML_SIZE_MAX },
		{ "many dotted keys", "", "a.b.c=1\n", TOML_SIZE_MAX },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = repeat(cases[i].head, cases[i].unit, cases[i].size_bytes);
		struct arena *arena = arena_open(0);
		struct complaint complaint;
		if (parse(text, cases[i].size_bytes, arena, &complaint))
			fail_msg("%s", cases[i].name);
		arena_close(arena);
		free(text);
	}
}

static void places_inside_texts_are_found_through_escapes(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *text;
		size_t offset;
		uint32_t line;
		uint32_t column;
	} cases[] = {
		{ "plain", "q = \"abc\"", 2, 1, 8 },
		{ "after an escape", "q = \"a\\\\c\"", 2, 1, 9 },
		{ "after a long escape", "q = \"\\u00e9x\"", 2, 1, 12 },
		{ "literal", "q = 'a\\\\c'", 2, 1, 8 },
		{ "multi-line", "\nq = '''\nab\ncd'''", 4, 4, 2 },
		{ "multi-line on the first line", "q = '''ab\ncd'''", 1, 1, 9 },
		{ "multi-line with CRLF", "q = '''\r\nab'''", 1, 2, 2 },
		{ "joined lines", "q = \"\"\"a\\\n   b\"\"\"", 1, 1, 9 },
		{ "past the end", "q = \"a\"", 99, 1, 8 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena *arena = arena_open(0);
		struct complaint complaint;
		const size_t size = strlen(cases[i].text);
		const struct toml_node *root = parse(cases[i].text, size, arena, &complaint);
		assert_non_null(root);
		uint32_t line;
		uint32_t column;
		toml_locate(toml_get(root, "q"), cases[i].text, size, cases[i].offset, &line,
			    &column);
		if (line != cases[i].line || column != cases[i].column)
			fail_msg("%s: %u:%u", cases[i].name, line, column);
		arena_close(arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_of_every_kind_come_back_with_their_places),
		cmocka_unit_test(letters_after_joined_lines_are_kept),
		cmocka_unit_test(every_prefix_is_survived),
		cmocka_unit_test(faults_are_named_with_line_and_column),
		cmocka_unit_test(hostile_shapes_are_refused),
		cmocka_unit_test(places_inside_texts_are_found_through_escapes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
