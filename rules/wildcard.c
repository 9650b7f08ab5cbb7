/* Automata by subset construction over the positions of wildcard_positions.h.
 *
 * A state is a sorted set of positions. State 0 is dead (nothing can fit any more), state 1 has
 * accepted whatever follows. Patterns with a `*` inside multiply states when they stand together,
 * so they are put into automata of their own, and a list whose automaton outgrows its limit is
 * halved.
 */
#include "rules/wildcard.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rules/wildcard_positions.h"

enum {
	TRANSITIONS_MAX = 1 << 19,	 /* of one automaton (2 bytes each) */
	TRANSITIONS_MIXED_MAX = 1 << 15, /* of patterns with a `*` inside, which multiply */
	STATES_MAX = 1 << 15,
	SET_ITEMS_MAX = 1 << 22, /* positions of all states together */
	STATE_DEAD = 0,
	STATE_ACCEPTED = 1,
};

/* One automaton, or (transitions NULL) positions to follow directly. */
struct automaton {
	uint16_t *transitions; /* state * class_count + class */
	bool *accepts;	       /* by state: at the end of the text */
	const uint8_t *class_of;
	size_t class_count;
	uint16_t first;
	const struct positions *positions;
	struct automaton *next;
};

struct wildcard {
	struct automaton *automata;
	size_t position_count; /* for direct ones */
};

struct wildcard_scratch {
	struct position_set sets[2];
};

bool wildcard_has_wildcards(const struct text *pattern)
{
	return memchr(pattern->bytes, '*', pattern->size_bytes) ||
	       memchr(pattern->bytes, '?', pattern->size_bytes);
}

/* --- building --------------------------------------------------------------------------------- */

struct state_set {
	size_t at; /* in items */
	size_t count;
};

struct builder {
	const struct positions *positions;
	struct position_set set;
	struct state_set *states;
	size_t state_count;
	size_t state_max;
	uint32_t *items;
	size_t item_count;
	size_t item_room;
	uint16_t *buckets; /* hash table of states, 0 = empty */
	size_t bucket_count;
	uint16_t *transitions;
	size_t *work_left;
};

static int by_number(const void *left, const void *right)
{
	const uint32_t one = *(const uint32_t *)left;
	const uint32_t other = *(const uint32_t *)right;
	return (one > other) - (one < other);
}

static bool builder_open(struct builder *builder, const struct positions *positions,
			 size_t transitions_max, size_t *work_left)
{
	size_t state_max = transitions_max / positions->class_count;
	if (state_max > STATES_MAX)
		state_max = STATES_MAX;
	if (state_max < 4)
		state_max = 4;
	size_t bucket_count = 16;
	while (bucket_count < 2 * state_max)
		bucket_count *= 2;
	*builder = (struct builder){ .positions = positions,
				     .state_max = state_max,
				     .bucket_count = bucket_count,
				     .state_count = 2,
				     .item_room = 1024,
				     .work_left = work_left };
	builder->set.items = calloc(positions->count, sizeof(uint32_t));
	builder->set.stamps = calloc(positions->count, sizeof(uint64_t));
	builder->states = calloc(state_max, sizeof(*builder->states));
	builder->items = calloc(builder->item_room, sizeof(*builder->items));
	builder->buckets = calloc(bucket_count, sizeof(*builder->buckets));
	builder->transitions = calloc(state_max * positions->class_count, sizeof(uint16_t));
	return builder->set.items && builder->set.stamps && builder->states && builder->items &&
	       builder->buckets && builder->transitions;
}

static void builder_close(struct builder *builder)
{
	free(builder->set.items);
	free(builder->set.stamps);
	free(builder->states);
	free(builder->items);
	free(builder->buckets);
	free(builder->transitions);
}

static void sort_set(struct position_set *set)
{
	enum { FEW = 24 };
	if (set->count > FEW) {
		qsort(set->items, set->count, sizeof(uint32_t), by_number);
		return;
	}
	for (size_t i = 1; i < set->count; i++) {
		const uint32_t item = set->items[i];
		size_t at = i;
		for (; at > 0 && set->items[at - 1] > item; at--)
			set->items[at] = set->items[at - 1];
		set->items[at] = item;
	}
}

static uint32_t hash_set(const struct position_set *set)
{
	uint32_t hash = 2166136261U;
	for (size_t i = 0; i < set->count; i++)
		hash = (hash ^ set->items[i]) * 16777619U;
	return hash ^ hash >> 15;
}

static bool keep_items(struct builder *builder)
{
	const size_t needed = builder->item_count + builder->set.count;
	if (needed > SET_ITEMS_MAX)
		return false;
	while (needed > builder->item_room) {
		builder->item_room *= 2;
		void *larger = realloc(builder->items, builder->item_room * sizeof(uint32_t));
		if (!larger)
			return false;
		builder->items = larger;
	}
	memcpy(builder->items + builder->item_count, builder->set.items,
	       builder->set.count * sizeof(uint32_t));
	return true;
}

