#include "correlator/cell_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_BYTES = 256 };

struct cell_store {
	uint32_t capacity;
	uint32_t used_count;
	uint32_t free;	    /* first free cell, chained through next */
	uint32_t untouched; /* cells from here on were never used */
	uint32_t *next;
	char *cells;
};

struct cell_store *cell_store_open(size_t size_bytes)
{
	const size_t count = size_bytes / CELL_BYTES;
	if (count >= CELL_NONE) {
		errno = EINVAL;
		return NULL;
	}
	struct cell_store *store = calloc(1, sizeof(*store));
	if (!store)
		return NULL;
	store->capacity = (uint32_t)count;
	store->free = CELL_NONE;
	store->next = malloc(count * sizeof(*store->next) + 1);
	store->cells = malloc(count * CELL_BYTES + 1);
	if (store->next && store->cells)
		return store;
	cell_store_close(store);
	errno = ENOMEM;
	return NULL;
}

void cell_store_close(struct cell_store *store)
{
	if (!store)
		return;
	free(store->next);
	free(store->cells);
	free(store);
}

static uint32_t take_cell(struct cell_store *store)
{
	const uint32_t cell = store->free;
	store->used_count++;
	if (cell == CELL_NONE)
		return store->untouched++;
	store->free = store->next[cell];
	return cell;
}

uint32_t cell_store_put(struct cell_store *store, const struct event *event)
{
	const size_t size_bytes = event->size_bytes;
	const size_t count = (size_bytes + CELL_BYTES - 1) / CELL_BYTES;
	if (count > store->capacity - store->used_count)
		return CELL_NONE;
	uint32_t first = CELL_NONE;
	uint32_t last = CELL_NONE;
	for (size_t at = 0; at < size_bytes; at += CELL_BYTES) {
		const uint32_t cell = take_cell(store);
		const size_t left = size_bytes - at;
		memcpy(store->cells + (size_t)cell * CELL_BYTES, (const char *)event + at,
		       left < CELL_BYTES ? left : CELL_BYTES);
		if (last == CELL_NONE)
			first = cell;
		else
			store->next[last] = cell;
		store->next[cell] = CELL_NONE;
		last = cell;
	}
	return first;
}

const struct event *cell_store_get(const struct cell_store *store, uint32_t handle,
				   struct event_buffer *buffer)
{
	struct event header;
	memcpy(&header, store->cells + (size_t)handle * CELL_BYTES, sizeof(header));
	const size_t size_bytes = header.size_bytes;
	uint32_t cell = handle;
	for (size_t at = 0; at < size_bytes; at += CELL_BYTES, cell = store->next[cell]) {
		const size_t left = size_bytes - at;
		memcpy(buffer->bytes + at, store->cells + (size_t)cell * CELL_BYTES,
		       left < CELL_BYTES ? left : CELL_BYTES);
	}
	return (const void *)buffer->bytes;
}

void cell_store_drop(struct cell_store *store, uint32_t handle)
{
	while (handle != CELL_NONE) {
		const uint32_t next = store->next[handle];
		store->next[handle] = store->free;
		store->free = handle;
		store->used_count--;
		handle = next;
	}
}

size_t cell_store_free_bytes(const struct cell_store *store)
{
	return (size_t)(store->capacity - store->used_count) * CELL_BYTES;
}

size_t cell_store_bytes(const struct cell_store *store)
{
	return (size_t)store->capacity * (CELL_BYTES + sizeof(*store->next));
}
