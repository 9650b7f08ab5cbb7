/* wildcard_positions.h: a list of patterns as positions, and the step from one set of positions to
 * the next. Shared by the automaton builder and by the direct matcher.
 *
 * Each pattern is a run of positions; where it stands is "before" a position:
 *
 *	B c	next byte is c (folded)
 *	O	one character: to O+4 on ASCII, or over the three continuation positions behind it
 *	C	one continuation byte
 *	L	`*`: stays on any byte; being at L is also being behind it
 *	E	the text must end here
 *	A	a `*` at the end: accepted, whatever follows
 *
 * All patterns that start with `*` share one L, position 0, which is never in a set: instead
 * `floating` lists, for each byte class, where it leads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/arena.h"
#include "rules/ast.h"

enum position_kind {
	POSITION_BYTE,
	POSITION_CHARACTER,
	POSITION_CONTINUATION,
	POSITION_LOOP,
	POSITION_END,
	POSITION_ACCEPT,
};

struct position {
	uint8_t kind;
	uint8_t byte;
};

struct position_list {
	const uint32_t *items;
	size_t count;
};

struct positions {
	struct position *items;
	size_t count;
	uint32_t *starts; /* of patterns that do not float */
	size_t start_count;
	bool insensitive;
	bool floats; /* some pattern starts with `*` */
	uint8_t class_of[256];
	uint8_t class_byte[256]; /* one byte of each class, folded */
	size_t class_count;
	struct position_list *floating; /* by class */
};

/* A set of positions being collected: each once. */
struct position_set {
	uint32_t *items;
	size_t count;
	uint64_t *stamps; /* by position: the round in which it was added last */
	uint64_t round;
};

/* NULL: out of memory. */
struct positions *positions_open(const struct text *patterns, size_t count, bool insensitive,
				 struct arena *arena);

/* Where patterns begin. */
void positions_start(const struct positions *positions, struct position_set *set);

/* From `from` over one byte of a class into the (emptied) set. */
void positions_step(const struct positions *positions, const uint32_t *from, size_t from_count,
		    uint8_t byte_class, struct position_set *set);

/* Does the set hold a position of this kind? */
bool positions_hold(const struct positions *positions, const uint32_t *items, size_t count,
		    enum position_kind kind);

void position_set_clear(struct position_set *set);
