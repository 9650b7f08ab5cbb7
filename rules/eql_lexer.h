/* eql_lexer.h: EQL text to tokens, one at a time. Used by the parser only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/arena.h"
#include "collector/base/complaint.h"
#include "rules/ast.h"
#include "rules/eql.h"

enum token_kind {
	TOKEN_END,
	TOKEN_BAD, /* already complained about */
	TOKEN_NAME,
	TOKEN_NAME_QUOTED, /* `a-b`; text without the back-quotes */
	TOKEN_NAME_TILDE,  /* name~; text without the tilde */
	TOKEN_TEXT,	   /* "..." or """..."""; text decoded */
	TOKEN_INTEGER,
	TOKEN_DECIMAL,
#define TOKEN(identifier, text) TOKEN_##identifier,
#include "rules/eql_tokens.def"
#undef TOKEN
};

struct token {
	enum token_kind kind;
	struct place place;
	const char *start; /* as written */
	size_t size_bytes;
	struct text text; /* names and texts; in the arena */
	int64_t integer;
	double number;
};

struct lexer {
	const char *at;
	const char *end;
	const char *line_start;
	uint32_t line;
	const char *file;
	struct arena *arena;
	struct complaints *complaints;
};

struct lexer lexer_over(const char *text, size_t size_bytes, const struct query_source *source,
			struct arena *arena, struct complaints *complaints);

/* After a bad token it goes on behind what was wrong. */
struct token lexer_next(struct lexer *lexer);

/* "`where`", "a string", "the end of the query": for messages. */
const char *token_kind_name(enum token_kind kind);

/* What stands there, cut to fit: "`foo`", "the end of the query". */
enum { TOKEN_DESCRIPTION_MAX = 64 };
void token_describe(const struct token *token, char out_text[TOKEN_DESCRIPTION_MAX]);
