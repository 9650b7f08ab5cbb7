/* Buckets of one cache line each: twelve one-byte tags, twelve slots, and how many records passed
 * this bucket by because it was full.
 *
 *	| tag 0..11 | passed_count | slot 0..11 |	12 + 4 + 48 = 64 bytes
 *
 * A record lives in its home bucket (high half of the hash), or in the next one with room. A
 * search goes on to the next bucket only while passed_count says that somebody did; removing a
 * record takes one off the count of every bucket that it had passed. So removal leaves nothing
 * behind: no tombstones, and a table that has been full is afterwards as fast as a new one (F14,
 * Bronson and Shi, 2019, where the idea is from, has 8-bit counts that stick).
 */
#include "collector/base/table.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "collector/base/pages.h"

enum {
	BUCKET_SLOTS = 12,
	LOADED_SLOTS = 9, /* per bucket when full: 3 % of the records are then not at home */
	TAG_EMPTY = 0,
};

struct bucket {
	alignas(64) uint8_t tags[BUCKET_SLOTS];
	uint32_t passed_count; /* as many as there are records: cannot overflow */
	uint32_t slots[BUCKET_SLOTS];
};

_Static_assert(sizeof(struct bucket) == 64, "one cache line");

struct table {
	struct bucket *buckets;
	uint32_t bucket_count;
	uint32_t capacity;
	uint32_t count;
	table_equal_fn *equal;
	const void *records;
};

struct table *table_open(uint32_t capacity, table_equal_fn *equal, const void *records)
{
	if (capacity == 0 || capacity == TABLE_NONE) {
		errno = EINVAL;
		return NULL;
	}
	struct table *table = calloc(1, sizeof(*table));
	if (!table)
		return NULL;
	table->bucket_count = (capacity - 1) / LOADED_SLOTS + 1;
	table->capacity = capacity;
	table->equal = equal;
	table->records = records;
	table->buckets = pages_open(table_bytes(table) - sizeof(*table));
	if (!table->buckets) {
		free(table);
		return NULL;
	}
	return table;
}

void table_close(struct table *table)
{
	if (!table)
		return;
	pages_close(table->buckets, table_bytes(table) - sizeof(*table));
	free(table);
}

/* High half of the hash, scaled to the number of buckets: no division, any number will do. */
static uint32_t home_of(const struct table *table, uint64_t hash)
{
	return (uint32_t)((hash >> 32) * table->bucket_count >> 32);
}

/* 1..255 from the low half, which the home does not depend on. */
static uint8_t tag_of(uint64_t hash)
{
	return (uint8_t)(1 + ((hash & 0xffff) * 255 >> 16));
}

static uint32_t after(const struct table *table, uint32_t index)
{
	return index + 1 == table->bucket_count ? 0 : index + 1;
}

/* One bit per slot whose tag is this one. */
static uint32_t slots_tagged(const struct bucket *bucket, uint8_t tag)
{
	uint32_t found = 0;
#ifdef __SSE2__
	/* Sixteen bytes are the tags and passed_count, whose four bits are masked off. */
	const __m128i tags = _mm_load_si128((const __m128i *)(const void *)bucket);
	found = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(tags, _mm_set1_epi8((char)tag)));
	found &= (1U << BUCKET_SLOTS) - 1;
#else
	for (uint32_t i = 0; i < BUCKET_SLOTS; i++)
		found |= (uint32_t)(bucket->tags[i] == tag) << i;
#endif
	return found;
}

uint32_t table_find(const struct table *table, uint64_t hash, const void *key)
{
	const uint8_t tag = tag_of(hash);
	uint32_t index = home_of(table, hash);
	for (uint32_t looked = 0; looked < table->bucket_count; looked++) {
		const struct bucket *bucket = &table->buckets[index];
		for (uint32_t left = slots_tagged(bucket, tag); left; left &= left - 1) {
			const uint32_t slot = bucket->slots[__builtin_ctz(left)];
			if (table->equal(table->records, slot, key))
				return slot;
		}
		if (bucket->passed_count == 0)
			break;
		index = after(table, index);
	}
	return TABLE_NONE;
}

void table_prefetch(const struct table *table, uint64_t hash)
{
	__builtin_prefetch(&table->buckets[home_of(table, hash)]);
}

uint32_t table_candidate(const struct table *table, uint64_t hash)
{
	const struct bucket *bucket = &table->buckets[home_of(table, hash)];
	const uint32_t found = slots_tagged(bucket, tag_of(hash));
	return found ? bucket->slots[__builtin_ctz(found)] : TABLE_NONE;
}

bool table_insert(struct table *table, uint64_t hash, uint32_t slot)
{
	if (table->count == table->capacity)
		return false;
	uint32_t index = home_of(table, hash);
	uint32_t empty;
	/* Ends: there are fewer records than slots. */
	while (!(empty = slots_tagged(&table->buckets[index], TAG_EMPTY))) {
		table->buckets[index].passed_count++;
		index = after(table, index);
	}
	struct bucket *bucket = &table->buckets[index];
	const int place = __builtin_ctz(empty);
	bucket->tags[place] = tag_of(hash);
	bucket->slots[place] = slot;
	table->count++;
	return true;
}

/* Where in the bucket this very slot is, or -1. */
static int place_of(const struct bucket *bucket, uint8_t tag, uint32_t slot)
{
	for (uint32_t left = slots_tagged(bucket, tag); left; left &= left - 1) {
		const int place = __builtin_ctz(left);
		if (bucket->slots[place] == slot)
			return place;
	}
	return -1;
}

bool table_remove(struct table *table, uint64_t hash, uint32_t slot)
{
	const uint8_t tag = tag_of(hash);
	const uint32_t home = home_of(table, hash);
	uint32_t index = home;
	for (uint32_t looked = 0; looked < table->bucket_count; looked++) {
		struct bucket *bucket = &table->buckets[index];
		const int place = place_of(bucket, tag, slot);
		if (place >= 0) {
			bucket->tags[place] = TAG_EMPTY;
			for (uint32_t passed = home; passed != index; passed = after(table, passed))
				table->buckets[passed].passed_count--;
			table->count--;
			return true;
		}
		if (bucket->passed_count == 0)
			return false;
		index = after(table, index);
	}
	return false;
}

uint32_t table_count(const struct table *table)
{
	return table->count;
}

size_t table_bytes(const struct table *table)
{
	return sizeof(*table) + (size_t)table->bucket_count * sizeof(struct bucket);
}
