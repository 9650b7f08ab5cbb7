/* wildcard.h: does a text fit one of these patterns, with `*` for any run of bytes and `?` for one
 * character?
 *
 * All patterns of a list become one automaton, so the time is linear in the text, whatever the
 * number of patterns. Lists whose automaton would grow too large are split into a few, and a
 * pattern that is too large alone is followed position by position instead. Nothing ever
 * backtracks.
 *
 * A character is a whole UTF-8 sequence; bytes that are none fit `*` only. A backslash is a
 * backslash. Compiled in an arena, immutable, read by any thread; a scratch belongs to one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "collector/base/arena.h"
#include "rules/ast.h"

enum { WILDCARD_BYTES_MAX = 64 * 1024 }; /* of all patterns of a list */

struct wildcard;
struct wildcard_scratch;

/* Insensitive: ASCII letters only. `work_left` is what building automata may cost, over many calls;
 * the rest is followed position by position. NULL with errno: ENOMEM, or E2BIG beyond
 * WILDCARD_BYTES_MAX. */
struct wildcard *wildcard_open(const struct text *patterns, size_t count, bool insensitive,
			       struct arena *arena, size_t *work_left);

/* For matchers of up to this size; NULL with errno. */
struct wildcard_scratch *wildcard_scratch_open(size_t position_count);
void wildcard_scratch_close(struct wildcard_scratch *scratch);

/* How large a scratch it needs. */
size_t wildcard_positions(const struct wildcard *wildcard);

bool wildcard_match(const struct wildcard *wildcard, struct wildcard_scratch *scratch,
		    const char *text, size_t size_bytes);

bool wildcard_has_wildcards(const struct text *pattern);
