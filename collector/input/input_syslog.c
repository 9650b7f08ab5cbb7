/* input_syslog.c: Windows events that some agent wrapped into syslog, over a stream (TCP, TLS) or
 * one per datagram.
 *
 * Framing (RFC 6587): a frame that begins with a digit is octet-counted, "SIZE SP MESSAGE"; one
 * that begins with '<' ends at the next LF. RFC 5425 (TLS) is always counted. The header is
 * skipped, not read: its HOSTNAME may be a relay's. The payload is the first of
 *
 *	{...}                 JSON (NXLog to_json, Winlogbeat by Logstash, ...);
 *	                      an "@cee:" cookie before it is skipped
 *	<Event ...>           event XML
 *	MSWinEventLog HT ...  Snare: fields by position
 *
 * A message with none of them is not an event and is handed over as it is, to be counted as bad.
 * No acknowledgements.
 */
#include "collector/input/session.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT_DIGITS_MAX = 8 };

struct syslog {
	struct session_limits limits;
};

static void *syslog_open(const struct session_limits *limits)
{
	struct syslog *session = calloc(1, sizeof(*session));
	if (session)
		session->limits = *limits;
	return session;
}

/* --- payloads --------------------------------------------------------------------------------- */

/* Snare's positional fields, after the marker. */
enum snare_field {
	SNARE_CRITICALITY,
	SNARE_CHANNEL,
	SNARE_COUNTER,
	SNARE_TIME,
	SNARE_EVENT_ID,
	SNARE_SOURCE,
	SNARE_USER,
	SNARE_SID_TYPE,
	SNARE_TYPE,
	SNARE_COMPUTER,
	SNARE_CATEGORY,
	SNARE_DATA,
	SNARE_TEXT,
	SNARE_COUNT,
};

/* Rewritten as the flat JSON that the normaliser knows from NXLog. Names of EventData are lost in
 * Snare. */
static void take_snare(const char *text, size_t size_bytes, const struct session_sink *sink)
{
	const char *fields[SNARE_COUNT] = { NULL };
	size_t sizes[SNARE_COUNT] = { 0 };
	const char *const end = text + size_bytes;
	for (int i = 0; i < SNARE_COUNT && text && text < end; i++) {
		const char *tab =
			i + 1 < SNARE_COUNT ? memchr(text, '\t', (size_t)(end - text)) : NULL;
		fields[i] = text;
		sizes[i] = (size_t)((tab ? tab : end) - text);
		text = tab ? tab + 1 : NULL;
	}
	static const struct {
		enum snare_field field;
		const char *name;
	} names[] = {
		{ SNARE_CHANNEL, "Channel" },	{ SNARE_EVENT_ID, "EventID" },
		{ SNARE_SOURCE, "SourceName" }, { SNARE_COMPUTER, "Hostname" },
		{ SNARE_TIME, "EventTime" },	{ SNARE_USER, "AccountName" },
		{ SNARE_TEXT, "Message" },
	};
	json_t *object = json_object();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (fields[names[i].field])
			json_object_set_new(
				object, names[i].name,
				json_stringn(fields[names[i].field], sizes[names[i].field]));
	char *json = json_dumps(object, JSON_COMPACT);
	if (json)
		sink->document(sink->context, DOCUMENT_JSON, json, strlen(json));
	free(json);
	json_decref(object);
}

static const char *find(const char *text, size_t size_bytes, const char *word)
{
	return memmem(text, size_bytes, word, strlen(word));
}

static void take_message(const char *message, size_t size_bytes, const struct session_sink *sink)
{
	static const char snare[] = "MSWinEventLog\t";
	while (size_bytes > 0 && strchr("\r\n", message[size_bytes - 1]))
		size_bytes--;
	if (size_bytes == 0)
		return;
	const char *const end = message + size_bytes;
	const char *json = memchr(message, '{', size_bytes);
	const char *xml = find(message, size_bytes, "<Event");
	const char *tabbed = find(message, size_bytes, snare);
	if (tabbed)
		take_snare(tabbed + sizeof(snare) - 1, (size_t)(end - tabbed) - (sizeof(snare) - 1),
			   sink);
	else if (xml && (!json || xml < json))
		sink->document(sink->context, DOCUMENT_XML, xml, (size_t)(end - xml));
	else if (json)
		sink->document(sink->context, DOCUMENT_JSON, json, (size_t)(end - json));
	else
		sink->document(sink->context, DOCUMENT_JSON, message, size_bytes);
}

/* --- framing: each returns the bytes of the frame, 0 = not all there yet, or -errno ----------- */

static ssize_t counted_frame(const struct syslog *session, const char *bytes, size_t size_bytes,
			     const struct session_sink *sink)
{
	size_t count = 0;
	size_t digits = 0;
	for (; digits < size_bytes && isdigit((unsigned char)bytes[digits]); digits++) {
		if (digits == COUNT_DIGITS_MAX)
			return -EMSGSIZE;
		count = count * 10 + (size_t)(bytes[digits] - '0');
	}
	if (digits == size_bytes)
		return 0;
	if (bytes[digits] != ' ' || count == 0)
		return -EPROTO;
	if (count > session->limits.document_bytes)
		return -EMSGSIZE;
	if (size_bytes - digits - 1 < count)
		return 0;
	take_message(bytes + digits + 1, count, sink);
	return (ssize_t)(digits + 1 + count);
}

static ssize_t line_frame(const struct syslog *session, const char *bytes, size_t size_bytes,
			  const struct session_sink *sink)
{
	const char *end = memchr(bytes, '\n', size_bytes);
	const size_t line_bytes = end ? (size_t)(end - bytes) : size_bytes;
	if (line_bytes > session->limits.document_bytes)
		return -EMSGSIZE;
	if (!end)
		return 0;
	take_message(bytes, line_bytes, sink);
	return (ssize_t)line_bytes + 1;
}

static ssize_t syslog_feed(void *context, const void *bytes, size_t size_bytes,
			   const struct session_sink *sink)
{
	const struct syslog *session = context;
	const char *const start = bytes;
	size_t used = 0;
	while (used < size_bytes) {
		const bool counted = isdigit((unsigned char)start[used]);
		const ssize_t frame =
			counted ? counted_frame(session, start + used, size_bytes - used, sink)
				: line_frame(session, start + used, size_bytes - used, sink);
		if (frame < 0)
			return frame;
		if (frame == 0)
			break;
		used += (size_t)frame;
	}
	if (used > 0)
		sink->checkpoint(sink->context);
	return (ssize_t)used;
}

/* A datagram, or the last line of a stream that ended without LF. */
static void syslog_end(void *context, const void *bytes, size_t size_bytes,
		       const struct session_sink *sink)
{
	(void)context;
	take_message(bytes, size_bytes, sink);
	sink->checkpoint(sink->context);
}

const struct session_protocol session_syslog = {
	.name = "syslog",
	.open = syslog_open,
	.close = free,
	.feed = syslog_feed,
	.end = syslog_end,
};
