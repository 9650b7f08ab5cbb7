/* cell_store.h: copies of events of any size in memory of fixed size. A copy lies in a chain of
 * equal cells, so that nothing fragments and every free cell is as good as another; reading copies
 * it out in one piece.
 *
 * One owner thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "collector/event.h"

struct cell_store;

enum { CELL_NONE = UINT32_MAX };

/* NULL with errno; the caller closes. */
struct cell_store *cell_store_open(size_t size_bytes);
void cell_store_close(struct cell_store *store);

/* A handle to a copy of the event, or CELL_NONE when there is no room. */
uint32_t cell_store_put(struct cell_store *store, const struct event *event);

/* The copy itself. A buffer holds one event; the result is valid until the buffer's next use. */
struct event_buffer {
	_Alignas(8) char bytes[sizeof(struct event) +
			       EVENT_VALUES_MAX * sizeof(struct event_value) + EVENT_SIZE_MAX];
};
const struct event *cell_store_get(const struct cell_store *store, uint32_t handle,
				   struct event_buffer *buffer);

/* CELL_NONE is allowed. */
void cell_store_drop(struct cell_store *store, uint32_t handle);

size_t cell_store_free_bytes(const struct cell_store *store);
size_t cell_store_bytes(const struct cell_store *store);
