/* KQL to query trees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/kql.h"
#include "tests/support_tree.h"

enum { TREE_TEXT_MAX = 4096 };

/* Parses from a heap block of the exact size and prints the tree, or the first complaint. */
static bool parse(const char *text, size_t size_bytes, char out[TREE_TEXT_MAX])
{
	static struct complaints complaints;
	struct fields *fields = fields_open();
	struct arena *arena = arena_open(0);
	char *exact = malloc(size_bytes ? size_bytes : 1);
	memcpy(exact, text, size_bytes);
	complaints.count = 0;
	const struct expression *tree =
		kql_parse(exact, size_bytes, NULL, fields, arena, &complaints);
	if (tree)
		tree_print(tree, out, TREE_TEXT_MAX);
	else
		snprintf(out, TREE_TEXT_MAX, "%u:%u %s", complaints.items[0].line,
			 complaints.items[0].column, complaints.items[0].text);
	assert_int_equal(complaints.count, tree ? 0 : 1);
	free(exact);
	arena_close(arena);
	fields_close(fields);
	return tree != NULL;
}

static const struct {
	const char *name;
	const char *text;
	const char *tree;
} good[] = {
	{ "word", "process.name:cmd.exe", "(== process.name \"cmd.exe\")" },
	{ "quoted", "process.name : \"cmd.exe\"", "(== process.name \"cmd.exe\")" },
	{ "words", "event.action:Network connection detected and a:b",
	  "(and (== event.action \"Network connection detected\") (== a \"b\"))" },
	{ "precedence", "a:x or b:y and not c:z",
	  "(or (== a \"x\") (and (== b \"y\") (not (== c \"z\"))))" },
	{ "keywords in any case", "a:x OR b:y AND NOT c:z",
	  "(or (== a \"x\") (and (== b \"y\") (not (== c \"z\"))))" },
	{ "parentheses", "(a:x or b:y) and c:z",
	  "(and (or (== a \"x\") (== b \"y\")) (== c \"z\"))" },
	{ "list", "a:(x or \"y\" or z)", "(or (== a \"x\") (== a \"y\") (== a \"z\"))" },
	{ "list with and, not", "a:(* and not (x or y))",
	  "(and (!= a null) (not (or (== a \"x\") (== a \"y\"))))" },
	{ "exists", "not user.id:*", "(not (!= user.id null))" },
	{ "wildcard", "file.path:/tmp/*.sh", "(like file.path \"/tmp/*.sh\")" },
	{ "quoted star is a star", "file.path:\"/tmp/*\"", "(== file.path \"/tmp/*\")" },
	{ "escaped star beside a wildcard", "file.path:\\*a*", "(regex file.path \"\\*a.*\")" },
	{ "question mark is no wildcard", "file.path:/a?b*", "(regex file.path \"/a\\?b.*\")" },
	{ "escapes", "a:b\\:c\\\\d\\(\\)", "(== a \"b:c\\d()\")" },
	{ "escaped keyword", "a:\\or", "(== a \"or\")" },
	{ "quoted escapes", "a:\"x\\\"y\\\\z\\t\\q\"", "(== a \"x\"y\\z\t\\q\")" },
	{ "unicode escapes", "a:\"\\u00e9\" or a:\\ud83d\\ude00",
	  "(or (== a \"\xc3\xa9\") (== a \"\xf0\x9f\x98\x80\"))" },
	{ "word that begins like a keyword", "process.name:android",
	  "(== process.name \"android\")" },
	{ "keyword field of a number", "event.code:4656", "(== event.code \"4656\")" },
	{ "number field", "destination.port:(\"2049\" or 80)",
	  "(or (== destination.port 2049) (== destination.port 80))" },
	{ "unknown field of a number", "x.y:5", "(or (== x.y \"5\") (== x.y 5))" },
	{ "unknown field of a truth value", "x.y:true", "(or (== x.y \"true\") (== x.y true))" },
	{ "address", "destination.ip:\"::1\"", "(== destination.ip \"::1\")" },
	{ "network", "not destination.ip:(10.0.0.0/8 or \"FE80::/10\")",
	  "(not (or (cidrMatch destination.ip \"10.0.0.0/8\") (cidrMatch destination.ip "
	  "\"FE80::/10\")))" },
	{ "ranges", "network.bytes >= 500 and network.bytes<1000",
	  "(and (>= network.bytes 500) (< network.bytes 1000))" },
	{ "unknown range", "x.entropy > 4.5", "(> x.entropy 4.5)" },
	{ "caseless subfield", "process.name.caseless:\"CMD.EXE\"",
	  "(in~ process.name \"CMD.EXE\")" },
	{ "text subfield", "process.command_line.text:foo",
	  "(stringContains~ process.command_line \"foo\")" },
	{ "text field", "message:\"a b\" or message:a*b",
	  "(or (stringContains~ message \"a b\") (like~ message \"*a*b*\"))" },
	{ "nested", "a.b:{ c:x and d:(y or z) }",
	  "(and (== a.b.c \"x\") (or (== a.b.d \"y\") (== a.b.d \"z\")))" },
	{ "names with wildcards", "process.work*:x", "(== process.working_directory \"x\")" },
	{ "name that fits nothing", "no.*.such:x", "(== no.*.such \"x\")" },
	{ "everything", "*:*", "true" },
	{ "line breaks", "a:x\n and\r\n\tb:y", "(and (== a \"x\") (== b \"y\"))" },
};

