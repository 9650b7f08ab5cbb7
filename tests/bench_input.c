/* Host events a second, from NDJSON bytes to struct event, on one core: with the fields that the
 * seed rule and attribution want, with all fields, and beside simdjson parsing the same bytes and
 * doing nothing with them, which is the floor. Processor time. Real Sysmon and Security logs where
 * the shared data is, else made ones.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/input/json.h"
#include "collector/input/normaliser.h"
#include "correlator/correlator.h"
#include "tests/support_shared.h"

enum { BYTES_MAX = 64 * 1024 * 1024, LINES_MAX = 1 << 18, ROUNDS = 5 };

struct line {
	const char *text;
	size_t size_bytes;
};

static struct line lines[LINES_MAX];
static size_t line_count;
static size_t total_bytes;

static double now_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now); /* of this core, whoever else runs */
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void split(char *text, size_t size_bytes)
{
	char *const end = text + (size_bytes < BYTES_MAX ? size_bytes : BYTES_MAX);
	line_count = 0;
	total_bytes = 0;
	for (char *newline; text < end && line_count < LINES_MAX; text = newline + 1) {
		newline = memchr(text, '\n', (size_t)(end - text));
		if (!newline)
			break;
		lines[line_count++] = (struct line){ text, (size_t)(newline - text) };
		total_bytes += (size_t)(newline - text);
	}
}

/* Winlogbeat's shape of process starts and connections, a third each beside image loads. */
static char *make_events(size_t *out_size_bytes)
{
	enum { EVENTS = 30000, EVENT_BYTES_MAX = 2048 };
	static const char *const bodies[] = {
		"\"CommandLine\":\"C:\\\\Windows\\\\System32\\\\svchost.exe -k netsvcs -p\","
		"\"ParentImage\":\"C:\\\\Windows\\\\System32\\\\services.exe\",\"ParentProcessId\":"
		"\"600\","
		"\"Hashes\":\"SHA256="
		"00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF\"",
		"\"Protocol\":\"tcp\",\"Initiated\":\"true\",\"SourceIp\":\"10.1.2.3\","
		"\"SourcePort\":\"50123\","
		"\"DestinationIp\":\"203.0.113.7\",\"DestinationPort\":\"443\"",
		"\"ImageLoaded\":\"C:\\\\Windows\\\\System32\\\\ntdll.dll\",\"Signed\":\"true\","
		"\"Signature\":\"Microsoft Windows\",\"SignatureStatus\":\"Valid\"",
	};
	static const int ids[] = { 1, 3, 7 };
	char *text = malloc((size_t)EVENTS * EVENT_BYTES_MAX + NORMALISER_PADDING);
	size_t used = 0;
	for (int i = 0; text && i < EVENTS; i++)
		used += (size_t)snprintf(
			text + used, EVENT_BYTES_MAX,
			"{\"@timestamp\":\"2024-05-01T10:%02d:%02d.123Z\",\"event\":{\"code\":\"%"
			"d\",\"kind\":\"event\","
			"\"provider\":\"Microsoft-Windows-Sysmon\"},\"host\":{\"name\":\"ws%d.lab."
			"example\"},"
			"\"log\":{\"level\":\"information\"},\"message\":\"an event of some "
			"length, as rendered\","
			"\"winlog\":{\"channel\":\"Microsoft-Windows-Sysmon/Operational\","
			"\"computer_name\":\"ws%d.lab.example\",\"event_id\":\"%d\",\"record_id\":%"
			"d,"
			"\"provider_name\":\"Microsoft-Windows-Sysmon\",\"process\":{\"pid\":3000,"
			"\"thread\":{\"id\":1}},"
			"\"event_data\":{\"UtcTime\":\"2024-05-01 "
			"10:%02d:%02d.100\",\"RuleName\":\"-\","
			"\"ProcessGuid\":\"{0a0b0c0d-1234-6632-0100-%012d}\",\"ProcessId\":\"%d\","
			"\"Image\":\"C:\\\\Windows\\\\System32\\\\svchost.exe\",\"User\":\"NT "
			"AUTHORITY\\\\SYSTEM\",%s}}}\n",
			i / 60 % 60, i % 60, ids[i % 3], i % 100, i % 100, ids[i % 3], i,
			i / 60 % 60, i % 60, i % 5000, i % 5000, bodies[i % 3]);
	*out_size_bytes = used;
	return text;
}

