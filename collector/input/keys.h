/* keys.h: which keys of a host event somebody wants, as one prebuilt hash table of (node, key).
 *
 * The wanted paths form a tree; a node of it is a number, and what stands below a node is found by
 * one lookup of (node, key without case). Built once from keys.def, raw.def and the wanted fields;
 * then read by one thread. A key that is not in it is not wanted, and its value is skipped unread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "collector/field.h"
#include "collector/input/raw.h"

enum key_node {
	KEY_NODE_NONE,
	KEY_NODE_ROOT,
	KEY_NODE_DATA,	  /* EventData: names of values */
	KEY_NODE_INSERTS, /* positional values */
	KEY_NODE_PLAIN,	  /* the first of all others */
};

/* What a key means below its node. */
struct key_meaning {
	uint16_t child; /* node of the object or array there; KEY_NODE_NONE = skip it */
	uint16_t slot;	/* raw value of the scalar there, or RAW_NONE */
	uint16_t field; /* ECS field of the scalar there, or FIELD_NONE */
	bool flat;	/* the slot is one of EventData, found outside of it */
};

struct keys;

/* NULL with errno; the caller closes. */
struct keys *keys_open(const struct fields *fields);
void keys_close(struct keys *keys);

/* NULL: nobody wants it. */
const struct key_meaning *keys_find(const struct keys *keys, uint16_t node, const char *key,
				    size_t size_bytes);

/* The field "winlog.event_data.X" that wants the value of a slot, or FIELD_NONE. */
uint16_t keys_field_of_slot(const struct keys *keys, uint16_t slot);
