/* support_tree.h: a query tree as one line of text, for tests of the languages that make them. */
#pragma once

#include <stddef.h>

#include "rules/ast.h"

/* (and (== process.name "cmd.exe") (not (like~ f "a*"))): NUL-terminated, cut at `size_bytes`. */
void tree_print(const struct expression *expression, char *out, size_t size_bytes);
