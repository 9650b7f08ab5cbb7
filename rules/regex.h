/* regex.h: does a whole text fit one of these Lucene regular expressions?
 *
 * They are translated to PCRE2's syntax and compiled with its JIT; a match gives up (and is none)
 * when it takes more steps than the limit. Immutable, read by any thread; a scratch belongs to one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/ast.h"

enum {
	REGEX_BYTES_MAX = 8 * 1024, /* of all expressions of a list */
	REGEX_MATCH_LIMIT = 200000, /* backtracking steps */
	REGEX_FAULT_MAX = 160,
};

struct regex;
struct regex_scratch;

/* NULL, with a sentence that says why: "found `~` (complement), which is not supported". */
struct regex *regex_open(const struct text *expressions, size_t count, bool insensitive,
			 char out_fault[REGEX_FAULT_MAX]);
void regex_close(struct regex *regex);

/* NULL with errno. */
struct regex_scratch *regex_scratch_open(void);
void regex_scratch_close(struct regex_scratch *scratch);

/* How many matches gave up. */
uint64_t regex_scratch_given_up(const struct regex_scratch *scratch);

bool regex_match(const struct regex *regex, struct regex_scratch *scratch, const char *text,
		 size_t size_bytes);
