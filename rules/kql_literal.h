/* kql_literal.h: the characters of a KQL query: keywords, quoted and unquoted literals, and
 * complaints about them. For kql.c alone. */
#pragma once

#include "collector/base/arena.h"
#include "collector/base/complaint.h"
#include "rules/ast.h"
#include "rules/eql.h"
#include "rules/expression.h"

struct kql_text {
	const char *at;
	const char *end;
	uint32_t line; /* of the file */
	const char *line_start;
	struct glob reading; /* room for a literal as long as the whole query */
	const struct query_source *source;
	struct arena *arena;
	struct complaints *complaints;
	bool failed; /* after the first complaint nothing more is read */
};

/* A field's name or a value. */
struct kql_literal {
	struct glob glob;
	bool quoted;
	struct place place;
};

/* False after a complaint: too large, or bytes that cannot be. */
bool kql_text_open(struct kql_text *out_text, const char *bytes, size_t size_bytes,
		   const struct query_source *source, struct arena *arena,
		   struct complaints *complaints);

/* Complains unless there was a complaint before. Returns NULL. */
void *kql_refuse(struct kql_text *text, struct place place, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

struct place kql_place(const struct kql_text *text);

/* What stands here, as words for a complaint. */
enum { KQL_WORDS_MAX = 48 };
const char *kql_found(const struct kql_text *text, char out_words[KQL_WORDS_MAX]);

void kql_skip_spaces(struct kql_text *text);
bool kql_at_byte(const struct kql_text *text, char byte);

/* Consumes the byte, or the keyword in any case, and the spaces around it. */
bool kql_take_byte(struct kql_text *text, char byte);
bool kql_take_keyword(struct kql_text *text, const char *word);

/* Consumes a literal: "quoted", or what stands up to a special character or a keyword. False after
 * a complaint. */
bool kql_take_literal(struct kql_text *text, struct kql_literal *out_literal);
