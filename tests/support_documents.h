/* support_documents.h: JSON documents as events, typed as Elasticsearch would map them: by a table
 * of types, and the fields it does not name by the first value seen. For the conformance tests. */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "collector/event.h"
#include "collector/field.h"

struct documents {
	struct fields *fields; /* every one wanted */
	size_t count;
	struct event **events; /* in the order of the file; identity = index + 1 */
	const char **ids;      /* as text: "12", "a" */
	char *category_field;
	json_t *file;
};

/* A file with timestamp_field, event_category_field, tiebreaker_field, id_field, types and events.
 * NULL after printing why. */
struct documents *documents_open(const char *path);
void documents_close(struct documents *documents);

/* Adds every field of one JSON object to the event being built, making fields known. Objects become
 * dotted names, lists several values; null and empty lists nothing. */
void document_add_fields(struct fields *fields, struct event_builder *builder, const char *prefix,
			 json_t *object);

/* Elasticsearch's name of a type ("long", "date_nanos", "wildcard") as ours. */
enum field_type field_type_of_mapping(const char *mapping);

/* "@timestamp" values: milliseconds as a number or a text of digits, or ISO
 * 8601. False: neither. */
bool document_time(json_t *value, uint64_t *out_unix_ns);
