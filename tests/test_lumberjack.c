/* Lumberjack, the receiving side: our own streams, the recorded ones, and hostile ones, each at
 * every split. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "tests/support_session.h"
#include "tests/support_shared.h"

enum { STREAM_MAX = 4096, RANDOM_CUTS = 20 };

struct stream {
	uint8_t bytes[STREAM_MAX];
	size_t size;
};

static void add(struct stream *stream, const void *bytes, size_t size)
{
	memcpy(stream->bytes + stream->size, bytes, size);
	stream->size += size;
}

static void add_be32(struct stream *stream, uint32_t value)
{
	const uint8_t bytes[] = { (uint8_t)(value >> 24), (uint8_t)(value >> 16),
				  (uint8_t)(value >> 8), (uint8_t)value };
	add(stream, bytes, sizeof(bytes));
}

static void add_window(struct stream *stream, uint32_t count)
{
	add(stream, "2W", 2);
	add_be32(stream, count);
}

static void add_json(struct stream *stream, uint32_t sequence, const char *json)
{
	add(stream, "2J", 2);
	add_be32(stream, sequence);
	add_be32(stream, (uint32_t)strlen(json));
	add(stream, json, strlen(json));
}

static void add_compressed(struct stream *stream, const struct stream *inner)
{
	uint8_t packed[STREAM_MAX];
	uLongf size = sizeof(packed);
	assert_int_equal(compress(packed, &size, inner->bytes, inner->size), Z_OK);
	add(stream, "2C", 2);
	add_be32(stream, (uint32_t)size);
	add(stream, packed, size);
}

/* Drives whole, byte by byte and at random cuts; all must agree. Returns the first. */
static struct driven drive_all_ways(const void *bytes, size_t size)
{
	struct session_limits limits;
	session_limits_default(&limits);
	struct driven whole = drive_session(&session_lumberjack, &limits, bytes, size, 0);
	for (uint64_t seed = 1; seed <= RANDOM_CUTS; seed++) {
		struct driven cut = drive_session(&session_lumberjack, &limits, bytes, size, seed);
		/* How much was unconsumed when the fault was met differs; that it was
		 * met must not. */
		if (!driven_equal(&whole, &cut))
			fail_msg("seed %zu: %zd/%zd documents %zu/%zu", (size_t)seed, whole.result,
				 cut.result, whole.document_count, cut.document_count);
		driven_release(&cut);
	}
	return whole;
}

static void windows_are_acknowledged_with_the_sequence_of_their_last_event(void **state)
{
	(void)state;
	struct stream stream = { 0 };
	struct stream inner = { 0 };
	add_window(&stream, 2);
	add_json(&stream, 1, "{\"a\":1}");
	add_json(&stream, 2, "{\"a\":2}");
	add_window(&stream, 3);
	add_json(&inner, 41, "{\"a\":3}");
	add_json(&inner, 42, "{\"a\":4}");
	add_compressed(&stream, &inner);
	add_json(&stream, 43, "{\"a\":5}");
	struct driven driven = drive_all_ways(stream.bytes, stream.size);
	assert_int_equal(driven.result, 0);
	assert_int_equal(driven.document_count, 5);
	assert_int_equal(driven.checkpoint_count, 2);
	assert_int_equal(driven.reply_bytes, 12);
	assert_memory_equal(driven.replies,
			    "2A\0\0\0\2"
			    "2A\0\0\0\53",
			    12);
	driven_release(&driven);
}

static void a_compressed_frame_may_hold_several_windows(void **state)
{
	(void)state;
	struct stream stream = { 0 };
	struct stream inner = { 0 };
	add_window(&inner, 1);
	add_json(&inner, 1, "{}");
	add_window(&inner, 1);
	add_json(&inner, 1, "{}");
	add_compressed(&stream, &inner);
	struct driven driven = drive_all_ways(stream.bytes, stream.size);
	assert_int_equal(driven.result, 0);
	assert_int_equal(driven.checkpoint_count, 2);
	driven_release(&driven);
}

static void pairs_without_a_line_are_handed_over_to_be_counted(void **state)
{
	(void)state;
	struct stream stream = { 0 };
	add(&stream, "1W\0\0\0\2", 6);
	add(&stream, "1D\0\0\0\1\0\0\0\1\0\0\0\4line\0\0\0\7{\"a\":1}", 29);
	add(&stream, "1D\0\0\0\2\0\0\0\1\0\0\0\4host\0\0\0\1h", 23);
	struct session_limits limits;
	session_limits_default(&limits);
	/* whole only: version 1 acknowledges what there is after each read */
	struct driven driven =
		drive_session(&session_lumberjack, &limits, stream.bytes, stream.size, 0);
	assert_int_equal(driven.result, 0);
	assert_int_equal(driven.document_count, 2);
	assert_int_equal(driven.reply_bytes, 6);
	assert_memory_equal(driven.replies, "1A\0\0\0\2", 6);
	driven_release(&driven);
}

