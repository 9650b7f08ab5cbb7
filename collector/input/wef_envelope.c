#include "collector/input/wef_envelope.h"

#include <ctype.h>
#include <expat.h>
#include <stdlib.h>
#include <string.h>

#define SEPARATOR  "|"
#define ADDRESSING "http://schemas.xmlsoap.org/ws/2004/08/addressing" SEPARATOR
#define EVENTING   "http://schemas.xmlsoap.org/ws/2004/08/eventing" SEPARATOR
#define WSMAN	   "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" SEPARATOR
#define MICROSOFT  "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd" SEPARATOR
#define MACHINE	   "http://schemas.microsoft.com/wbem/wsman/1/machineid" SEPARATOR

enum { DEPTH_MAX = 32, ACTION_MAX = 255 };

/* Where the text of the element that is open now goes. */
struct target {
	char *text; /* NULL = nowhere */
	size_t used;
	size_t room; /* without the NUL */
};

struct reader {
	XML_Parser parser;
	struct wef_envelope *envelope;
	const struct session_limits *limits;
	const struct session_sink *sink;
	unsigned depth;
	struct target target;
	char action[ACTION_MAX + 1];
	char *event; /* text of the <w:Event> that is open, or NULL */
	size_t event_bytes;
	size_t event_room;
	unsigned bookmark_depth; /* of the open <w:Bookmark>; 0 = none */
	bool refused;
};

static const struct {
	const char *uri;
	enum wef_action action;
} actions[] = {
	{ "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate", WEF_ENUMERATE },
	{ "http://schemas.microsoft.com/wbem/wsman/1/wsman/End", WEF_END },
	{ "http://schemas.dmtf.org/wbem/wsman/1/wsman/Heartbeat", WEF_HEARTBEAT },
	{ "http://schemas.dmtf.org/wbem/wsman/1/wsman/Events", WEF_EVENTS },
	{ "http://schemas.xmlsoap.org/ws/2004/08/eventing/SubscriptionEnd", WEF_SUBSCRIPTION_END },
};

static void refuse(struct reader *reader)
{
	reader->refused = true;
	XML_StopParser(reader->parser, XML_FALSE);
}

static void aim(struct reader *reader, char *text, size_t room)
{
	text[0] = '\0';
	reader->target = (struct target){ text, 0, room };
}

/* Header elements whose text is kept. */
static void aim_at_header(struct reader *reader, const char *name)
{
	struct wef_envelope *envelope = reader->envelope;
	if (strcmp(name, ADDRESSING "Action") == 0)
		aim(reader, reader->action, ACTION_MAX);
	else if (strcmp(name, ADDRESSING "MessageID") == 0)
		aim(reader, envelope->message_id, WEF_MESSAGE_ID_MAX);
	else if (strcmp(name, MICROSOFT "OperationID") == 0)
		aim(reader, envelope->operation_id, WEF_MESSAGE_ID_MAX);
	else if (strcmp(name, MACHINE "MachineID") == 0)
		aim(reader, envelope->machine, WEF_MACHINE_MAX);
	else if (strcmp(name, EVENTING "Identifier") == 0)
		aim(reader, envelope->identifier, WEF_MESSAGE_ID_MAX);
}

/* A bookmark is opaque: its bytes are kept as they stand in the envelope. */
static void keep_bookmark_bytes(struct reader *reader)
{
	int offset;
	int size;
	const char *context = XML_GetInputContext(reader->parser, &offset, &size);
	const int count = XML_GetCurrentByteCount(reader->parser);
	char *bookmark = reader->envelope->bookmark;
	const size_t used = strlen(bookmark);
	if (!context || count < 0 || used + (size_t)count >= WEF_BOOKMARK_MAX) {
		refuse(reader);
		return;
	}
	memcpy(bookmark + used, context + offset, (size_t)count);
	bookmark[used + (size_t)count] = '\0';
}

static void begin_event(struct reader *reader)
{
	if (++reader->envelope->event_count > reader->limits->window_events) {
		refuse(reader);
		return;
	}
	enum { FIRST_ROOM = 4096 };
	reader->event = malloc(FIRST_ROOM);
	reader->event_room = reader->event ? FIRST_ROOM : 0;
	reader->event_bytes = 0;
	if (!reader->event)
		refuse(reader);
}

