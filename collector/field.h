/* field.h: names and types of the fields that rules can see.
 *
 * The known fields are the rows of fields.def, numbered at compile time (FIELD_process_name). A
 * rule that names another field, or an ad-hoc query with a schema, adds it while rules are loaded.
 * From then on the registry is immutable and every thread reads it.
 *
 * Projection pushdown: the registry also knows which fields anybody wants (rules, attribution,
 * alerts); event builders leave out all others.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Elasticsearch's type families. KEYWORD also stands for text, wildcard and constant_keyword. ANY
 * is a field that only a rule names: each value keeps the type it came with. */
enum field_type {
	FIELD_TYPE_KEYWORD,
	FIELD_TYPE_LONG,
	FIELD_TYPE_DOUBLE,
	FIELD_TYPE_BOOLEAN,
	FIELD_TYPE_IP,
	FIELD_TYPE_DATE,
	FIELD_TYPE_ANY,
};

enum {
#define FIELD(identifier, name, type) FIELD_##identifier,
#include "collector/fields.def"
#undef FIELD
	FIELD_KNOWN_COUNT,
	FIELD_MAX = 8192,	 /* known and added together */
	FIELD_NAME_MAX = 255,	 /* bytes of a dotted name */
	FIELD_NONE = UINT16_MAX, /* no such field */
};

struct fields;

/* Starts with the rows of fields.def, none of them wanted. NULL with errno; the caller closes. */
struct fields *fields_open(void);
void fields_close(struct fields *fields);

/* The number of a field by its exact dotted name, or FIELD_NONE. */
uint16_t fields_find(const struct fields *fields, const char *name, size_t size_bytes);

/* The same, adding it (as `type`) when it is not there. FIELD_NONE: table full or name too long. */
uint16_t fields_add(struct fields *fields, const char *name, size_t size_bytes,
		    enum field_type type);

uint16_t fields_count(const struct fields *fields);
const char *fields_name(const struct fields *fields, uint16_t field); /* NUL-terminated, borrowed */
enum field_type fields_type(const struct fields *fields, uint16_t field);

/* Replaces a field's type, for a schema that knows better. */
void fields_set_type(struct fields *fields, uint16_t field, enum field_type type);

void fields_want(struct fields *fields, uint16_t field);
void fields_want_all(struct fields *fields);
bool fields_wanted(const struct fields *fields, uint16_t field);
