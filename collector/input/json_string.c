/* Decoding JSON strings. Declared in json.h. Source: RFC 8259, section 7. */
#include <string.h>

#include "collector/input/json.h"

enum { REPLACEMENT = 0xfffd };

/* Four hexadecimal digits at `at`, or -1. */
static int32_t hex4(const char *at, const char *end)
{
	if (end - at < 4)
		return -1;
	int32_t code = 0;
	for (int i = 0; i < 4; i++) {
		const char digit = at[i];
		if (digit >= '0' && digit <= '9')
			code = code * 16 + (digit - '0');
		else if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f')
			code = code * 16 + ((digit | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return code;
}

/* UTF-8; at most 3 bytes for a \uXXXX of 6 and 4 for a pair of 12, so a text never grows. */
static size_t put_utf8(int32_t code, char *out)
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

/* The code point of the \u escape whose digits begin at *at, which is moved past it.
 * -1: not one. */
static int32_t unicode_escape(const char **at, const char *end)
{
	int32_t code = hex4(*at, end);
	if (code < 0)
		return -1;
	*at += 4;
	if (code < 0xd800 || code > 0xdfff)
		return code;
	if (code > 0xdbff || end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u')
		return REPLACEMENT;
	const int32_t low = hex4(*at + 2, end);
	if (low < 0xdc00 || low > 0xdfff)
		return REPLACEMENT;
	*at += 6;
	return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
}

/* What the letter after a backslash stands for; itself when it stands for nothing. */
static char simple_escape(char letter)
{
	switch (letter) {
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return letter;
	}
}

size_t json_decode_string(const char *inside, size_t size_bytes, char *out_text)
{
	const char *at = inside;
	const char *const end = inside + size_bytes;
	char *out = out_text;
	while (at < end) {
		const char *backslash = memchr(at, '\\', (size_t)(end - at));
		const size_t plain = (size_t)((backslash ? backslash : end) - at);
		memcpy(out, at, plain);
		out += plain;
		at += plain;
		if (end - at < 2) /* no escape left, but perhaps a cut one */
			break;
		const char letter = at[1];
		at += 2;
		const int32_t code = letter == 'u' ? unicode_escape(&at, end) : -1;
		if (code >= 0)
			out += put_utf8(code, out);
		else
			*out++ = simple_escape(letter);
	}
	return (size_t)(out - out_text);
}
