/* wef.h: Windows Event Forwarding, source-initiated: the collector's side of the conversation, as a
 * pure function from an HTTP request to its response.
 *
 * A Windows host asks which subscriptions there are (Enumerate), then pushes Heartbeats and Events
 * to the address that the subscription named, and resumes after the bookmark that it was last
 * acknowledged with. Over HTTPS with client certificates; a transport that encrypts inside HTTP
 * (Kerberos) would hand the same bodies to the same function.
 *
 * Sources: MS-WSMV 3.1.4.1.30, DSP0226 (WS-Management 1.1), a decrypted capture of Windows 10 with
 * Microsoft's collector.
 */
#pragma once

#include "collector/input/http.h"
#include "collector/input/session.h"

enum {
	WEF_ENVELOPE_MAX = 512000, /* bytes; MaxEnvelopeSize that we ask for */
	WEF_MACHINE_MAX = 255,
	WEF_BOOKMARK_MAX = 16 * 1024,
	WEF_ID_TEXT_MAX = 37, /* a UUID */
};

struct wef_settings {
	const char *base_url; /* as clients reach us: "https://collector.example:5986" */
	const char *query;    /* the <QueryList> that clients are to run */
	const char *
		issuer_thumbprint; /* SHA-1, hex, of the CA that issued the clients' certificates */
	unsigned heartbeat_s;
	unsigned latency_s; /* how long clients may collect a batch: MaxTime */
	bool read_existing; /* a client without a bookmark sends all it has, not only what comes */
	struct session_limits limits;

	/* The last safe bookmark of a machine, copied into `out_bookmark`; false: none. */
	bool (*find_bookmark)(void *context, const char *machine,
			      char out_bookmark[WEF_BOOKMARK_MAX]);
	void *context;
};

/* Answers one request. Events go to the sink as DOCUMENT_XML, their bookmark as DOCUMENT_BOOKMARK
 * behind them ("machine LF bookmark"), then sink->checkpoint: the response acknowledges, so it may
 * only be sent when they are safe. */
void wef_respond(const struct wef_settings *settings, const struct http_request *request,
		 const struct session_sink *sink, struct http_response *out_response);

/* The id of the subscription that these settings make: changes exactly when the subscription does,
 * which is what tells clients to fetch it again. */
void wef_subscription_id(const struct wef_settings *settings, char out_text[WEF_ID_TEXT_MAX]);

/* The group policy string ("Server=https://...") that sends hosts here. Returns
 * a malloc'ed text. */
char *wef_policy_string(const struct wef_settings *settings, unsigned refresh_s);
