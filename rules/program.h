/* program.h: a term's condition, checked against the fields, folded and compiled, and its test of
 * one event.
 *
 * A program is a decision graph over predicates ("process.name is one of ..."): each predicate says
 * which one is asked next when it is true and which when it is false. Predicates belong to a
 * program set, where equal ones are one; a scratch remembers their answers for the event at hand,
 * so a predicate that forty programs ask is evaluated once per event.
 *
 * Compiling belongs to one thread. Afterwards sets and programs are immutable and read by any
 * thread; a scratch belongs to one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "collector/base/address.h"
#include "collector/base/arena.h"
#include "collector/base/complaint.h"
#include "collector/event.h"
#include "rules/ast.h"
#include "rules/eql.h"
#include "rules/rule.h"

struct program;
struct program_set;
struct program_scratch;

/* --- compiling -------------------------------------------------------------------------------- */

/* `fields` learns the names that programs read and that they are wanted. Programs and predicates
 * live in `arena`; both must outlive the set. NULL with errno. */
struct program_set *program_set_open(struct fields *fields, struct arena *arena);
void program_set_close(struct program_set *set); /* its programs end with it */

/* NULL after one or more complaints. `options` may be NULL. */
const struct program *program_compile(struct program_set *set, const struct query_term *term,
				      const struct query_options *options,
				      const struct query_source *source,
				      struct complaints *complaints);

/* Resolves the join keys of every term and of `until`, and checks that keys that are joined have
 * types that can be equal. `out_keys` has room for (term_count + 1) rows of key_count; the last row
 * is the one of `until`. An optional key that nothing can have gets FIELD_NONE. */
bool program_resolve_keys(struct program_set *set, const struct query_ast *query,
			  const struct query_options *options, const struct query_source *source,
			  struct complaints *complaints, struct rule_key *out_keys);

/* Equal for programs that say the same (after folding and sorting out double negation); hash equal
 * programs alike. */
bool program_equal(const struct program *left, const struct program *right);
uint32_t program_hash(const struct program *program);

/* --- what an index or a pushdown may know of a program ---------------------------------------- */

enum program_constant { PROGRAM_DEPENDS, PROGRAM_ALWAYS_TRUE, PROGRAM_ALWAYS_FALSE };

enum program_constant program_constant(const struct program *program);

/* Conditions that must all hold for the program to be satisfied (there may be others beside them,
 * which are not told). The category test is among them, as `event.category == "process"`. */
enum conjunct_kind {
	CONJUNCT_EXISTS,   /* the field has a value */
	CONJUNCT_TEXTS,	   /* some value of the field is one of `texts` */
	CONJUNCT_INTEGERS, /* some value of the field is one of `integers` */
	CONJUNCT_NETWORKS, /* some value of the field lies in one of `networks` (equality with an
			      address too, as a full-length prefix) */
};

struct conjunct {
	enum conjunct_kind kind;
	uint16_t field;
	bool negated;	  /* the opposite must hold: *no* value of the field is ... */
	bool insensitive; /* TEXTS: ASCII case does not count */
	size_t count;
	union {
		const struct text *texts;
		const int64_t *integers;
		const struct ip_prefix *networks;
	};
};

const struct conjunct *program_conjuncts(const struct program *program, size_t *out_count);

/* Fields without which the program cannot be satisfied, ascending. */
const uint16_t *program_required_fields(const struct program *program, size_t *out_count);

/* All fields that it reads, ascending. */
const uint16_t *program_fields(const struct program *program, size_t *out_count);

/* How dear one evaluation is, as a rough rank: 1 for an equality, more for wildcards, regexes and
 * scripts. */
uint32_t program_cost(const struct program *program);

/* One instruction a line; complete: equal text means equal programs. */
void program_print(const struct program *program, FILE *stream);

/* --- matching --------------------------------------------------------------------------------- */

/* For a set that is complete. NULL with errno. */
struct program_scratch *program_scratch_open(const struct program_set *set);
void program_scratch_close(struct program_scratch *scratch);

/* Forgets the answers for the event before. Call before the first program_match of each event. */
void program_scratch_next_event(struct program_scratch *scratch);

/* No allocation. */
bool program_match(const struct program *program, struct program_scratch *scratch,
		   const struct event *event);
