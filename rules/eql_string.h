/* eql_string.h: string literals of EQL. Used by the lexer only. */
#pragma once

#include <stddef.h>

/* Why a literal is refused; sentence is NULL when it is not. */
struct string_fault {
	const char *sentence;
	size_t at_bytes; /* where, from the opening quote */
};

/* How long the literal that opens at `text` is, quotes included (on a fault: how much to skip). */
size_t string_measure(const char *text, size_t size_bytes, struct string_fault *out_fault);

/* Decodes a measured literal into `out_bytes` (room for size_bytes) as UTF-8;
 * returns the length. */
size_t string_decode(const char *literal, size_t size_bytes, char *out_bytes,
		     struct string_fault *out_fault);
