/* filter.h: a condition as `and`, `or` and predicates, with negation only at the predicates.
 *
 * Between the checked tree and the program: here a filter's two-valued truth begins, so `not` may
 * be pushed down to the predicates whatever is null below it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/node.h"

struct program_set;
struct predicate;

enum filter_kind { FILTER_TRUE, FILTER_FALSE, FILTER_PREDICATE, FILTER_AND, FILTER_OR };

struct filter {
	enum filter_kind kind;
	bool negated; /* PREDICATE */
	uint32_t predicate;
	uint32_t cost;
	struct filter **operands; /* AND, OR: two or more, cheapest first */
	size_t operand_count;
};

/* What is known of the events that a filter can let through. */
struct filter_facts {
	const struct conjunct *conjuncts;
	size_t conjunct_count;
	const uint16_t *required_fields;
	size_t required_field_count;
	const uint16_t *fields;
	size_t field_count;
};

struct lowering {
	struct program_set *set;
	struct checker *checker; /* for complaints and memory */
};

/* NULL after complaints. */
struct filter *filter_lower(struct lowering *lowering, struct node *node, bool negated);

/* `and` of two; either may be NULL: NULL. */
struct filter *filter_both(struct lowering *lowering, struct filter *left, struct filter *right);

/* False: out of memory. */
bool filter_find_facts(const struct filter *filter, struct program_set *set,
		       struct filter_facts *out_facts);

/* --- predicates of a set (predicate_make.c) --------------------------------------------------- */

/* Number of the predicate, interned; UINT32_MAX after a complaint. `draft` names kind, field and
 * what it is made of. */
uint32_t predicate_intern(struct lowering *lowering, const struct predicate *draft,
			  struct place place);
