/* text_set.h: is a text one of these? By the hash that events carry, so that no byte of the text is
 * read unless it is likely. Built in an arena, immutable. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/arena.h"
#include "rules/ast.h"

struct text_set;

/* Borrows the texts' bytes. NULL: out of memory. */
struct text_set *text_set_open(const struct text *texts, size_t count, bool insensitive,
			       struct arena *arena);

/* `folded_hash` is hash_folded_text of the text. */
bool text_set_has(const struct text_set *set, const char *text, size_t size_bytes,
		  uint32_t folded_hash);