static void begin_element(void *context, const char *name, const char **attributes)
{
	(void)attributes;
	struct reader *reader = context;
	if (++reader->depth > DEPTH_MAX || reader->event) {
		refuse(reader); /* too deep, or an <Event> that was not wrapped in CDATA */
		return;
	}
	reader->target.text = NULL;
	if (reader->bookmark_depth)
		keep_bookmark_bytes(reader);
	else if (strcmp(name, WSMAN "Bookmark") == 0)
		reader->bookmark_depth = reader->depth;
	else if (strcmp(name, WSMAN "Event") == 0)
		begin_event(reader);
	else
		aim_at_header(reader, name);
}

static void end_event(struct reader *reader)
{
	const char *text = reader->event;
	size_t size = reader->event_bytes;
	for (; size > 0 && isspace((unsigned char)text[size - 1]); size--)
		;
	for (; size > 0 && isspace((unsigned char)*text); size--)
		text++;
	if (reader->sink && size > 0)
		reader->sink->document(reader->sink->context, DOCUMENT_XML, text, size);
	free(reader->event);
	reader->event = NULL;
}

static void end_element(void *context, const char *name)
{
	(void)name;
	struct reader *reader = context;
	if (reader->event)
		end_event(reader);
	if (reader->bookmark_depth == reader->depth)
		reader->bookmark_depth = 0;
	else if (reader->bookmark_depth && XML_GetCurrentByteCount(reader->parser) > 0)
		keep_bookmark_bytes(reader);
	reader->target.text = NULL;
	reader->depth--;
}

static void add_event_text(struct reader *reader, const char *text, size_t size)
{
	if (reader->event_bytes + size > reader->limits->document_bytes) {
		refuse(reader);
		return;
	}
	if (reader->event_bytes + size > reader->event_room) {
		const size_t room = 2 * (reader->event_bytes + size);
		char *larger = realloc(reader->event, room);
		if (!larger) {
			refuse(reader);
			return;
		}
		reader->event = larger;
		reader->event_room = room;
	}
	memcpy(reader->event + reader->event_bytes, text, size);
	reader->event_bytes += size;
}

static void take_text(void *context, const char *text, int size)
{
	struct reader *reader = context;
	struct target *target = &reader->target;
	if (reader->event)
		add_event_text(reader, text, (size_t)size);
	if (!target->text)
		return;
	if (target->used + (size_t)size > target->room) {
		refuse(reader);
		return;
	}
	memcpy(target->text + target->used, text, (size_t)size);
	target->used += (size_t)size;
	target->text[target->used] = '\0';
}

static void refuse_doctype(void *context, const char *name, const char *system, const char *public,
			   int internal)
{
	(void)name, (void)system, (void)public, (void)internal;
	refuse(context);
}

static void trim(char *text)
{
	size_t size = strlen(text);
	const size_t lead = strspn(text, " \t\r\n");
	memmove(text, text + lead, size - lead + 1);
	for (size -= lead; size > 0 && isspace((unsigned char)text[size - 1]);)
		text[--size] = '\0';
}

bool wef_envelope_read(const char *xml, size_t size_bytes, const struct session_limits *limits,
		       const struct session_sink *sink, struct wef_envelope *out_envelope)
{
	struct reader reader = { .envelope = out_envelope, .limits = limits, .sink = sink };
	memset(out_envelope, 0, sizeof(*out_envelope));
	reader.parser = XML_ParserCreateNS("UTF-8", SEPARATOR[0]);
	if (!reader.parser || size_bytes > (size_t)WEF_ENVELOPE_MAX * 2) {
		XML_ParserFree(reader.parser);
		return false;
	}
	XML_SetUserData(reader.parser, &reader);
	XML_SetElementHandler(reader.parser, begin_element, end_element);
	XML_SetCharacterDataHandler(reader.parser, take_text);
	XML_SetStartDoctypeDeclHandler(reader.parser, refuse_doctype);
	const bool parsed = XML_Parse(reader.parser, xml, (int)size_bytes, 1) == XML_STATUS_OK;
	XML_ParserFree(reader.parser);
	free(reader.event);
	trim(reader.action);
	trim(out_envelope->message_id);
	trim(out_envelope->operation_id);
	trim(out_envelope->machine);
	trim(out_envelope->identifier);
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcmp(reader.action, actions[i].uri) == 0)
			out_envelope->action = actions[i].action;
	return parsed && !reader.refused && out_envelope->message_id[0];
}
