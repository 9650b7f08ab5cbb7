/* Event files: every format, whole and broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "collector/base/log.h"
#include "collector/input/event_file.h"

#define EVENT(record)                                                                              \
	"{\"TimeCreated\":\"2024-05-01T10:00:01Z\",\"Hostname\":\"ws1\",\"EventID\":5,"            \
	"\"Channel\":\"Microsoft-Windows-Sysmon/Operational\",\"RecordNumber\":" #record           \
	",\"Image\":\"C:\\\\a\\\\b{\\\"[.exe\"}"

struct fixture {
	struct counters counters;
	struct fields *fields;
	struct normaliser *normaliser;
	char path[64];
};

static int set_up(void **state)
{
	static struct fixture fixture;
	memset(&fixture, 0, sizeof(fixture));
	fixture.fields = fields_open();
	fields_want_all(fixture.fields);
	fixture.normaliser = normaliser_open(fixture.fields, &fixture.counters);
	snprintf(fixture.path, sizeof(fixture.path), "/tmp/procspan-events-XXXXXX");
	close(mkstemp(fixture.path));
	*state = &fixture;
	log_set_level(LOG_ERROR);
	return fixture.normaliser ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	unlink(fixture->path);
	normaliser_close(fixture->normaliser);
	fields_close(fixture->fields);
	return 0;
}

static void write_bytes(const char *path, const void *bytes, size_t size_bytes, bool compress)
{
	gzFile file = gzopen(path, compress ? "wb" : "wbT");
	assert_non_null(file);
	for (size_t at = 0; at < size_bytes; at += 1 << 20) {
		const size_t left = size_bytes - at;
		gzwrite(file, (const char *)bytes + at,
			(unsigned)(left < 1 << 20 ? left : 1 << 20));
	}
	gzclose(file);
}

/* Record numbers of the events, as "1 2 3", and the fault. */
static const char *records_of(struct fixture *fixture, const char **out_fault)
{
	static char text[256];
	static struct complaint fault;
	struct event_file *file;
	const struct event *event;
	size_t used = 0;
	text[0] = '\0';
	if (!event_file_open(fixture->path, fixture->normaliser, &fault, &file))
		fail_msg("%s", fault.text);
	while ((event = event_file_next(file)) != NULL)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%llu",
					 used ? " " : "", (unsigned long long)event->tiebreaker);
	*out_fault = NULL;
	if (event_file_fault(file)) {
		fault = *event_file_fault(file);
		*out_fault = fault.text;
	}
	event_file_close(file);
	return text;
}

static void every_format_is_read(void **state)
{
	static const struct {
		const char *name;
		const char *bytes;
		const char *records;
		uint64_t bad_count;
		bool fault;
	} cases[] = {
		{ "lines", EVENT(1) "\n" EVENT(2) "\n", "1 2", 0, false },
		{ "no newline at the end", EVENT(1) "\n" EVENT(2), "1 2", 0, false },
		{ "byte order mark, CRLF, empty lines",
		  "\xef\xbb\xbf" EVENT(1) "\r\n\r\n  \n" EVENT(2) "\r\n", "1 2", 0, false },
		{ "a bad line in the middle", EVENT(1) "\n{\"a\":\n" EVENT(2) "\n", "1 2", 1,
		  false },
		{ "a line that is no event", EVENT(1) "\n{\"a\":1}\n42\n" EVENT(2) "\n", "1 2", 1,
		  false },
		{ "array", "[" EVENT(1) "," EVENT(2) "]", "1 2", 0, false },
		{ "array with white space and a mark",
		  "\xef\xbb\xbf [\r\n " EVENT(1) " ,\n" EVENT(2) "\n ] \n", "1 2", 0, false },
		{ "array of nothing", " [ ] ", "", 0, false },
		{ "array with a bad element", "[" EVENT(1) ",{\"a\" 1}," EVENT(2) "]", "1 2", 1,
		  false },
		{ "array that is cut between elements", "[" EVENT(1) ",", "1", 0, true },
		{ "array that is cut in an element", "[" EVENT(1) ",{\"a\":\"", "1", 0, true },
		{ "array of something else", "[" EVENT(1) ",7]", "1", 0, true },
		{ "empty", "", "", 0, false },
		{ "white space", "\n\r\n", "", 0, false },
	};
	struct fixture *fixture = *state;
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		const size_t at = i / 2;
		const struct counters before = fixture->counters;
		const char *fault;
		write_bytes(fixture->path, cases[at].bytes, strlen(cases[at].bytes), i % 2);
		const char *records = records_of(fixture, &fault);
		if (strcmp(records, cases[at].records) != 0 || (fault != NULL) != cases[at].fault)
			fail_msg("%s: \"%s\", fault %s", cases[at].name, records,
				 fault ? fault : "none");
		const uint64_t bad_count =
			counter_read(&fixture->counters, COUNTER_events_bad_json) -
			counter_read(&before, COUNTER_events_bad_json);
		if (cases[at].bad_count != 0 && bad_count != cases[at].bad_count)
			fail_msg("%s: %llu bad", cases[at].name, (unsigned long long)bad_count);
	}
}

