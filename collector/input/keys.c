#include "collector/input/keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/arena.h"
#include "collector/event.h"

enum {
	BUCKET_COUNT = 16384, /* open addressing; at most half full */
	KEYS_MAX = BUCKET_COUNT / 2,
	NODES_MAX = 4096,
};

struct key {
	const char *text; /* NULL = empty bucket */
	uint32_t hash;
	uint16_t node;
	uint8_t size_bytes;
	struct key_meaning meaning;
};

struct keys {
	struct arena *texts;
	size_t key_count;
	uint16_t node_count;
	uint16_t slot_count;
	uint16_t slot_fields[RAW_MAX];
	struct key buckets[BUCKET_COUNT];
};

/* Up to seven bytes as a number, without reading past them. */
static uint64_t load_rest(const char *bytes, size_t size_bytes)
{
	uint32_t first;
	uint32_t last;
	if (size_bytes >= sizeof(first)) {
		memcpy(&first, bytes, sizeof(first));
		memcpy(&last, bytes + size_bytes - sizeof(last), sizeof(last));
		return first | (uint64_t)last << 32;
	}
	if (size_bytes == 0)
		return 0;
	const unsigned char *at = (const unsigned char *)bytes;
	return at[0] | (uint64_t)at[size_bytes / 2] << 8 | (uint64_t)at[size_bytes - 1] << 16;
}

/* 0x20 in every byte folds ASCII letters, and a few signs that no key of ours tells apart. */
static const uint64_t fold = 0x2020202020202020;

/* Cheap and case-blind. The keys in the table are ours; a hostile one can only miss, or pass for
 * one that it might have been anyway. */
static uint32_t hash_key(uint16_t node, const char *key, size_t size_bytes)
{
	uint64_t hash = (node + size_bytes * 4099) * 0x9e3779b97f4a7c15;
	uint64_t word;
	for (; size_bytes >= 8; key += 8, size_bytes -= 8) {
		memcpy(&word, key, 8);
		hash = (hash ^ (word | fold)) * 0xff51afd7ed558ccd;
		hash ^= hash >> 32;
	}
	hash = (hash ^ (load_rest(key, size_bytes) | fold)) * 0xff51afd7ed558ccd;
	return (uint32_t)(hash >> 32);
}

static bool same_key(const char *left, const char *right, size_t size_bytes)
{
	uint64_t one;
	uint64_t other;
	for (; size_bytes >= 8; left += 8, right += 8, size_bytes -= 8) {
		memcpy(&one, left, 8);
		memcpy(&other, right, 8);
		if ((one | fold) != (other | fold))
			return false;
	}
	return (load_rest(left, size_bytes) | fold) == (load_rest(right, size_bytes) | fold);
}

/* The bucket that holds the key, or the empty one where it belongs. */
static const struct key *bucket_of(const struct keys *keys, uint16_t node, const char *key,
				   size_t size_bytes)
{
	const uint32_t hash = hash_key(node, key, size_bytes);
	for (uint32_t i = hash % BUCKET_COUNT;; i = (i + 1) % BUCKET_COUNT) {
		const struct key *bucket = &keys->buckets[i];
		if (!bucket->text)
			return bucket;
		if (bucket->hash == hash && bucket->node == node &&
		    bucket->size_bytes == size_bytes && same_key(bucket->text, key, size_bytes))
			return bucket;
	}
}

const struct key_meaning *keys_find(const struct keys *keys, uint16_t node, const char *key,
				    size_t size_bytes)
{
	if (size_bytes > UINT8_MAX)
		return NULL;
	const struct key *bucket = bucket_of(keys, node, key, size_bytes);
	return bucket->text ? &bucket->meaning : NULL;
}

/* Finds or makes the key below the node. NULL: full, or the key is too long. */
static struct key_meaning *add_key(struct keys *keys, uint16_t node, const char *key,
				   size_t size_bytes)
{
	if (size_bytes == 0 || size_bytes > UINT8_MAX)
		return NULL;
	struct key *bucket = (struct key *)(uintptr_t)bucket_of(keys, node, key, size_bytes);
	if (bucket->text)
		return &bucket->meaning;
	if (keys->key_count == KEYS_MAX)
		return NULL;
	const char *copy = arena_copy_text(keys->texts, key, size_bytes);
	if (!copy)
		return NULL;
	keys->key_count++;
	*bucket = (struct key){
		.text = copy,
		.hash = hash_key(node, key, size_bytes),
		.node = node,
		.size_bytes = (uint8_t)size_bytes,
		.meaning = { .child = KEY_NODE_NONE, .slot = RAW_NONE, .field = FIELD_NONE },
	};
	return &bucket->meaning;
}

/* Walks a dotted path from the root, making what is missing. `*out_node` is the node of its last
 * key. */
static struct key_meaning *add_path(struct keys *keys, const char *path, uint16_t *out_node)
{
	uint16_t node = KEY_NODE_ROOT;
	for (;;) {
		/* names of EventData may hold dots themselves */
		const char *dot = node == KEY_NODE_DATA ? NULL : strchr(path, '.');
		const size_t size_bytes = dot ? (size_t)(dot - path) : strlen(path);
		struct key_meaning *meaning = add_key(keys, node, path, size_bytes);
		*out_node = node;
		if (!meaning || !dot)
			return meaning;
		if (meaning->child == KEY_NODE_NONE) {
			if (keys->node_count == NODES_MAX)
				return NULL;
			meaning->child = keys->node_count++;
		}
		node = meaning->child;
		path = dot + 1;
	}
}

