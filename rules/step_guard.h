/* step_guard.h: which events a step cannot want, by a few machine words: fields that it needs and
 * the event lacks; an event.category, .type, .action or .code that is none of its own.
 *
 * A guard is asked before anything else of a step that the index found. Wrong only in the harmless
 * direction: different fields, and different values, may share a bit. Immutable when made.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/program.h"

enum {
	GUARD_KINDS = 4,	 /* fields that say what kind of event it is */
	GUARD_KIND_NONE = 0xff,	 /* a field that does not */
	GUARD_ANYTHING_BIT = 63, /* set in what is seen of every event */
};

/* Of a step: the fields that it needs, and the values of each kind that it takes. Of an event: the
 * fields and values that it has. */
struct step_guard {
	uint64_t fields;
	uint64_t kinds[GUARD_KINDS];
};

/* The bit of each field; ANYTHING for those that no step needs. */
struct guard_fields {
	uint8_t bits[FIELD_MAX];
	uint32_t count; /* of bits given out; after the last one, they are given out again */
};

/* An event without values, to which the values are added. */
static inline struct step_guard step_guard_begin(void)
{
	const uint64_t anything = UINT64_C(1) << GUARD_ANYTHING_BIT;
	return (struct step_guard){ anything, { anything, anything, anything, anything } };
}

static inline uint64_t step_guard_value_bit(uint32_t folded_hash)
{
	return UINT64_C(1) << folded_hash % GUARD_ANYTHING_BIT;
}

/* False: the step cannot want the event. */
static inline bool step_guard_admits(const struct step_guard *step, const struct step_guard *event)
{
	bool admits = (step->fields & ~event->fields) == 0;
	for (int i = 0; i < GUARD_KINDS; i++)
		admits = admits && step->kinds[i] & event->kinds[i];
	return admits;
}

/* 0 .. GUARD_KINDS-1, or GUARD_KIND_NONE. */
uint8_t step_guard_kind(uint16_t field);

void guard_fields_begin(struct guard_fields *fields);

/* Gives bits to the fields that the program needs. */
struct step_guard step_guard_make(struct guard_fields *fields, const struct program *program);
