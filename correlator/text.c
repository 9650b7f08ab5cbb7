#include "correlator/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct text text_of(const char *nul_terminated)
{
	return (struct text){ nul_terminated, nul_terminated ? strlen(nul_terminated) : 0 };
}

/* How many bytes follow a lead byte, and the smallest code that may be written so; 0 = no lead. */
static size_t followers(unsigned char lead, uint32_t *out_code, uint32_t *out_least)
{
	if ((lead & 0xe0) == 0xc0) {
		*out_code = lead & 0x1f;
		*out_least = 0x80;
		return 1;
	}
	if ((lead & 0xf0) == 0xe0) {
		*out_code = lead & 0x0f;
		*out_least = 0x800;
		return 2;
	}
	if ((lead & 0xf8) == 0xf0) {
		*out_code = lead & 0x07;
		*out_least = 0x10000;
		return 3;
	}
	return 0;
}

size_t text_next_code(const char *text, size_t size_bytes, uint32_t *out_code)
{
	const unsigned char lead = (unsigned char)text[0];
	*out_code = lead;
	if (lead < 0x80)
		return 1;
	uint32_t code = 0;
	uint32_t least = 0;
	const size_t more = followers(lead, &code, &least);
	*out_code = TEXT_INVALID;
	if (more == 0 || more >= size_bytes)
		return 1;
	for (size_t i = 1; i <= more; i++) {
		const unsigned char byte = (unsigned char)text[i];
		if ((byte & 0xc0) != 0x80)
			return 1;
		code = code << 6 | (byte & 0x3f);
	}
	if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 1;
	*out_code = code;
	return more + 1;
}

struct text text_cut(struct text text, size_t limit)
{
	if (text.size_bytes <= limit)
		return text;
	while (limit > 0 && ((unsigned char)text.bytes[limit] & 0xc0) == 0x80)
		limit--;
	return (struct text){ text.bytes, limit };
}

void write_raw(struct text_writer *writer, const char *bytes, size_t size_bytes)
{
	if (writer->used_bytes < writer->room_bytes && size_bytes > 0) {
		const size_t left = writer->room_bytes - writer->used_bytes;
		memcpy(writer->out + writer->used_bytes, bytes,
		       size_bytes < left ? size_bytes : left);
	}
	writer->used_bytes += size_bytes;
}

void write_words(struct text_writer *writer, const char *nul_terminated)
{
	write_raw(writer, nul_terminated, strlen(nul_terminated));
}

void write_format(struct text_writer *writer, const char *format, ...)
{
	char text[128];
	va_list arguments;
	va_start(arguments, format);
	const int size = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (size > 0)
		write_raw(writer, text,
			  (size_t)size < sizeof(text) ? (size_t)size : sizeof(text) - 1);
}

/* What each place demands. */
static const struct {
	const char *quoted;    /* these get a backslash before them */
	const char *hexed;     /* these become \xNN */
	const char *backslash; /* how a backslash of ours is written */
	bool ascii;
} places[] = {
	[TEXT_PLAIN] = { "", "", "\\", false },
	[TEXT_SD_VALUE] = { "\"\\]", "", "\\\\", false },
	[TEXT_CEF_HEADER] = { "\\|", "", "\\\\", true },
	[TEXT_CEF_EXTENSION] = { "\\=", "", "\\\\", true },
	[TEXT_LEEF] = { "", "^", "\\", true },
	[TEXT_LEEF_HEADER] = { "", "^|", "\\", true },
	[TEXT_SYSLOG_NAME] = { "", "", "", true },
};

static bool is_control(uint32_t code)
{
	return code < 0x20 || text_code_is_bad(code);
}

/* A character that may not stand as it is. */
static void write_replaced(struct text_writer *writer, enum text_escape escape, const char *bytes,
			   size_t step, uint32_t code)
{
	if (escape == TEXT_SYSLOG_NAME) {
		write_words(writer, "_");
	} else if (escape == TEXT_CEF_EXTENSION && code == '\n') {
		write_words(writer, "\\n");
	} else if (escape == TEXT_CEF_EXTENSION && code == '\r') {
		write_words(writer, "\\r");
	} else if (code != TEXT_INVALID && !is_control(code) && code > 0x7f) {
		write_format(writer, code > 0xffff ? "%su%08x" : "%su%04x",
			     places[escape].backslash, code);
	} else {
		static const char digits[] = "0123456789abcdef";
		for (size_t i = 0; i < step; i++) {
			const unsigned char byte = (unsigned char)bytes[i];
			const char hex[] = { 'x', digits[byte >> 4], digits[byte & 15] };
			write_words(writer, places[escape].backslash);
			write_raw(writer, hex, sizeof(hex));
		}
	}
}

void write_escaped(struct text_writer *writer, struct text text, enum text_escape escape)
{
	for (size_t at = 0; at < text.size_bytes;) {
		const char *bytes = text.bytes + at;
		uint32_t code;
		const size_t step = text_next_code(bytes, text.size_bytes - at, &code);
		const bool foreign = places[escape].ascii && code > 0x7e;
		const bool space = escape == TEXT_SYSLOG_NAME && code == ' ';
		at += step;
		if (is_control(code) || foreign || space ||
		    (code < 0x80 && strchr(places[escape].hexed, (int)code))) {
			write_replaced(writer, escape, bytes, step, code);
			continue;
		}
		if (code < 0x80 && strchr(places[escape].quoted, (int)code))
			write_words(writer, "\\");
		write_raw(writer, bytes, step);
	}
}
