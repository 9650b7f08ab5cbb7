/* Four blocks in a circle: two for the owner, two for the inflater. Blocks are counted since the
 * stream was opened; block n is in place n % BLOCKS. Always
 *
 *	oldest <= taken <= filled <= oldest + BLOCKS
 */
#include "collector/packet/capture_stream.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "collector/base/ring.h"
#include "collector/packet/capture_inflate.h"

enum { BLOCKS = 2 * CAPTURE_STREAM_HELD_MAX, LINE_BYTES = 64 };

struct capture_stream {
	/* Written by whoever inflates. */
	alignas(LINE_BYTES) _Atomic uint64_t filled;
	size_t sizes[BLOCKS]; /* a block that is not full is the last one */

	/* Written by the owner. */
	alignas(LINE_BYTES) _Atomic uint64_t oldest;
	_Atomic bool stopping;
	uint64_t taken;

	/* Not written while both run. */
	alignas(LINE_BYTES) struct capture_inflate *inflate;
	uint8_t *memory;
	size_t block_bytes;
	size_t room_bytes;
	pthread_t thread;
	bool threaded;
};

static uint8_t *block_at(const struct capture_stream *stream, uint64_t number)
{
	const size_t stride = stream->room_bytes + stream->block_bytes;
	return stream->memory + number % BLOCKS * stride + stream->room_bytes;
}

/* Inflates block `number`. False: it is the last one. */
static bool fill(struct capture_stream *stream, uint64_t number)
{
	const size_t size = capture_inflate_read(stream->inflate, block_at(stream, number),
						 stream->block_bytes);
	stream->sizes[number % BLOCKS] = size;
	/* release: pairs with wait_for; the block, its size and the inflater's fault are written
	 * before they are seen. */
	atomic_store_explicit(&stream->filled, number + 1, memory_order_release);
	return size == stream->block_bytes;
}

static void *inflate_ahead(void *argument)
{
	struct capture_stream *stream = argument;
	for (uint64_t number = 0;; number++) {
		/* acquire: pairs with capture_stream_release; the owner no longer reads the block
		 * that was here. */
		while (number >=
		       atomic_load_explicit(&stream->oldest, memory_order_acquire) + BLOCKS) {
			/* relaxed: carries no data. */
			if (atomic_load_explicit(&stream->stopping, memory_order_relaxed))
				return NULL;
			ring_nap();
		}
		if (!fill(stream, number))
			return NULL;
	}
}

struct capture_stream *capture_stream_open(struct capture_inflate *inflate, size_t block_bytes,
					   size_t room_bytes, bool threaded)
{
	struct capture_stream *stream = aligned_alloc(LINE_BYTES, sizeof(*stream));
	uint8_t *memory = malloc(BLOCKS * (room_bytes + block_bytes));
	if (!stream || !memory) {
		free(stream);
		free(memory);
		capture_inflate_close(inflate);
		return NULL;
	}
	*stream = (struct capture_stream){
		.inflate = inflate,
		.memory = memory,
		.block_bytes = block_bytes,
		.room_bytes = room_bytes,
	};
	if (threaded)
		stream->threaded =
			pthread_create(&stream->thread, NULL, inflate_ahead, stream) == 0;
	return stream;
}

void capture_stream_close(struct capture_stream *stream)
{
	if (!stream)
		return;
	if (stream->threaded) {
		/* relaxed: carries no data, and joining waits. */
		atomic_store_explicit(&stream->stopping, true, memory_order_relaxed);
		pthread_join(stream->thread, NULL);
	}
	capture_inflate_close(stream->inflate);
	free(stream->memory);
	free(stream);
}

/* Waits until block `number` is there, or makes it so. */
static void wait_for(struct capture_stream *stream, uint64_t number)
{
	/* acquire: pairs with fill. */
	while (number >= atomic_load_explicit(&stream->filled, memory_order_acquire)) {
		if (stream->threaded)
			ring_nap();
		else
			fill(stream, number);
	}
}

uint8_t *capture_stream_take(struct capture_stream *stream, size_t *out_size_bytes)
{
	const uint64_t number = stream->taken;
	if (number > 0 && stream->sizes[(number - 1) % BLOCKS] < stream->block_bytes)
		return NULL;
	wait_for(stream, number);
	stream->taken++;
	*out_size_bytes = stream->sizes[number % BLOCKS];
	return block_at(stream, number);
}

void capture_stream_release(struct capture_stream *stream)
{
	if (stream->taken == 0)
		return;
	/* release: pairs with inflate_ahead; we have read what was in the older blocks. */
	atomic_store_explicit(&stream->oldest, stream->taken - 1, memory_order_release);
}

size_t capture_stream_held(const struct capture_stream *stream)
{
	/* relaxed: we are the one who writes it. */
	return (size_t)(stream->taken -
			atomic_load_explicit(&stream->oldest, memory_order_relaxed));
}

const char *capture_stream_fault(const struct capture_stream *stream)
{
	return capture_inflate_fault(stream->inflate);
}

uint64_t capture_stream_consumed(const struct capture_stream *stream)
{
	return capture_inflate_consumed(stream->inflate);
}
