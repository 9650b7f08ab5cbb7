/* input_ndjson.c: one JSON object per line. LF ends a line; a CR before it and a byte order mark
 * at the beginning are tolerated; empty lines mean nothing. No acknowledgements: at most once. */
#include "collector/input/session.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct ndjson {
	struct session_limits limits;
	bool begun; /* the first line has been seen */
};

static void *ndjson_open(const struct session_limits *limits)
{
	struct ndjson *session = calloc(1, sizeof(*session));
	if (session)
		session->limits = *limits;
	return session;
}

static void take_line(struct ndjson *session, const char *line, size_t size_bytes,
		      const struct session_sink *sink)
{
	static const char byte_order_mark[] = { '\xef', '\xbb', '\xbf' };
	const size_t mark_bytes = sizeof(byte_order_mark);
	if (!session->begun && size_bytes >= mark_bytes &&
	    memcmp(line, byte_order_mark, mark_bytes) == 0) {
		line += mark_bytes;
		size_bytes -= mark_bytes;
	}
	session->begun = true;
	while (size_bytes > 0 && strchr("\r \t", line[size_bytes - 1]))
		size_bytes--;
	if (size_bytes > 0)
		sink->document(sink->context, DOCUMENT_JSON, line, size_bytes);
}

static ssize_t ndjson_feed(void *context, const void *bytes, size_t size_bytes,
			   const struct session_sink *sink)
{
	struct ndjson *session = context;
	const char *const start = bytes;
	size_t used = 0;
	for (const char *end;
	     used < size_bytes && (end = memchr(start + used, '\n', size_bytes - used));) {
		const size_t line_bytes = (size_t)(end - (start + used));
		if (line_bytes > session->limits.document_bytes)
			return -EMSGSIZE;
		take_line(session, start + used, line_bytes, sink);
		used += line_bytes + 1;
	}
	if (size_bytes - used > session->limits.document_bytes)
		return -EMSGSIZE;
	if (used > 0)
		sink->checkpoint(sink->context);
	return (ssize_t)used;
}

static void ndjson_end(void *context, const void *bytes, size_t size_bytes,
		       const struct session_sink *sink)
{
	take_line(context, bytes, size_bytes, sink);
	sink->checkpoint(sink->context);
}

const struct session_protocol session_ndjson = {
	.name = "ndjson",
	.open = ndjson_open,
	.close = free,
	.feed = ndjson_feed,
	.end = ndjson_end,
};