static bool add_slot(struct keys *keys, const char *path, uint16_t slot)
{
	uint16_t node;
	struct key_meaning *meaning = add_path(keys, path, &node);
	if (meaning && meaning->slot == RAW_NONE)
		meaning->slot = slot;
	return meaning != NULL;
}

static bool add_node(struct keys *keys, const char *path, uint16_t child)
{
	uint16_t node;
	struct key_meaning *meaning = add_path(keys, path, &node);
	if (meaning)
		meaning->child = child;
	return meaning != NULL;
}

static bool add_same(struct keys *keys, const char *path, const char *other)
{
	uint16_t node;
	const struct key_meaning *meaning = add_path(keys, other, &node);
	return meaning && meaning->child != KEY_NODE_NONE && add_node(keys, path, meaning->child);
}

/* A name of EventData: below DATA, and at the root for flat shapes. */
static bool add_data(struct keys *keys, const char *leaf, uint16_t slot)
{
	struct key_meaning *inside = add_key(keys, KEY_NODE_DATA, leaf, strlen(leaf));
	if (!inside)
		return false;
	inside->slot = slot;
	struct key_meaning *flat = add_key(keys, KEY_NODE_ROOT, leaf, strlen(leaf));
	if (flat && flat->slot == RAW_NONE) {
		flat->slot = slot;
		flat->flat = true;
	}
	return flat != NULL;
}

/* The wrappers of unnamed values: {"Data": [...]}, {"Data": {"#text": [...]}}, [{"Value": ...}]. */
static bool add_data_nodes(struct keys *keys)
{
	struct key_meaning *data = add_key(keys, KEY_NODE_DATA, "Data", 4);
	struct key_meaning *text = add_key(keys, KEY_NODE_DATA, "#text", 5);
	struct key_meaning *value = add_key(keys, KEY_NODE_INSERTS, "Value", 5);
	if (!data || !text || !value)
		return false;
	data->child = KEY_NODE_DATA;
	text->child = KEY_NODE_DATA;
	value->child = KEY_NODE_INSERTS;
	return true;
}

static bool add_known(struct keys *keys)
{
	bool added = add_data_nodes(keys);
	/* nodes first: paths of KEY rows may lead through them */
#define KEY(path, identifier)
#define NODE(path, kind) added &= add_node(keys, path, KEY_NODE_##kind);
#define SAME(path, other)
#include "collector/input/keys.def"
#undef KEY
#undef NODE
#undef SAME
#define KEY(path, identifier) added &= add_slot(keys, path, RAW_##identifier);
#define NODE(path, kind)
#define SAME(path, other) added &= add_same(keys, path, other);
#include "collector/input/keys.def"
#undef KEY
#undef NODE
#undef SAME
#define RAW(identifier, field)
#define DATA(identifier, leaf) added &= add_data(keys, leaf, RAW_##identifier);
#include "collector/input/raw.def"
#undef RAW
#undef DATA
	return added;
}

/* A wanted field is found at its own path; "winlog.event_data.X" wherever EventData is. */
static bool add_field(struct keys *keys, const char *name, uint16_t field)
{
	uint16_t node;
	struct key_meaning *meaning = add_path(keys, name, &node);
	if (!meaning)
		return false;
	if (node != KEY_NODE_DATA) {
		if (meaning->field == FIELD_NONE)
			meaning->field = field;
		return true;
	}
	if (meaning->slot == RAW_NONE) {
		if (keys->slot_count == RAW_MAX)
			return false;
		const char *leaf = name + strlen("winlog.event_data.");
		if (!add_data(keys, leaf, keys->slot_count++))
			return false;
	}
	keys->slot_fields[meaning->slot] = field;
	return true;
}

/* Read to find out what a document in ECS is, even when no rule asks. */
static bool needed(uint16_t field)
{
	return field == FIELD_event_category || field == FIELD_event_type;
}

struct keys *keys_open(const struct fields *fields)
{
	struct keys *keys = calloc(1, sizeof(*keys));
	if (!keys)
		return NULL;
	keys->texts = arena_open(0);
	keys->node_count = KEY_NODE_PLAIN;
	keys->slot_count = RAW_KNOWN_COUNT;
	memset(keys->slot_fields, 0xff, sizeof(keys->slot_fields));
	bool added = keys->texts && add_known(keys);
	for (uint16_t i = 0; added && i < fields_count(fields); i++)
		if (fields_wanted(fields, i) || needed(i))
			added = add_field(keys, fields_name(fields, i), i);
	if (added)
		return keys;
	keys_close(keys);
	errno = ENOMEM;
	return NULL;
}

void keys_close(struct keys *keys)
{
	if (!keys)
		return;
	arena_close(keys->texts);
	free(keys);
}

uint16_t keys_field_of_slot(const struct keys *keys, uint16_t slot)
{
	return keys->slot_fields[slot];
}