/* False: this construction, or all of them together, took too much. */
static bool spend(struct builder *builder)
{
	const size_t work = 1 + builder->set.count;
	if (work > *builder->work_left) {
		*builder->work_left = 0;
		return false;
	}
	*builder->work_left -= work;
	return true;
}

/* The state of the set just collected; a new one if there is none. False: too many. */
static bool intern(struct builder *builder, uint16_t *out_state)
{
	struct position_set *set = &builder->set;
	if (!spend(builder))
		return false;
	if (positions_hold(builder->positions, set->items, set->count, POSITION_ACCEPT)) {
		*out_state = STATE_ACCEPTED;
		return true;
	}
	if (set->count == 0 && !builder->positions->floats) {
		*out_state = STATE_DEAD;
		return true;
	}
	sort_set(set);
	size_t bucket = hash_set(set) & (builder->bucket_count - 1);
	for (; builder->buckets[bucket]; bucket = (bucket + 1) & (builder->bucket_count - 1)) {
		const struct state_set *state = &builder->states[builder->buckets[bucket]];
		if (state->count == set->count && memcmp(builder->items + state->at, set->items,
							 set->count * sizeof(uint32_t)) == 0) {
			*out_state = builder->buckets[bucket];
			return true;
		}
	}
	if (builder->state_count == builder->state_max || !keep_items(builder))
		return false;
	builder->states[builder->state_count] =
		(struct state_set){ builder->item_count, set->count };
	builder->item_count += set->count;
	builder->buckets[bucket] = (uint16_t)builder->state_count;
	*out_state = (uint16_t)builder->state_count++;
	return true;
}

static bool construct(struct builder *builder, uint16_t *out_first)
{
	const struct positions *positions = builder->positions;
	const size_t classes = positions->class_count;
	for (size_t letter = 0; letter < classes; letter++)
		builder->transitions[STATE_ACCEPTED * classes + letter] = STATE_ACCEPTED;
	positions_start(positions, &builder->set);
	if (!intern(builder, out_first))
		return false;
	for (size_t state = 2; state < builder->state_count; state++) {
		for (size_t letter = 0; letter < classes; letter++) {
			const struct state_set from = builder->states[state];
			positions_step(positions, builder->items + from.at, from.count,
				       (uint8_t)letter, &builder->set);
			if (!intern(builder, &builder->transitions[state * classes + letter]))
				return false;
		}
	}
	return true;
}

static struct automaton *keep_automaton(const struct builder *builder, uint16_t first,
					struct arena *arena)
{
	const size_t classes = builder->positions->class_count;
	const size_t bytes = builder->state_count * classes * sizeof(uint16_t);
	struct automaton *automaton = arena_take(arena, sizeof(*automaton));
	uint16_t *transitions = arena_take(arena, bytes);
	bool *accepts = arena_take(arena, builder->state_count * sizeof(bool));
	if (!automaton || !transitions || !accepts)
		return NULL;
	memcpy(transitions, builder->transitions, bytes);
	accepts[STATE_ACCEPTED] = true;
	for (size_t state = 2; state < builder->state_count; state++)
		accepts[state] = positions_hold(builder->positions,
						builder->items + builder->states[state].at,
						builder->states[state].count, POSITION_END);
	*automaton = (struct automaton){
		.transitions = transitions,
		.accepts = accepts,
		.class_of = builder->positions->class_of,
		.class_count = classes,
		.first = first,
	};
	return automaton;
}

struct compiler {
	struct wildcard *wildcard;
	struct arena *arena;
	bool insensitive;
	size_t transitions_max;
	size_t *work_left;
};

static bool add_automaton(struct compiler *compiler, struct automaton *automaton)
{
	if (!automaton)
		return false;
	automaton->next = compiler->wildcard->automata;
	compiler->wildcard->automata = automaton;
	return true;
}

static bool add_direct(struct compiler *compiler, const struct positions *positions)
{
	struct automaton *automaton = arena_take(compiler->arena, sizeof(*automaton));
	if (automaton)
		automaton->positions = positions;
	if (positions->count > compiler->wildcard->position_count)
		compiler->wildcard->position_count = positions->count;
	return add_automaton(compiler, automaton);
}

