/* format.h: one alert as one message of limited size.
 *
 * A format never splits a message, never cuts inside an escape or a UTF-8 sequence, and never
 * writes a raw control character. What does not fit loses whole fields in a fixed order, says
 * truncated, and lists what went. Output thread only (and tests).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/field.h"
#include "correlator/alert.h"
#include "correlator/facts.h"

enum format {
#define FORMAT(name, help) FORMAT_##name,
#include "correlator/formats.def"
#undef FORMAT
	FORMAT_COUNT,
};

/* Of the software, not of the commit it was built from: replays stay equal from build to build. */
#define PRODUCT_VENDOR	"procspan"
#define PRODUCT_NAME	"procspan"
#define PRODUCT_VERSION "0.1"

enum {
	MESSAGE_SIZE_MIN = 300,		/* the smallest max_size that every format keeps to */
	MESSAGE_SIZE_MAX = 1024 * 1024, /* for files */
};

struct format_context {
	const struct fields *fields;
	struct facts *facts;   /* scratch */
	const char *host_name; /* of this sensor */
	int process_id;
	int facility;	      /* syslog, 0..23 */
	bool syslog_header;   /* cef, leef, eve and ecs: behind an RFC 5424 header */
	bool clock_is_synced; /* timeQuality */
	uint64_t sequence_id; /* counts this destination's messages */
	uint64_t now_ns;      /* event.created; 0 = the alert's own time (replay) */
	size_t max_size;      /* bytes, MESSAGE_SIZE_MIN..MESSAGE_SIZE_MAX */
};

/* Writes at most context->max_size bytes, without a newline; returns how many, 0 = no memory. */
typedef size_t format_fn(const struct format_context *context, const struct alert *alert, char *out,
			 bool *out_truncated);

#define FORMAT(name, help) format_fn format_##name;
#include "correlator/formats.def"
#undef FORMAT

format_fn *format_function(enum format format);
const char *format_name(enum format format);

/* The format of this name, or FORMAT_COUNT. */
enum format format_find(const char *name, size_t size_bytes);

/* "<133>1 2026-11-23T11:37:00.123456Z sensor1 procspan 4242 ALERT ", with the time in that many
 * fraction digits. `terse` leaves the host name out. */
void format_syslog_header(const struct format_context *context, const struct alert *alert,
			  int fraction_digits, bool terse, struct text_writer *writer);
