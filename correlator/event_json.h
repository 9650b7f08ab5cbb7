/* event_json.h: events and texts as jansson trees, for the formats that are JSON.
 *
 * Any thread. The trees are the caller's. Whoever feeds them bytes from outside goes through
 * json_clean_text, because jansson refuses invalid UTF-8.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/event.h"

/* Compact, keys as added, 0.98 and not 0.97999999999999998. */
enum { EVENT_JSON_FLAGS = JSON_COMPACT | JSON_REAL_PRECISION(15) };

/* A string without raw control characters: invalid UTF-8, DEL and C1 controls become U+FFFD
 * (jansson escapes the others). NULL only when out of memory. */
json_t *json_clean_text(const char *text, size_t size_bytes);

json_t *json_time(uint64_t unix_ns); /* nine fraction digits and Z */

/* One value of an event in its JSON type. */
json_t *json_event_value(const struct event *event, const struct event_value *value);

/* One value, or an array of them. */
json_t *json_event_values(const struct event *event, const struct event_value *values,
			  size_t count);

/* Puts `value` (taken) at a dotted path, making the objects on the way. Where a name on the way is
 * a value already, the rest of the path stays one dotted key. */
void json_put_dotted(json_t *object, const char *path, json_t *value);

/* The whole event, "@timestamp" first (time_ns, unless the event has the field). */
json_t *json_event(const struct event *event, const struct fields *fields);