static void a_cut_gzip_stream_gives_what_was_whole_and_a_fault(void **state)
{
	struct fixture *fixture = *state;
	const char *fault;
	char bytes[512];
	write_bytes(fixture->path, EVENT(1) "\n" EVENT(2) "\n", strlen(EVENT(1) "\n" EVENT(2) "\n"),
		    true);
	FILE *stream = fopen(fixture->path, "rb");
	const size_t size = fread(bytes, 1, sizeof(bytes), stream);
	fclose(stream);
	assert_int_equal(truncate(fixture->path, (off_t)size - 9), 0);
	records_of(fixture, &fault);
	assert_non_null(fault);
}

static void a_line_over_the_limit_is_skipped_and_counted(void **state)
{
	enum { HUGE_BYTES = 9 * 1024 * 1024 };
	static const char first[] = EVENT(1) "\n";
	static const char last[] = "\n" EVENT(2) "\n";
	struct fixture *fixture = *state;
	const char *fault;
	const size_t size = sizeof(first) - 1 + HUGE_BYTES + sizeof(last) - 1;
	char *bytes = malloc(size);
	memcpy(bytes, first, sizeof(first) - 1);
	memset(bytes + sizeof(first) - 1, '{', HUGE_BYTES);
	memcpy(bytes + size - (sizeof(last) - 1), last, sizeof(last) - 1);
	write_bytes(fixture->path, bytes, size, false);
	free(bytes);
	assert_string_equal(records_of(fixture, &fault), "1 2");
	assert_null(fault);
	assert_int_equal(counter_read(&fixture->counters, COUNTER_events_too_large), 1);
	assert_int_equal(counter_read(&fixture->counters, COUNTER_events_seen), 3);
}

static void what_is_no_event_file_is_refused_with_its_name(void **state)
{
	struct fixture *fixture = *state;
	struct complaint complaint;
	struct event_file *file;
	assert_false(event_file_open("/tmp/procspan-no-such-file", fixture->normaliser, &complaint,
				     &file));
	assert_string_equal(complaint.file, "/tmp/procspan-no-such-file");
	assert_false(event_file_open("/tmp", fixture->normaliser, &complaint, &file));
	write_bytes(fixture->path, "hello, world\n", 13, false);
	assert_false(event_file_open(fixture->path, fixture->normaliser, &complaint, &file));
	write_bytes(fixture->path, "ElfFile\0garbage", 15, false);
	assert_false(event_file_open(fixture->path, fixture->normaliser, &complaint, &file));
}

static void progress_reaches_the_size_of_the_file(void **state)
{
	struct fixture *fixture = *state;
	struct complaint complaint;
	struct event_file *file;
	uint64_t done_bytes;
	uint64_t total_bytes;
	write_bytes(fixture->path, EVENT(1) "\n", strlen(EVENT(1) "\n"), true);
	assert_true(event_file_open(fixture->path, fixture->normaliser, &complaint, &file));
	while (event_file_next(file))
		;
	event_file_progress(file, &done_bytes, &total_bytes);
	assert_int_equal(done_bytes, total_bytes);
	event_file_close(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_format_is_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_cut_gzip_stream_gives_what_was_whole_and_a_fault,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_line_over_the_limit_is_skipped_and_counted,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_event_file_is_refused_with_its_name,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(progress_reaches_the_size_of_the_file, set_up,
						tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
