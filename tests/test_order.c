/* Order does not matter, on real captures with real rules: replays of shared pairs with everything
 * handed over in random orders give the same bytes of alerts and flows. PROCSPAN_SEEDS says how
 * many orders each (default 3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/hard.h"
#include "tests/support_run.h"
#include "tests/support_shared.h"

enum { WORDS_MAX = 32, PATH_BYTES = 4096 };

struct outcome {
	char *alerts;
	char *flows;
};

static struct outcome replay(const char *pair, const char *rules, const char *seed)
{
	char pattern[PATH_BYTES];
	snprintf(pattern, sizeof(pattern), "%s/*.cap.gz", pair);
	glob_t captures;
	glob(pattern, 0, NULL, &captures);
	snprintf(pattern, sizeof(pattern), "%s/*.pcapng.gz", pair);
	glob(pattern, GLOB_APPEND, NULL, &captures);
	snprintf(pattern, sizeof(pattern), "%s/*.ndjson.gz", pair);
	glob_t events;
	glob(pattern, 0, NULL, &events);

	char *directory = make_temporary_directory();
	char output[PATH_BYTES];
	char flows[PATH_BYTES];
	snprintf(output, sizeof(output), "file:%s/alerts", directory);
	snprintf(flows, sizeof(flows), "%s/flows", directory);
	const char *words[WORDS_MAX] = { "replay", "--rules", rules, "--output",
					 output,   "--flows", flows, "--pcap" };
	size_t count = 8;
	for (size_t i = 0; i < captures.gl_pathc && count < WORDS_MAX - 6; i++)
		words[count++] = captures.gl_pathv[i];
	words[count++] = "--events";
	for (size_t i = 0; i < events.gl_pathc && count < WORDS_MAX - 3; i++)
		words[count++] = events.gl_pathv[i];
	if (seed) {
		words[count++] = "--shuffle";
		words[count++] = seed;
	}
	struct run run = run_procspan(words);
	if (run.exit_code != 0)
		fail_msg("%s: exit %d\n%s", pair, run.exit_code, run.err);
	size_t size;
	const struct outcome outcome = {
		.alerts = read_whole_file(output + strlen("file:"), 1, &size),
		.flows = read_whole_file(flows, 1, &size),
	};
	run_release(&run);
	remove_tree(directory);
	free(directory);
	globfree(&captures);
	globfree(&events);
	return outcome;
}

static void release(struct outcome *outcome)
{
	free(outcome->alerts);
	free(outcome->flows);
}

static void real_captures_give_the_same_alerts_in_any_order(void **state)
{
	(void)state;
	static const char *const pairs[] = { "data/pairs/schtask_modification",
					     "data/pairs/empire_psexec_dcerpc_tcp_svcctl",
					     "data/pairs/covenant_dcom_iertutil_dll_hijack" };
	const char *asked = getenv("PROCSPAN_SEEDS");
	const long seeds = asked ? strtol(asked, NULL, 10) : 3;
	const char *found = shared_path("eql/rules/rules/windows");
	char *rules = found ? strdup(found) : NULL;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]) && rules; i++) {
		const char *path = shared_path(pairs[i]);
		char *pair = path ? strdup(path) : NULL;
		if (!pair)
			break;
		struct outcome expected = replay(pair, rules, NULL);
		assert_true(strlen(expected.alerts) > 0);
		for (long seed = 1; seed <= seeds; seed++) {
			char word[24];
			snprintf(word, sizeof(word), "%ld", seed);
			struct outcome shuffled = replay(pair, rules, word);
			if (strcmp(expected.alerts, shuffled.alerts) != 0 ||
			    strcmp(expected.flows, shuffled.flows) != 0)
				fail_msg("%s: seed %ld gives other alerts or flows", pair, seed);
			release(&shuffled);
		}
		release(&expected);
		free(pair);
	}
	free(rules);
}

int main(void)
{
	if (HARD(false, true)) {
		puts("skipped: tables of the hard build are too small for these inputs");
		return 0;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_captures_give_the_same_alerts_in_any_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
