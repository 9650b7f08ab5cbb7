/* Source: Elasticsearch's EqlBase.g4, the lexer half. */
#include "rules/eql_lexer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/eql_string.h"

static const struct {
	enum token_kind kind;
	const char *text;
} fixed_tokens[] = {
#define TOKEN(identifier, text) { TOKEN_##identifier, text },
#include "rules/eql_tokens.def"
#undef TOKEN
};

enum { FIXED_COUNT = sizeof(fixed_tokens) / sizeof(fixed_tokens[0]) };

struct lexer lexer_over(const char *text, size_t size_bytes, const struct query_source *source,
			struct arena *arena, struct complaints *complaints)
{
	return (struct lexer){
		.at = text,
		.end = text + size_bytes,
		.line_start = text,
		.line = (source ? source->line_offset : 0) + 1,
		.file = source ? source->file : NULL,
		.arena = arena,
		.complaints = complaints,
	};
}

static bool is_letter(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static bool is_name_part(char byte)
{
	return is_letter(byte) || is_digit(byte) || byte == '_';
}

static char peek(const struct lexer *lexer, size_t ahead)
{
	if (ahead >= (size_t)(lexer->end - lexer->at))
		return '\0';
	return lexer->at[ahead];
}

static bool starts_with(const struct lexer *lexer, const char *text)
{
	const size_t size = strlen(text);
	return size <= (size_t)(lexer->end - lexer->at) && memcmp(lexer->at, text, size) == 0;
}

static void step(struct lexer *lexer)
{
	if (*lexer->at++ != '\n')
		return;
	lexer->line++;
	lexer->line_start = lexer->at;
}

static struct place place_here(const struct lexer *lexer)
{
	return (struct place){ .line = lexer->line,
			       .column = (uint32_t)(lexer->at - lexer->line_start) + 1 };
}

static void refuse(struct lexer *lexer, struct token *token, const char *sentence)
{
	token->kind = TOKEN_BAD;
	complain(complaints_next(lexer->complaints), lexer->file, token->place.line,
		 token->place.column, "%s", sentence);
}

/* Comments nest: an inner one has to be closed before the outer. False: it never ends. */
static bool skip_block_comment(struct lexer *lexer)
{
	size_t depth = 0;
	while (lexer->at < lexer->end) {
		const bool opens = starts_with(lexer, "/*");
		const bool closes = starts_with(lexer, "*/");
		depth += opens;
		depth -= closes;
		if (opens || closes)
			lexer->at++;
		step(lexer);
		if (depth == 0)
			return true;
	}
	return false;
}

static bool skip_blanks(struct lexer *lexer)
{
	for (;;) {
		while (lexer->at < lexer->end && is_blank(*lexer->at))
			step(lexer);
		if (starts_with(lexer, "//")) {
			while (lexer->at < lexer->end && *lexer->at != '\n')
				lexer->at++;
		} else if (!starts_with(lexer, "/*")) {
			return true;
		} else if (!skip_block_comment(lexer)) {
			return false;
		}
	}
}

/* One of `and`, `in~`, ... with these exact letters? */
static enum token_kind keyword_of(const char *start, size_t size_bytes)
{
	for (size_t i = 0; i < FIXED_COUNT && is_letter(fixed_tokens[i].text[0]); i++)
		if (strlen(fixed_tokens[i].text) == size_bytes &&
		    memcmp(fixed_tokens[i].text, start, size_bytes) == 0)
			return fixed_tokens[i].kind;
	return TOKEN_END;
}

static void copy_text(struct lexer *lexer, struct token *token, const char *bytes,
		      size_t size_bytes)
{
	token->text.bytes = arena_copy_text(lexer->arena, bytes, size_bytes);
	token->text.size_bytes = size_bytes;
	if (!token->text.bytes)
		refuse(lexer, token, "the query needs more memory than it may use");
}

static void lex_name(struct lexer *lexer, struct token *token)
{
	lexer->at++;
	while (is_name_part(peek(lexer, 0)))
		lexer->at++;
	const size_t size = (size_t)(lexer->at - token->start);
	const bool tilde = peek(lexer, 0) == '~';
	token->kind = keyword_of(token->start, size + tilde);
	if (tilde)
		lexer->at++;
	if (token->kind != TOKEN_END)
		return;
	token->kind = tilde ? TOKEN_NAME_TILDE : TOKEN_NAME;
	copy_text(lexer, token, token->start, size);
}

/* `a``b` is a`b. */
static void lex_quoted_name(struct lexer *lexer, struct token *token)
{
	token->kind = TOKEN_NAME_QUOTED;
	lexer->at++;
	const char *start = lexer->at;
	size_t doubled = 0;
	for (; lexer->at < lexer->end; step(lexer)) {
		if (*lexer->at != '`')
			continue;
		if (peek(lexer, 1) != '`')
			break;
		doubled++;
		lexer->at++;
	}
	if (lexer->at == lexer->end) {
		refuse(lexer, token, "found a back-quote that is never closed, expected another");
		return;
	}
	const size_t written = (size_t)(lexer->at - start);
	lexer->at++;
	char *name = arena_take(lexer->arena, written - doubled + 1);
	if (!name) {
		refuse(lexer, token, "the query needs more memory than it may use");
		return;
	}
	token->text = (struct text){ .bytes = name, .size_bytes = written - doubled };
	for (size_t i = 0; i < written; i++) {
		*name++ = start[i];
		i += start[i] == '`';
	}
	if (token->text.size_bytes == 0)
		refuse(lexer, token, "found an empty name, expected a field name in back-quotes");
}

static void lex_text(struct lexer *lexer, struct token *token)
{
	token->kind = TOKEN_TEXT;
	struct string_fault fault;
	const size_t left = (size_t)(lexer->end - lexer->at);
	const size_t size = string_measure(lexer->at, left, &fault);
	char *decoded = fault.sentence ? NULL : arena_take(lexer->arena, size + 1);
	if (decoded) {
		token->text.bytes = decoded;
		token->text.size_bytes = string_decode(lexer->at, size, decoded, &fault);
	} else if (!fault.sentence) {
		fault = (struct string_fault){
			.sentence = "the query needs more memory than it may use",
		};
	}
	lexer->at += size;
	if (fault.sentence) {
		token->place.column += (uint32_t)fault.at_bytes;
		refuse(lexer, token, fault.sentence);
	}
}

/* Digits with at most one point and an exponent. An integer that needs more than 64 bits is a
 * double. */
static void lex_number(struct lexer *lexer, struct token *token)
{
	token->kind = TOKEN_INTEGER;
	while (is_digit(peek(lexer, 0)))
		lexer->at++;
	if (peek(lexer, 0) == '.') {
		token->kind = TOKEN_DECIMAL;
		lexer->at++;
		while (is_digit(peek(lexer, 0)))
			lexer->at++;
	}
	const size_t sign = peek(lexer, 1) == '+' || peek(lexer, 1) == '-';
	if ((peek(lexer, 0) | 0x20) == 'e' && is_digit(peek(lexer, 1 + sign))) {
		token->kind = TOKEN_DECIMAL;
		lexer->at += 1 + sign;
		while (is_digit(peek(lexer, 0)))
			lexer->at++;
	}
	enum { NUMBER_MAX = 1024 };
	char copy[NUMBER_MAX];
	const size_t size = (size_t)(lexer->at - token->start);
	if (size >= NUMBER_MAX) {
		refuse(lexer, token, "found a number of more than a thousand digits");
		return;
	}
	memcpy(copy, token->start, size);
	copy[size] = '\0';
	errno = 0;
	token->integer = strtoll(copy, NULL, 10);
	if (token->kind == TOKEN_INTEGER && errno == ERANGE)
		token->kind = TOKEN_DECIMAL;
	token->number = strtod(copy, NULL);
}

static void lex_sign(struct lexer *lexer, struct token *token)
{
	for (size_t i = 0; i < FIXED_COUNT; i++) {
		if (is_letter(fixed_tokens[i].text[0]) || !starts_with(lexer, fixed_tokens[i].text))
			continue;
		token->kind = fixed_tokens[i].kind;
		lexer->at += strlen(fixed_tokens[i].text);
		return;
	}
	char sentence[96];
	const unsigned char byte = (unsigned char)*lexer->at;
	if (byte == '\'')
		snprintf(sentence, sizeof(sentence),
			 "found a single quote, expected strings in double quotes");
	else if (byte > ' ' && byte < 0x7f)
		snprintf(sentence, sizeof(sentence), "found `%c`, which EQL does not know", byte);
	else
		snprintf(sentence, sizeof(sentence),
			 "found the byte 0x%02x outside a string, which EQL does not know", byte);
	step(lexer);
	refuse(lexer, token, sentence);
}

struct token lexer_next(struct lexer *lexer)
{
	struct token token = { .place = place_here(lexer), .start = lexer->at };
	const bool closed = skip_blanks(lexer);
	if (!closed) {
		refuse(lexer, &token, "found a comment that is never closed, expected `*/`");
		return token;
	}
	token.place = place_here(lexer);
	token.start = lexer->at;
	const char first = peek(lexer, 0);
	if (lexer->at == lexer->end)
		token.kind = TOKEN_END;
	else if (is_letter(first) || first == '_' || first == '@')
		lex_name(lexer, &token);
	else if (first == '`')
		lex_quoted_name(lexer, &token);
	else if (first == '"')
		lex_text(lexer, &token);
	else if (is_digit(first) || (first == '.' && is_digit(peek(lexer, 1))))
		lex_number(lexer, &token);
	else
		lex_sign(lexer, &token);
	token.size_bytes = (size_t)(lexer->at - token.start);
	return token;
}

const char *token_kind_name(enum token_kind kind)
{
	static const char *const names[] = {
		[TOKEN_END] = "the end of the query",
		[TOKEN_BAD] = "something unreadable",
		[TOKEN_NAME] = "a name",
		[TOKEN_NAME_QUOTED] = "a name in back-quotes",
		[TOKEN_NAME_TILDE] = "a function name",
		[TOKEN_TEXT] = "a string",
		[TOKEN_INTEGER] = "a whole number",
		[TOKEN_DECIMAL] = "a number",
#define TOKEN(identifier, text) [TOKEN_##identifier] = "`" text "`",
#include "rules/eql_tokens.def"
#undef TOKEN
	};
	return names[kind];
}

void token_describe(const struct token *token, char out_text[TOKEN_DESCRIPTION_MAX])
{
	enum { SHOWN_MAX = 48 }; /* and room for quotes and dots */
	if (token->kind == TOKEN_END) {
		snprintf(out_text, TOKEN_DESCRIPTION_MAX, "the end of the query");
		return;
	}
	size_t shown = token->size_bytes;
	if (shown > SHOWN_MAX) {
		for (shown = SHOWN_MAX; shown > 0 && (token->start[shown] & 0xc0) == 0x80;)
			shown--;
	}
	snprintf(out_text, TOKEN_DESCRIPTION_MAX, "`%.*s`%s", (int)shown, token->start,
		 shown < token->size_bytes ? "..." : "");
}
