/* `check rules`: one verdict per file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/report.h"
#include "tests/support_run.h"
#include "tests/support_shared.h"

enum { PATH_BYTES = 512 };

static const struct {
	const char *file;
	const char *body; /* of [rule], besides what every rule needs */
	const char *status;
	const char *words; /* somewhere in the text report */
} cases[] = {
	{ "a.toml", "type=\"eql\"\nquery=\"process where process.name : \\\"cmd.exe\\\"\"\n", "ok",
	  "a.toml: A rule" },
	{ "b.toml", "type=\"eql\"\nquery=\"process where process.name ==\"\n", "unsupported",
	  "b.toml:7:" },
	{ "c.toml", "type=\"eql\"\nindex=[\"auditbeat-*\"]\nquery=\"process where true\"\n", "dead",
	  "no source answers to its index (auditbeat-*)" },
	{ "d.toml",
	  "type=\"eql\"\nindex=[\"logs-windows.sysmon_operational-*\"]\n"
	  "query=\"process where process.Ext.token.integrity_level_name == \\\"high\\\"\"\n",
	  "dead", "no event of its index has the field process.Ext.token.integrity_level_name" },
	{ "e.toml",
	  "type=\"eql\"\nindex=[\"logs-endpoint.events.file-*\"]\n"
	  "query=\"registry where true\"\n",
	  "dead", "no event of its index has its category" },
	{ "f.toml", "type=\"threshold\"\nlanguage=\"kuery\"\nquery=\"a:b\"\n", "not run",
	  "threshold rules count events over a window" },
	{ "g.toml",
	  "type=\"eql\"\nquery='process where process.name == \"c*.exe\" and "
	  "cidrMatch(source.ip, \"10.0.0.0/8\", \"10.1.0.0/16\")'\n",
	  "ok", "g.toml:7:38: `*` in \"c*.exe\" is taken literally by `==`; `:` has wildcards" },
	{ "h.toml", "type=\"query\"\nlanguage=\"kuery\"\nquery=\"process.name:cmd.exe\"\n", "ok",
	  "h.toml: A rule" },
};

enum { CASE_COUNT = sizeof(cases) / sizeof(cases[0]) };

static char *directory;

static int make_files(void **state)
{
	(void)state;
	directory = make_temporary_directory();
	for (size_t i = 0; i < CASE_COUNT; i++) {
		char path[PATH_BYTES];
		char text[2048];
		snprintf(path, sizeof(path), "%s/%s", directory, cases[i].file);
		const int size = snprintf(text, sizeof(text),
					  "[rule]\nrule_id=\"1\"\nname=\"A rule\"\n"
					  "severity=\"low\"\nrisk_score=21\n%s",
					  cases[i].body);
		write_file(path, text, (size_t)size);
	}
	return 0;
}

static int remove_files(void **state)
{
	(void)state;
	remove_tree(directory);
	free(directory);
	return 0;
}

static char *report(const char *path, bool json, int expected_code)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	const int code = rules_report(&path, 1, json, stream);
	fclose(stream);
	assert_int_equal(code, expected_code);
	return text;
}

static void every_file_has_its_line(void **state)
{
	(void)state;
	char *text = report(directory, false, 4);
	for (size_t i = 0; i < CASE_COUNT; i++)
		if (!strstr(text, cases[i].words))
			fail_msg("%s: %s", cases[i].words, text);
	assert_non_null(strstr(text, "network 10.1.0.0/16 lies inside 10.0.0.0/8"));
	if (!strstr(text, "8 rules: 3 ok, 1 unsupported, 3 dead, 1 not run; 2 lints\n"))
		fail_msg("%s", text);
	free(text);
}

static void json_says_the_same(void **state)
{
	(void)state;
	char *text = report(directory, true, 4);
	json_t *whole = json_loads(text, 0, NULL);
	assert_non_null(whole);
	const json_t *rules = json_object_get(whole, "rules");
	assert_int_equal(json_array_size(rules), CASE_COUNT);
	for (size_t i = 0; i < CASE_COUNT; i++) {
		const json_t *rule = json_array_get(rules, i);
		const char *status = json_string_value(json_object_get(rule, "status"));
		if (strcmp(status, cases[i].status) != 0)
			fail_msg("%s: %s", cases[i].file, status);
	}
	const json_t *totals = json_object_get(whole, "totals");
	assert_int_equal(json_integer_value(json_object_get(totals, "dead")), 3);
	assert_int_equal(json_integer_value(json_object_get(totals, "lints")), 2);
	json_decref(whole);
	free(text);
}

static void a_path_that_is_not_there_is_named(void **state)
{
	(void)state;
	char *text = report("/nowhere/rules", false, 4);
	assert_non_null(strstr(text, "/nowhere/rules: cannot be read"));
	free(text);
}

static void no_public_rule_is_unsupported(void **state)
{
	(void)state;
	const char *path = shared_path("eql/rules");
	if (!path)
		skip();
	char *text = report(path, false, 0);
	const char *totals = strrchr(text, '\n') - 1;
	while (totals > text && *totals != '\n')
		totals--;
	printf("%s", totals + 1);
	assert_non_null(strstr(totals, " 0 unsupported"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_file_has_its_line, make_files, remove_files),
		cmocka_unit_test_setup_teardown(json_says_the_same, make_files, remove_files),
		cmocka_unit_test(a_path_that_is_not_there_is_named),
		cmocka_unit_test(no_public_rule_is_unsupported),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
