/* input_lumberjack.c: the protocol of Beats and Logstash, versions 2 and 1, the receiving side.
 *
 * Sources: elastic/go-lumber protocol/v2, logstash-input-beats PROTOCOL.md. Every frame begins
 * with its version ('2' or '1') and its type; integers are big-endian:
 *
 *	W  u32 count                            a window of `count` events follows
 *	J  u32 sequence, u32 size, JSON         one event
 *	C  u32 size, zlib stream                whole frames, compressed
 *	D  u32 sequence, u32 pairs, pairs       one event, version 1 only;
 *	                                        a pair: u32 size, key, u32 size, value
 *	A  u32 sequence                         ours: all up to `sequence` are safe;
 *	                                        0 = still here, go on waiting
 *
 * An acknowledgement carries the sequence number of the window's last event (some senders number
 * on across windows) and the version of the window. A window is acknowledged whole, once, in
 * order. There is no error frame: whatever breaks the protocol ends the connection without an
 * acknowledgement, and the sender sends again.
 */
#include "collector/input/session.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "collector/base/cursor.h"

enum {
	FRAME_HEAD_BYTES = 2,
	WINDOWS_PENDING_MAX = 65536, /* Beats pipeline 2; who never reads its acks is cut off */
	PAIRS_MAX = 64,		     /* of a D frame */
	INFLATE_STEP_BYTES = 64 * 1024,
	VERSION_1 = '1',
	VERSION_2 = '2',
};

static const uint64_t keep_alive_ns =
	3000000000; /* go-lumber's server: 3 s; Beats give up after 30 s */

struct pending_ack {
	uint32_t sequence;
	uint8_t version;
};

struct lumberjack {
	struct session_limits limits;
	uint32_t window_left; /* events that the window still lacks */
	uint32_t last_sequence;
	uint32_t unfinished_count; /* version 1 events since the last checkpoint */
	uint8_t version;	   /* of the window */

	struct pending_ack *pending; /* checkpoints not yet safe, oldest first */
	uint32_t pending_count;
	uint32_t pending_room;
	uint64_t replied_ns; /* of the last keep-alive; 0 = none since the queue was empty */

	bool inflating;
	uint32_t compressed_left; /* of the current C frame */
	size_t inflated_bytes;	  /* so far, of the current C frame */
	z_stream zlib;
	uint8_t *inflated; /* inflated and not yet parsed */
	size_t inflated_used;
	size_t inflated_room;
};

static void *lumberjack_open(const struct session_limits *limits)
{
	struct lumberjack *session = calloc(1, sizeof(*session));
	if (session)
		session->limits = *limits;
	return session;
}

static void stop_inflating(struct lumberjack *session)
{
	if (session->inflating)
		inflateEnd(&session->zlib);
	session->inflating = false;
}

static void lumberjack_close(void *context)
{
	struct lumberjack *session = context;
	if (!session)
		return;
	stop_inflating(session);
	free(session->inflated);
	free(session->pending);
	free(session);
}

/* --- replies ---------------------------------------------------------------------------------- */

static void write_ack(const struct session_sink *sink, uint8_t version, uint32_t sequence)
{
	const uint8_t frame[] = { version,
				  'A',
				  (uint8_t)(sequence >> 24),
				  (uint8_t)(sequence >> 16),
				  (uint8_t)(sequence >> 8),
				  (uint8_t)sequence };
	sink->reply(sink->context, frame, sizeof(frame));
}

static bool pending_has_room(struct lumberjack *session)
{
	if (session->pending_count < session->pending_room)
		return true;
	if (session->pending_room == WINDOWS_PENDING_MAX)
		return false;
	const uint32_t room = session->pending_room ? 2 * session->pending_room : 4;
	struct pending_ack *larger = realloc(session->pending, room * sizeof(*larger));
	if (!larger)
		return false;
	session->pending = larger;
	session->pending_room = room;
	return true;
}

/* 0, or -errno: too many windows wait for their acknowledgement. */
static int checkpoint(struct lumberjack *session, const struct session_sink *sink)
{
	if (!pending_has_room(session))
		return -EMSGSIZE;
	session->pending[session->pending_count++] = (struct pending_ack){
		.sequence = session->last_sequence,
		.version = session->version,
	};
	session->unfinished_count = 0;
	sink->checkpoint(sink->context);
	return 0;
}

static void lumberjack_safe(void *context, const struct session_sink *sink)
{
	struct lumberjack *session = context;
	if (session->pending_count == 0)
		return;
	write_ack(sink, session->pending[0].version, session->pending[0].sequence);
	session->pending_count--;
	session->replied_ns = 0;
	memmove(session->pending, session->pending + 1,
		session->pending_count * sizeof(*session->pending));
}

/* Only while something is pending: otherwise it would hide a dead peer from itself. */
static void lumberjack_idle(void *context, uint64_t now_ns, const struct session_sink *sink)
{
	struct lumberjack *session = context;
	if (session->pending_count == 0 || session->pending[0].version != VERSION_2)
		return;
	if (session->replied_ns != 0 && now_ns < session->replied_ns + keep_alive_ns)
		return;
	if (session->replied_ns != 0)
		write_ack(sink, VERSION_2, 0);
	session->replied_ns = now_ns;
}

