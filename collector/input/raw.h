/* raw.h: a host event as its carrier gave it: texts by slot (raw.def), ECS values, positional
 * values. Carriers (JSON, XML) fill it in, shapes and dialects read it. Texts are borrowed from the
 * carrier's input or from the raw event's own store, until raw_begin. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/field.h"

enum raw_slot {
#define RAW(identifier, field) RAW_##identifier,
#define DATA(identifier, leaf) RAW_##identifier,
#include "collector/input/raw.def"
#undef RAW
#undef DATA
	RAW_KNOWN_COUNT,
	RAW_MAX = RAW_KNOWN_COUNT + 1024, /* with values that only rules name */
	RAW_NONE = UINT16_MAX,
};

enum {
	RAW_ECS_MAX = 1024,   /* ECS values of one event; more are left out, and counted */
	RAW_INSERTS_MAX = 64, /* positional values; no event has more than 40 */
};

/* RAW_UNDECODED: the inside of a JSON string that may hold escapes; raw_get decodes it, once, so
 * that texts that nobody asks for are never looked at. */
enum raw_kind { RAW_ABSENT, RAW_TEXT, RAW_NUMBER, RAW_BOOLEAN, RAW_UNDECODED };

struct raw_value {
	const char *text;
	uint32_t size_bytes;
	uint8_t kind; /* enum raw_kind */
	bool flat;    /* a value of EventData that stood outside of it */
};

struct raw_ecs_value {
	uint16_t field;
	struct raw_value value;
};

struct raw_event {
	struct raw_value values[RAW_MAX];
	uint16_t touched[RAW_MAX]; /* slots that have a value */
	size_t touched_count;
	struct raw_ecs_value ecs[RAW_ECS_MAX];
	size_t ecs_count;
	struct raw_value inserts[RAW_INSERTS_MAX];
	size_t insert_count;
	size_t left_out_count;	   /* values beyond a limit */
	bool has_data;		   /* an EventData was found; flat values of it do not count */
	struct raw_value embedded; /* an EventData that is itself a text of XML or JSON */
	char *store;		   /* decoded texts */
	size_t store_bytes;
	size_t store_used_bytes;
};

/* NULL with errno; the caller closes. */
struct raw_event *raw_open(void);
void raw_close(struct raw_event *raw);

/* Forgets the last event and makes sure that `store_bytes` bytes of texts can be stored. False: no
 * memory. */
bool raw_begin(struct raw_event *raw, size_t store_bytes);

/* Room in the store, or NULL when raw_begin was asked for less. */
char *raw_store(struct raw_event *raw, size_t size_bytes);

/* The first value of a slot stays, but one inside EventData replaces a flat one, and a flat text
 * a flat number. */
void raw_set(struct raw_event *raw, uint16_t slot, const struct raw_value *value);
void raw_add_ecs(struct raw_event *raw, uint16_t field, const struct raw_value *value);
void raw_add_insert(struct raw_event *raw, const struct raw_value *value);

/* The value of a slot, or NULL: absent, empty, "-", or a flat one that does not count. */
const struct raw_value *raw_get(const struct raw_event *raw, uint16_t slot);

/* Decodes a value that is not yet; the text moves into the store. */
void raw_decode(const struct raw_event *raw, struct raw_value *value);

/* ASCII case does not count. */
bool raw_equals(const struct raw_value *value, const char *text);
