/* carrier.h: what carries a host event, JSON or XML, into a raw event. One carrier per thread.
 *
 * Both walk the same tree of wanted keys (keys.h): an element is a key, an attribute a key below
 * it. An EventData that is itself a text of XML or JSON is read too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "collector/input/keys.h"
#include "collector/input/raw.h"

struct carrier_json;
struct carrier_xml;

enum {
	CARRIER_DEPTH_MAX = 32,		   /* nested objects, arrays or elements */
	CARRIER_XML_MAX = 4 * 1024 * 1024, /* bytes of one event's XML */
};

/* NULL with errno; the caller closes. */
struct carrier_json *carrier_json_open(const struct keys *keys);
void carrier_json_close(struct carrier_json *carrier);

/* Reads one JSON object into `raw`, which is begun first. JSON_PADDING bytes behind the text must
 * be readable. False: not a JSON object. */
bool carrier_json_read(struct carrier_json *carrier, const char *json, size_t size_bytes,
		       struct raw_event *raw);

/* The same for a JSON object whose values are EventData. */
bool carrier_json_read_data(struct carrier_json *carrier, const char *json, size_t size_bytes,
			    struct raw_event *raw);

struct carrier_xml *carrier_xml_open(const struct keys *keys);
void carrier_xml_close(struct carrier_xml *carrier);

/* Reads one <Event> or <EventData> element into `raw`, which must have been begun with room for
 * size_bytes more bytes. Characters that XML forbids are replaced, and of a text that ends too
 * early what was whole is kept. False: not XML, a document type declaration, or cut before its
 * first value. */
bool carrier_xml_read(struct carrier_xml *carrier, const char *xml, size_t size_bytes,
		      struct raw_event *raw);