/* --- frames: each returns the bytes of the whole frame, 0 = not all there yet, or -errno
 * ------------- */

static ssize_t window_frame(struct lumberjack *session, struct cursor *frame,
			    const struct session_sink *sink)
{
	const uint32_t count = cursor_be32(frame);
	if (frame->truncated)
		return 0;
	if (session->window_left > 0 && session->version != VERSION_1)
		return -EPROTO; /* the last one is not full; the sender sends again */
	if (count > session->limits.window_events)
		return -EMSGSIZE;
	if (count == 0)
		write_ack(sink, session->version, 0);
	session->window_left = count;
	return FRAME_HEAD_BYTES + 4;
}

static int take_event(struct lumberjack *session, uint32_t sequence,
		      const struct session_sink *sink)
{
	session->last_sequence = sequence;
	if (session->window_left > 0 && --session->window_left == 0)
		return checkpoint(session, sink);
	if (session->version == VERSION_1)
		session->unfinished_count++; /* its windows may never fill */
	return 0;
}

static ssize_t json_frame(struct lumberjack *session, struct cursor *frame,
			  const struct session_sink *sink)
{
	const uint32_t sequence = cursor_be32(frame);
	const uint32_t size_bytes = cursor_be32(frame);
	if (frame->truncated)
		return 0;
	if (session->window_left == 0 || size_bytes == 0)
		return -EPROTO;
	if (size_bytes > session->limits.document_bytes)
		return -EMSGSIZE;
	const uint8_t *json = cursor_take(frame, size_bytes);
	if (!json)
		return 0;
	sink->document(sink->context, DOCUMENT_JSON, (const char *)json, size_bytes);
	const int error = take_event(session, sequence, sink);
	return error ? error : FRAME_HEAD_BYTES + 8 + (ssize_t)size_bytes;
}

/* Version 1: the pairs are what logstash-forwarder made of a line; the event is in the value of
 * "line". Pairs without one are an event that says nothing. */
static ssize_t pairs_frame(struct lumberjack *session, struct cursor *frame,
			   const struct session_sink *sink)
{
	const uint8_t *const start = frame->at;
	const uint32_t sequence = cursor_be32(frame);
	const uint32_t pair_count = cursor_be32(frame);
	const uint8_t *line = NULL;
	size_t line_bytes = 0;
	if (pair_count > PAIRS_MAX)
		return -EMSGSIZE;
	for (uint32_t i = 0; i < pair_count && !frame->truncated; i++) {
		const uint32_t key_bytes = cursor_be32(frame);
		if (key_bytes > session->limits.document_bytes)
			return -EMSGSIZE;
		const uint8_t *key = cursor_take(frame, key_bytes);
		const uint32_t value_bytes = cursor_be32(frame);
		if (value_bytes > session->limits.document_bytes)
			return -EMSGSIZE;
		const uint8_t *value = cursor_take(frame, value_bytes);
		if (key && value && key_bytes == 4 && memcmp(key, "line", 4) == 0) {
			line = value;
			line_bytes = value_bytes;
		}
	}
	if (frame->truncated)
		return 0;
	if (line)
		sink->document(sink->context, DOCUMENT_JSON, (const char *)line, line_bytes);
	else
		sink->document(sink->context, DOCUMENT_JSON, "{}", 2); /* to be counted */
	const int error = take_event(session, sequence, sink);
	return error ? error : FRAME_HEAD_BYTES + (frame->at - start);
}

static ssize_t compressed_frame(struct lumberjack *session, struct cursor *frame)
{
	const uint32_t size_bytes = cursor_be32(frame);
	if (frame->truncated)
		return 0;
	if (session->inflating)
		return -EPROTO; /* a C within a C: no sender does it, and it could nest for ever */
	if (size_bytes > compressBound(session->limits.inflated_bytes))
		return -EMSGSIZE;
	memset(&session->zlib, 0, sizeof(session->zlib));
	if (inflateInit(&session->zlib) != Z_OK)
		return -ENOMEM;
	session->inflating = true;
	session->compressed_left = size_bytes;
	session->inflated_bytes = 0;
	session->inflated_used = 0;
	return FRAME_HEAD_BYTES + 4;
}

static ssize_t parse_frame(struct lumberjack *session, const uint8_t *bytes, size_t size_bytes,
			   const struct session_sink *sink)
{
	struct cursor frame = cursor_over(bytes, size_bytes);
	const uint8_t version = cursor_u8(&frame);
	const uint8_t type = cursor_u8(&frame);
	if (size_bytes > 0 && version != VERSION_1 && version != VERSION_2)
		return -EPROTO;
	if (frame.truncated)
		return 0;
	if (type == 'W')
		session->version = version;
	switch (type) {
	case 'W':
		return window_frame(session, &frame, sink);
	case 'J':
		return version == VERSION_2 ? json_frame(session, &frame, sink) : -EPROTO;
	case 'C':
		return compressed_frame(session, &frame);
	case 'D':
		return version == VERSION_1 ? pairs_frame(session, &frame, sink) : -EPROTO;
	default:
		return -EPROTO;
	}
}

