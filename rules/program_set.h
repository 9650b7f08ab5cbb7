/* program_set.h: the inside of a program set, for the files that compile and run programs. */
#pragma once

#include "rules/filter.h"
#include "rules/predicate.h"
#include "rules/program.h"

enum {
	REGEXES_MAX = 4096,	     /* of one set: compiling one takes tens of microseconds */
	WILDCARD_WORK_MAX = 1 << 27, /* steps of building automata, of one set */
	TEXT_ROOM_BYTES = 256 * 1024,
};

/* What has to be closed one by one. */
struct owned {
	struct cidr_set *cidr;
	struct regex *regex;
	struct owned *next;
};

struct program_set {
	struct fields *fields;
	struct arena *arena;
	struct predicate **predicates;
	size_t predicate_count;
	size_t predicate_room;
	uint32_t *buckets; /* hash table of predicates, 0 = empty, else number + 1 */
	size_t bucket_count;
	struct owned *owned;
	size_t regex_count;
	size_t wildcard_work_left;
	size_t position_count;		 /* the largest that a scratch has to serve */
	struct program_scratch *folding; /* for conditions without fields, or NULL */
	size_t folding_position_count;
};

/* A decision asks a predicate and goes on with next[answer]. */
enum { DECISION_FALSE = UINT32_MAX, DECISION_TRUE = UINT32_MAX - 1 };

struct decision {
	uint32_t predicate;
	uint32_t next[2];
};

struct program {
	const struct program_set *set;
	const struct decision *decisions;
	uint32_t decision_count;
	uint32_t first; /* a decision, DECISION_FALSE or DECISION_TRUE */
	uint32_t cost;
	uint32_t hash;
	struct filter_facts facts;
};
