/* message.h: fitting a flat message into its size: which facts to drop, and which one to shorten.
 *
 * A format is a table of rows. The fit drops rows in the order of their rank (1 first, 0 never),
 * equal ranks in table order, until what is left fits; then the message says that it was truncated
 * and lists the keys that went.
 */
#pragma once

#include "correlator/facts.h"
#include "correlator/text.h"

enum { MESSAGE_ROWS_MAX = 64, MESSAGE_SHORTENED_MIN = 24 };

struct message_row {
	const char *key;
	enum fact fact;
	uint8_t group; /* RFC 5424: the element it stands in */
	uint8_t rank;
	bool shortens; /* cut to what fits (at least MESSAGE_SHORTENED_MIN bytes), not dropped */
	const char *label; /* CEF: what cs1Label says; NULL = no label */
};

struct message {
	const struct message_row *rows;
	size_t row_count;
	struct text values[MESSAGE_ROWS_MAX]; /* bytes NULL = not there */
	bool went[MESSAGE_ROWS_MAX];	      /* dropped or shortened */
	bool truncated;
	bool unlisted; /* not even the list of what went fits */
	bool terse;    /* only what has rank 0 is left, and everything optional is to go */
};

/* Writes the message as it now is. */
typedef void message_render_fn(const struct message *message, const void *context,
			       struct text_writer *writer);

void message_begin(struct message *message, const struct message_row *rows, size_t row_count,
		   const struct facts *facts);

/* Fits and writes. Returns the size, at most max_size. */
size_t message_fit(struct message *message, message_render_fn *render, const void *context,
		   char *out, size_t max_size);

/* The keys that went, with commas between. */
void message_write_cut(const struct message *message, struct text_writer *writer);