/* Parses whole frames until one is not complete, or a compressed one begins. */
static ssize_t parse_frames(struct lumberjack *session, const uint8_t *bytes, size_t size_bytes,
			    const struct session_sink *sink)
{
	size_t used = 0;
	const bool within = session->inflating;
	while (used < size_bytes && session->inflating == within) {
		const ssize_t parsed = parse_frame(session, bytes + used, size_bytes - used, sink);
		if (parsed < 0)
			return parsed;
		if (parsed == 0)
			break;
		used += (size_t)parsed;
	}
	return (ssize_t)used;
}

/* --- compressed frames: inflated in steps, so that the buffer holds one document at most ------ */

static bool make_room(struct lumberjack *session)
{
	const size_t first = (size_t)2 * INFLATE_STEP_BYTES;
	const size_t most = session->limits.document_bytes + first;
	if (session->inflated_room - session->inflated_used >= INFLATE_STEP_BYTES)
		return true;
	size_t room = session->inflated_room ? 2 * session->inflated_room : first;
	if (room > most)
		room = most;
	if (room - session->inflated_used < INFLATE_STEP_BYTES)
		return false;
	uint8_t *larger = realloc(session->inflated, room);
	if (!larger)
		return false;
	session->inflated = larger;
	session->inflated_room = room;
	return true;
}

/* Takes the whole frames out of the front of the inflated bytes. */
static ssize_t parse_inflated(struct lumberjack *session, const struct session_sink *sink)
{
	const ssize_t parsed =
		parse_frames(session, session->inflated, session->inflated_used, sink);
	if (parsed > 0) {
		session->inflated_used -= (size_t)parsed;
		memmove(session->inflated, session->inflated + parsed, session->inflated_used);
	}
	return parsed;
}

/* One step of the zlib stream, and the frames that it completes. 0 or -errno. */
static int inflate_step(struct lumberjack *session, const struct session_sink *sink,
			bool *out_ended)
{
	if (!make_room(session))
		return -EMSGSIZE;
	session->zlib.next_out = session->inflated + session->inflated_used;
	session->zlib.avail_out = INFLATE_STEP_BYTES;
	const int status = inflate(&session->zlib, Z_NO_FLUSH);
	if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
		return -EPROTO;
	const size_t produced = INFLATE_STEP_BYTES - session->zlib.avail_out;
	session->inflated_used += produced;
	session->inflated_bytes += produced;
	if (session->inflated_bytes > session->limits.inflated_bytes)
		return -EMSGSIZE;
	*out_ended = status == Z_STREAM_END;
	const ssize_t parsed = parse_inflated(session, sink);
	return parsed < 0 ? (int)parsed : 0;
}

/* Inflates what there is of the C frame. Returns how many bytes it consumed, or -errno. */
static ssize_t inflate_frame(struct lumberjack *session, const uint8_t *bytes, size_t size_bytes,
			     const struct session_sink *sink)
{
	if (size_bytes > session->compressed_left)
		size_bytes = session->compressed_left;
	session->zlib.next_in = (uint8_t *)(uintptr_t)bytes;
	session->zlib.avail_in = (unsigned)size_bytes;
	bool ended = false;
	do {
		const int error = inflate_step(session, sink, &ended);
		if (error)
			return error;
	} while (!ended && session->zlib.avail_out == 0);

	session->compressed_left -= (uint32_t)(size_bytes - session->zlib.avail_in);
	if (ended != (session->compressed_left == 0))
		return -EPROTO; /* the frame and its stream do not end together */
	if (ended && session->inflated_used > 0)
		return -EPROTO; /* the last frame within is cut */
	if (ended)
		stop_inflating(session);
	return (ssize_t)size_bytes;
}

static ssize_t lumberjack_feed(void *context, const void *bytes, size_t size_bytes,
			       const struct session_sink *sink)
{
	struct lumberjack *session = context;
	const uint8_t *const start = bytes;
	size_t used = 0;
	while (used < size_bytes) {
		const ssize_t consumed =
			session->inflating
				? inflate_frame(session, start + used, size_bytes - used, sink)
				: parse_frames(session, start + used, size_bytes - used, sink);
		if (consumed < 0)
			return consumed;
		if (consumed == 0)
			break;
		used += (size_t)consumed;
	}
	const int error = session->unfinished_count > 0 ? checkpoint(session, sink) : 0;
	return error ? error : (ssize_t)used;
}

const struct session_protocol session_lumberjack = {
	.name = "lumberjack",
	.open = lumberjack_open,
	.close = lumberjack_close,
	.feed = lumberjack_feed,
	.safe = lumberjack_safe,
	.idle = lumberjack_idle,
};
