#include "correlator/bench_events.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "collector/base/pages.h"
#include "collector/input/event_file.h"

enum {
	LINES_BYTES_MAX = 64 * 1024 * 1024,
	LINES_MAX = 1 << 18,
	EVENTS_MAX = 40000,
	EVENT_BYTES_MAX = 64 * 1024 * 1024,
	MADE_EVENTS = 30000,
	MADE_BYTES_MAX = 2048,
};

/* --- made events ---------------------------------------------------------------------------- */

struct made_program {
	const char *image; /* as JSON has it */
	const char *command_line;
	const char *library;
};

static const struct made_program programs[] = {
	{ "C:\\\\Windows\\\\System32\\\\svchost.exe",
	  "C:\\\\Windows\\\\System32\\\\svchost.exe -k netsvcs -p",
	  "C:\\\\Windows\\\\System32\\\\ntdll.dll" },
	{ "C:\\\\Windows\\\\System32\\\\cmd.exe", "cmd.exe /c dir C:\\\\Users\\\\Public",
	  "C:\\\\Windows\\\\System32\\\\cmdext.dll" },
	{ "C:\\\\Windows\\\\System32\\\\WindowsPowerShell\\\\v1.0\\\\powershell.exe",
	  "powershell.exe -nop -w hidden -c Get-Process", "C:\\\\Windows\\\\System32\\\\clr.dll" },
	{ "C:\\\\Program Files\\\\Google\\\\Chrome\\\\Application\\\\chrome.exe",
	  "chrome.exe --type=renderer --lang=en-US", "C:\\\\Windows\\\\System32\\\\dwrite.dll" },
	{ "C:\\\\Windows\\\\System32\\\\taskhostw.exe", "taskhostw.exe Install",
	  "C:\\\\Windows\\\\System32\\\\kernel32.dll" },
	{ "C:\\\\Windows\\\\System32\\\\rundll32.exe",
	  "rundll32.exe shell32.dll,Control_RunDLL desk.cpl",
	  "C:\\\\Windows\\\\System32\\\\shell32.dll" },
};

/* What Sysmon's events 1, 3 and 7 say beside the process. */
static size_t put_body(char *text, size_t size_bytes, unsigned number,
		       const struct made_program *program)
{
	static const char hash[] =
		"SHA256=00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF";
	int used = 0;
	if (number % 3 == 0)
		used = snprintf(text, size_bytes,
				"\"CommandLine\":\"%s\",\"ParentImage\":"
				"\"C:\\\\Windows\\\\explorer.exe\",\"ParentProcessId\":\"600\","
				"\"Hashes\":\"%s\"",
				program->command_line, hash);
	else if (number % 3 == 1)
		used = snprintf(text, size_bytes,
				"\"Protocol\":\"tcp\",\"Initiated\":\"true\",\"SourceIp\":"
				"\"10.1.2.3\",\"SourcePort\":\"%u\",\"DestinationIp\":"
				"\"203.0.113.%u\",\"DestinationPort\":\"443\"",
				49152 + number % 16000, number % 250);
	else
		used = snprintf(text, size_bytes,
				"\"ImageLoaded\":\"%s\",\"Signed\":\"true\",\"Signature\":"
				"\"Microsoft Windows\",\"SignatureStatus\":\"Valid\",\"Hashes\":"
				"\"%s\"",
				program->library, hash);
	return (size_t)used;
}

/* In Winlogbeat 8's shape. */
static size_t put_event(char *text, unsigned number)
{
	static const int ids[] = { 1, 3, 7 };
	enum { PROGRAMS = sizeof(programs) / sizeof(programs[0]) };
	const struct made_program *program = &programs[number / 3 * 2654435761U % PROGRAMS];
	const unsigned minute = number / 60 % 60;
	size_t used = (size_t)snprintf(
		text, MADE_BYTES_MAX,
		"{\"@timestamp\":\"2024-05-01T10:%02u:%02u.123Z\",\"event\":{\"code\":\"%d\","
		"\"kind\":\"event\",\"provider\":\"Microsoft-Windows-Sysmon\"},\"host\":{\"name\":"
		"\"ws%u.lab.example\"},\"log\":{\"level\":\"information\"},\"message\":\"an event "
		"of some length, as rendered\",\"winlog\":{\"channel\":"
		"\"Microsoft-Windows-Sysmon/Operational\",\"computer_name\":\"ws%u.lab.example\","
		"\"event_id\":\"%d\",\"record_id\":%u,\"provider_name\":"
		"\"Microsoft-Windows-Sysmon\",\"process\":{\"pid\":3000,\"thread\":{\"id\":1}},"
		"\"event_data\":{\"UtcTime\":\"2024-05-01 10:%02u:%02u.100\",\"RuleName\":\"-\","
		"\"ProcessGuid\":\"{0a0b0c0d-1234-6632-0100-%012u}\",\"ProcessId\":\"%u\","
		"\"Image\":\"%s\",\"User\":\"NT AUTHORITY\\\\SYSTEM\",",
		minute, number % 60, ids[number % 3], number % 100, number % 100, ids[number % 3],
		number, minute, number % 60, number, number % 5000, program->image);
	used += put_body(text + used, MADE_BYTES_MAX - used, number, program);
	used += (size_t)snprintf(text + used, MADE_BYTES_MAX - used, "}}}\n");
	return used;
}