static void whatever_breaks_the_protocol_is_hung_up_on_without_an_acknowledgement(void **state)
{
	(void)state;
	struct stream premature = { 0 };
	add_window(&premature, 2);
	add_json(&premature, 1, "{}");
	add_window(&premature, 1);

	struct stream nested = { 0 };
	struct stream inner = { 0 };
	struct stream middle = { 0 };
	add_json(&inner, 1, "{}");
	add_compressed(&middle, &inner);
	add_window(&nested, 1);
	add_compressed(&nested, &middle);

	struct stream left_over = { 0 };
	struct stream cut = { 0 };
	add_json(&cut, 1, "{}");
	cut.size--;
	add_window(&left_over, 2);
	add_compressed(&left_over, &cut);

	struct stream behind = { 0 };
	add_window(&behind, 1);
	add(&behind, "2C\0\0\0\11x\234\3\0\0\0\0\1!", 15);

	struct stream no_window = { 0 };
	add_json(&no_window, 1, "{}");

	struct stream huge_window = { 0 };
	add_window(&huge_window, 65537);

	struct stream empty_json = { 0 };
	add_window(&empty_json, 1);
	add_json(&empty_json, 1, "");

	const struct {
		const char *name;
		const struct stream *stream;
		int error;
	} cases[] = {
		{ "a window before the last one is full", &premature, EPROTO },
		{ "a compressed frame within a compressed frame", &nested, EPROTO },
		{ "a cut frame at the end of a compressed one", &left_over, EPROTO },
		{ "bytes behind the compressed stream", &behind, EPROTO },
		{ "an event without a window", &no_window, EPROTO },
		{ "a window above the limit", &huge_window, EMSGSIZE },
		{ "an empty event", &empty_json, EPROTO },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct driven driven =
			drive_all_ways(cases[i].stream->bytes, cases[i].stream->size);
		if (driven.result != -cases[i].error || driven.reply_bytes != 0)
			fail_msg("%s: %zd", cases[i].name, driven.result);
		driven_release(&driven);
	}
}

static void take_reply(void *context, const void *bytes, size_t size_bytes)
{
	memcpy(context, bytes, size_bytes < 6 ? size_bytes : 6);
}

static void ignore_document(void *context, enum document_kind kind, const char *bytes,
			    size_t size_bytes)
{
	(void)context, (void)kind, (void)bytes, (void)size_bytes;
}

static void ignore_checkpoint(void *context)
{
	(void)context;
}

static void keep_alives_go_out_only_while_a_window_waits(void **state)
{
	(void)state;
	static const uint64_t second_ns = 1000000000;
	char reply[7] = "none!!";
	const struct session_sink sink = { reply, ignore_document, ignore_checkpoint, take_reply };
	struct session_limits limits;
	session_limits_default(&limits);
	struct stream stream = { 0 };
	add_window(&stream, 1);
	add_json(&stream, 1, "{}");
	void *session = session_lumberjack.open(&limits);
	session_lumberjack.idle(session, 10 * second_ns, &sink);
	assert_memory_equal(reply, "none!!", 6);
	assert_int_equal(session_lumberjack.feed(session, stream.bytes, stream.size, &sink),
			 stream.size);
	session_lumberjack.idle(session, 11 * second_ns, &sink);
	assert_memory_equal(reply, "none!!", 6);
	session_lumberjack.idle(session, 15 * second_ns, &sink);
	assert_memory_equal(reply, "2A\0\0\0\0", 6);
	session_lumberjack.safe(session, &sink);
	assert_memory_equal(reply, "2A\0\0\0\1", 6);
	memset(reply, '!', 6);
	session_lumberjack.idle(session, 30 * second_ns, &sink);
	assert_memory_equal(reply, "!!!!!!", 6);
	session_lumberjack.close(session);
}

/* --- recorded clients ------------------------------------------------------------------------- */

static size_t count_events(json_t *frames)
{
	size_t count = 0;
	size_t i;
	json_t *frame;
	json_array_foreach(frames, i, frame)
	{
		const char *type = json_string_value(json_array_get(frame, 0));
		if (*type == 'J' || *type == 'D')
			count++;
		else if (*type == 'C')
			count += json_array_size(json_array_get(frame, 3));
	}
	return count;
}

