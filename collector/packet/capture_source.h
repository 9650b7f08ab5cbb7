/* capture_source.h: a capture file as a window of contiguous bytes that moves over it. For the
 * capture_*.c family only.
 *
 * A plain file is mapped. A compressed one, or a pipe, is inflated into a few blocks, by a thread
 * of its own when there is one to spare. What the window showed since capture_source_begin stays
 * valid until the next capture_source_begin; where that would need too many blocks at once, the
 * source says CAPTURE_LATER.
 *
 * The struct is visible because a walk asks for bytes twice per packet. One owner thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/complaint.h"
#include "collector/base/hard.h"

enum {
	/* The longest piece of a file that is looked at in one piece; also libpcap's longest
	   packet. */
	CAPTURE_PIECE_MAX = 256 * 1024 + 64,
	CAPTURE_BLOCK_BYTES = HARD(1 << 20, 4096),
	CAPTURE_BLOCK_SMALL_BYTES = HARD(32 << 10, 4096), /* to look at a file's first packet */
};

enum capture_got {
	CAPTURE_GOT,
	CAPTURE_LATER, /* ask again after capture_source_begin */
	CAPTURE_ENDED,
};

struct capture_source {
	const uint8_t *at; /* the window; the reader moves `at` */
	const uint8_t *end;
	const uint8_t *ahead; /* up to here memory was asked for in time */
	uint64_t end_offset;  /* of `end` in the file, or in the inflated data */
	uint64_t skip_bytes;  /* the reader wants to go on that far behind `end` */
	bool pinned;	      /* a packet was handed out since capture_source_begin */
	bool inflated;
	bool can_reopen;     /* not a pipe */
	uint64_t size_bytes; /* of the file; 0 for a pipe */
	const uint8_t *mapped;
	size_t dropped_bytes; /* of the mapping, already given back */
	struct capture_stream *stream;
	const char *fault; /* why there is nothing more, when that is not simply the end */
};

enum capture_source_use {
	CAPTURE_PEEK, /* small blocks, no thread */
	CAPTURE_READ,
	CAPTURE_READ_THREADED,
};

/* False, with a complaint: missing, unreadable, a directory. The caller closes. */
bool capture_source_open(struct capture_source *out_source, const char *path,
			 enum capture_source_use use, struct complaint *complaint);
void capture_source_close(struct capture_source *source);

/* Everything shown so far but the window itself may go away. */
void capture_source_begin(struct capture_source *source);

/* Moves the window on until it shows `size_bytes` (up to CAPTURE_PIECE_MAX) from `at`. */
enum capture_got capture_source_more(struct capture_source *source, size_t size_bytes);

static inline size_t capture_source_left(const struct capture_source *source)
{
	return (size_t)(source->end - source->at);
}

/* CAPTURE_GOT: at least `size_bytes` (at least one) can be read at `at`. */
static inline enum capture_got capture_source_need(struct capture_source *source, size_t size_bytes)
{
	if (__builtin_expect(size_bytes <= capture_source_left(source), 1))
		return CAPTURE_GOT;
	return capture_source_more(source, size_bytes);
}

/* Goes on behind the next `size_bytes`, however many; the next need tells if they were there. */
static inline void capture_source_skip(struct capture_source *source, uint64_t size_bytes)
{
	const size_t left = capture_source_left(source);
	if (size_bytes > left) {
		source->skip_bytes += size_bytes - left;
		size_bytes = left;
	}
	source->at += size_bytes;
}

enum { CAPTURE_AHEAD_BYTES = 4096, CAPTURE_LINE_BYTES = 64 };

/* To be called once per packet. Where the next record is follows from the length of this one, so a
 * plain walk waits for memory at every step; asking for every line a page ahead makes it ten times
 * as fast (mixed sizes, huge pages: 9.2 -> 96.8 million records a second, the speed of the memory).
 */
static inline void capture_source_prefetch(struct capture_source *source)
{
	const uint8_t *const until = source->at + CAPTURE_AHEAD_BYTES;
	for (; source->ahead < until; source->ahead += CAPTURE_LINE_BYTES)
		__builtin_prefetch(source->ahead);
}

static inline uint64_t capture_source_offset(const struct capture_source *source)
{
	return source->end_offset - capture_source_left(source) + source->skip_bytes;
}

/* Bytes of the file that were read. */
uint64_t capture_source_consumed(const struct capture_source *source);
