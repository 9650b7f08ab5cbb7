/* Source: Lucene's RegExp (all optional operators on), in PCRE2's terms:
 *
 *	.  any character, line ends too		@  any text		#  nothing at all
 *	"..."  as it stands			<3-17>  a number	\d \s \w and their opposites
 *	^ $  themselves: an expression always covers the whole text
 *	a**, a+?  repeat what was repeated (PCRE2 would take them as lazy or possessive)
 *
 * Not translated, and refused: ~ (complement), & (intersection), <name>. */
#include "rules/regex_translate.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PATTERN_BYTES_MAX = 256 * 1024,
	GROUP_DEPTH_MAX = 100,
	INTERVAL_MAX = 1000, /* numbers in a <n-m> */
	REPEAT_MAX = 1000,
};

struct translator {
	struct pattern_text *out;
	const char *at;
	const char *end;
	bool insensitive;
	char *fault;
	size_t groups[GROUP_DEPTH_MAX]; /* where in `out` each open group starts */
	size_t depth;
	size_t atom; /* where in `out` the last atom starts */
	bool has_atom;
	bool repeated; /* the last atom has a repeat behind it */
};

static void add_bytes(struct pattern_text *out, const char *bytes, size_t size)
{
	if (out->failed || size > PATTERN_BYTES_MAX - out->size_bytes) {
		out->failed = true;
		return;
	}
	while (out->size_bytes + size >= out->room_bytes) {
		const size_t room = out->room_bytes ? 2 * out->room_bytes : 256;
		char *larger = realloc(out->bytes, room);
		out->failed = !larger;
		if (!larger)
			return;
		out->bytes = larger;
		out->room_bytes = room;
	}
	memcpy(out->bytes + out->size_bytes, bytes, size);
	out->size_bytes += size;
	out->bytes[out->size_bytes] = '\0';
}

void pattern_text_add(struct pattern_text *out, const char *text)
{
	add_bytes(out, text, strlen(text));
}

