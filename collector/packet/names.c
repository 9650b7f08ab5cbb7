#include "collector/packet/names.h"

#include <stdlib.h>
#include <string.h>

#include "collector/base/hard.h"
#include "collector/base/pages.h"
#include "collector/packet/name_reader.h"

enum { STREAM_SETS = HARD(256, 1), STREAM_WAYS = HARD(4, 1), STREAM_GAPS = 4 };
enum { PROTOCOL_TCP = 6 };

/* A run of bytes that arrived before what comes before it. */
struct stream_piece {
	uint32_t begin;
	uint32_t end;
};

/* The beginning of one direction of a flow. bytes[0..whole_bytes) have arrived. */
struct stream {
	uint64_t flow_id; /* 0 = free */
	uint64_t opened;  /* counts up: the lowest of a set gives way */
	uint32_t start;	  /* sequence number of bytes[0] */
	uint32_t whole_bytes;
	uint32_t packet_count;
	uint32_t piece_count;
	struct stream_piece pieces[STREAM_GAPS];
	uint8_t bytes[NAME_STREAM_BYTES];
};

struct names {
	struct tracker_sink sink;
	struct counters *counters;
	struct dhcp_memory *dhcp;
	uint64_t opened_count;
	struct stream *streams;
};

enum name_from { FROM_SOURCE, FROM_DESTINATION, FROM_BOTH };

struct name_row {
	uint8_t ip_protocol;
	uint16_t port;
	enum name_from from;
	name_read_fn *read;
};

