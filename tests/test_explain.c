/* `procspan explain` on the demonstration data: why, and why not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/hard.h"
#include "correlator/exit_code.h"
#include "tests/support_run.h"

#define PACKETS "tests/golden/demo/packets.pcap"
#define EVENTS	"tests/golden/demo/events.ndjson"
#define DEMO	"--pcap", PACKETS, "--events", EVENTS
#define RULE	"Command Prompt Network Connection"

enum { WORDS_MAX = 16, SAYS_MAX = 8 };

/* A rule of this query, in a file of its own. */
static char *write_rule(const char *directory, const char *query)
{
	char text[4096];
	char *path = malloc(strlen(directory) + 16);
	sprintf(path, "%s/rule.toml", directory);
	const int size = snprintf(
		text, sizeof(text),
		"[metadata]\nmaturity = \"production\"\n[rule]\nname = \"Own\"\nrule_id = \"1\"\n"
		"risk_score = 21\nseverity = \"low\"\ndescription = \"d\"\nauthor = [\"a\"]\n"
		"license = \"l\"\ntype = \"eql\"\nlanguage = \"eql\"\nquery = '''\n%s\n'''\n",
		query);
	write_file(path, text, (size_t)size);
	return path;
}

static void check(const char *name, const char *const *words, int exit_code,
		  const char *const says[SAYS_MAX])
{
	struct run run = run_procspan(words);
	if (run.exit_code != exit_code)
		fail_msg("%s: exit %d\n%s%s", name, run.exit_code, run.out, run.err);
	for (size_t i = 0; i < SAYS_MAX && says[i]; i++)
		if (!strstr(run.out, says[i]) && !strstr(run.err, says[i]))
			fail_msg("%s: does not say `%s`\n%s%s", name, says[i], run.out, run.err);
	run_release(&run);
}

static void words_are_answered_with_what_is_known(void **state)
{
	(void)state;
	static const struct {
		const char *words[WORDS_MAX];
		int exit_code;
		const char *says[SAYS_MAX];
	} cases[] = {
		{ { "explain", "--help" }, EXIT_DONE, { "ALERT-ID", "--host HOST" } },
		{ { "explain", DEMO }, EXIT_USAGE, { "expected an ALERT-ID" } },
		{ { "explain", "--rule", RULE, DEMO }, EXIT_USAGE, { "belong together" } },
		{ { "explain", "x", "--process", "y", DEMO }, EXIT_USAGE, { "--process" } },
		{ { "explain", "x" }, EXIT_USAGE, { "nothing to read" } },
		{ { "explain", "x", "--pcap", "no-such-file" }, EXIT_INPUT, { "no-such-file" } },
		{ { "explain", "x", DEMO }, EXIT_INPUT, { "give no alert x" } },
		{ { "explain", "--rule", "no such rule", "--host", "WS02", DEMO },
		  EXIT_RULES,
		  { "no such rule" } },
		/* the cmd.exe that only talked to the domain controller */
		{ { "explain", "--rule", RULE, "--host", "WS02", "--process", "cmd.exe", DEMO },
		  EXIT_DONE,
		  { "alerts  1 of this rule", "nearest miss: 1 of 2 steps", "-> 10.1.2.2:445/tcp",
		    "destination.ip = 10.1.2.2 is inside 10.0.0.0/8", "off the wire" } },
		{ { "explain", "--rule", "89f9a4b0-9f8f-4ee0-8823-c4751a6d6696", "--host",
		    "ws02.corp.EXAMPLE", DEMO },
		  EXIT_DONE,
		  { RULE, "is inside 10.0.0.0/8" } },
		{ { "explain", "--rule", RULE, "--host", "DC01", DEMO },
		  EXIT_DONE,
		  { "process events: 0; this host sent none",
		    "of the kind that the first step asks for" } },
		{ { "explain", "--rule", RULE, "--host", "WS", DEMO },
		  EXIT_DONE,
		  { "nothing is known of this host", "ws01.corp.example" } },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char name[32];
		snprintf(name, sizeof(name), "case %zu", i);
		check(name, cases[i].words, cases[i].exit_code, cases[i].says);
	}
}

#define CMD_START "[process where process.name : \"cmd.exe\" and event.type == \"start\"]"

