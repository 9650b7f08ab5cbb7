/* eql_parser.h: what the two halves of the parser share: eql_expression.c (everything behind
 * `where`) and eql_query.c (everything around it).
 *
 * Recursive descent with one token of look-ahead. A rule that fails has complained, and returns
 * NULL.
 */
#pragma once

#include "rules/eql.h"
#include "rules/eql_lexer.h"

struct parser {
	struct lexer lexer;
	struct token token; /* the next one, not yet taken */
	struct arena *arena;
	struct complaints *complaints;
	size_t depth; /* of nested rules */
	/* Operands of the lists being read; a rule takes its own off the top. */
	struct expression **operands;
	size_t operand_count;
	size_t operand_room;
};

/* False after a complaint. The caller closes in either case. */
bool parser_open(struct parser *parser, const char *text, size_t size_bytes,
		 const struct query_source *source, struct arena *arena,
		 struct complaints *complaints);
void parser_close(struct parser *parser);

/* Moves on, and returns the token that stood there. */
struct token parser_take(struct parser *parser);

/* Takes the next token if it is one of these. */
bool parser_accept(struct parser *parser, enum token_kind kind);

/* The same, and complains if it is another. */
bool parser_expect(struct parser *parser, enum token_kind kind);

/* "found X, expected `expected`" at the next token. Silent when that token is bad in itself.
 * Returns false. */
bool parser_refuse(struct parser *parser, const char *expected);

bool parser_complain(struct parser *parser, struct place place, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Arena memory, or NULL after a complaint. */
void *parser_room(struct parser *parser, size_t size_bytes);

struct expression *parser_expression(struct parser *parser);

/* `?name.part.`quoted part``; false after a complaint. */
bool parser_field(struct parser *parser, struct text *out_name, bool *out_optional);
