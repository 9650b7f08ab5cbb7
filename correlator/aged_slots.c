#include "correlator/aged_slots.h"

#include <stdlib.h>

bool aged_slots_open(struct aged_slots *slots, uint32_t capacity)
{
	*slots = (struct aged_slots){
		.capacity = capacity,
		.free = NO_SLOT,
		.oldest = NO_SLOT,
		.newest = NO_SLOT,
		.next = malloc((size_t)capacity * sizeof(uint32_t)),
		.previous = malloc((size_t)capacity * sizeof(uint32_t)),
	};
	if (slots->next && slots->previous)
		return true;
	aged_slots_close(slots);
	return false;
}

void aged_slots_close(struct aged_slots *slots)
{
	free(slots->next);
	free(slots->previous);
	*slots = (struct aged_slots){ .free = NO_SLOT, .oldest = NO_SLOT, .newest = NO_SLOT };
}

static void append(struct aged_slots *slots, uint32_t slot)
{
	slots->next[slot] = NO_SLOT;
	slots->previous[slot] = slots->newest;
	if (slots->newest == NO_SLOT)
		slots->oldest = slot;
	else
		slots->next[slots->newest] = slot;
	slots->newest = slot;
}

static void unlink_slot(struct aged_slots *slots, uint32_t slot)
{
	const uint32_t older = slots->previous[slot];
	const uint32_t younger = slots->next[slot];
	if (older == NO_SLOT)
		slots->oldest = younger;
	else
		slots->next[older] = younger;
	if (younger == NO_SLOT)
		slots->newest = older;
	else
		slots->previous[younger] = older;
}

uint32_t aged_slots_take(struct aged_slots *slots)
{
	uint32_t slot = slots->free;
	if (slot != NO_SLOT)
		slots->free = slots->next[slot];
	else if (slots->untouched < slots->capacity)
		slot = slots->untouched++;
	else
		return NO_SLOT;
	append(slots, slot);
	slots->count++;
	return slot;
}

void aged_slots_give(struct aged_slots *slots, uint32_t slot)
{
	unlink_slot(slots, slot);
	slots->previous[slot] = slot;
	slots->next[slot] = slots->free;
	slots->free = slot;
	slots->count--;
}

void aged_slots_touch(struct aged_slots *slots, uint32_t slot)
{
	if (slots->newest == slot)
		return;
	unlink_slot(slots, slot);
	append(slots, slot);
}

size_t aged_slots_bytes(const struct aged_slots *slots)
{
	return 2 * (size_t)slots->capacity * sizeof(uint32_t);
}
