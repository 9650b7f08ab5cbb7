/* slots.h: which records of a fixed array are free. Numbers, not pointers, so that they fit in
 * the links of the records. One owner thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define SLOT_NONE UINT32_MAX

struct slots {
	uint32_t *given; /* numbers that came back; a stack */
	uint32_t given_count;
	uint32_t fresh_from; /* numbers from here on have never been taken */
	uint32_t capacity;
};

static inline bool slots_open(struct slots *slots, uint32_t capacity)
{
	*slots = (struct slots){ .capacity = capacity };
	slots->given = calloc(capacity ? capacity : 1, sizeof(*slots->given));
	return slots->given != NULL;
}

static inline void slots_close(struct slots *slots)
{
	free(slots->given);
	slots->given = NULL;
}

static inline uint32_t slots_free_count(const struct slots *slots)
{
	return slots->given_count + slots->capacity - slots->fresh_from;
}

/* SLOT_NONE: all are taken. */
static inline uint32_t slots_take(struct slots *slots)
{
	if (slots->given_count > 0)
		return slots->given[--slots->given_count];
	return slots->fresh_from < slots->capacity ? slots->fresh_from++ : SLOT_NONE;
}

static inline void slots_give(struct slots *slots, uint32_t slot)
{
	slots->given[slots->given_count++] = slot;
}
