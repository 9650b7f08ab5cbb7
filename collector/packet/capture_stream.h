/* capture_stream.h: inflated data, block after block. For capture_source.c only.
 *
 * With a thread, it inflates ahead of the owner; without one, the owner inflates when it asks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct capture_inflate;
struct capture_stream;

enum { CAPTURE_STREAM_HELD_MAX = 2 /* blocks that the owner may hold at once */ };

/* Takes the inflater. In front of each block there is room for `room_bytes` of what came before.
 * NULL with errno. Without a thread to be had it goes on without. */
struct capture_stream *capture_stream_open(struct capture_inflate *inflate, size_t block_bytes,
					   size_t room_bytes, bool threaded);
void capture_stream_close(struct capture_stream *stream);

/* The next block, held until it is released; waits for it. NULL: that was the last one. Never more
 * than CAPTURE_STREAM_HELD_MAX may be held. */
uint8_t *capture_stream_take(struct capture_stream *stream, size_t *out_size_bytes);

/* Gives back all blocks but the newest. */
void capture_stream_release(struct capture_stream *stream);

size_t capture_stream_held(const struct capture_stream *stream);

/* Why it ended early, or NULL. After capture_stream_take returned NULL. */
const char *capture_stream_fault(const struct capture_stream *stream);

uint64_t capture_stream_consumed(const struct capture_stream *stream);