static void nearest_miss_names_what_stopped_it(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *query;
		const char *host;
		const char *says[SAYS_MAX];
	} cases[] = {
		{ "maxspan",
		  "sequence by process.entity_id with maxspan=1ms " CMD_START
		  " [network where destination.port == 445]",
		  "WS02",
		  { "1 of 2 steps", "too late:", "maxspan = 0.001 s is exceeded by" } },
		{ "order",
		  "sequence by process.entity_id [network where destination.port == "
		  "445] " CMD_START,
		  "WS02",
		  { "1 of 2 steps", "too early:", "before the step before it" } },
		{ "an unwanted event",
		  "sequence by process.entity_id with maxspan=5m " CMD_START
		  " ![network where destination.port == 445]",
		  "WS02",
		  { "there was one", "excluded by:", "10.1.2.2:445/tcp" } },
		{ "until",
		  "sequence by host.name [process where process.name : \"msedge.exe\"]"
		  " [network where destination.port == 445]"
		  " until [network where destination.port == 443]",
		  "WS02",
		  { "2 of 2 steps", "until", "excluded by:", ":443/tcp" } },
		{ "the first step",
		  "process where process.name : (\"powershell.exe\", \"pwsh.exe\") and "
		  "event.type == \"start\"",
		  "WS02",
		  { "0 of 1 steps",
		    "process.name = ", " is none of \"powershell.exe\", \"pwsh.exe\"" } },
		{ "the wrong key",
		  "sequence by process.entity_id " CMD_START " [file where file.path : \"*.exe\"]",
		  "WS01",
		  { "1 of 2 steps", "no file event has the same join key",
		    "file events: 0; this host sent none" } },
		{ "a value that is not there",
		  "sequence by process.entity_id " CMD_START
		  " [network where destination.domain == \"x.example\"]",
		  "WS02",
		  { "destination.domain", "\"x.example\"" } },
	};
	char *directory = make_temporary_directory();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *rule = write_rule(directory, cases[i].query);
		const char *const words[] = { "explain",     "--rule",	 "own",	 "--host",
					      cases[i].host, "--rules",	 rule,	 "--pcap",
					      PACKETS,	     "--events", EVENTS, NULL };
		check(cases[i].name, words, EXIT_DONE, cases[i].says);
		free(rule);
	}
	remove_tree(directory);
	free(directory);
}

/* The captures alone know no process; a host without network events is told so. */
static void missing_kind_of_data_is_named(void **state)
{
	(void)state;
	char *directory = make_temporary_directory();
	char path[4096];
	static const char start[] =
		"{\"@timestamp\":\"2026-11-23T09:33:07.600Z\",\"winlog\":{\"channel\":\"Microsoft-"
		"Windows-Sysmon/Operational\",\"computer_name\":\"WS01\",\"event_id\":\"1\","
		"\"provider_name\":\"Microsoft-Windows-Sysmon\",\"event_data\":{\"UtcTime\":"
		"\"2026-11-23 09:33:07.600\",\"ProcessGuid\":\"{5eed11aa-0853-6b04-1bac-"
		"000000000900}\",\"ProcessId\":\"7084\",\"Image\":\"C:\\\\a\\\\cmd.exe\"}}}\n";
	snprintf(path, sizeof(path), "%s/events.ndjson", directory);
	write_file(path, start, sizeof(start) - 1);
	const char *const words[] = { "explain", "--rule", RULE,       "--host", "WS01",
				      "--pcap",	 PACKETS,  "--events", path,	 NULL };
	check("no network events", words, EXIT_DONE,
	      (const char *[SAYS_MAX]){ "this host sent no network events",
					"no network event has the same join key", "not measured" });
	remove_tree(directory);
	free(directory);
}

/* Every alert of the demonstration, by the ids that replay gives them. */
static void alert_is_explained_with_every_fact(void **state)
{
	(void)state;
	static const char *const says[SAYS_MAX] = {
		"step 1 of 2",	  "step 2 of 2",  "the host's label says",
		"report  sysmon", "by tuple",	  "confidence 0.9",
		"others  ",	  "off the wire",
	};
	const char *const replay[] = { "replay", DEMO, "--quiet", NULL };
	struct run run = run_procspan(replay);
	size_t count = 0;
	static const char before[] = "\"module\":\"procspan\"";
	for (const char *at = run.out; (at = strstr(at, before)); at++) {
		char id[37];
		static const char key[] = "\"id\":\"";
		const char *found = NULL;
		for (const char *next = run.out; (next = strstr(next, key)) && next < at; next++)
			found = next + sizeof(key) - 1;
		assert_non_null(found);
		snprintf(id, sizeof(id), "%s", found);
		const char *const words[] = { "explain", id, DEMO, NULL };
		check(id, words, EXIT_DONE, says);
		count++;
	}
	assert_true(count > 0);
	run_release(&run);
}

int main(void)
{
	if (HARD(false, true)) {
		puts("skipped: tables of the hard build are too small for these inputs");
		return 0;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_answered_with_what_is_known),
		cmocka_unit_test(nearest_miss_names_what_stopped_it),
		cmocka_unit_test(missing_kind_of_data_is_named),
		cmocka_unit_test(alert_is_explained_with_every_fact),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
