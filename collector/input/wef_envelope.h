/* wef_envelope.h: one SOAP envelope of WS-Management, read: the few headers that matter, and the
 * events in its body. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "collector/input/session.h"
#include "collector/input/wef.h"

enum wef_action {
	WEF_OTHER,
	WEF_ENUMERATE,
	WEF_END,
	WEF_HEARTBEAT,
	WEF_EVENTS,
	WEF_SUBSCRIPTION_END,
};

enum { WEF_MESSAGE_ID_MAX = 127 };

struct wef_envelope {
	enum wef_action action;
	char message_id[WEF_MESSAGE_ID_MAX + 1]; /* byte for byte, case included */
	char operation_id[WEF_MESSAGE_ID_MAX + 1];
	char machine[WEF_MACHINE_MAX + 1]; /* trimmed */
	char identifier[WEF_MESSAGE_ID_MAX + 1];
	char bookmark[WEF_BOOKMARK_MAX]; /* the <BookmarkList> as it came; "" = none */
	size_t event_count;
};

/* Reads UTF-8 XML. Each <w:Event> text goes to `sink` (NULL: only counted). Elements are told by
 * namespace and local name. DTDs, deep nesting and long headers are refused: false. */
bool wef_envelope_read(const char *xml, size_t size_bytes, const struct session_limits *limits,
		       const struct session_sink *sink, struct wef_envelope *out_envelope);
