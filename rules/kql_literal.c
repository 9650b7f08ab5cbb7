#include "rules/kql_literal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct place kql_place(const struct kql_text *text)
{
	return (struct place){
		.line = text->line,
		.column = (uint32_t)(text->at - text->line_start) + 1,
	};
}

void *kql_refuse(struct kql_text *text, struct place place, const char *format, ...)
{
	if (text->failed)
		return NULL;
	text->failed = true;
	char words[COMPLAINT_TEXT_MAX];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(words, sizeof(words), format, arguments);
	va_end(arguments);
	complain(complaints_next(text->complaints), text->source ? text->source->file : NULL,
		 place.line, place.column, "%s", words);
	return NULL;
}

/* One of the special characters, none of which is NUL. */
static bool is_one_of(char byte, const char *bytes)
{
	return byte != '\0' && strchr(bytes, byte);
}

const char *kql_found(const struct kql_text *text, char out_words[KQL_WORDS_MAX])
{
	if (text->at == text->end)
		return "the end of the query";
	int size = 1;
	while (size < 24 && text->at + size < text->end && !is_one_of(text->at[size], " \t\r\n():"))
		size++;
	while (size > 1 && text->at + size < text->end &&
	       ((unsigned char)text->at[size] & 0xc0) == 0x80)
		size--;
	snprintf(out_words, KQL_WORDS_MAX, "`%.*s`", size, text->at);
	return out_words;
}

/* --- characters ------------------------------------------------------------------------------- */

static bool is_space(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static void advance(struct kql_text *text)
{
	if (*text->at++ != '\n')
		return;
	text->line++;
	text->line_start = text->at;
}

void kql_skip_spaces(struct kql_text *text)
{
	while (text->at < text->end && is_space(*text->at))
		advance(text);
}

bool kql_at_byte(const struct kql_text *text, char byte)
{
	return text->at < text->end && *text->at == byte;
}

/* Consumes the byte and the spaces around it. */
bool kql_take_byte(struct kql_text *text, char byte)
{
	kql_skip_spaces(text);
	if (!kql_at_byte(text, byte))
		return false;
	advance(text);
	kql_skip_spaces(text);
	return true;
}

/* A keyword ends where a word would. */
static bool keyword_at(const char *at, const char *end, const char *word)
{
	const size_t size = strlen(word);
	return (size_t)(end - at) >= size && strncasecmp(at, word, size) == 0 &&
	       (at + size == end || is_space(at[size]) || at[size] == '(' || at[size] == '"');
}

bool kql_take_keyword(struct kql_text *text, const char *word)
{
	kql_skip_spaces(text);
	if (!keyword_at(text->at, text->end, word))
		return false;
	text->at += strlen(word);
	kql_skip_spaces(text);
	return true;
}

static bool any_keyword_at(const char *at, const char *end)
{
	return keyword_at(at, end, "and") || keyword_at(at, end, "or") ||
	       keyword_at(at, end, "not");
}

/* --- literals --------------------------------------------------------------------------------- */

static void append(struct glob *glob, char byte, enum glob_kind kind)
{
	glob->bytes[glob->size_bytes] = byte;
	glob->kinds[glob->size_bytes++] = (uint8_t)kind;
}

static void append_code_point(struct glob *glob, uint32_t code_point)
{
	if (code_point < 0x80) {
		append(glob, (char)code_point, GLOB_LITERAL);
		return;
	}
	const int more = code_point < 0x800 ? 1 : code_point < 0x10000 ? 2 : 3;
	static const uint8_t leads[] = { 0, 0xc0, 0xe0, 0xf0 };
	append(glob, (char)(uint8_t)(leads[more] | code_point >> (6 * more)), GLOB_LITERAL);
	for (int i = more - 1; i >= 0; i--)
		append(glob, (char)(uint8_t)(0x80 | (code_point >> (6 * i) & 0x3f)), GLOB_LITERAL);
}

/* The four digits of \uXXXX at the text, or UINT32_MAX. */
static uint32_t hex_digits(const struct kql_text *text)
{
	uint32_t code = 0;
	if (text->end - text->at < 4)
		return UINT32_MAX;
	for (int i = 0; i < 4; i++) {
		const char digit = text->at[i];
		if (digit >= '0' && digit <= '9')
			code = code * 16 + (uint32_t)(digit - '0');
		else if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f')
			code = code * 16 + (uint32_t)((digit | 0x20) - 'a' + 10);
		else
			return UINT32_MAX;
	}
	return code;
}

/* `\uXXXX`, or two of them for a character beyond 0xffff. False: none is here. */
static bool take_unicode(struct kql_text *text, struct glob *glob)
{
	struct kql_text ahead = *text;
	if (!kql_at_byte(&ahead, '\\') || ahead.end - ahead.at < 6 || ahead.at[1] != 'u')
		return false;
	ahead.at += 2;
	uint32_t code = hex_digits(&ahead);
	if (code == UINT32_MAX)
		return false;
	ahead.at += 4;
	if (code >= 0xd800 && code < 0xdc00 && ahead.end - ahead.at >= 6 && ahead.at[0] == '\\' &&
	    ahead.at[1] == 'u') {
		ahead.at += 2;
		const uint32_t low = hex_digits(&ahead);
		ahead.at += 4;
		code = low >= 0xdc00 && low < 0xe000
			       ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00)
			       : 0;
	}
	if (code == 0 || (code >= 0xd800 && code < 0xe000)) {
		kql_refuse(text, kql_place(text), "found an escape that is no character");
		code = '?';
	}
	text->at = ahead.at;
	append_code_point(glob, code);
	return true;
}

