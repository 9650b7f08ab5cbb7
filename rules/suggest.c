#include "rules/suggest.h"

#include <string.h>

enum { NAME_COMPARED_MAX = 64 };

struct suggestion suggestion_for(const struct text *wanted)
{
	/* Up to a third of the letters may be wrong. */
	return (struct suggestion){ .wanted = *wanted,
				    .best_distance = wanted->size_bytes / 3 + 1 };
}

static size_t least(size_t one, size_t two, size_t three)
{
	const size_t smaller = one < two ? one : two;
	return smaller < three ? smaller : three;
}

/* Levenshtein's: letters to change, add or leave out. */
static size_t distance(const struct text *left, const char *right, size_t right_size)
{
	size_t row[NAME_COMPARED_MAX + 1];
	for (size_t j = 0; j <= right_size; j++)
		row[j] = j;
	for (size_t i = 1; i <= left->size_bytes; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= right_size; j++) {
			const size_t changed = diagonal + (left->bytes[i - 1] != right[j - 1]);
			diagonal = row[j];
			row[j] = least(changed, row[j] + 1, row[j - 1] + 1);
		}
	}
	return row[right_size];
}

void suggestion_consider(struct suggestion *suggestion, const char *candidate)
{
	const size_t size = strlen(candidate);
	const size_t wanted = suggestion->wanted.size_bytes;
	const size_t difference = size > wanted ? size - wanted : wanted - size;
	if (size > NAME_COMPARED_MAX || wanted > NAME_COMPARED_MAX ||
	    difference >= suggestion->best_distance)
		return;
	const size_t found = distance(&suggestion->wanted, candidate, size);
	if (found >= suggestion->best_distance)
		return;
	suggestion->best = candidate;
	suggestion->best_distance = found;
}
