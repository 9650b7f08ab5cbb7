/* gram.h: a cheap test that a step's wildcards cannot fit, before its program is asked.
 *
 * A pattern such as "*\\Run\\evil*" can only fit a text that has all four-byte pieces (grams) of
 * its longest literal run. The grams of an event's text are marked in one pass; a step whose
 * patterns all miss one of theirs is not asked. (Windows rules on registry events: 1600 ns an event
 * without it, 300 with.) Wrong only in the harmless direction: different grams may share a mark.
 */
#pragma once

#include "collector/base/arena.h"
#include "collector/event.h"
#include "rules/ast.h"

enum { GRAM_BITS = 11, GRAM_MARKS = 1 << GRAM_BITS, GRAMS_PER_NEED = 3 };

/* Some value of the field has all these grams. */
struct gram_need {
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

/* The marks of one field of one event: marks[gram] == round where the gram is there. */
struct gram_marks {
	uint16_t round; /* 0 = never made */
	uint16_t marks[GRAM_MARKS];
};

/* Marks the grams of all texts of the field with `round`. */
void gram_mark(struct gram_marks *marks, uint16_t round, const struct event *event, uint16_t field);

static inline bool gram_need_met(const struct gram_need *need, const struct gram_marks *marks)
{
	return marks->marks[need->grams[0]] == marks->round &&
	       marks->marks[need->grams[1]] == marks->round &&
	       marks->marks[need->grams[2]] == marks->round;
}