/* `\t`, `\r`, `\n`; false: none is here. */
static bool take_escaped_space(struct kql_text *text, struct glob *glob)
{
	if (text->end - text->at < 2)
		return false;
	const char kind = text->at[1];
	if (!is_one_of(kind, "trn"))
		return false;
	append_code_point(glob, kind == 't' ? '\t' : kind == 'r' ? '\r' : '\n');
	text->at += 2;
	return true;
}

/* quoted = '"' (`\t` | `\r` | `\n` | `\uXXXX` | `\\` | `\"` | anything but '"')* '"' */
static void read_quoted(struct kql_text *text, struct glob *glob)
{
	const struct place start = kql_place(text);
	advance(text);
	while (text->at < text->end && *text->at != '"') {
		if (*text->at == '\\' &&
		    (take_escaped_space(text, glob) || take_unicode(text, glob)))
			continue;
		if (*text->at == '\\' && text->end - text->at > 1 &&
		    (text->at[1] == '\\' || text->at[1] == '"'))
			text->at++;
		append(glob, *text->at, GLOB_LITERAL);
		advance(text);
	}
	if (text->at == text->end)
		kql_refuse(text, start, "found a string without its closing `\"`");
	else
		text->at++;
}

/* `\` and one of ():<>"*{}\, or a keyword */
static void read_escape(struct kql_text *text, struct glob *glob)
{
	if (take_escaped_space(text, glob) || take_unicode(text, glob))
		return;
	const char *after = text->at + 1;
	const bool special = after < text->end && is_one_of(*after, "\\():<>\"*{}");
	if (!special && !any_keyword_at(after, text->end)) {
		kql_refuse(text, kql_place(text),
			   "found a backslash before nothing that needs one, expected `\\\\`");
	}
	text->at++;
	if (text->at == text->end)
		return;
	append(glob, *text->at, GLOB_LITERAL);
	advance(text);
}

/* True at the spaces before a keyword, a special character or the end: there an unquoted literal
 * ends. */
static bool literal_ends_at_space(const struct kql_text *text)
{
	const char *at = text->at;
	while (at < text->end && is_space(*at))
		at++;
	return at == text->end || is_one_of(*at, "():<>\"{}") || any_keyword_at(at, text->end);
}

/* unquoted = (escape | `*` | anything but \():<>"{} and keywords between spaces)+ */
static void read_unquoted(struct kql_text *text, struct glob *glob)
{
	while (text->at < text->end && !text->failed) {
		const char byte = *text->at;
		if (is_one_of(byte, "():<>\"{}") || (is_space(byte) && literal_ends_at_space(text)))
			return;
		if (byte == '\\') {
			read_escape(text, glob);
			continue;
		}
		if (is_space(byte)) { /* all of the run, so that each is looked at once */
			while (is_space(*text->at)) {
				append(glob, *text->at, GLOB_LITERAL);
				advance(text);
			}
			continue;
		}
		append(glob, byte, byte == '*' ? GLOB_ANY_RUN : GLOB_LITERAL);
		advance(text);
	}
}

/* literal = quoted | unquoted */
bool kql_take_literal(struct kql_text *text, struct kql_literal *out_literal)
{
	char words[KQL_WORDS_MAX];
	struct glob *reading = &text->reading;
	const struct place place = kql_place(text);
	const bool quoted = kql_at_byte(text, '"');
	reading->size_bytes = 0;
	if (quoted)
		read_quoted(text, reading);
	else
		read_unquoted(text, reading);
	if (!quoted && reading->size_bytes == 0)
		kql_refuse(text, place, "found %s, expected a field or a value",
			   kql_found(text, words));
	const size_t size = reading->size_bytes;
	const struct glob glob = {
		.bytes = arena_copy_text(text->arena, reading->bytes, size),
		.kinds = arena_take(text->arena, size + 1),
		.size_bytes = size,
	};
	if (!glob.bytes || !glob.kinds) {
		kql_refuse(text, place, "no memory for the query");
		return false;
	}
	if (text->failed)
		return false;
	memcpy(glob.kinds, reading->kinds, size);
	*out_literal = (struct kql_literal){ .glob = glob, .quoted = quoted, .place = place };
	return true;
}

bool kql_text_open(struct kql_text *out_text, const char *bytes, size_t size_bytes,
		   const struct query_source *source, struct arena *arena,
		   struct complaints *complaints)
{
	struct kql_text text = {
		.at = bytes,
		.end = bytes + size_bytes,
		.line = 1 + (source ? source->line_offset : 0),
		.line_start = bytes,
		.source = source,
		.arena = arena,
		.complaints = complaints,
	};
	const struct place start = kql_place(&text);
	if (size_bytes > QUERY_SIZE_MAX)
		kql_refuse(&text, start, "found a query of %zu bytes, expected at most %d",
			   size_bytes, QUERY_SIZE_MAX);
	else if (memchr(bytes, '\0', size_bytes))
		kql_refuse(&text, start, "found a NUL character in the query");
	if (text.failed)
		return false;
	text.reading.bytes = arena_take(arena, size_bytes + 1);
	text.reading.kinds = arena_take(arena, size_bytes + 1);
	if (!text.reading.bytes || !text.reading.kinds)
		kql_refuse(&text, start, "no memory for the query");
	*out_text = text;
	return !text.failed;
}
