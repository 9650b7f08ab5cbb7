/* `procspan bench` says what it promises, as JSON and as a table. Never how fast. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "correlator/exit_code.h"
#include "tests/support_run.h"

enum { WORDS_MAX = 12 };

static bool row_is_whole(const json_t *row)
{
	return json_is_string(json_object_get(row, "bench")) &&
	       json_is_string(json_object_get(row, "unit")) &&
	       json_real_value(json_object_get(row, "per_second")) > 0 &&
	       json_real_value(json_object_get(row, "ns")) > 0 &&
	       json_object_get(row, "gbit_per_second") && json_object_get(row, "ratio_to_floor") &&
	       json_object_get(row, "memory_bytes");
}

static const json_t *find_row(const json_t *rows, const char *input, const char *stage)
{
	size_t index;
	json_t *row;
	json_array_foreach(rows, index, row)
	{
		const char *of = json_string_value(json_object_get(row, "input"));
		const char *says = json_string_value(json_object_get(row, "stage"));
		if (of && says && strcmp(of, input) == 0 && strcmp(says, stage) == 0)
			return row;
	}
	return NULL;
}

static void json_of_the_base_structures_has_the_stated_rows(void **state)
{
	(void)state;
	static const struct {
		const char *input;
		const char *stage;
	} expected[] = {
		{ "table", "insert" },
		{ "table", "batches of 32, prefetched, hits" },
		{ "table", "one by one, misses" },
		{ "addresses", "IPv4, 16 networks" },
		{ "addresses", "IPv4, 1000000 networks" },
		{ "addresses", "IPv6, 100000 networks, one by one" },
		{ "timers", "set, in order" },
		{ "timers", "fire" },
	};
	const char *const words[] = { "bench", "base", "--seconds", "1", "--json", NULL };
	struct run run = run_procspan(words);
	json_error_t error;
	assert_int_equal(run.exit_code, EXIT_DONE);
	json_t *whole = json_loads(run.out, 0, &error);
	if (!whole)
		fail_msg("%s at line %d:\n%s", error.text, error.line, run.out);
	assert_true(json_is_string(json_object_get(json_object_get(whole, "machine"), "cpu")));
	const json_t *rows = json_object_get(whole, "rows");
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		const json_t *row = find_row(rows, expected[i].input, expected[i].stage);
		if (!row || !row_is_whole(row))
			fail_msg("%s, %s is not there or not whole:\n%s", expected[i].input,
				 expected[i].stage, run.out);
	}
	json_decref(whole);
	run_release(&run);
}

static void table_of_host_events_compares_with_its_floor(void **state)
{
	(void)state;
	const char *const words[] = { "bench", "input", "--seconds", "1", NULL };
	struct run run = run_procspan(words);
	assert_int_equal(run.exit_code, EXIT_DONE);
	assert_non_null(strstr(run.out, "x floor"));
	assert_non_null(strstr(run.out, "simdjson parses"));
	assert_non_null(strstr(run.out, "all fields"));
	run_release(&run);
}

static void what_cannot_be_measured_is_said(void **state)
{
	(void)state;
	static const struct {
		const char *words[WORDS_MAX];
		int exit_code;
		const char *says;
	} cases[] = {
		{ { "bench", "--help" }, EXIT_DONE, "--seconds" },
		{ { "bench", "packet" }, EXIT_USAGE, "did you mean packets?" },
		{ { "bench", "base", "--seconds", "0" }, EXIT_USAGE, "out of range" },
		{ { "bench", "input", "--events", "no-such-file" }, EXIT_INPUT, "no-such-file" },
		{ { "bench", "rules", "--rules", "no-such-rules" }, EXIT_INPUT, "no-such-rules" },
		{ { "bench", "--write", "no-such-directory" }, EXIT_INPUT, "no-such-directory" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct run run = run_procspan(cases[i].words);
		if (run.exit_code != cases[i].exit_code ||
		    (!strstr(run.out, cases[i].says) && !strstr(run.err, cases[i].says)))
			fail_msg("case %zu: exit %d\n%s%s", i, run.exit_code, run.out, run.err);
		run_release(&run);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_of_the_base_structures_has_the_stated_rows),
		cmocka_unit_test(table_of_host_events_compares_with_its_floor),
		cmocka_unit_test(what_cannot_be_measured_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
