/* json.h: where the tokens of a JSON text are, by simdjson, behind a C interface. One file knows
 * simdjson's types: json.cc.
 *
 * simdjson's first stage finds every token of a text in one SIMD pass and checks its UTF-8; its
 * library chooses the kernel for the CPU it runs on. What follows the index is ours and reads only
 * the values that somebody wants. simdjson's own on-demand front end is bound to a kernel at
 * compile time, which for a portable binary is the slow one; figures in json.cc. One parser per
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	JSON_PADDING = 64,		 /* readable bytes behind a text */
	JSON_TEXT_MAX = 4 * 1024 * 1024, /* bytes of one text; longer ones are refused */
};

/* Offsets of the tokens in the text: brackets, colons, commas, opening quotes, and the first byte
 * of numbers and literals. A last one at the text's size ends the list; `count` leaves it out. */
struct json_index {
	const uint32_t *at_bytes;
	size_t count;
};

struct json_parser;

struct json_parser *json_parser_open(void); /* NULL with errno; the caller closes */
void json_parser_close(struct json_parser *parser);

/* False: not UTF-8, an unclosed string, empty, too long or no memory. The index is the parser's and
 * valid until its next call. */
bool json_parser_index(struct json_parser *parser, const char *json, size_t size_bytes,
		       struct json_index *out_index);

/* simdjson's whole parse, both stages, its result thrown away: the floor that the bench compares
 * with. */
bool json_parser_parse(struct json_parser *parser, const char *json, size_t size_bytes);

/* Decodes the inside of a JSON string into out_text, which has room for size_bytes bytes. Lone
 * surrogates and unknown escapes, which Windows tools do write, become U+FFFD and themselves.
 * Returns the decoded size. */
size_t json_decode_string(const char *inside, size_t size_bytes, char *out_text);

#ifdef __cplusplus
}
#endif
