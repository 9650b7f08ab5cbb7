/* regex_translate.h: Lucene's regular expressions in PCRE2's syntax. Used by regex.c only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "rules/ast.h"
#include "rules/regex.h"

/* A text that grows; in the C library's heap. */
struct pattern_text {
	char *bytes;
	size_t size_bytes;
	size_t room_bytes;
	bool failed; /* out of memory or too large */
};

/* Appends the translation of one expression, as a group. False with a fault. */
bool regex_translate(struct pattern_text *out, const struct text *expression, bool insensitive,
		     char out_fault[REGEX_FAULT_MAX]);

void pattern_text_add(struct pattern_text *out, const char *text);
