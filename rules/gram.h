/* gram.h: a cheap test that a step's wildcards cannot fit, before its program is asked.
 *
 * A pattern such as "*\\Run\\evil.exe" can only fit a text with its last eight bytes, which are
 * compared at once; one such as "*\\Run\\evil*" only a text that has all four-byte pieces (grams)
 * of its longest literal run. The grams of an event's text are marked in one pass; a step whose
 * patterns all miss is not asked. (Windows rules on registry events: 1600 ns an event
 * without it, 300 with.) Wrong only in the harmless direction: different grams may share a mark.
 */
#pragma once

#include "collector/base/arena.h"
#include "collector/event.h"
#include "rules/ast.h"

enum { GRAM_BITS = 11, GRAM_MARKS = 1 << GRAM_BITS, GRAMS_PER_NEED = 3 };

/* Some value of the field ends in these bytes; or, where tail_mask is 0, has all these grams. */
struct gram_need {
	uint64_t tail;	    /* folded; the text's last byte is the highest */
	uint64_t tail_mask; /* of the bytes that count */
	uint16_t field;
	uint16_t grams[GRAMS_PER_NEED];
};

/* An event that satisfies the condition meets at least one of the needs. */
struct gram_filter {
	bool known; /* false: nothing can be promised */
	const struct gram_need *needs;
	size_t count;
	uint64_t cost; /* how dear and how weak, as a rough rank */
	bool wild;     /* some need comes from more than an equality */
};

enum { GRAM_NEEDS_MAX = 512 };

/* When the arena is full, nothing is promised. */
struct gram_filter gram_filter_find(const struct fields *fields, const struct expression *condition,
				    struct arena *arena);

/* What is known of one field of one event. */
struct gram_marks {
	uint16_t round;	       /* of the event that the marks are of; 0 = never made */
	uint16_t values_round; /* the same of the values */
	uint32_t value_count;
	const struct event_value *values;
	uint64_t tail;		    /* of the first value */
	uint16_t marks[GRAM_MARKS]; /* marks[gram] == round where the gram is there */
};

/* Does the event, the one of this round (1..), meet the need? `field` is the need's. */
bool gram_need_met(const struct gram_need *need, struct gram_marks *marks, uint16_t round,
		   const struct event *event, uint16_t field);