static const struct name_row rows[] = {
#define NAME(identifier, protocol, port, from) { protocol, port, from, name_read_##identifier },
#include "collector/packet/names.def"
#undef NAME
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static size_t streams_bytes(void)
{
	return sizeof(struct stream) * STREAM_SETS * STREAM_WAYS;
}

struct names *names_open(const struct tracker_sink *sink, struct counters *counters)
{
	struct names *names = calloc(1, sizeof(*names));
	if (!names)
		return NULL;
	names->sink = *sink;
	names->counters = counters;
	names->dhcp = dhcp_memory_open();
	names->streams = pages_open(streams_bytes());
	if (names->dhcp && names->streams)
		return names;
	names_close(names);
	return NULL;
}

void names_close(struct names *names)
{
	if (!names)
		return;
	dhcp_memory_close(names->dhcp);
	pages_close(names->streams, streams_bytes());
	free(names);
}

size_t names_bytes(void)
{
	return sizeof(struct names) + streams_bytes() + dhcp_memory_bytes();
}

bool names_needed(const struct endpoints *ends)
{
	for (int i = 0; i < ROWS; i++)
		if (rows[i].ip_protocol == ends->ip_protocol && rows[i].port != 0 &&
		    (rows[i].port == ends->source_port || rows[i].port == ends->destination_port))
			return true;
	return false;
}

/* Rows for any port only look where no row knows the port. */
static bool row_fits(const struct name_row *row, const struct endpoints *ends)
{
	if (row->ip_protocol != ends->ip_protocol)
		return false;
	if (row->port == 0)
		return !names_needed(ends);
	return row->port == ends->source_port || row->port == ends->destination_port;
}

bool names_possible(const struct endpoints *ends)
{
	for (int i = 0; i < ROWS; i++)
		if (row_fits(&rows[i], ends))
			return true;
	return false;
}

void name_set(struct name_reader *reader, const uint8_t *text, size_t size_bytes)
{
	char *name = reader->found.name;
	if (size_bytes > WIRE_NAME_MAX)
		size_bytes = WIRE_NAME_MAX;
	for (size_t i = 0; i < size_bytes; i++)
		name[i] = (char)(text[i] > ' ' && text[i] < 0x7f ? text[i] : '?');
	memset(name + size_bytes, 0, sizeof(reader->found.name) - size_bytes);
}

/* --- streams ---------------------------------------------------------------------------------- */

static struct stream *stream_set(struct names *names, uint64_t flow_id)
{
	return &names->streams[flow_id % STREAM_SETS * STREAM_WAYS];
}

static struct stream *find_stream(struct names *names, uint64_t flow_id)
{
	struct stream *set = stream_set(names, flow_id);
	for (int i = 0; i < STREAM_WAYS; i++)
		if (set[i].flow_id == flow_id)
			return &set[i];
	return NULL;
}

static struct stream *open_stream(struct names *names, uint64_t flow_id, uint32_t start)
{
	struct stream *set = stream_set(names, flow_id);
	struct stream *chosen = &set[0];
	for (int i = 1; i < STREAM_WAYS; i++)
		if (chosen->flow_id != 0 && (set[i].flow_id == 0 || set[i].opened < chosen->opened))
			chosen = &set[i];
	if (chosen->flow_id != 0)
		counter_add(names->counters, COUNTER_names_abandoned, 1);
	chosen->flow_id = flow_id;
	chosen->opened = ++names->opened_count;
	chosen->start = start;
	chosen->whole_bytes = 0;
	chosen->packet_count = 0;
	chosen->piece_count = 0;
	return chosen;
}

/* Lengthens the whole part by every piece that now touches it. */
static void join_pieces(struct stream *stream)
{
	for (uint32_t i = 0; i < stream->piece_count;) {
		const struct stream_piece piece = stream->pieces[i];
		if (piece.begin > stream->whole_bytes) {
			i++;
			continue;
		}
		if (piece.end > stream->whole_bytes)
			stream->whole_bytes = piece.end;
		stream->pieces[i] = stream->pieces[--stream->piece_count];
		i = 0;
	}
}

/* Puts a segment where it belongs. Bytes that are there already stay: the first copy counts, as it
 * does for most hosts. False: the segment is not near the start of the stream. */
static bool add_segment(struct stream *stream, uint32_t sequence, const uint8_t *bytes,
			uint32_t size_bytes)
{
	uint32_t begin = sequence - stream->start;
	if (begin > INT32_MAX) { /* starts before the stream does: a repeated or late beginning */
		const uint32_t before_bytes = stream->start - sequence;
		if (before_bytes >= size_bytes)
			return true;
		bytes += before_bytes;
		size_bytes -= before_bytes;
		begin = 0;
	}
	if (begin >= NAME_STREAM_BYTES)
		return false;
	uint32_t end =
		size_bytes > NAME_STREAM_BYTES - begin ? NAME_STREAM_BYTES : begin + size_bytes;
	const uint32_t skip = stream->whole_bytes > begin ? stream->whole_bytes - begin : 0;
	if (begin + skip < end)
		memcpy(stream->bytes + begin + skip, bytes + skip, end - begin - skip);
	if (begin <= stream->whole_bytes) {
		if (end > stream->whole_bytes)
			stream->whole_bytes = end;
	} else if (stream->piece_count < STREAM_GAPS) {
		stream->pieces[stream->piece_count++] =
			(struct stream_piece){ .begin = begin, .end = end };
	} else {
		return false;
	}
	join_pieces(stream);
	return true;
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool row_reads(const struct name_row *row, bool from_source)
{
	return row->from == FROM_BOTH || (row->from == FROM_SOURCE) == from_source;
}

/* Every fitting row in turn, until one knows the bytes. */
static enum name_progress read_rows(struct names *names, const struct names_flow *flow,
				    const struct endpoints *ends, struct cursor bytes)
{
	struct name_reader reader = { .sink = &names->sink, .dhcp = names->dhcp };
	reader.found.record_kind = RECORD_NAME;
	reader.found.time_ns = flow->time_ns;
	reader.found.flow_id = flow->flow_id;
	/* The client: of a stream who opened it, of an answer in a datagram who it goes to. */
	const bool is_stream = ends->ip_protocol == PROTOCOL_TCP;
	reader.found.subject = is_stream ? flow->source : ends->destination;
	reader.found.address = is_stream ? flow->destination : ends->source;
	for (int i = 0; i < ROWS; i++) {
		if (!row_fits(&rows[i], ends) || !row_reads(&rows[i], flow->from_source))
			continue;
		const enum name_progress progress = rows[i].read(&reader, bytes);
		if (progress != NAME_NOT_MINE)
			return progress;
	}
	return NAME_NOT_MINE;
}

bool names_look(const struct endpoints *ends, bool from_source)
{
	for (int i = 0; i < ROWS; i++)
		if (row_fits(&rows[i], ends) && row_reads(&rows[i], from_source))
			return true;
	return false;
}

/* The first segment alone, which is nearly always enough. */
static bool read_first(struct names *names, const struct names_flow *flow,
		       const struct decoded *decoded)
{
	const uint32_t start = flow->has_start ? flow->stream_start : decoded->tcp_sequence;
	if (start == decoded->tcp_sequence) {
		const struct cursor bytes = cursor_over(decoded->payload, decoded->payload_bytes);
		if (read_rows(names, flow, &decoded->ends, bytes) != NAME_MORE)
			return false;
	}
	struct stream *stream = open_stream(names, flow->flow_id, start);
	if (add_segment(stream, decoded->tcp_sequence, decoded->payload, decoded->payload_bytes))
		return true;
	stream->flow_id = 0;
	return false;
}

static bool read_stream(struct names *names, const struct names_flow *flow,
			const struct decoded *decoded)
{
	struct stream *stream = find_stream(names, flow->flow_id);
	if (!stream)
		return read_first(names, flow, decoded);
	const uint32_t before_bytes = stream->whole_bytes;
	bool goes_on = add_segment(stream, decoded->tcp_sequence, decoded->payload,
				   decoded->payload_bytes) &&
		       ++stream->packet_count < NAME_STREAM_PACKETS;
	if (stream->whole_bytes > before_bytes &&
	    read_rows(names, flow, &decoded->ends,
		      cursor_over(stream->bytes, stream->whole_bytes)) != NAME_MORE)
		goes_on = false;
	if (stream->whole_bytes == NAME_STREAM_BYTES)
		goes_on = false;
	if (!goes_on)
		stream->flow_id = 0;
	return goes_on;
}

bool names_read(struct names *names, const struct names_flow *flow, const struct decoded *decoded)
{
	if (decoded->ends.ip_protocol == PROTOCOL_TCP)
		return read_stream(names, flow, decoded);
	read_rows(names, flow, &decoded->ends,
		  cursor_over(decoded->payload, decoded->payload_bytes));
	return true;
}