static void report(const char *data, const char *what, double seconds, double floor_seconds)
{
	const double rounds = ROUNDS;
	printf("%-28s %-34s %10.0f events/s %8.0f MB/s   %4.2f of the floor\n", data, what,
	       rounds * (double)line_count / seconds, rounds * (double)total_bytes / seconds / 1e6,
	       floor_seconds / seconds);
}

static double run_index(void)
{
	struct json_parser *parser = json_parser_open();
	const double start = now_seconds();
	size_t tokens = 0;
	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < line_count; i++) {
			struct json_index index;
			if (json_parser_index(parser, lines[i].text, lines[i].size_bytes, &index))
				tokens += index.count;
		}
	const double seconds = now_seconds() - start;
	json_parser_close(parser);
	if (tokens == 0)
		puts("no tokens");
	return seconds;
}

static double run_parse(void)
{
	struct json_parser *parser = json_parser_open();
	const double start = now_seconds();
	size_t good = 0;
	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < line_count; i++)
			good += json_parser_parse(parser, lines[i].text, lines[i].size_bytes);
	const double seconds = now_seconds() - start;
	json_parser_close(parser);
	if (good == 0)
		puts("nothing parsed");
	return seconds;
}

static double run_normaliser(const struct fields *fields)
{
	static struct counters counters;
	struct normaliser *normaliser = normaliser_open(fields, &counters);
	const double start = now_seconds();
	uint64_t bytes = 0;
	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < line_count; i++) {
			const struct event *event;
			if (normaliser_json(normaliser, lines[i].text, lines[i].size_bytes, 0,
					    &event) == NORMALISED)
				bytes += event->size_bytes;
		}
	const double seconds = now_seconds() - start;
	normaliser_close(normaliser);
	if (bytes == 0)
		puts("no events");
	return seconds;
}

/* What the seed rule reads, and what flows are attributed and alerts explained with. */
static void want_seed_rule(struct fields *fields)
{
	fields_want(fields, FIELD_event_category);
	fields_want(fields, FIELD_event_type);
	fields_want(fields, FIELD_process_name);
	fields_want(fields, FIELD_process_entity_id);
	fields_want(fields, FIELD_destination_ip);
	correlator_want_fields(fields);
}

static void run(const char *data)
{
	struct fields *seed = fields_open();
	struct fields *all = fields_open();
	want_seed_rule(seed);
	fields_want_all(all);
	const double floor_seconds = run_parse();
	printf("%s: %zu events, %.0f bytes each\n", data, line_count,
	       (double)total_bytes / (double)line_count);
	report(data, "simdjson parses, nothing else", floor_seconds, floor_seconds);
	report(data, "simdjson's first stage alone", run_index(), floor_seconds);
	report(data, "fields of the seed rule", run_normaliser(seed), floor_seconds);
	report(data, "all fields", run_normaliser(all), floor_seconds);
	fields_close(seed);
	fields_close(all);
}

int main(void)
{
	static const struct {
		const char *name;
		const char *path;
	} files[] = {
		{ "powershell export", "data/pairs/LSASS_campaign_01/"
				       "metasploit_logonpasswords_lsass_memory_dump.ndjson.gz" },
		{ "nxlog", "data/pairs/covenant_dcom_iertutil_dll_hijack/"
			   "covenant_dcom_iertutil_dll_hijack_2020-10-09183000.ndjson.gz" },
		{ "winlogbeat 6", "data/hostonly/hostonly_empire_invoke_psexec_2019/"
				  "empire_invoke_psexec_2019-05-18210652.ndjson.gz" },
	};
	size_t size_bytes;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		const char *path = shared_path(files[i].path);
		char *text = path ? read_whole_file(path, NORMALISER_PADDING, &size_bytes) : NULL;
		if (!text)
			continue;
		split(text, size_bytes);
		run(files[i].name);
		free(text);
	}
	char *text = make_events(&size_bytes);
	split(text, size_bytes);
	run("made, winlogbeat 8");
	free(text);
	return 0;
}
