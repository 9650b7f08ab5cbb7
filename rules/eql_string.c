/* Two forms: "with \"escapes\"" and """raw""", each on one line. A raw string ends at the first
 * three quotes, and up to two more quotes right behind them belong to its text. */
#include "rules/eql_string.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { RAW_QUOTES = 3, CODE_POINT_MAX = 0x10ffff };

static bool is_raw(const char *text, size_t size_bytes)
{
	return size_bytes >= RAW_QUOTES && memcmp(text, "\"\"\"", RAW_QUOTES) == 0;
}

static bool ends_line(char byte)
{
	return byte == '\n' || byte == '\r';
}

/* Sets *size to what was looked at; false: the line or the text ended first. The search ends with
 * the line, so that a stray quote costs one line and not all. */
static bool measure_raw(const char *text, size_t size_bytes, size_t *size)
{
	size_t at = RAW_QUOTES;
	for (; at < size_bytes && !ends_line(text[at]); at++) {
		if (!is_raw(text + at, size_bytes - at))
			continue;
		at += RAW_QUOTES;
		for (int extra = 0; extra < 2 && at < size_bytes && text[at] == '"'; extra++)
			at++;
		*size = at;
		return true;
	}
	*size = at;
	return false;
}

static bool measure_escaped(const char *text, size_t size_bytes, size_t *size)
{
	size_t at = 1;
	while (at < size_bytes && !ends_line(text[at])) {
		if (text[at++] == '"') {
			*size = at;
			return true;
		}
		if (text[at - 1] == '\\' && at < size_bytes && !ends_line(text[at]))
			at++;
	}
	*size = at;
	return false;
}

size_t string_measure(const char *text, size_t size_bytes, struct string_fault *out_fault)
{
	*out_fault = (struct string_fault){ 0 };
	const bool raw = is_raw(text, size_bytes);
	size_t size;
	if (!(raw ? measure_raw : measure_escaped)(text, size_bytes, &size))
		out_fault->sentence = raw ? "found a raw string that does not end on its line, "
					    "expected three double quotes"
					  : "found a string that does not end on its line, "
					    "expected a double quote";
	return size;
}

static size_t encode_utf8(uint32_t code_point, char *out_bytes)
{
	if (code_point < 0x80) {
		out_bytes[0] = (char)code_point;
		return 1;
	}
	if (code_point < 0x800) {
		out_bytes[0] = (char)(0xc0 | code_point >> 6);
		out_bytes[1] = (char)(0x80 | (code_point & 0x3f));
		return 2;
	}
	if (code_point < 0x10000) {
		out_bytes[0] = (char)(0xe0 | code_point >> 12);
		out_bytes[1] = (char)(0x80 | (code_point >> 6 & 0x3f));
		out_bytes[2] = (char)(0x80 | (code_point & 0x3f));
		return 3;
	}
	out_bytes[0] = (char)(0xf0 | code_point >> 18);
	out_bytes[1] = (char)(0x80 | (code_point >> 12 & 0x3f));
	out_bytes[2] = (char)(0x80 | (code_point >> 6 & 0x3f));
	out_bytes[3] = (char)(0x80 | (code_point & 0x3f));
	return 4;
}

/* -1: not a hexadecimal digit. */
static int hex_digit(char byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	byte |= 0x20;
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Behind `\u`: four digits, or two to eight in braces. Returns how many bytes that is. */
static size_t decode_code_point(const char *at, const char *end, uint32_t *out_code_point,
				const char **out_sentence)
{
	const bool braces = at < end && *at == '{';
	const size_t digits_max = braces ? 8 : 4;
	size_t digits = 0;
	uint32_t code_point = 0;
	const char *digit = at + braces;
	for (; digit < end && digits < digits_max && hex_digit(*digit) >= 0; digit++, digits++)
		code_point = code_point << 4 | (uint32_t)hex_digit(*digit);
	if (braces ? digits < 2 || digit == end || *digit != '}' : digits != 4) {
		*out_sentence = "found a bad `\\u` escape, expected four hexadecimal digits or two "
				"to eight in braces";
		return 0;
	}
	if (code_point == 0 || code_point > CODE_POINT_MAX ||
	    (code_point >= 0xd800 && code_point < 0xe000)) {
		*out_sentence = "found a `\\u` escape that is no character (zero, a surrogate, or "
				"beyond 10FFFF)";
		return 0;
	}
	*out_code_point = code_point;
	return (size_t)(digit - at) + braces;
}

/* At a backslash. Returns how many bytes the escape is; 0 = fault. */
static size_t decode_escape(const char *at, const char *end, char **out, const char **out_sentence)
{
	static const char letters[] = "btnfr\"'\\";
	static const char meanings[] = "\b\t\n\f\r\"'\\";
	const char letter = at[1]; /* a literal does not end in a backslash */
	const char *known = memchr(letters, letter, sizeof(letters) - 1);
	if (known) {
		*(*out)++ = meanings[known - letters];
		return 2;
	}
	if (letter != 'u') {
		*out_sentence = "found an unknown escape, expected one of \\b \\t \\n \\f \\r "
				"\\\" \\' \\\\ \\u (a raw string takes backslashes as they are)";
		return 0;
	}
	uint32_t code_point;
	const size_t size = decode_code_point(at + 2, end, &code_point, out_sentence);
	if (size == 0)
		return 0;
	*out += encode_utf8(code_point, *out);
	return 2 + size;
}

size_t string_decode(const char *literal, size_t size_bytes, char *out_bytes,
		     struct string_fault *out_fault)
{
	*out_fault = (struct string_fault){ 0 };
	const bool raw = is_raw(literal, size_bytes);
	const size_t quotes = raw ? RAW_QUOTES : 1;
	const char *at = literal + quotes;
	const char *const end = literal + size_bytes - quotes;
	char *out = out_bytes;
	while (at < end) {
		if (*at == '\0') {
			out_fault->sentence = "found a NUL byte in a string";
		} else if (*at != '\\' || raw) {
			*out++ = *at++;
			continue;
		} else {
			const size_t size = decode_escape(at, end, &out, &out_fault->sentence);
			at += size;
			if (size > 0)
				continue;
		}
		out_fault->at_bytes = (size_t)(at - literal);
		return 0;
	}
	return (size_t)(out - out_bytes);
}
