#include "correlator/event_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/pages.h"
#include "collector/base/table.h"
#include "correlator/block_pool.h"

struct stored {
	struct event *copy;
	uint32_t hold_count;
	uint32_t older; /* in order of arrival */
	uint32_t newer;
	uint32_t note;
	uint32_t revision;
	bool listed;
};

struct event_store {
	struct block_pool *copies;
	struct table *by_identity;
	struct slots slots;
	struct stored *stored;
	struct hash_seed seed;
	uint32_t oldest;
	uint32_t newest;
};

static bool identity_equal(const void *records, uint32_t slot, const void *key)
{
	const struct stored *stored = records;
	return stored[slot].copy->identity == *(const uint64_t *)key;
}

struct event_store *event_store_open(size_t copy_bytes, uint32_t max_events,
				     const struct hash_seed *seed)
{
	struct event_store *store = calloc(1, sizeof(*store));
	if (!store)
		return NULL;
	store->seed = *seed;
	store->oldest = store->newest = SLOT_NONE;
	store->copies = block_pool_open(copy_bytes);
	store->stored = pages_open(max_events * sizeof(*store->stored));
	if (!store->copies || !store->stored || !slots_open(&store->slots, max_events))
		goto failed;
	store->by_identity = table_open(max_events, identity_equal, store->stored);
	if (!store->by_identity)
		goto failed;
	return store;
failed:
	event_store_close(store);
	errno = ENOMEM;
	return NULL;
}

void event_store_close(struct event_store *store)
{
	if (!store)
		return;
	table_close(store->by_identity);
	pages_close(store->stored, store->slots.capacity * sizeof(*store->stored));
	slots_close(&store->slots);
	block_pool_close(store->copies);
	free(store);
}

static uint64_t hash_of(const struct event_store *store, uint64_t identity)
{
	return hash_word(&store->seed, store->seed.words[0], identity);
}

uint32_t event_store_put(struct event_store *store, const struct event *event)
{
	const uint32_t slot = slots_take(&store->slots);
	if (slot == SLOT_NONE)
		return SLOT_NONE;
	struct event *copy = block_pool_take(store->copies, event->size_bytes);
	if (!copy || !table_insert(store->by_identity, hash_of(store, event->identity), slot)) {
		if (copy)
			block_pool_give(store->copies, copy, event->size_bytes);
		slots_give(&store->slots, slot);
		return SLOT_NONE;
	}
	memcpy(copy, event, event->size_bytes);
	store->stored[slot] = (struct stored){
		.copy = copy,
		.hold_count = 1,
		.older = store->newest,
		.newer = SLOT_NONE,
		.note = SLOT_NONE,
		.listed = true,
	};
	if (store->newest == SLOT_NONE)
		store->oldest = slot;
	else
		store->stored[store->newest].newer = slot;
	store->newest = slot;
	return slot;
}

uint32_t event_store_find(const struct event_store *store, uint64_t identity)
{
	return table_find(store->by_identity, hash_of(store, identity), &identity);
}

const struct event *event_store_event(const struct event_store *store, uint32_t slot)
{
	return store->stored[slot].copy;
}

void event_store_hold(struct event_store *store, uint32_t slot)
{
	store->stored[slot].hold_count++;
}

void event_store_unlist(struct event_store *store, uint32_t slot)
{
	struct stored *stored = &store->stored[slot];
	if (!stored->listed)
		return;
	stored->listed = false;
	table_remove(store->by_identity, hash_of(store, stored->copy->identity), slot);
	if (stored->older == SLOT_NONE)
		store->oldest = stored->newer;
	else
		store->stored[stored->older].newer = stored->newer;
	if (stored->newer == SLOT_NONE)
		store->newest = stored->older;
	else
		store->stored[stored->newer].older = stored->older;
}

void event_store_release(struct event_store *store, uint32_t slot)
{
	struct stored *stored = &store->stored[slot];
	if (--stored->hold_count > 0)
		return;
	event_store_unlist(store, slot);
	block_pool_give(store->copies, stored->copy, stored->copy->size_bytes);
	slots_give(&store->slots, slot);
}

uint32_t event_store_oldest(const struct event_store *store)
{
	return store->oldest;
}

uint32_t *event_store_note(struct event_store *store, uint32_t slot)
{
	return &store->stored[slot].note;
}

uint32_t *event_store_revision(struct event_store *store, uint32_t slot)
{
	return &store->stored[slot].revision;
}

size_t event_store_bytes(const struct event_store *store)
{
	return sizeof(*store) + block_pool_bytes(store->copies) + table_bytes(store->by_identity) +
	       store->slots.capacity * (sizeof(*store->stored) + sizeof(uint32_t));
}
