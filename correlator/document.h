/* document.h: JSON documents of any shape from files, and what they are as events: for ad-hoc
 * search. The event path of the sensor does not come here; it reads known shapes, and faster
 * (collector/input/).
 *
 * A file is documents one after the other (one a line or not) or in an array, plain or gzip. It is
 * read whole, so that the text of a document can be printed as it came.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/complaint.h"
#include "collector/event.h"

enum {
	DOCUMENT_NAME_MAX = 1024, /* bytes of a dotted path */
	DOCUMENT_PADDING = 64,	  /* readable bytes behind every text of an opened file */
};

#define DOCUMENT_FILE_MAX ((size_t)8 << 30) /* bytes, inflated */

struct document_text {
	const char *bytes;
	size_t size_bytes;
	uint32_t line; /* where it begins */
};

struct document_file;

/* False and a complaint: missing, unreadable, damaged or too large. The caller closes. */
bool document_file_open(const char *path, struct complaint *complaint,
			struct document_file **out_file);
void document_file_close(struct document_file *file);

/* The same over bytes in memory, which are copied. NULL with errno. */
struct document_file *document_file_over(const char *bytes, size_t size_bytes);

/* The next thing that begins like a document, to the end of its brackets; it may still be no JSON.
 * Anything else is skipped to the end of its line and counted. False: the end. */
bool document_file_next(struct document_file *file, struct document_text *out_text);

/* The text was no JSON: goes on with the line after its first one, and from now on takes every line
 * for itself, so that one open bracket does not swallow the file. */
void document_file_resume(struct document_file *file, const struct document_text *bad);
uint64_t document_file_skipped_count(const struct document_file *file);

/* The tree of a document; NULL: no JSON object. */
json_t *document_parse(const struct document_text *text);

/* Calls back with every value of a document: its dotted path and a string, number or boolean.
 * Arrays and the objects in them are flattened, as Elasticsearch does; null is nothing. */
typedef void document_value_fn(void *context, const char *path, size_t path_bytes,
			       const json_t *value);
void document_each_value(const json_t *document, document_value_fn *visit, void *context);

/* The time that a value means: ISO 8601, or milliseconds since 1970, with as many fraction digits
 * as it has. False: none. */
bool document_value_time(const json_t *value, uint64_t *out_unix_ns);

/* The first value at a dotted path, or NULL; borrowed. */
const json_t *document_find(const json_t *document, const char *path);

/* Adds the values of all wanted fields to the event being built, converted to the field's type, and
 * marks those fields in `seen` (room for FIELD_MAX). Returns how many could not be converted and
 * were left out. */
uint64_t document_add_to_event(const json_t *document, const struct fields *fields,
			       struct event_builder *builder, bool *seen);
