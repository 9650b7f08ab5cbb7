/* options.h: command lines from tables: one row per option gives its parsing, its range check, its
 * help line and its shell completion. Main thread only.
 *
 *	--name VALUE, --name=VALUE, --flag
 *
 * An option that takes many values takes all up to the next one that begins with --. Durations
 * and sizes carry units ("15m", "256MB"); a bare number is refused.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "collector/base/complaint.h"

enum option_kind {
	OPTION_FLAG,	 /* bool */
	OPTION_TEXT,	 /* const char *, borrowed from the command line */
	OPTION_TEXTS,	 /* struct option_texts */
	OPTION_DURATION, /* uint64_t nanoseconds: ns us ms s m h d */
	OPTION_SIZE,	 /* uint64_t bytes: B KB MB GB (powers of 1024) */
	OPTION_COUNT,	 /* uint64_t, a plain number */
	OPTION_PERCENT,	 /* double, "0.5%" */
};

enum { OPTION_TEXTS_MAX = 4096 };

/* `items` grows as values come; options_release frees it. */
struct option_texts {
	const char **items;
	size_t count;
};

struct option {
	const char *name; /* without the dashes; NULL = positional (OPTION_TEXT or OPTION_TEXTS) */
	enum option_kind kind;
	size_t offset;	      /* of the target in the arguments struct */
	const char *argument; /* how help calls the value: "FILE..."; NULL for flags */
	const char *help;
	uint64_t minimum; /* of counts, durations and sizes; both 0 = any */
	uint64_t maximum;
};

/* Fills `target`, whose defaults stay where the command line says nothing. False and a complaint:
 * unknown option (with a suggestion), missing or bad value. */
bool options_parse(const struct option *options, size_t count, void *target, int argument_count,
		   char *const *arguments, struct complaint *complaint);
void options_release(const struct option *options, size_t count, void *target);

void options_print(const struct option *options, size_t count, FILE *stream);

/* "15m" -> nanoseconds, "64MB" -> bytes. Shared with the configuration reader. */
bool duration_parse(const char *text, uint64_t *out_ns);
bool size_parse(const char *text, uint64_t *out_bytes);

/* The entry of `names` nearest to `word` in edit distance, or NULL when none is near: for "did you
 * mean". */
const char *nearest_name(const char *word, const char *const *names, size_t count);
