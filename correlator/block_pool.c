/* Free blocks have 2^order units and begin at a multiple of their size; two of them that make up
 * the next larger one (buddies: their numbers differ in one bit) are always joined. A request takes
 * the smallest block that holds it and gives the rest back, as the smaller blocks it consists of:
 *
 *	take 5 units of 8:   [5 taken     ][1][ 2 ]
 *
 * `order_at` says for each unit whether a free block begins there; the links of the free lists are
 * in the free blocks themselves.
 */
#include "correlator/block_pool.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "collector/base/pages.h"

enum { ORDERS = 32, NOT_FREE = 0 };

#define NO_UNIT UINT32_MAX

struct free_block {
	uint32_t next;
	uint32_t previous;
};

struct block_pool {
	unsigned char *bytes;
	uint8_t *order_at; /* 1 + order of the free block that begins at this unit, or NOT_FREE */
	uint32_t unit_count;
	uint32_t used_units;
	uint32_t first_free[ORDERS];
};

static struct free_block *block_at(const struct block_pool *pool, uint32_t unit)
{
	return (struct free_block *)(void *)(pool->bytes + (size_t)unit * BLOCK_POOL_UNIT);
}

static void link_free(struct block_pool *pool, uint32_t unit, unsigned order)
{
	const uint32_t next = pool->first_free[order];
	*block_at(pool, unit) = (struct free_block){ .next = next, .previous = NO_UNIT };
	if (next != NO_UNIT)
		block_at(pool, next)->previous = unit;
	pool->first_free[order] = unit;
	pool->order_at[unit] = (uint8_t)(order + 1);
}

static void unlink_free(struct block_pool *pool, uint32_t unit, unsigned order)
{
	const struct free_block block = *block_at(pool, unit);
	if (block.previous == NO_UNIT)
		pool->first_free[order] = block.next;
	else
		block_at(pool, block.previous)->next = block.next;
	if (block.next != NO_UNIT)
		block_at(pool, block.next)->previous = block.previous;
	pool->order_at[unit] = NOT_FREE;
}

/* Frees one aligned block, joining it with its buddy as long as that is free too. */
static void give_block(struct block_pool *pool, uint32_t unit, unsigned order)
{
	for (; order + 1 < ORDERS; order++) {
		const uint32_t buddy = unit ^ (1U << order);
		if (buddy >= pool->unit_count || pool->order_at[buddy] != order + 1)
			break;
		unlink_free(pool, buddy, order);
		unit &= ~(1U << order);
	}
	link_free(pool, unit, order);
}

static unsigned order_of(uint32_t unit_count) /* the largest block that is not larger */
{
	return 31U - (unsigned)__builtin_clz(unit_count);
}

/* Frees any run of units as the aligned blocks it consists of. */
static void give_units(struct block_pool *pool, uint32_t unit, uint32_t unit_count)
{
	while (unit_count > 0) {
		unsigned order = order_of(unit_count);
		const unsigned aligned = unit ? (unsigned)__builtin_ctz(unit) : ORDERS - 1;
		if (order > aligned)
			order = aligned;
		give_block(pool, unit, order);
		unit += 1U << order;
		unit_count -= 1U << order;
	}
}

struct block_pool *block_pool_open(size_t size_bytes)
{
	const size_t unit_count = size_bytes / BLOCK_POOL_UNIT;
	if (unit_count == 0 || unit_count > INT32_MAX) {
		errno = EINVAL;
		return NULL;
	}
	struct block_pool *pool = calloc(1, sizeof(*pool));
	if (!pool)
		return NULL;
	pool->unit_count = (uint32_t)unit_count;
	pool->bytes = pages_open(unit_count * BLOCK_POOL_UNIT);
	pool->order_at = pages_open(unit_count);
	if (!pool->bytes || !pool->order_at) {
		block_pool_close(pool);
		errno = ENOMEM;
		return NULL;
	}
	for (int i = 0; i < ORDERS; i++)
		pool->first_free[i] = NO_UNIT;
	give_units(pool, 0, pool->unit_count);
	return pool;
}

void block_pool_close(struct block_pool *pool)
{
	if (!pool)
		return;
	pages_close(pool->bytes, (size_t)pool->unit_count * BLOCK_POOL_UNIT);
	pages_close(pool->order_at, pool->unit_count);
	free(pool);
}

static uint32_t units_of(size_t size_bytes)
{
	return (uint32_t)((size_bytes + BLOCK_POOL_UNIT - 1) / BLOCK_POOL_UNIT);
}

void *block_pool_take(struct block_pool *pool, size_t size_bytes)
{
	if (size_bytes == 0 || size_bytes > (size_t)pool->unit_count * BLOCK_POOL_UNIT)
		return NULL;
	const uint32_t wanted = units_of(size_bytes);
	unsigned order = order_of(wanted) + ((wanted & (wanted - 1)) != 0);
	while (order < ORDERS && pool->first_free[order] == NO_UNIT)
		order++;
	if (order == ORDERS)
		return NULL;
	const uint32_t unit = pool->first_free[order];
	unlink_free(pool, unit, order);
	give_units(pool, unit + wanted, (1U << order) - wanted);
	pool->used_units += wanted;
	return block_at(pool, unit);
}

void block_pool_give(struct block_pool *pool, void *block, size_t size_bytes)
{
	const size_t offset_bytes = (size_t)((unsigned char *)block - pool->bytes);
	const uint32_t unit_count = units_of(size_bytes);
	pool->used_units -= unit_count;
	give_units(pool, (uint32_t)(offset_bytes / BLOCK_POOL_UNIT), unit_count);
}

size_t block_pool_used_bytes(const struct block_pool *pool)
{
	return (size_t)pool->used_units * BLOCK_POOL_UNIT;
}

size_t block_pool_bytes(const struct block_pool *pool)
{
	return sizeof(*pool) + (size_t)pool->unit_count * (BLOCK_POOL_UNIT + 1);
}
