/* access.h: which equality a condition cannot do without, so that an index can find its step by a
 * value of the event.
 *
 * A set of keys is a promise: an event that satisfies the condition has, for at least one of the
 * keys, a text value of that field with that folded hash. No thread.
 */
#pragma once

#include "collector/base/arena.h"
#include "collector/field.h"
#include "rules/ast.h"

struct access_key {
	uint16_t field;
	uint32_t folded_hash;
};

struct access_set {
	bool known; /* false: nothing can be promised */
	const struct access_key *keys;
	size_t count;  /* 0 and known: nothing satisfies the condition */
	uint64_t cost; /* how many events it lets through, as a rough rank */
};

enum { ACCESS_KEYS_MAX = 1024 };

/* The best set for `condition and category_field == category` (no text: no category test). When the
 * arena is full, nothing is promised. */
struct access_set access_set_find(const struct fields *fields, const char *category_field,
				  struct text category, const struct expression *condition,
				  struct arena *arena);

/* The number of the keyword field that the expression is, or FIELD_NONE: values of other types are
 * no texts, and carry no hash. */
uint16_t access_keyword_field(const struct fields *fields, const struct expression *expression);

/* Roughly how many of a hundred events have a given common value of the field; 1 where it tells
 * events apart well. */
uint64_t access_cost(uint16_t field);