static bool refuse(struct translator *translator, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static bool refuse(struct translator *translator, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(translator->fault, REGEX_FAULT_MAX, format, arguments);
	va_end(arguments);
	return false;
}

/* The next character; 0 = not UTF-8, or the end. */
static uint32_t take_character(struct translator *translator)
{
	if (translator->at == translator->end)
		return 0;
	const uint8_t first = (uint8_t)*translator->at++;
	if (first < 0x80)
		return first;
	const size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
	if (first < 0xc2 || first >= 0xf5 || more > (size_t)(translator->end - translator->at))
		return 0;
	uint32_t character = first & (0x3fU >> more);
	for (size_t i = 0; i < more; i++) {
		const uint8_t byte = (uint8_t)*translator->at++;
		if ((byte & 0xc0) != 0x80)
			return 0;
		character = character << 6 | (byte & 0x3f);
	}
	return character;
}

static void add_code(struct translator *translator, uint32_t character)
{
	char code[16];
	snprintf(code, sizeof(code), "\\x{%x}", character);
	pattern_text_add(translator->out, code);
}

static bool is_letter(uint32_t character)
{
	return (character | 0x20) >= 'a' && (character | 0x20) <= 'z' && character < 0x80;
}

/* The next thing in `out` can be repeated. */
static void begin_atom(struct translator *translator)
{
	translator->atom = translator->out->size_bytes;
	translator->has_atom = true;
	translator->repeated = false;
}

static void add_literal(struct translator *translator, uint32_t character)
{
	begin_atom(translator);
	const bool both = translator->insensitive && is_letter(character);
	if (both)
		pattern_text_add(translator->out, "[");
	add_code(translator, character);
	if (both) {
		add_code(translator, character ^ 0x20);
		pattern_text_add(translator->out, "]");
	}
}

/* --- character classes ------------------------------------------------------------------------ */

static bool is_shorthand(char byte)
{
	return byte != '\0' && strchr("dDsSwW", byte);
}

static void add_range(struct translator *translator, uint32_t low, uint32_t high)
{
	add_code(translator, low);
	pattern_text_add(translator->out, "-");
	add_code(translator, high);
}

/* A range, and with it the other case of the letters in it. */
static void add_class_range(struct translator *translator, uint32_t low, uint32_t high)
{
	add_range(translator, low, high);
	for (uint32_t first = 'A'; translator->insensitive && first <= 'a'; first += 0x20) {
		const uint32_t from = low > first ? low : first;
		const uint32_t to = high < first + 25 ? high : first + 25;
		if (from <= to)
			add_range(translator, from ^ 0x20, to ^ 0x20);
	}
}

/* One side of a range; an escape is itself. False: fault. */
static bool take_class_character(struct translator *translator, uint32_t *out_character)
{
	if (translator->at < translator->end && *translator->at == '\\')
		translator->at++;
	*out_character = take_character(translator);
	return *out_character || refuse(translator, "found a `[` that is never closed");
}

/* '[' ['^'] (character ['-' character])+ ']' */
static bool translate_class(struct translator *translator)
{
	begin_atom(translator);
	pattern_text_add(translator->out, "[");
	if (translator->at < translator->end && *translator->at == '^') {
		pattern_text_add(translator->out, "^");
		translator->at++;
	}
	bool empty = true;
	while (translator->at < translator->end && (empty || *translator->at != ']')) {
		empty = false;
		const size_t left = (size_t)(translator->end - translator->at);
		if (left > 1 && translator->at[0] == '\\' && is_shorthand(translator->at[1])) {
			add_bytes(translator->out, translator->at, 2);
			translator->at += 2;
			continue;
		}
		uint32_t low;
		if (!take_class_character(translator, &low))
			return false;
		uint32_t high = low;
		if (translator->end - translator->at > 1 && translator->at[0] == '-' &&
		    translator->at[1] != ']') {
			translator->at++;
			if (!take_class_character(translator, &high))
				return false;
		}
		if (high < low)
			return refuse(translator, "found a range that ends before it begins");
		add_class_range(translator, low, high);
	}
	if (translator->at == translator->end)
		return refuse(translator, "found a `[` that is never closed");
	translator->at++;
	pattern_text_add(translator->out, "]");
	return true;
}

/* --- the rest --------------------------------------------------------------------------------- */

/* Up to four digits; -1: none, or more. */
static int take_number(struct translator *translator)
{
	int number = 0;
	int digits = 0;
	for (; translator->at < translator->end && *translator->at >= '0' &&
	       *translator->at <= '9' && digits < 5;
	     translator->at++, digits++)
		number = number * 10 + (*translator->at - '0');
	return digits > 0 && digits < 5 ? number : -1;
}

static bool take_byte(struct translator *translator, char byte)
{
	const bool there = translator->at < translator->end && *translator->at == byte;
	translator->at += there;
	return there;
}

/* '{' n [',' [m]] '}' */
static bool translate_count(struct translator *translator, char out_repeat[32])
{
	const int least = take_number(translator);
	int most = least;
	const bool comma = take_byte(translator, ',');
	const bool open = comma && translator->at < translator->end && *translator->at == '}';
	if (comma && !open)
		most = take_number(translator);
	if (least < 0 || most < least || most > REPEAT_MAX || !take_byte(translator, '}'))
		return refuse(translator,
			      "found `{`, expected a repeat such as {3}, {3,} or {3,5}, "
			      "of at most %d",
			      REPEAT_MAX);
	if (open)
		snprintf(out_repeat, 32, "{%d,}", least);
	else
		snprintf(out_repeat, 32, "{%d,%d}", least, most);
	return true;
}

/* A repeat behind a repeat repeats all of it. */
static bool add_repeat(struct translator *translator, const char *repeat)
{
	if (!translator->has_atom)
		return refuse(translator, "found a repeat (`%s`) with nothing before it", repeat);
	if (translator->repeated) {
		struct pattern_text *out = translator->out;
		pattern_text_add(out, "    "); /* room for what goes in front, and the end */
		if (out->failed)
			return refuse(translator, "found an expression that is too large");
		memmove(out->bytes + translator->atom + 3, out->bytes + translator->atom,
			out->size_bytes - 4 - translator->atom);
		memcpy(out->bytes + translator->atom, "(?:", 3);
		out->bytes[out->size_bytes - 1] = ')';
	}
	pattern_text_add(translator->out, repeat);
	translator->repeated = true;
	return true;
}

/* '<' n '-' m '>': the numbers themselves; written with equal length, with that many digits. */
static bool translate_interval(struct translator *translator)
{
	const char *start = translator->at;
	int low = take_number(translator);
	const int low_digits = (int)(translator->at - start);
	const bool dash = take_byte(translator, '-');
	start = translator->at;
	int high = take_number(translator);
	const int high_digits = (int)(translator->at - start);
	if (low < 0 || !dash || high < 0 || !take_byte(translator, '>'))
		return refuse(translator, "found `<`, expected an interval such as <1-99> (a "
					  "literal `<` is written \\<)");
	if (high < low) {
		const int swap = low;
		low = high;
		high = swap;
	}
	if (high - low >= INTERVAL_MAX)
		return refuse(translator, "found an interval of more than %d numbers",
			      INTERVAL_MAX);
	begin_atom(translator);
	const bool fixed = low_digits == high_digits;
	pattern_text_add(translator->out, fixed ? "(?:" : "(?:0*(?:");
	for (int number = low; number <= high; number++) {
		char text[24];
		snprintf(text, sizeof(text), "%s%0*d", number > low ? "|" : "",
			 fixed ? low_digits : 1, number);
		pattern_text_add(translator->out, text);
	}
	pattern_text_add(translator->out, fixed ? ")" : "))");
	return true;
}

/* "..." as it stands, as one atom. */
static bool translate_quoted(struct translator *translator)
{
	const size_t start = translator->out->size_bytes;
	pattern_text_add(translator->out, "(?:");
	while (translator->at < translator->end && *translator->at != '"') {
		const uint32_t character = take_character(translator);
		if (character == 0)
			return refuse(translator, "found bytes that are not UTF-8");
		add_literal(translator, character);
	}
	if (!take_byte(translator, '"'))
		return refuse(translator, "found a `\"` that is never closed");
	pattern_text_add(translator->out, ")");
	begin_atom(translator);
	translator->atom = start;
	return true;
}

static bool translate_escape(struct translator *translator)
{
	if (translator->at < translator->end && is_shorthand(*translator->at)) {
		begin_atom(translator);
		pattern_text_add(translator->out, "\\");
		add_bytes(translator->out, translator->at++, 1);
		return true;
	}
	const uint32_t character = take_character(translator);
	if (character == 0)
		return refuse(translator, "found a backslash with nothing behind it");
	add_literal(translator, character);
	return true;
}

static void add_atom(struct translator *translator, const char *text)
{
	begin_atom(translator);
	pattern_text_add(translator->out, text);
}

static bool open_group(struct translator *translator)
{
	if (translator->depth == GROUP_DEPTH_MAX)
		return refuse(translator, "found groups nested more than %d deep", GROUP_DEPTH_MAX);
	translator->groups[translator->depth++] = translator->out->size_bytes;
	pattern_text_add(translator->out, "(?:");
	translator->has_atom = false;
	return true;
}

static bool close_group(struct translator *translator)
{
	if (translator->depth == 0)
		return refuse(translator, "found a `)` that closes nothing");
	pattern_text_add(translator->out, ")");
	begin_atom(translator);
	translator->atom = translator->groups[--translator->depth];
	return true;
}

static bool translate_next(struct translator *translator)
{
	char repeat[32] = { *translator->at };
	switch (*translator->at) {
	case '*':
	case '+':
	case '?':
		translator->at++;
		return add_repeat(translator, repeat);
	case '{':
		translator->at++;
		return translate_count(translator, repeat) && add_repeat(translator, repeat);
	case '(':
		translator->at++;
		return open_group(translator);
	case ')':
		translator->at++;
		return close_group(translator);
	case '|':
		translator->at++;
		pattern_text_add(translator->out, "|");
		translator->has_atom = false;
		return true;
	case '[':
		translator->at++;
		return translate_class(translator);
	case '"':
		translator->at++;
		return translate_quoted(translator);
	case '<':
		translator->at++;
		return translate_interval(translator);
	case '\\':
		translator->at++;
		return translate_escape(translator);
	case '.':
		translator->at++;
		add_atom(translator, ".");
		return true;
	case '@':
		translator->at++;
		add_atom(translator, "(?:.*)");
		return true;
	case '#':
		translator->at++;
		add_atom(translator, "(?!)");
		return true;
	case '~':
		return refuse(translator, "found `~` (complement), which is not supported (a "
					  "literal one is written \\~)");
	case '&':
		return refuse(translator, "found `&` (intersection), which is not supported (a "
					  "literal one is written \\&)");
	default:
		break;
	}
	const uint32_t character = take_character(translator);
	if (character == 0)
		return refuse(translator, "found bytes that are not UTF-8");
	add_literal(translator, character);
	return true;
}

bool regex_translate(struct pattern_text *out, const struct text *expression, bool insensitive,
		     char out_fault[REGEX_FAULT_MAX])
{
	struct translator translator = {
		.out = out,
		.at = expression->bytes,
		.end = expression->bytes + expression->size_bytes,
		.insensitive = insensitive,
		.fault = out_fault,
	};
	pattern_text_add(out, "(?:");
	while (translator.at < translator.end) {
		if (!translate_next(&translator))
			return false;
		if (out->failed)
			return refuse(&translator, "found an expression that is too large");
	}
	if (translator.depth > 0)
		return refuse(&translator, "found a `(` that is never closed");
	pattern_text_add(out, ")");
	return !out->failed || refuse(&translator, "found an expression that is too large");
}
