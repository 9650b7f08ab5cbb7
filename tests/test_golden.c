/* Golden runs: tests/golden/NAME/{packets.pcap,events.ndjson[,rules/]} through the binary; the
 * alerts and flows must be, byte for byte, those of alerts.jsonl and flows.jsonl, which are
 * reviewed like code. To see what changed after a change that is meant: PROCSPAN_GOLDEN=write runs
 * rewrite them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/base/hard.h"
#include "correlator/exit_code.h"
#include "tests/support_run.h"
#include "tests/support_shared.h"

#define GOLDEN "tests/golden"

enum { WORDS_MAX = 32, PATH_BYTES = 512 };

struct golden {
	char packets[PATH_BYTES];
	char events[PATH_BYTES];
	char rules[PATH_BYTES];
	char alerts[PATH_BYTES];
	char flows[PATH_BYTES];
};

static void name_files(const char *name, struct golden *golden)
{
	snprintf(golden->packets, PATH_BYTES, GOLDEN "/%s/packets.pcap", name);
	snprintf(golden->events, PATH_BYTES, GOLDEN "/%s/events.ndjson", name);
	snprintf(golden->rules, PATH_BYTES, GOLDEN "/%s/rules", name);
	snprintf(golden->alerts, PATH_BYTES, GOLDEN "/%s/alerts.jsonl", name);
	snprintf(golden->flows, PATH_BYTES, GOLDEN "/%s/flows.jsonl", name);
	if (access(golden->rules, R_OK) != 0)
		snprintf(golden->rules, PATH_BYTES, "rules/library");
}

/* One replay into a new directory; `more` words are appended. Returns its
 * two outputs, malloc'ed. */
static void replay(const struct golden *golden, const char *const *more, char **out_alerts,
		   char **out_flows)
{
	char *directory = make_temporary_directory();
	char output[PATH_BYTES + 8];
	char flows[PATH_BYTES];
	snprintf(output, sizeof(output), "file:%s/alerts", directory);
	snprintf(flows, sizeof(flows), "%s/flows", directory);
	const char *words[WORDS_MAX] = { "replay", "--rules", golden->rules, "--output",
					 output,   "--flows", flows };
	size_t count = 7;
	if (access(golden->packets, R_OK) == 0) {
		words[count++] = "--pcap";
		words[count++] = golden->packets;
	}
	if (access(golden->events, R_OK) == 0) {
		words[count++] = "--events";
		words[count++] = golden->events;
	}
	while (*more)
		words[count++] = *more++;
	struct run run = run_procspan(words);
	if (run.exit_code != EXIT_DONE)
		fail_msg("%s: exit %d\n%s", golden->alerts, run.exit_code, run.err);
	run_release(&run);
	size_t size;
	*out_alerts = read_whole_file(output + strlen("file:"), 1, &size);
	*out_flows = read_whole_file(flows, 1, &size);
	remove_tree(directory);
	free(directory);
}

static void compare(const char *path, const char *actual)
{
	size_t size;
	const char *mode = getenv("PROCSPAN_GOLDEN");
	if (mode && strcmp(mode, "write") == 0)
		write_file(path, actual, strlen(actual));
	char *expected = read_whole_file(path, 1, &size);
	if (!expected || strcmp(expected, actual) != 0)
		fail_msg("%s: not as expected; got\n%s", path, actual);
	free(expected);
}

static void for_each_golden(void (*check)(const struct golden *golden))
{
	DIR *entries = opendir(GOLDEN);
	assert_non_null(entries);
	for (struct dirent *entry; (entry = readdir(entries));) {
		struct golden golden;
		if (entry->d_name[0] == '.')
			continue;
		name_files(entry->d_name, &golden);
		check(&golden);
	}
	closedir(entries);
}

static void check_bytes(const struct golden *golden)
{
	static const char *const none[] = { NULL };
	char *alerts;
	char *flows;
	replay(golden, none, &alerts, &flows);
	compare(golden->alerts, alerts);
	compare(golden->flows, flows);
	free(alerts);
	free(flows);
}