static void recorded_clients_get_the_acknowledgements_that_they_accepted(void **state)
{
	(void)state;
	static const char *const names[] = { "v2_async_c3_w4", "v2_sync_c0_w5", "v2_sync_c3_w2048",
					     "v2_npm_lumberjack-client" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char relative[128];
		snprintf(relative, sizeof(relative), "ingest/lumberjack/%s.bin", names[i]);
		const char *path = shared_path(relative);
		if (!path)
			return;
		size_t size;
		char *bytes = read_whole_file(path, 0, &size);
		snprintf(relative, sizeof(relative), "ingest/lumberjack/%s.bin.json", names[i]);
		json_t *expected = json_load_file(shared_path(relative), 0, NULL);
		json_t *acks = json_object_get(expected, "expected_acks");
		struct driven driven = drive_all_ways(bytes, size);
		assert_int_equal(driven.result, 0);
		assert_int_equal(driven.document_count,
				 count_events(json_object_get(expected, "frames")));
		assert_int_equal(driven.reply_bytes, 6 * json_array_size(acks));
		for (size_t j = 0; j < json_array_size(acks); j++) {
			json_t *ack = json_array_get(acks, j);
			const uint8_t *frame = driven.replies + 6 * j;
			assert_int_equal(frame[0], *json_string_value(json_array_get(ack, 0)));
			assert_int_equal(frame[2] << 24 | frame[3] << 16 | frame[4] << 8 | frame[5],
					 json_integer_value(json_array_get(ack, 1)));
		}
		driven_release(&driven);
		json_decref(expected);
		free(bytes);
	}
}

static void version_1_events_are_acknowledged_although_their_window_never_fills(void **state)
{
	(void)state;
	const char *path = shared_path("ingest/lumberjack/v1_npm_lumberjack-protocol_tls.bin");
	if (!path)
		return;
	size_t size;
	char *bytes = read_whole_file(path, 0, &size);
	struct session_limits limits;
	session_limits_default(&limits);
	struct driven driven = drive_session(&session_lumberjack, &limits, bytes, size, 0);
	assert_int_equal(driven.result, 0);
	assert_true(driven.document_count >= 1);
	assert_true(driven.reply_bytes >= 6);
	assert_int_equal(driven.replies[driven.reply_bytes - 6], '1');
	assert_int_equal(driven.replies[driven.reply_bytes - 1], driven.document_count);
	driven_release(&driven);
	free(bytes);
}

static void malformed_streams_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		ssize_t result; /* > 0: waits for more */
		size_t reply_bytes;
	} cases[] = {
		{ "bad_version", -EPROTO, 0 },	 { "bad_type", -EPROTO, 0 },
		{ "window_zero", 0, 12 },	 { "nested_c", -EPROTO, 0 },
		{ "j_len_huge", -EMSGSIZE, 0 },	 { "c_bomb_64MiB", -EMSGSIZE, 0 },
		{ "window_huge", -EMSGSIZE, 0 }, { "dup_seq", 0, 6 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char relative[128];
		snprintf(relative, sizeof(relative), "ingest/lumberjack/malformed/%s.bin",
			 cases[i].name);
		const char *path = shared_path(relative);
		if (!path)
			return;
		size_t size;
		char *bytes = read_whole_file(path, 0, &size);
		struct driven driven = drive_all_ways(bytes, size);
		if (driven.result != cases[i].result || driven.reply_bytes != cases[i].reply_bytes)
			fail_msg("%s: %zd, %zu bytes of replies", cases[i].name, driven.result,
				 driven.reply_bytes);
		if (strcmp(cases[i].name, "dup_seq") == 0)
			assert_memory_equal(driven.replies, "2A\0\0\0\10", 6);
		driven_release(&driven);
		free(bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_without_a_line_are_handed_over_to_be_counted),
		cmocka_unit_test(windows_are_acknowledged_with_the_sequence_of_their_last_event),
		cmocka_unit_test(a_compressed_frame_may_hold_several_windows),
		cmocka_unit_test(
			whatever_breaks_the_protocol_is_hung_up_on_without_an_acknowledgement),
		cmocka_unit_test(keep_alives_go_out_only_while_a_window_waits),
		cmocka_unit_test(recorded_clients_get_the_acknowledgements_that_they_accepted),
		cmocka_unit_test(
			version_1_events_are_acknowledged_although_their_window_never_fills),
		cmocka_unit_test(malformed_streams_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