static bool compile_group(struct compiler *compiler, const struct text *patterns, size_t count)
{
	if (count == 0)
		return true;
	const struct positions *positions =
		positions_open(patterns, count, compiler->insensitive, compiler->arena);
	struct builder builder;
	if (!positions)
		return false;
	uint16_t first;
	bool done = false;
	bool good =
		builder_open(&builder, positions, compiler->transitions_max, compiler->work_left);
	if (good && construct(&builder, &first)) {
		done = true;
		good = add_automaton(compiler, keep_automaton(&builder, first, compiler->arena));
	}
	builder_close(&builder);
	if (done || !good)
		return good;
	if (count == 1 || *compiler->work_left == 0)
		return add_direct(compiler, positions);
	return compile_group(compiler, patterns, count / 2) &&
	       compile_group(compiler, patterns + count / 2, count - count / 2);
}

/* A `*` that is neither at the start nor at the end, besides one at the start. */
static bool is_mixed(const struct text *pattern)
{
	size_t at = 0;
	size_t end = pattern->size_bytes;
	while (at < end && pattern->bytes[at] == '*')
		at++;
	while (end > at && pattern->bytes[end - 1] == '*')
		end--;
	return memchr(pattern->bytes + at, '*', end - at);
}

struct wildcard *wildcard_open(const struct text *patterns, size_t count, bool insensitive,
			       struct arena *arena, size_t *work_left)
{
	size_t total = 0;
	for (size_t i = 0; i < count; i++)
		total += patterns[i].size_bytes + 1;
	errno = E2BIG;
	if (total > WILDCARD_BYTES_MAX)
		return NULL;
	struct compiler compiler = {
		.wildcard = arena_take(arena, sizeof(struct wildcard)),
		.arena = arena,
		.insensitive = insensitive,
		.work_left = work_left,
	};
	errno = ENOMEM;
	struct text *sorted = arena_take(arena, count * sizeof(*sorted));
	if (!compiler.wildcard || !sorted)
		return NULL;
	size_t plain = 0;
	size_t mixed = count;
	for (size_t i = 0; i < count; i++)
		sorted[is_mixed(&patterns[i]) ? --mixed : plain++] = patterns[i];
	compiler.transitions_max = TRANSITIONS_MIXED_MAX;
	if (!compile_group(&compiler, sorted + mixed, count - mixed))
		return NULL;
	compiler.transitions_max = TRANSITIONS_MAX;
	return compile_group(&compiler, sorted, plain) ? compiler.wildcard : NULL;
}

/* --- matching --------------------------------------------------------------------------------- */

struct wildcard_scratch *wildcard_scratch_open(size_t position_count)
{
	struct wildcard_scratch *scratch = calloc(1, sizeof(*scratch));
	for (int i = 0; scratch && i < 2; i++) {
		scratch->sets[i].items = calloc(position_count + 1, sizeof(uint32_t));
		scratch->sets[i].stamps = calloc(position_count + 1, sizeof(uint64_t));
		if (scratch->sets[i].items && scratch->sets[i].stamps)
			continue;
		wildcard_scratch_close(scratch);
		return NULL;
	}
	return scratch;
}

void wildcard_scratch_close(struct wildcard_scratch *scratch)
{
	if (!scratch)
		return;
	for (int i = 0; i < 2; i++) {
		free(scratch->sets[i].items);
		free(scratch->sets[i].stamps);
	}
	free(scratch);
}

size_t wildcard_positions(const struct wildcard *wildcard)
{
	return wildcard->position_count;
}

static bool follow_automaton(const struct automaton *automaton, const char *text, size_t size_bytes)
{
	const size_t classes = automaton->class_count;
	size_t state = automaton->first;
	for (size_t i = 0; i < size_bytes && state > STATE_ACCEPTED; i++)
		state = automaton->transitions[state * classes +
					       automaton->class_of[(uint8_t)text[i]]];
	return automaton->accepts[state];
}

static bool follow_positions(const struct positions *positions, struct wildcard_scratch *scratch,
			     const char *text, size_t size_bytes)
{
	struct position_set *now = &scratch->sets[0];
	struct position_set *next = &scratch->sets[1];
	positions_start(positions, now);
	for (size_t i = 0; i < size_bytes; i++) {
		positions_step(positions, now->items, now->count,
			       positions->class_of[(uint8_t)text[i]], next);
		struct position_set *swap = now;
		now = next;
		next = swap;
	}
	return positions_hold(positions, now->items, now->count, POSITION_END) ||
	       positions_hold(positions, now->items, now->count, POSITION_ACCEPT);
}

bool wildcard_match(const struct wildcard *wildcard, struct wildcard_scratch *scratch,
		    const char *text, size_t size_bytes)
{
	for (const struct automaton *automaton = wildcard->automata; automaton;
	     automaton = automaton->next) {
		if (automaton->transitions
			    ? follow_automaton(automaton, text, size_bytes)
			    : follow_positions(automaton->positions, scratch, text, size_bytes))
			return true;
	}
	return false;
}
