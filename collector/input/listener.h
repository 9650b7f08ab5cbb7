/* listener.h: where to listen, as people write it: PROTOCOL+TRANSPORT://HOST:PORT?option=value.
 *
 *	lumberjack+tcp://0.0.0.0:5044             lumberjack+tls://[::]:5044?cert=F&key=F&ca=F
 *	bulk+http://127.0.0.1:9200                bulk+https://0.0.0.0:9200?cert=F&key=F&user=U:P
 *	wef+https://0.0.0.0:5986?cert=F&key=F&ca=F&url=https://collector.example:5986
 *	syslog+udp://0.0.0.0:514                  syslog+tcp:// syslog+tls:// ndjson+tcp://
 * ndjson+tls:// ndjson+unix:PATH                          ndjson+stdin: follow:PATH?from=start|end
 *
 * Immutable once parsed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/base/complaint.h"
#include "collector/input/session.h"

enum listener_kind { LISTENER_SESSION, LISTENER_BULK, LISTENER_WEF };

enum listener_transport {
	LISTENER_TCP, /* with or without TLS; HTTP too */
	LISTENER_UDP,
	LISTENER_UNIX,
	LISTENER_STDIN,
	LISTENER_FOLLOW, /* a file that grows */
};

enum client_auth { CLIENT_AUTH_NONE, CLIENT_AUTH_OPTIONAL, CLIENT_AUTH_REQUIRED };

enum { LISTENER_TEXT_MAX = 2048, LISTENER_VALUE_MAX = 512, LISTENER_THUMBPRINT_MAX = 64 };

struct listener_url {
	char text[LISTENER_TEXT_MAX]; /* as written, for messages */
	enum listener_kind kind;
	enum listener_transport transport;
	const struct session_protocol *protocol; /* LISTENER_SESSION */
	bool tls;
	char host[LISTENER_VALUE_MAX]; /* or path */
	uint16_t port;		       /* 0 = any free one */
	char certificate_path[LISTENER_VALUE_MAX];
	char key_path[LISTENER_VALUE_MAX];
	char ca_path[LISTENER_VALUE_MAX];
	enum client_auth client_auth;
	char authorization[2 *
			   LISTENER_VALUE_MAX]; /* bulk: the header value to ask for; "" = none */
	char base_url[LISTENER_VALUE_MAX];	/* wef: as clients reach us */
	uint16_t heartbeat_s;			/* wef */
	uint16_t latency_s;			/* wef: how long clients may collect a batch */
	bool read_existing;			/* wef: all that there is, not only what comes */
	bool from_end; /* follow: what is in the file already does not count */
};

bool listener_url_parse(const char *text, struct complaint *complaint,
			struct listener_url *out_url);

/* SHA-1 of the certificate in a PEM file, in hex: how WEF clients know their issuer. False:
 * unreadable. */
bool listener_thumbprint(const char *path, char out_hex[LISTENER_THUMBPRINT_MAX]);
