/* The binary as its users meet it: verbs, exit codes, bad input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "correlator/exit_code.h"
#include "tests/support_run.h"
#include "tests/support_shared.h"

#define PACKETS "tests/golden/demo/packets.pcap"
#define EVENTS	"tests/golden/demo/events.ndjson"

enum { WORDS_MAX = 12 };

static void words_are_answered_with_the_stated_exit_code(void **state)
{
	(void)state;
	static const struct {
		const char *words[WORDS_MAX];
		int exit_code;
		const char *says; /* somewhere on stdout or stderr */
	} cases[] = {
		{ { "--help" }, EXIT_DONE, "procspan replay" },
		{ { NULL }, EXIT_USAGE, "procspan replay" },
		{ { "--version" }, EXIT_DONE, "procspan " },
		{ { "reply" }, EXIT_USAGE, "did you mean replay?" },
		{ { "replay" }, EXIT_USAGE, "nothing to read" },
		{ { "replay", "--help" }, EXIT_DONE, "--events FILE..." },
		{ { "replay", "--pcap", "no-such-file" }, EXIT_INPUT, "no-such-file" },
		{ { "replay", "--events", "no-such-file" }, EXIT_INPUT, "no-such-file" },
		{ { "replay", "--pcap", EVENTS }, EXIT_INPUT, EVENTS },
		{ { "replay", "--pcap", PACKETS, "--horizon", "15" },
		  EXIT_USAGE,
		  "expected a duration" },
		{ { "replay", "--pcap", PACKETS, "--output", "carrier-pigeon:x" },
		  EXIT_USAGE,
		  "carrier-pigeon" },
		{ { "replay", "--pcap", PACKETS, "--rules", "no-such-rules" },
		  EXIT_RULES,
		  "no-such-rules" },
		{ { "check", "rules", "rules/library" },
		  EXIT_DONE,
		  "Command Prompt Network Connection" },
		{ { "check", "memory" }, EXIT_DONE, "flow table" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct run run = run_procspan(cases[i].words);
		if (run.exit_code != cases[i].exit_code ||
		    (!strstr(run.out, cases[i].says) && !strstr(run.err, cases[i].says)))
			fail_msg("case %zu (%s): exit %d\n%s%s", i, cases[i].words[0],
				 run.exit_code, run.out, run.err);
		run_release(&run);
	}
}

static void cut_capture_is_processed_up_to_the_fault(void **state)
{
	(void)state;
	char *directory = make_temporary_directory();
	char path[4096];
	snprintf(path, sizeof(path), "%s/cut.pcap", directory);
	size_t size;
	char *bytes = read_whole_file(PACKETS, 0, &size);
	write_file(path, bytes, size - 7);
	const char *const words[] = { "replay", "--pcap",   path,      "--events",
				      EVENTS,	"--output", "stdout:", NULL };
	struct run run = run_procspan(words);
	assert_int_equal(run.exit_code, EXIT_INPUT);
	assert_non_null(strstr(run.err, "cut.pcap"));
	assert_non_null(strstr(run.err, "offset"));
	assert_non_null(strstr(run.err, "add up"));
	assert_non_null(strstr(run.out, "\"Command Prompt Network Connection\""));
	run_release(&run);
	free(bytes);
	remove_tree(directory);
	free(directory);
}

static void bad_lines_are_located_counted_and_skipped(void **state)
{
	(void)state;
	char *directory = make_temporary_directory();
	char path[4096];
	snprintf(path, sizeof(path), "%s/bad.ndjson", directory);
	size_t size;
	char *good = read_whole_file(EVENTS, 1, &size);
	char *mixed = malloc(size + 64);
	const int head = sprintf(mixed, "{\"a\":\n\n[1]\n");
	memcpy(mixed + head, good, size);
	write_file(path, mixed, (size_t)head + size);
	const char *const words[] = { "replay", "--pcap", PACKETS, "--events", path, NULL };
	struct run run = run_procspan(words);
	assert_int_equal(run.exit_code, EXIT_DONE);
	assert_non_null(strstr(run.err, "bad.ndjson:1"));
	assert_non_null(strstr(run.err, "bad_json"));
	assert_non_null(strstr(run.err, "add up"));
	run_release(&run);
	free(good);
	free(mixed);
	remove_tree(directory);
	free(directory);
}

/* A host names itself; its name must not steer the terminal that the summary is read on. */
static void control_characters_in_host_names_are_not_printed(void **state)
{
	(void)state;
	static const char good[] = "WS01";
	static const char escape[] = "W\\u001b";
	char *directory = make_temporary_directory();
	char path[4096];
	snprintf(path, sizeof(path), "%s/events.ndjson", directory);
	size_t size;
	char *events = read_whole_file(EVENTS, 1, &size);
	char *changed = calloc(3, size + 1);
	assert_non_null(changed);
	size_t used = 0;
	for (size_t i = 0; i < size;) {
		const bool name = strncmp(events + i, good, sizeof(good) - 1) == 0;
		const size_t taken = name ? sizeof(good) - 1 : 1;
		const size_t put = name ? sizeof(escape) - 1 : 1;
		memcpy(changed + used, name ? escape : events + i, put);
		used += put;
		i += taken;
	}
	write_file(path, changed, used);
	const char *const words[] = { "replay", "--pcap", PACKETS, "--events", path, NULL };
	struct run run = run_procspan(words);
	assert_non_null(strstr(run.err, "host    w?.corp.example"));
	assert_null(strchr(run.err, '\x1b'));
	run_release(&run);
	free(events);
	free(changed);
	remove_tree(directory);
	free(directory);
}

static void rule_with_an_unknown_construct_is_refused_where_it_stands(void **state)
{
	(void)state;
	static const char rule[] =
		"[metadata]\nmaturity = \"production\"\n[rule]\nname = \"x\"\nrule_id = \"1\"\n"
		"risk_score = 21\nseverity = \"low\"\ndescription = \"d\"\nauthor = [\"a\"]\n"
		"license = \"l\"\ntype = \"eql\"\nlanguage = \"eql\"\nquery = '''\n"
		"process where process.name = \"cmd.exe\"\n'''\n";
	char *directory = make_temporary_directory();
	char path[4096];
	snprintf(path, sizeof(path), "%s/wrong.toml", directory);
	write_file(path, rule, sizeof(rule) - 1);
	const char *const words[] = { "replay", "--events", EVENTS, "--rules", path, NULL };
	struct run run = run_procspan(words);
	assert_int_equal(run.exit_code, EXIT_RULES);
	assert_non_null(strstr(run.err, "wrong.toml:14:28:"));
	assert_non_null(strstr(run.err, "=="));
	run_release(&run);
	remove_tree(directory);
	free(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_answered_with_the_stated_exit_code),
		cmocka_unit_test(cut_capture_is_processed_up_to_the_fault),
		cmocka_unit_test(bad_lines_are_located_counted_and_skipped),
		cmocka_unit_test(control_characters_in_host_names_are_not_printed),
		cmocka_unit_test(rule_with_an_unknown_construct_is_refused_where_it_stands),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