static void make_lines(struct bench_lines *lines)
{
	for (unsigned i = 0; i < MADE_EVENTS; i++)
		lines->size_bytes += put_event(lines->bytes + lines->size_bytes, i);
}

/* --- lines ---------------------------------------------------------------------------------- */

/* Plain or gzip. */
static bool read_file(struct bench_lines *lines, const char *path)
{
	gzFile file = gzopen(path, "rb");
	if (!file) {
		fprintf(stderr, "procspan bench: %s: %s\n", path, strerror(errno));
		return false;
	}
	const size_t room_bytes = LINES_BYTES_MAX - lines->size_bytes;
	const int got = gzread(file, lines->bytes + lines->size_bytes, (unsigned)room_bytes);
	if (got < 0)
		fprintf(stderr, "procspan bench: %s: %s\n", path, gzerror(file, &(int){ 0 }));
	lines->size_bytes += got > 0 ? (size_t)got : 0;
	gzclose_r(file);
	if (got < 0)
		errno = EIO;
	return got >= 0;
}

/* Only what looks like an object: arrays and EVTX are for `rules` alone. */
static void split(struct bench_lines *lines)
{
	char *text = lines->bytes;
	char *const end = text + lines->size_bytes;
	for (char *newline; lines->count < LINES_MAX; text = newline + 1) {
		newline = memchr(text, '\n', (size_t)(end - text));
		if (!newline)
			break;
		if (*text == '{')
			lines->items[lines->count++] =
				(struct bench_line){ text, (size_t)(newline - text) };
	}
}

bool bench_lines_open(const struct bench *bench, struct bench_lines *out_lines)
{
	struct bench_lines lines = { .bytes = malloc(LINES_BYTES_MAX + NORMALISER_PADDING),
				     .items = calloc(LINES_MAX, sizeof(*lines.items)) };
	bool good = lines.bytes && lines.items;
	if (good && bench->event_count == 0)
		make_lines(&lines);
	for (size_t i = 0; good && i < bench->event_count; i++)
		good = read_file(&lines, bench->events[i]);
	if (!good) {
		bench_lines_close(&lines);
		return false;
	}
	memset(lines.bytes + lines.size_bytes, 0, NORMALISER_PADDING);
	split(&lines);
	*out_lines = lines;
	return true;
}

void bench_lines_close(struct bench_lines *lines)
{
	free(lines->bytes);
	free(lines->items);
}

/* --- events --------------------------------------------------------------------------------- */

static bool keep_event(struct bench_events *events, const struct event *event)
{
	if (events->count == EVENTS_MAX || events->size_bytes + event->size_bytes > EVENT_BYTES_MAX)
		return false;
	char *copy = events->bytes + events->size_bytes;
	memcpy(copy, event, event->size_bytes);
	events->items[events->count++] = (const struct event *)(const void *)copy;
	events->size_bytes += event->size_bytes;
	return true;
}

static bool parse_file(struct bench_events *events, struct normaliser *normaliser, const char *path)
{
	struct event_file *file;
	struct complaint complaint;
	if (!event_file_open(path, normaliser, &complaint, &file)) {
		fprintf(stderr, "procspan bench: ");
		complaint_print(&complaint, stderr);
		fputc('\n', stderr);
		errno = EINVAL;
		return false;
	}
	for (const struct event *event; (event = event_file_next(file));)
		if (!keep_event(events, event))
			break;
	event_file_close(file);
	return true;
}

static bool parse_made(const struct bench *bench, struct bench_events *events,
		       struct normaliser *normaliser)
{
	struct bench_lines lines;
	if (!bench_lines_open(bench, &lines))
		return false;
	for (size_t i = 0; i < lines.count; i++) {
		const struct event *event;
		if (normaliser_json(normaliser, lines.items[i].text, lines.items[i].size_bytes, 0,
				    &event) == NORMALISED &&
		    !keep_event(events, event))
			break;
	}
	bench_lines_close(&lines);
	return true;
}

bool bench_events_open(const struct bench *bench, const struct fields *fields,
		       struct bench_events *out_events)
{
	struct counters counters = { 0 };
	struct bench_events events = { .bytes = pages_open(EVENT_BYTES_MAX),
				       .items = calloc(EVENTS_MAX, sizeof(struct event *)) };
	struct normaliser *normaliser = normaliser_open(fields, &counters);
	bool good = events.bytes && events.items && normaliser;
	if (good && bench->event_count == 0)
		good = parse_made(bench, &events, normaliser);
	for (size_t i = 0; good && i < bench->event_count; i++)
		good = parse_file(&events, normaliser, bench->events[i]);
	if (good && events.count == 0) {
		fputs("procspan bench: none of the files has an event\n", stderr);
		errno = ENODATA;
		good = false;
	}
	normaliser_close(normaliser);
	if (good)
		*out_events = events;
	else
		bench_events_close(&events);
	return good;
}

void bench_events_close(struct bench_events *events)
{
	pages_close(events->bytes, EVENT_BYTES_MAX);
	free(events->items);
}
