/* ring.h: the only way records cross from one thread to another: single producer, single consumer,
 * lock free, variable-length records, in order.
 *
 * The shape is that of the kernel's BPF ring buffer: the producer reserves bytes in place, fills
 * them, and commits; the consumer sees records in place and releases them. Both sides may batch:
 * many reserves per commit, many nexts per release. The memory is shared and anonymous
 * (MAP_SHARED), so that either side can live in a forked child.
 *
 * Producer calls: ring_reserve, ring_commit, ring_finish. Consumer calls: ring_next, ring_release.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct ring;

/* `size_bytes` is rounded up to a power of two of at least a page. NULL with errno; the caller
 * closes. */
struct ring *ring_open(size_t size_bytes);
void ring_close(struct ring *ring);

/* The largest record that this ring can ever take: half of it, less eight bytes. */
size_t ring_record_max(const struct ring *ring);

/* Room for a record of `size_bytes` (1..ring_record_max), 8-byte aligned, or NULL: full now.
 * Records reserved earlier and not yet committed stay valid. */
void *ring_reserve(struct ring *ring, size_t size_bytes);

/* Publishes every record reserved so far. */
void ring_commit(struct ring *ring);

/* Publishes what was reserved and says that no record will follow. */
void ring_finish(struct ring *ring);

/* The next record, valid until ring_release, or NULL: nothing there now. */
const void *ring_next(struct ring *ring, size_t *out_size_bytes);

/* Hands every record that ring_next returned back to the producer. */
void ring_release(struct ring *ring);

/* True once the producer has finished and every record was returned by ring_next. */
bool ring_drained(struct ring *ring);

/* Nothing to do: sleeps 50 us. Measured: on two shared cores a spinning ring moved 0.4-12 M
 * records/s, one that naps when idle 30-36 M/s. */
void ring_nap(void);