static void queries_become_trees(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char tree[TREE_TEXT_MAX];
		parse(good[i].text, strlen(good[i].text), tree);
		if (strcmp(tree, good[i].tree) != 0)
			fail_msg("%s: %s", good[i].name, tree);
	}
}

static void faults_are_named_with_their_place(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *complaint;
	} cases[] = {
		{ "", "1:1 found the end of the query, expected a field or a value" },
		{ "a:", "1:3 found the end of the query, expected a field or a value" },
		{ "a:x and", "1:8 found the end of the query, expected a field or a value" },
		{ "a:x\n)", "2:1 found `)`, expected `and`, `or` or the end" },
		{ "(a:x", "1:5 found the end of the query, expected `and`, `or` or `)`" },
		{ "a:\"x", "1:3 found a string without its closing `\"`" },
		{ "a:x\\y",
		  "1:4 found a backslash before nothing that needs one, expected `\\\\`" },
		{ "\"only words\"", "1:1 found a value without a field, expected `field:value`" },
		{ "destination.port:http",
		  "1:18 found \"http\", expected a number for `destination.port`" },
		{ "destination.ip:10.*",
		  "1:16 found a wildcard for `destination.ip`, which is not a text" },
		{ "a:null",
		  "1:3 found `null`, expected a value; `not a:*` says that it is absent" },
		{ "a:\"\\ud800\"", "1:4 found an escape that is no character" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[TREE_TEXT_MAX];
		parse(cases[i].text, strlen(cases[i].text), text);
		if (strcmp(text, cases[i].complaint) != 0)
			fail_msg("%s: %s", cases[i].text, text);
	}
}

static void every_prefix_is_survived(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		for (size_t size = 0; size < strlen(good[i].text); size++) {
			char text[TREE_TEXT_MAX];
			parse(good[i].text, size, text);
		}
}

static void deep_and_large_queries_are_refused(void **state)
{
	(void)state;
	static const char *const units[] = { "(", "not ", "a:(", "a:{", "\\" };
	enum { SIZE = QUERY_SIZE_MAX + 1 };
	char *text = malloc(SIZE);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		char complaint[TREE_TEXT_MAX];
		const size_t unit_bytes = strlen(units[i]);
		for (size_t j = 0; j < SIZE; j++)
			text[j] = units[i][j % unit_bytes];
		assert_false(parse(text, SIZE, complaint));
		assert_false(parse(text, SIZE - 1, complaint));
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queries_become_trees),
		cmocka_unit_test(faults_are_named_with_their_place),
		cmocka_unit_test(every_prefix_is_survived),
		cmocka_unit_test(deep_and_large_queries_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
