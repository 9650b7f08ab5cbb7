/* output_url.h: a destination as people write it: SCHEME:TARGET?option=value&option=value. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/complaint.h"
#include "correlator/format.h"

enum sink_kind {
#define SINK(identifier, ...) SINK_##identifier,
#include "correlator/sinks.def"
#undef SINK
	SINK_COUNT,
};

enum target_kind { TARGET_NONE, TARGET_PATH, TARGET_HOST };

enum framing {
	FRAMING_LINE,	  /* message and newline */
	FRAMING_OCTETS,	  /* RFC 6587, section 3.4.1: "123 " and the message */
	FRAMING_DATAGRAM, /* the message alone */
};

enum { URL_TEXT_MAX = 1024, URL_VALUE_MAX = 512 };

struct output_url {
	char text[URL_TEXT_MAX]; /* as written, for messages */
	enum sink_kind sink;
	char target[URL_VALUE_MAX]; /* path, or host without brackets */
	uint16_t port;
	enum format format;
	int facility;
	size_t max_size;
	enum framing framing;
	bool truncate;		     /* file: begin anew instead of appending */
	char ca_path[URL_VALUE_MAX]; /* TLS; "" = the system's */
	char certificate_path[URL_VALUE_MAX];
	char key_path[URL_VALUE_MAX];
	char fingerprint[URL_VALUE_MAX]; /* "sha-256:AB:..."; replaces the CA check (RFC 5425) */
	char server_name[URL_VALUE_MAX]; /* "" = the host */
};

bool output_url_parse(const char *text, struct complaint *complaint, struct output_url *out_url);

/* Does a sink of this kind deserve a spool? */
bool output_url_spools(const struct output_url *url);

/* True for destinations that want messages with a syslog header. */
bool output_url_is_syslog(const struct output_url *url);
