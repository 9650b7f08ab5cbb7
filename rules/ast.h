/* ast.h: what a query says, as a tree. EQL and KQL are parsed into the same one.
 *
 * All of it lives in one arena and is immutable once parsed. Texts are NUL-terminated besides their
 * size, because EQL strings may not hold NUL but field names and files end up in messages.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	const char *bytes; /* NULL = no text at all */
	size_t size_bytes;
};

/* Where something stands in its file. */
struct place {
	uint32_t line;	 /* 1-based */
	uint32_t column; /* 1-based, in bytes */
};

enum constant_type {
	CONSTANT_NULL,
	CONSTANT_BOOLEAN,
	CONSTANT_INTEGER,
	CONSTANT_DOUBLE,
	CONSTANT_TEXT,
};

struct constant {
	enum constant_type type;
	union {
		bool boolean;
		int64_t integer;
		double number;
		struct text text;
	};
};

enum expression_kind {
	EXPRESSION_CONSTANT,
	EXPRESSION_FIELD,
	EXPRESSION_CALL,       /* name[~](operands) */
	EXPRESSION_NEGATE,     /* - operand */
	EXPRESSION_ARITHMETIC, /* two operands, `operation` */
	EXPRESSION_COMPARE,    /* two operands, `operation` */
	EXPRESSION_IN,	       /* operands[0] equals one of the others */
	EXPRESSION_LIKE,       /* operands[0] fits one of the others, text constants with `*` `?` */
	EXPRESSION_REGEX,      /* operands[0] fits one of the others, text constants */
	EXPRESSION_NOT,	       /* one operand */
	EXPRESSION_AND,	       /* two or more operands */
	EXPRESSION_OR,	       /* two or more operands */
};

enum operation {
	OPERATION_NONE,
	OPERATION_ADD,
	OPERATION_SUBTRACT,
	OPERATION_MULTIPLY,
	OPERATION_DIVIDE,
	OPERATION_MODULO,
	OPERATION_EQUAL,
	OPERATION_NOT_EQUAL,
	OPERATION_LESS,
	OPERATION_LESS_EQUAL,
	OPERATION_GREATER,
	OPERATION_GREATER_EQUAL,
};

struct expression {
	enum expression_kind kind;
	enum operation operation;
	bool insensitive; /* the `~` form; `:` is LIKE with it set */
	bool optional;	  /* FIELD: written `?name` */
	struct place place;
	union {
		struct constant constant; /* CONSTANT */
		struct text name;	  /* FIELD: dotted, without back-quotes; CALL: as written */
	};
	struct expression **operands;
	size_t operand_count;
};

/* A join key. */
struct query_key {
	struct text name;
	bool optional;
	struct place place;
};

/* `[category where condition] by keys`, or the whole of an event query. */
struct query_term {
	struct text category; /* no text: any */
	const struct expression *condition;
	bool missing;		      /* ![...] */
	const struct query_key *keys; /* key_count of the query: global ones first */
	struct place place;
};

enum query_kind { QUERY_EVENT, QUERY_SEQUENCE, QUERY_SAMPLE };

/* In the order written: `head 4 | tail 2` is the last two of the first four. */
struct query_pipe {
	bool tail; /* or head */
	uint64_t count;
};

struct query_ast {
	enum query_kind kind;
	const struct query_term *terms; /* `with runs=N` stands as N equal terms, which share their
					   condition */
	size_t term_count;
	size_t key_count;		/* of each term and of `until` */
	const struct query_term *until; /* or NULL */
	uint64_t maxspan_ns;		/* 0 = none */
	const struct query_pipe *pipes;
	size_t pipe_count;
};
