/* text.h: writing text that came from outside into messages of limited size.
 *
 * A writer counts what it would have written past its end, like snprintf, so that a message can be
 * measured and written by the same code. No thread, no allocation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	const char *bytes; /* NULL = none */
	size_t size_bytes;
};

struct text text_of(const char *nul_terminated); /* NULL gives none */

#define TEXT_INVALID UINT32_MAX

#define TEXT_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */
enum { TEXT_REPLACEMENT_BYTES = 3 };

/* The first code point of UTF-8 text of at least one byte; TEXT_INVALID for a byte that begins none
 * (overlong forms, surrogates and cut sequences included). Returns its bytes, 1 when invalid. */
size_t text_next_code(const char *text, size_t size_bytes, uint32_t *out_code);

/* Invalid, DEL or a C1 control: what JSON would carry raw to somebody's terminal. */
static inline bool text_code_is_bad(uint32_t code)
{
	return code == TEXT_INVALID || (code >= 0x7f && code <= 0x9f);
}

/* The first `limit` bytes at most, not ending inside a UTF-8 sequence. */
struct text text_cut(struct text text, size_t limit);

/* How a value is made safe where it stands. In all of them a control character or a byte that is
 * not UTF-8 becomes \xNN (with the backslash written as the place demands), never raw. */
enum text_escape {
	TEXT_PLAIN,	    /* MSG of syslog: UTF-8 */
	TEXT_SD_VALUE,	    /* RFC 5424 PARAM-VALUE: \" \\ \] */
	TEXT_CEF_HEADER,    /* \\ \|, ASCII: other characters become \uNNNN */
	TEXT_CEF_EXTENSION, /* \\ \= \n \r, ASCII */
	TEXT_LEEF,	    /* the delimiter ^ becomes \x5e, ASCII */
	TEXT_LEEF_HEADER,   /* | becomes \x7c as well */
	TEXT_SYSLOG_NAME,   /* HOSTNAME and the like: printable ASCII, everything else becomes _ */
};

struct text_writer {
	char *out;
	size_t room_bytes;
	size_t used_bytes; /* > room_bytes: did not fit */
};

void write_raw(struct text_writer *writer, const char *bytes, size_t size_bytes);
void write_words(struct text_writer *writer, const char *nul_terminated);
void write_format(struct text_writer *writer, const char *format, ...)
	__attribute__((format(printf, 2, 3))); /* short: 128 bytes */
void write_escaped(struct text_writer *writer, struct text text, enum text_escape escape);