static void replays_give_the_expected_bytes(void **state)
{
	(void)state;
	for_each_golden(check_bytes);
}

static void check_orders(const struct golden *golden)
{
	static const char *const seeds[] = { "1", "2", "3", "4", "5" };
	static const char *const none[] = { NULL };
	char *alerts;
	char *flows;
	replay(golden, none, &alerts, &flows);
	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
		const char *const more[] = { "--shuffle", seeds[i], NULL };
		char *shuffled_alerts;
		char *shuffled_flows;
		replay(golden, more, &shuffled_alerts, &shuffled_flows);
		assert_string_equal(alerts, shuffled_alerts);
		assert_string_equal(flows, shuffled_flows);
		free(shuffled_alerts);
		free(shuffled_flows);
	}
	free(alerts);
	free(flows);
}

static void order_of_arrival_changes_nothing(void **state)
{
	(void)state;
	for_each_golden(check_orders);
}

/* --- the same input in two files of each kind ------------------------------------------------- */

enum { PCAP_HEADER_BYTES = 24, RECORD_HEADER_BYTES = 16 };

/* Deals the packets of a little-endian capture out to two files in turn. */
static void split_packets(const char *path, const char *const halves[2])
{
	size_t size;
	char *bytes = read_whole_file(path, 0, &size);
	FILE *out[2] = { fopen(halves[0], "wb"), fopen(halves[1], "wb") };
	for (int i = 0; i < 2; i++)
		fwrite(bytes, 1, PCAP_HEADER_BYTES, out[i]);
	size_t turn = 0;
	for (size_t at = PCAP_HEADER_BYTES; at < size; turn++) {
		uint32_t captured_bytes;
		memcpy(&captured_bytes, bytes + at + 8, sizeof(captured_bytes));
		fwrite(bytes + at, 1, RECORD_HEADER_BYTES + captured_bytes, out[turn % 2]);
		at += RECORD_HEADER_BYTES + captured_bytes;
	}
	fclose(out[0]);
	fclose(out[1]);
	free(bytes);
}

static void split_lines(const char *path, const char *const halves[2])
{
	size_t size;
	char *text = read_whole_file(path, 1, &size);
	FILE *out[2] = { fopen(halves[0], "wb"), fopen(halves[1], "wb") };
	size_t turn = 0;
	for (char *line = text; *line; turn++) {
		const size_t line_bytes = strcspn(line, "\n") + 1;
		fwrite(line, 1, line_bytes, out[turn % 2]);
		line += line_bytes;
	}
	fclose(out[0]);
	fclose(out[1]);
	free(text);
}

static void splitting_files_changes_nothing(void **state)
{
	(void)state;
	char *directory = make_temporary_directory();
	char paths[4][PATH_BYTES];
	for (int i = 0; i < 4; i++)
		snprintf(paths[i], PATH_BYTES, "%s/%d", directory, i);
	struct golden golden;
	name_files("demo", &golden);
	split_packets(golden.packets, (const char *const[2]){ paths[0], paths[1] });
	split_lines(golden.events, (const char *const[2]){ paths[2], paths[3] });
	static const char *const none[] = { NULL };
	const char *const halves[] = { "--pcap", paths[1], paths[0], "--events",
				       paths[3], paths[2], NULL };
	char *alerts[2];
	char *flows[2];
	replay(&golden, none, &alerts[0], &flows[0]);
	struct golden without_files = golden;
	without_files.packets[0] = '\0';
	without_files.events[0] = '\0';
	replay(&without_files, halves, &alerts[1], &flows[1]);
	assert_string_equal(alerts[0], alerts[1]);
	assert_string_equal(flows[0], flows[1]);
	for (int i = 0; i < 2; i++) {
		free(alerts[i]);
		free(flows[i]);
	}
	remove_tree(directory);
	free(directory);
}

int main(void)
{
	if (HARD(false, true)) {
		puts("skipped: tables of the hard build are too small for these inputs");
		return 0;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replays_give_the_expected_bytes),
		cmocka_unit_test(order_of_arrival_changes_nothing),
		cmocka_unit_test(splitting_files_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
