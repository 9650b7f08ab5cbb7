/* table.h: a hash table of fixed size for records that live elsewhere: 64-bit hash -> 32-bit slot
 * number.
 *
 * It never grows, allocates or moves records: a full table refuses, and the caller counts. The
 * caller keeps the records in an array of its own, tells equal keys apart, and gets batched lookups
 * that prefetch, which is where the speed is (PERF.md: one by one 48 ns, in batches of 32 24 ns at
 * a million).
 *
 * One owner thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table;

enum { TABLE_NONE = UINT32_MAX };

/* Is the record in `slot` the one with this key? */
typedef bool table_equal_fn(const void *records, uint32_t slot, const void *key);

/* Room for `capacity` slots. `records` is handed to `equal` untouched. NULL with errno. */
struct table *table_open(uint32_t capacity, table_equal_fn *equal, const void *records);
void table_close(struct table *table);

/* The slot stored under this hash whose record equals the key, or TABLE_NONE. */
uint32_t table_find(const struct table *table, uint64_t hash, const void *key);

/* Starts loading the lines that table_find(hash) will read. Two passes over a batch: prefetch all,
 * find all. */
void table_prefetch(const struct table *table, uint64_t hash);

/* The slot that table_find will most likely compare first, or TABLE_NONE. For a pass between the
 * two, which prefetches the records themselves. */
uint32_t table_candidate(const struct table *table, uint64_t hash);

/* Stores a slot under a hash, without looking for an equal one. False: no room. */
bool table_insert(struct table *table, uint64_t hash, uint32_t slot);

/* Removes this very slot under this hash. False: it was not there. */
bool table_remove(struct table *table, uint64_t hash, uint32_t slot);

uint32_t table_count(const struct table *table);
size_t table_bytes(const struct table *table);
