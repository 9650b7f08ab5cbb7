/* event_store.h: copies of events that somebody may still need, in a fixed amount of memory.
 *
 * Copies are counted: whoever keeps one holds it. They are found by the identity of the event, and
 * known in the order in which they came, so that the owner of a full store can make room by
 * forgetting the oldest. Nothing is forgotten unasked.
 *
 * Owned by one thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "collector/base/hash.h"
#include "collector/event.h"
#include "correlator/slots.h"

struct event_store;

/* `copy_bytes` for the copies, and at most `max_events` of them. NULL with errno. */
struct event_store *event_store_open(size_t copy_bytes, uint32_t max_events,
				     const struct hash_seed *seed);
void event_store_close(struct event_store *store);

/* Copies an event; the caller holds the copy. SLOT_NONE: no room. Does not look for
 * an equal one. */
uint32_t event_store_put(struct event_store *store, const struct event *event);

/* The listed copy with this identity, or SLOT_NONE. */
uint32_t event_store_find(const struct event_store *store, uint64_t identity);

/* Borrowed for as long as somebody holds it. */
const struct event *event_store_event(const struct event_store *store, uint32_t slot);

void event_store_hold(struct event_store *store, uint32_t slot);
void event_store_release(struct event_store *store, uint32_t slot); /* the last one frees it */

/* Takes a copy off the books: it is neither found nor the oldest any more, but stays while held. */
void event_store_unlist(struct event_store *store, uint32_t slot);

/* The listed copy that came first, or SLOT_NONE. */
uint32_t event_store_oldest(const struct event_store *store);

/* A word for the owner, SLOT_NONE at first. */
uint32_t *event_store_note(struct event_store *store, uint32_t slot);

/* How often the event was replaced before this copy; for the owner to set. */
uint32_t *event_store_revision(struct event_store *store, uint32_t slot);

size_t event_store_bytes(const struct event_store *store);
