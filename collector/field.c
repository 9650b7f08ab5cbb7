#include "collector/field.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/arena.h"
#include "collector/base/hash.h"

enum { BUCKET_COUNT = 2 * FIELD_MAX }; /* open addressing, at most half full */

struct field {
	const char *name;
	uint16_t name_bytes;
	uint8_t type;
	bool wanted;
};

struct fields {
	struct arena *names;
	uint16_t count;
	struct field rows[FIELD_MAX];
	uint16_t buckets[BUCKET_COUNT]; /* field number, FIELD_NONE = empty */
};

static const struct {
	const char *name;
	enum field_type type;
} known[] = {
#define FIELD(identifier, name, type) { name, FIELD_TYPE_##type },
#include "collector/fields.def"
#undef FIELD
};

struct fields *fields_open(void)
{
	struct fields *fields = calloc(1, sizeof(*fields));
	if (!fields)
		return NULL;
	fields->names = arena_open(0);
	if (!fields->names) {
		fields_close(fields);
		return NULL;
	}
	memset(fields->buckets, 0xff, sizeof(fields->buckets));
	for (int i = 0; i < FIELD_KNOWN_COUNT; i++) {
		if (fields_add(fields, known[i].name, strlen(known[i].name), known[i].type) == i)
			continue;
		fields_close(fields);
		errno = ENOMEM;
		return NULL;
	}
	return fields;
}

void fields_close(struct fields *fields)
{
	if (!fields)
		return;
	arena_close(fields->names);
	free(fields);
}

/* The bucket that holds the name, or the empty one where it belongs. */
static uint16_t *bucket_of(const struct fields *fields, const char *name, size_t size_bytes)
{
	const uint32_t hash = hash_folded_text(name, size_bytes);
	for (uint32_t i = hash % BUCKET_COUNT;; i = (i + 1) % BUCKET_COUNT) {
		const uint16_t *bucket = &fields->buckets[i];
		if (*bucket == FIELD_NONE)
			return (uint16_t *)(uintptr_t)bucket;
		const struct field *field = &fields->rows[*bucket];
		if (field->name_bytes == size_bytes && memcmp(field->name, name, size_bytes) == 0)
			return (uint16_t *)(uintptr_t)bucket;
	}
}

uint16_t fields_find(const struct fields *fields, const char *name, size_t size_bytes)
{
	return *bucket_of(fields, name, size_bytes);
}

uint16_t fields_add(struct fields *fields, const char *name, size_t size_bytes,
		    enum field_type type)
{
	uint16_t *bucket = bucket_of(fields, name, size_bytes);
	if (*bucket != FIELD_NONE)
		return *bucket;
	if (fields->count == FIELD_MAX || size_bytes > FIELD_NAME_MAX)
		return FIELD_NONE;
	const char *copy = arena_copy_text(fields->names, name, size_bytes);
	if (!copy)
		return FIELD_NONE;
	fields->rows[fields->count] = (struct field){
		.name = copy,
		.name_bytes = (uint16_t)size_bytes,
		.type = (uint8_t)type,
	};
	*bucket = fields->count;
	return fields->count++;
}

uint16_t fields_count(const struct fields *fields)
{
	return fields->count;
}

const char *fields_name(const struct fields *fields, uint16_t field)
{
	return fields->rows[field].name;
}

enum field_type fields_type(const struct fields *fields, uint16_t field)
{
	return (enum field_type)fields->rows[field].type;
}

void fields_set_type(struct fields *fields, uint16_t field, enum field_type type)
{
	fields->rows[field].type = (uint8_t)type;
}

void fields_want(struct fields *fields, uint16_t field)
{
	fields->rows[field].wanted = true;
}

void fields_want_all(struct fields *fields)
{
	for (int i = 0; i < FIELD_MAX; i++)
		fields->rows[i].wanted = true;
}

bool fields_wanted(const struct fields *fields, uint16_t field)
{
	return fields->rows[field].wanted;
}
