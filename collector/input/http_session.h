/* http_session.h: HTTP/1.1, the receiving side, as a session (session.h): bytes in; requests to a
 * responder, replies out. One request at a time; a reply that acknowledges documents waits until
 * they are safe.
 *
 * A session rather than libevent's evhttp, so that the limits, time-outs, TLS and backpressure of
 * all streams hold for HTTP too. Bodies by Content-Length or chunked; Expect: 100-continue; HEAD;
 * keep-alive. Source: RFC 9112.
 */
#pragma once

#include "collector/input/http.h"
#include "collector/input/session.h"

/* Answers a request; documents go to the sink, then a checkpoint if the answer acknowledges. */
typedef void http_responder_fn(void *context, const struct http_request *request,
			       const struct session_sink *sink, struct http_response *out_response);

struct http_session_settings {
	size_t body_bytes; /* the largest body as sent, compressed or not */
	http_responder_fn *respond;
	void *context;
	const char *peer_name; /* borrowed as long as the session lives; NULL = none */
};

/* NULL with errno. The functions of the session are in session_http; its `open` is NULL. A feed of
 * -ESHUTDOWN: hang up once the replies have gone out. After `safe`, feed again. */
void *http_session_open(const struct http_session_settings *settings);

extern const struct session_protocol session_http;
