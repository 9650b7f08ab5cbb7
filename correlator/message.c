#include "correlator/message.h"

#include <assert.h>
#include <string.h>

void message_begin(struct message *message, const struct message_row *rows, size_t row_count,
		   const struct facts *facts)
{
	assert(row_count <= MESSAGE_ROWS_MAX);
	memset(message, 0, sizeof(*message));
	message->rows = rows;
	message->row_count = row_count;
	for (size_t i = 0; i < row_count; i++)
		message->values[i] = facts->values[rows[i].fact];
}

static size_t measure(const struct message *message, message_render_fn *render, const void *context)
{
	struct text_writer nowhere = { .out = NULL, .room_bytes = 0 };
	render(message, context, &nowhere);
	return nowhere.used_bytes;
}

/* Shortens a row to the most that fits, by bisection (a longer value never renders shorter). Drops
 * it when that is next to nothing. */
static size_t shorten(struct message *message, size_t row, message_render_fn *render,
		      const void *context, size_t max_size)
{
	const struct text whole = message->values[row];
	size_t fits = 0;
	size_t too_long = whole.size_bytes < max_size ? whole.size_bytes : max_size;
	while (fits + 1 < too_long) {
		const size_t middle = (fits + too_long) / 2;
		message->values[row] = text_cut(whole, middle);
		if (measure(message, render, context) <= max_size)
			fits = middle;
		else
			too_long = middle;
	}
	message->values[row] = text_cut(whole, fits);
	if (fits < MESSAGE_SHORTENED_MIN)
		message->values[row] = (struct text){ NULL, 0 };
	return measure(message, render, context);
}

/* Drops the rows of one rank until the rest fits. Returns the size then. */
static size_t drop_rank(struct message *message, uint8_t rank, size_t size,
			message_render_fn *render, const void *context, size_t max_size)
{
	for (size_t i = 0; i < message->row_count && size > max_size; i++) {
		if (message->rows[i].rank != rank || !message->values[i].bytes)
			continue;
		message->went[i] = true;
		if (message->rows[i].shortens) {
			size = shorten(message, i, render, context, max_size);
			continue;
		}
		message->values[i] = (struct text){ NULL, 0 };
		size = measure(message, render, context);
	}
	return size;
}

static uint8_t last_rank(const struct message *message)
{
	uint8_t last = 0;
	for (size_t i = 0; i < message->row_count; i++)
		if (message->rows[i].rank > last)
			last = message->rows[i].rank;
	return last;
}

size_t message_fit(struct message *message, message_render_fn *render, const void *context,
		   char *out, size_t max_size)
{
	/* Longer than the whole message is too long anyway; nothing below costs more than that. */
	for (size_t i = 0; i < message->row_count; i++)
		message->values[i] = text_cut(message->values[i], max_size + 1);
	size_t size = measure(message, render, context);
	if (size > max_size) {
		message->truncated = true;
		size = measure(message, render, context);
	}
	const uint8_t last = last_rank(message);
	for (uint8_t rank = 1; rank <= last && size > max_size; rank++) {
		message->unlisted = rank == last;
		size = drop_rank(message, rank, size, render, context, max_size);
	}
	message->terse = size > max_size;

	struct text_writer writer = { .out = out, .room_bytes = max_size };
	render(message, context, &writer);
	assert(writer.used_bytes <= max_size); /* MESSAGE_SIZE_MIN is chosen for that */
	return writer.used_bytes;
}

void message_write_cut(const struct message *message, struct text_writer *writer)
{
	bool first = true;
	for (size_t i = 0; i < message->row_count && !message->unlisted; i++) {
		if (!message->went[i])
			continue;
		write_words(writer, first ? "" : ",");
		write_words(writer, message->rows[i].key);
		first = false;
	}
}
