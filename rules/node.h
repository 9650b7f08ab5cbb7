/* node.h: a checked expression: fields and functions are resolved, types agree, what is constant is
 * folded. Made by node_check from the parser's tree, read by the compiler and by scripts.
 *
 * A node in a program's script is evaluated with node_evaluate for one choice of values of the
 * fields it reads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/functions.h"
#include "rules/program.h"
#include "rules/value.h"

enum node_kind {
	NODE_CONSTANT,
	NODE_FIELD,
	NODE_CALL,
	NODE_ARITHMETIC,
	NODE_NEGATE,
	NODE_COMPARE, /* operands[1] is constant */
	NODE_IS_NULL,
	NODE_IN,    /* operands[0], and constants */
	NODE_LIKE,  /* operands[0], and constant texts */
	NODE_REGEX, /* operands[0], and constant texts */
	NODE_NOT,
	NODE_AND,
	NODE_OR,
};

/* What is known of an expression's values before there is an event. */
enum static_type {
	STATIC_NULL,
	STATIC_BOOLEAN,
	STATIC_NUMBER,
	STATIC_TEXT,
	STATIC_ADDRESS,
	STATIC_TIME,
	STATIC_ANY, /* a field without a type of its own */
};

enum { SCRIPT_FIELDS_MAX = 16 }; /* different fields in one condition on functions */

struct node {
	enum node_kind kind;
	enum operation operation;
	enum static_type type;
	bool insensitive;
	bool optional;	/* FIELD: written with `?` */
	uint16_t field; /* FIELD; FIELD_NONE = one that no event has */
	uint16_t slot;	/* FIELD in a script: index of its value */
	struct place place;
	union {
		struct value constant;		 /* CONSTANT */
		const struct function *function; /* CALL */
		struct regex *regex;		 /* REGEX in a script; belongs to the set */
		struct wildcard *wildcard;	 /* LIKE in a script */
	};
	struct node **operands;
	size_t operand_count;
};

struct checker {
	struct fields *fields;
	struct arena *arena;
	const struct query_options *options; /* or NULL */
	const char *file;
	struct complaints *complaints;
	struct text_room room; /* of folded texts */
	size_t depth;
};

/* NULL after complaints; it goes on after one, to find the next. */
struct node *node_check(struct checker *checker, const struct expression *expression);

/* The same for what has to be a condition. */
struct node *node_check_condition(struct checker *checker, const struct expression *expression);

/* The field of that name: FIELD_NONE with false after a complaint, with true for an optional one
 * that strict checking does not know. */
bool checker_find_field(struct checker *checker, const struct text *name, bool optional,
			struct place place, uint16_t *out_field);

enum static_type static_type_of_field(const struct fields *fields, uint16_t field);
const char *static_type_name(enum static_type type); /* "a number" */

static inline bool node_is_constant(const struct node *node)
{
	return node->kind == NODE_CONSTANT;
}

/* What a script is evaluated with. */
struct environment {
	const struct value *fields; /* by slot */
	struct text_room *room;
	struct wildcard_scratch *wildcards;
	struct regex_scratch *regexes;
};

struct value node_evaluate(const struct node *node, const struct environment *environment);

/* One line that tells everything about it: equal text means equal meaning. */
void node_print(const struct node *node, const struct fields *fields, FILE *stream);

/* A field's name, in back-quotes where EQL needs them. */
void field_print(const struct fields *fields, uint16_t field, FILE *stream);

/* A constant as it is written in EQL. */
void value_print(const struct value *value, FILE *stream);
