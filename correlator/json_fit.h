/* json_fit.h: fitting a JSON document into its size, for the formats that are JSON. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* What may go, first row first. */
struct json_cut {
	const char *path;  /* dotted; "*" stands for every item of an array, "**" for every text */
	size_t keep_bytes; /* texts: cut to what fits, but not below this; 0 = dropped whole */
};

/* Dumps `document` in at most max_size bytes, after removing what does not fit. What went is listed
 * in `cut_path` (an array made there), beside "truncated": true. Returns the size; more than
 * max_size (and nothing usable in `out`) when even the rest is too large. */
size_t json_fit(json_t *document, const struct json_cut *cuts, size_t cut_count,
		const char *truncated_path, const char *cut_path, size_t flags, char *out,
		size_t max_size, bool *out_truncated);
