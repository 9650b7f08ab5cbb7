/* normaliser.h: one host event, in whatever shape its forwarder sent it, to the one event type with
 * ECS fields.
 *
 * First the carrier's shape is recognised (Winlogbeat, NXLog, event XML, Azure, ...), then the
 * dialect of what it carries (Sysmon, Security, Endpoint, already ECS) maps it. Only fields that
 * somebody wants are extracted. One normaliser per thread. Mapping: docs/events.md; sources in the
 * dialect files.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "collector/base/counter.h"
#include "collector/event.h"

struct normaliser;

/* NULL with errno; the caller closes. */
struct normaliser *normaliser_open(const struct fields *fields, struct counters *counters);
void normaliser_close(struct normaliser *normaliser);

/* How many bytes behind a JSON text must be readable (their content does not matter). */
enum { NORMALISER_PADDING = 64 };

enum normaliser_result {
	NORMALISED,
	NORMALISER_BAD_JSON,  /* not a JSON object: events_bad_json */
	NORMALISER_UNMAPPED,  /* a shape that no dialect knows: events_unmapped */
	NORMALISER_NO_TIME,   /* events_no_time */
	NORMALISER_TOO_LARGE, /* events_too_large */
};

/* One JSON object. Every call counts events_seen and, when refused, the reason's counter; the
 * caller counts events_used. `received_ns` 0 = unknown (files). On NORMALISED, *out_event is valid
 * until the next call. */
enum normaliser_result normaliser_json(struct normaliser *normaliser, const char *json,
				       size_t size_bytes, uint64_t received_ns,
				       const struct event **out_event);

/* One <Event> element of the Windows event schema, UTF-8. */
enum normaliser_result normaliser_xml(struct normaliser *normaliser, const char *xml,
				      size_t size_bytes, uint64_t received_ns,
				      const struct event **out_event);
