/* A ring whose bytes are mapped twice, one copy behind the other, so that a record that runs past
 * the end of the first goes on in the second and is always contiguous:
 *
 *	| ring | data 0 .. size | data 0 .. size again |
 *
 * A record is its size (8 bytes) and its bytes, rounded up to 8. Positions count bytes since the
 * ring was opened and never wrap (2^64 bytes); position & mask is the place. Always
 *
 *	released <= next <= committed <= reserved <= released + size
 *
 * Every line below has one writer, and what a side publishes is apart from what it scribbles on for
 * every record, so that a line moves between cores once per commit or release and not once per
 * record.
 */
#include "collector/base/ring.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>

enum {
	LINE_BYTES = 64,
	HEADER_BYTES = 8,
	PAGE_BYTES = 4096,
	NAP_NS = 50 * 1000,
};

struct ring {
	/* Written by the producer, read by the consumer. */
	alignas(LINE_BYTES) _Atomic uint64_t committed;
	_Atomic bool finished;

	/* The producer's own. */
	alignas(LINE_BYTES) uint64_t reserved;
	uint64_t released_seen; /* `released` as it was when we last had to look */

	/* Written by the consumer, read by the producer. */
	alignas(LINE_BYTES) _Atomic uint64_t released;

	/* The consumer's own. */
	alignas(LINE_BYTES) uint64_t next;
	uint64_t committed_seen; /* `committed` as it was when we last had to look */

	/* Never written after open. */
	alignas(LINE_BYTES) uint8_t *data;
	uint64_t size_bytes;
};

static_assert(sizeof(struct ring) == 5L * LINE_BYTES, "one line per writer");
static_assert(sizeof(struct ring) <= PAGE_BYTES, "the data starts on the next page");

static uint64_t stride_of(uint64_t size_bytes)
{
	return HEADER_BYTES + ((size_bytes + 7) & ~(uint64_t)7);
}

struct ring *ring_open(size_t size_bytes)
{
	uint64_t rounded = PAGE_BYTES;
	while (rounded < size_bytes && rounded < (uint64_t)1 << 40)
		rounded *= 2;
	if (rounded < size_bytes) {
		errno = ENOMEM;
		return NULL;
	}
	const size_t mapped_bytes = PAGE_BYTES + 2 * rounded;
	uint8_t *const mapped =
		mmap(NULL, mapped_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mapped == MAP_FAILED)
		return NULL;
	uint8_t *const data = mapped + PAGE_BYTES;
	/* An old size of zero maps the same pages again (mremap(2)); the bytes of the reservation
	 * that this replaces were never touched. */
	if (mremap(data, 0, rounded, MREMAP_MAYMOVE | MREMAP_FIXED, data + rounded) == MAP_FAILED) {
		const int error = errno;
		munmap(mapped, mapped_bytes);
		errno = error;
		return NULL;
	}
	struct ring *ring = (struct ring *)(void *)mapped;
	ring->data = data;
	ring->size_bytes = rounded;
	return ring;
}

void ring_close(struct ring *ring)
{
	if (ring)
		munmap(ring, PAGE_BYTES + 2 * ring->size_bytes);
}

size_t ring_record_max(const struct ring *ring)
{
	return ring->size_bytes / 2 - HEADER_BYTES;
}

void *ring_reserve(struct ring *ring, size_t size_bytes)
{
	assert(size_bytes > 0 && size_bytes <= ring_record_max(ring));
	const uint64_t end = ring->reserved + stride_of(size_bytes);
	if (end - ring->released_seen > ring->size_bytes) {
		/* acquire: pairs with ring_release; the consumer has read the bytes that we are
		 * about to overwrite. */
		ring->released_seen = atomic_load_explicit(&ring->released, memory_order_acquire);
		if (end - ring->released_seen > ring->size_bytes)
			return NULL;
	}
	uint64_t *const header =
		(uint64_t *)(void *)(ring->data + (ring->reserved & (ring->size_bytes - 1)));
	*header = size_bytes;
	ring->reserved = end;
	return header + 1;
}

void ring_commit(struct ring *ring)
{
	/* release: pairs with the acquire in has_next; the records' bytes are written before they
	 * are seen. */
	atomic_store_explicit(&ring->committed, ring->reserved, memory_order_release);
}

void ring_finish(struct ring *ring)
{
	ring_commit(ring);
	/* release: pairs with ring_drained; whoever sees the end also sees the last commit. */
	atomic_store_explicit(&ring->finished, true, memory_order_release);
}

static bool has_next(struct ring *ring)
{
	if (ring->next != ring->committed_seen)
		return true;
	/* acquire: pairs with ring_commit; what was written before it is there to be read. */
	ring->committed_seen = atomic_load_explicit(&ring->committed, memory_order_acquire);
	return ring->next != ring->committed_seen;
}

const void *ring_next(struct ring *ring, size_t *out_size_bytes)
{
	if (!has_next(ring))
		return NULL;
	const uint64_t *const header =
		(const uint64_t *)(const void *)(ring->data +
						 (ring->next & (ring->size_bytes - 1)));
	*out_size_bytes = *header;
	ring->next += stride_of(*header);
	return header + 1;
}

void ring_release(struct ring *ring)
{
	/* release: pairs with ring_reserve; our reads are done before the producer, seeing this,
	 * may overwrite what we read. */
	atomic_store_explicit(&ring->released, ring->next, memory_order_release);
}

bool ring_drained(struct ring *ring)
{
	/* acquire: pairs with ring_finish; after it, `committed` is final. */
	return atomic_load_explicit(&ring->finished, memory_order_acquire) && !has_next(ring);
}

void ring_nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, NULL);
}
