/* block_pool.h: blocks of any size out of one fixed piece of memory. Never asks the system again.
 *
 * A buddy system that gives back what it rounded up: a block costs its size to the next 64 bytes,
 * taking and giving are a handful of steps each, and neighbours that are free become one.
 *
 * One owner thread.
 */
#pragma once

#include <stddef.h>

struct block_pool;

enum { BLOCK_POOL_UNIT = 64 }; /* bytes; also the alignment */

/* `size_bytes` in all, rounded down to whole units. NULL with errno; the caller closes. */
struct block_pool *block_pool_open(size_t size_bytes);
void block_pool_close(struct block_pool *pool);

/* NULL: no room in one piece. */
void *block_pool_take(struct block_pool *pool, size_t size_bytes);

/* With the size that it was taken with. */
void block_pool_give(struct block_pool *pool, void *block, size_t size_bytes);

/* What is taken now, and what the pool costs in all. */
size_t block_pool_used_bytes(const struct block_pool *pool);
size_t block_pool_bytes(const struct block_pool *pool);
