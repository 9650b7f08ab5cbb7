#include "rules/wildcard_positions.h"

#include <string.h>

enum { CHARACTER_POSITIONS = 4 }; /* itself and three continuations */

static uint8_t fold(const struct positions *positions, char byte)
{
	const uint8_t value = (uint8_t)byte;
	return positions->insensitive && value >= 'A' && value <= 'Z' ? value | 0x20 : value;
}

/* Which positions behind a character position a first byte leads to; 0 = it starts no character. */
static size_t character_skip(uint8_t byte)
{
	if (byte < 0x80)
		return CHARACTER_POSITIONS;
	if (byte < 0xc0 || byte >= 0xf8)
		return 0;
	return byte < 0xe0 ? 3 : byte < 0xf0 ? 2 : 1;
}

/* --- building --------------------------------------------------------------------------------- */

static size_t add_pattern(struct positions *positions, const struct text *pattern, size_t at)
{
	const char *byte = pattern->bytes;
	const char *const end = byte + pattern->size_bytes;
	while (byte < end) {
		struct position *position = &positions->items[at++];
		if (*byte == '*') {
			while (byte < end && *byte == '*')
				byte++;
			position->kind = POSITION_LOOP;
			if (byte == end) {
				position->kind = POSITION_ACCEPT;
				return at;
			}
		} else if (*byte == '?') {
			byte++;
			position->kind = POSITION_CHARACTER;
			for (int i = 1; i < CHARACTER_POSITIONS; i++)
				positions->items[at++].kind = POSITION_CONTINUATION;
		} else {
			position->kind = POSITION_BYTE;
			position->byte = fold(positions, *byte++);
		}
	}
	positions->items[at++].kind = POSITION_END;
	return at;
}

/* Bytes that no pattern tells apart share a class: those it names stand alone, the others go by
 * what they are in UTF-8. */
static void make_classes(struct positions *positions)
{
	bool named[256] = { false };
	for (size_t i = 0; i < positions->count; i++)
		if (positions->items[i].kind == POSITION_BYTE)
			named[positions->items[i].byte] = true;
	int shared[6] = { -1, -1, -1, -1, -1, -1 }; /* by character_skip, and continuations */
	for (int byte = 0; byte < 256; byte++) {
		const uint8_t folded = fold(positions, (char)byte);
		if (folded != byte) { /* its small letter comes later */
			continue;
		}
		const bool continuation = (byte & 0xc0) == 0x80;
		int *letter = &shared[continuation ? 5 : character_skip((uint8_t)byte)];
		if (!named[byte] && *letter >= 0) {
			positions->class_of[byte] = (uint8_t)*letter;
			continue;
		}
		if (!named[byte])
			*letter = (int)positions->class_count;
		positions->class_byte[positions->class_count] = (uint8_t)byte;
		positions->class_of[byte] = (uint8_t)positions->class_count++;
	}
	for (int byte = 0; byte < 256; byte++)
		positions->class_of[byte] = positions->class_of[fold(positions, (char)byte)];
}

/* The position that `byte` leads to from `at`, or 0 (which nothing leads to). */
static uint32_t target(const struct positions *positions, uint32_t at, uint8_t byte)
{
	const struct position *position = &positions->items[at];
	switch ((enum position_kind)position->kind) {
	case POSITION_BYTE:
		return position->byte == byte ? at + 1 : 0;
	case POSITION_CHARACTER: {
		const size_t skip = character_skip(byte);
		return skip ? at + (uint32_t)skip : 0;
	}
	case POSITION_CONTINUATION:
		return (byte & 0xc0) == 0x80 ? at + 1 : 0;
	case POSITION_LOOP:
	case POSITION_ACCEPT:
		return at;
	case POSITION_END:
		return 0;
	}
	return 0;
}

static bool make_floating(struct positions *positions, const uint32_t *floats, size_t count,
			  struct arena *arena)
{
	positions->floating =
		arena_take(arena, positions->class_count * sizeof(struct position_list));
	if (!positions->floating)
		return false;
	for (size_t letter = 0; count > 0 && letter < positions->class_count; letter++) {
		const uint8_t byte = positions->class_byte[letter];
		size_t found = 0;
		for (size_t i = 0; i < count; i++)
			found += target(positions, floats[i], byte) != 0;
		if (found == 0)
			continue;
		uint32_t *items = arena_take(arena, found * sizeof(*items));
		if (!items)
			return false;
		positions->floating[letter] = (struct position_list){ items, found };
		for (size_t i = 0; i < count; i++) {
			const uint32_t to = target(positions, floats[i], byte);
			if (to)
				*items++ = to;
		}
	}
	return true;
}

struct positions *positions_open(const struct text *patterns, size_t count, bool insensitive,
				 struct arena *arena)
{
	size_t most = 1;
	for (size_t i = 0; i < count; i++)
		most += CHARACTER_POSITIONS * patterns[i].size_bytes + 1;
	struct positions *positions = arena_take(arena, sizeof(*positions));
	uint32_t *floats = arena_take(arena, count * sizeof(*floats));
	if (!positions || !floats)
		return NULL;
	positions->insensitive = insensitive;
	positions->items = arena_take(arena, most * sizeof(*positions->items));
	positions->starts = arena_take(arena, count * sizeof(*positions->starts));
	if (!positions->items || !positions->starts)
		return NULL;
	size_t at = 1;
	size_t float_count = 0;
	positions->items[0].kind = POSITION_LOOP;
	for (size_t i = 0; i < count; i++) {
		const uint32_t start = (uint32_t)at;
		at = add_pattern(positions, &patterns[i], at);
		if (positions->items[start].kind == POSITION_LOOP)
			floats[float_count++] = start + 1;
		else
			positions->starts[positions->start_count++] = start;
	}
	positions->count = at;
	positions->floats = float_count > 0;
	make_classes(positions);
	return make_floating(positions, floats, float_count, arena) ? positions : NULL;
}

/* --- stepping --------------------------------------------------------------------------------- */

void position_set_clear(struct position_set *set)
{
	set->count = 0;
	set->round++;
}

static void add(const struct positions *positions, struct position_set *set, uint32_t at)
{
	for (;; at++) { /* being at a loop is also being behind it */
		if (set->stamps[at] == set->round)
			return;
		set->stamps[at] = set->round;
		set->items[set->count++] = at;
		if (positions->items[at].kind != POSITION_LOOP)
			return;
	}
}

void positions_start(const struct positions *positions, struct position_set *set)
{
	position_set_clear(set);
	for (size_t i = 0; i < positions->start_count; i++)
		add(positions, set, positions->starts[i]);
}

void positions_step(const struct positions *positions, const uint32_t *from, size_t from_count,
		    uint8_t byte_class, struct position_set *set)
{
	position_set_clear(set);
	const uint8_t byte = positions->class_byte[byte_class];
	for (size_t i = 0; i < from_count; i++) {
		const uint32_t to = target(positions, from[i], byte);
		if (to)
			add(positions, set, to);
	}
	const struct position_list *floating = &positions->floating[byte_class];
	for (size_t i = 0; i < floating->count; i++)
		add(positions, set, floating->items[i]);
}

bool positions_hold(const struct positions *positions, const uint32_t *items, size_t count,
		    enum position_kind kind)
{
	for (size_t i = 0; i < count; i++)
		if (positions->items[items[i]].kind == kind)
			return true;
	return false;
}
