/* complaint.h: how every input that a human wrote (rules, configuration, flags) is refused.
 *
 * File, line, column and one sentence: what was found, what was expected. Filled in by the function
 * that refuses; printed by whoever talks to the human. No thread, no allocation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { COMPLAINT_FILE_MAX = 256, COMPLAINT_TEXT_MAX = 512 };

struct complaint {
	char file[COMPLAINT_FILE_MAX]; /* "" when the text came from no file */
	uint32_t line;		       /* 1-based; 0 = the whole file */
	uint32_t column;	       /* 1-based, in bytes; 0 = the whole line */
	char text[COMPLAINT_TEXT_MAX]; /* "found `=`, expected `==`" */
};

/* Replaces what the complaint said. Returns false, so that a refusing function can end with it. */
bool complain(struct complaint *complaint, const char *file, uint32_t line, uint32_t column,
	      const char *format, ...) __attribute__((format(printf, 5, 6)));

/* "file:line:column: text", without a newline. */
void complaint_print(const struct complaint *complaint, FILE *stream);

/* Several complaints about one input, in the order found. A full list counts what it left out. */
enum { COMPLAINTS_MAX = 64 };

struct complaints {
	size_t count;	      /* how many are kept in items */
	size_t omitted_count; /* how many more there were */
	struct complaint items[COMPLAINTS_MAX];
};

/* The next free complaint of the list, or a scratch one (counted as omitted) when it is full. */
struct complaint *complaints_next(struct complaints *complaints);
