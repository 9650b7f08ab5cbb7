/* suggest.h: "did you mean ...?" for misspelt names. */
#pragma once

#include <stddef.h>

#include "rules/ast.h"

struct suggestion {
	struct text wanted;
	const char *best; /* or NULL */
	size_t best_distance;
};

struct suggestion suggestion_for(const struct text *wanted);

/* Keeps the candidate if it is nearer than those before it, and near enough. */
void suggestion_consider(struct suggestion *suggestion, const char *candidate);
