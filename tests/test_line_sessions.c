/* NDJSON and syslog: events by line or counted frame, at every split. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support_session.h"
#include "tests/support_shared.h"

enum { RANDOM_CUTS = 20 };

static struct driven drive_all_ways(const struct session_protocol *protocol, const void *bytes,
				    size_t size)
{
	struct session_limits limits;
	session_limits_default(&limits);
	limits.document_bytes = 8192;
	struct driven whole = drive_session(protocol, &limits, bytes, size, 0);
	for (uint64_t seed = 1; seed <= RANDOM_CUTS; seed++) {
		struct driven cut = drive_session(protocol, &limits, bytes, size, seed);
		if (!driven_equal(&whole, &cut))
			fail_msg("seed %zu: %zd/%zd documents %zu/%zu", (size_t)seed, whole.result,
				 cut.result, whole.document_count, cut.document_count);
		driven_release(&cut);
	}
	return whole;
}

static void streams_give_the_documents_that_they_hold(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const struct session_protocol *protocol;
		const char *bytes;
		ssize_t result; /* what is left over, or -errno */
		size_t document_count;
		size_t document_bytes;
	} cases[] = {
		{ "two lines", &session_ndjson, "{\"a\":1}\n{}\n", 0, 2, 9 },
		{ "CR, empty lines, no LF at the end", &session_ndjson, "{}\r\n\r\n\n{}\n{}", 2, 2,
		  4 },
		{ "a byte order mark", &session_ndjson, "\xef\xbb\xbf{}\n", 0, 1, 2 },
		{ "counted frames", &session_syslog, "19 <134>1 - - - - - {}19 <134>1 - - - - - {}",
		  0, 2, 4 },
		{ "a count that is too small cuts the message", &session_syslog,
		  "18 <134>1 - - - - - {}", 1, 1, 1 },
		{ "by line", &session_syslog,
		  "<134>1 - - - - - {}\n<134>Nov 23 11:00:00 ws01 x: {}\r\n", 0, 2, 4 },
		{ "both in turn", &session_syslog, "<134>1 - - - - - {}\n19 <134>1 - - - - - {}", 0,
		  2, 4 },
		{ "a cookie", &session_syslog, "<134>1 - - - - - @cee: {\"a\":1}\n", 0, 1, 7 },
		{ "event XML", &session_syslog, "<13>1 - - - - - <Event a='{'></Event>\n", 0, 1,
		  21 },
		{ "no event", &session_syslog, "<13>1 - - - - - hello\n", 0, 1, 21 },
		{ "a number that is no count", &session_syslog, "19x<134>1 - - - - - {}", -EPROTO,
		  0, 0 },
		{ "a count above the limit", &session_syslog, "99999 <134>1", -EMSGSIZE, 0, 0 },
		{ "a count without end", &session_syslog, "999999999999", -EMSGSIZE, 0, 0 },
		{ "Snare", &session_syslog,
		  "<13>1 - - - - - MSWinEventLog\t1\tSecurity\t7\tMon Nov 23 11:00:00 "
		  "2026\t4688\tS\tU\tN/A\tSuccess\tWS01\tC\t\tText\n",
		  0, 1, 148 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct driven driven =
			drive_all_ways(cases[i].protocol, cases[i].bytes, strlen(cases[i].bytes));
		if (driven.result != cases[i].result ||
		    driven.document_count != cases[i].document_count ||
		    driven.document_bytes != cases[i].document_bytes)
			fail_msg("%s: result %zd, %zu documents, %zu bytes", cases[i].name,
				 driven.result, driven.document_count, driven.document_bytes);
		driven_release(&driven);
	}
}

static void line_above_the_limit_ends_the_session_before_it_is_buffered(void **state)
{
	(void)state;
	const size_t size = 9000;
	char *bytes = malloc(size);
	memset(bytes, 'x', size);
	struct driven ndjson = drive_all_ways(&session_ndjson, bytes, size);
	assert_int_equal(ndjson.result, -EMSGSIZE);
	bytes[0] = '<';
	struct driven syslog = drive_all_ways(&session_syslog, bytes, size);
	assert_int_equal(syslog.result, -EMSGSIZE);
	driven_release(&ndjson);
	driven_release(&syslog);
	free(bytes);
}

static void recorded_rsyslog_stream_is_read(void **state)
{
	(void)state;
	const char *path = shared_path("ingest/syslog/rsyslog_rfc5424_json_octetcounted.bin");
	if (!path)
		return;
	size_t size;
	char *bytes = read_whole_file(path, 0, &size);
	struct driven driven = drive_all_ways(&session_syslog, bytes, size);
	assert_int_equal(driven.result, 0);
	assert_true(driven.document_count >= 5);
	driven_release(&driven);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams_give_the_documents_that_they_hold),
		cmocka_unit_test(line_above_the_limit_ends_the_session_before_it_is_buffered),
		cmocka_unit_test(recorded_rsyslog_stream_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
