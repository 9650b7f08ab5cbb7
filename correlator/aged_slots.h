/* aged_slots.h: the numbers 0..capacity-1, handed out and taken back, remembered in order of age.
 * What a table of fixed size needs besides its records: which slot is free, and which is the oldest
 * to forget when none is.
 *
 * One owner thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NO_SLOT = UINT32_MAX };

struct aged_slots {
	uint32_t capacity;
	uint32_t count;	    /* in use */
	uint32_t free;	    /* first of the free ones, chained through `next` */
	uint32_t untouched; /* from here on no slot was ever used: their memory is not touched */
	uint32_t oldest;
	uint32_t newest;
	uint32_t *next;	    /* younger neighbour */
	uint32_t *previous; /* older neighbour; itself = free */
};

/* False with errno. The caller closes. */
bool aged_slots_open(struct aged_slots *slots, uint32_t capacity);
void aged_slots_close(struct aged_slots *slots);

/* A free slot, now the youngest; or NO_SLOT. */
uint32_t aged_slots_take(struct aged_slots *slots);
void aged_slots_give(struct aged_slots *slots, uint32_t slot);

/* Makes a slot the youngest. */
void aged_slots_touch(struct aged_slots *slots, uint32_t slot);

static inline bool aged_slots_used(const struct aged_slots *slots, uint32_t slot)
{
	return slot < slots->untouched && slots->previous[slot] != slot;
}

size_t aged_slots_bytes(const struct aged_slots *slots);

/* Oldest first. `slot` must not be given back inside the loop before its successor was read. */
static inline uint32_t aged_slots_next(const struct aged_slots *slots, uint32_t slot)
{
	return slots->next[slot];
}
