/* procspan bench base: what the base structures cost: the hash table one by one and in prefetched
 * batches, and the timer wheel; address sets and the ring in files of their own. */
#include <stdlib.h>
#include <string.h>

#include "collector/base/hash.h"
#include "collector/base/table.h"
#include "collector/base/timer.h"
#include "correlator/bench.h"
#include "correlator/bench_parts.h"

enum { RECORDS = 1 << 20, LOOKUPS = 1 << 20, BATCH = 32 };

/* --- table ---------------------------------------------------------------------------------- */

struct record {
	uint64_t key[2];
	uint64_t payload[6];
};

struct table_bench {
	struct record *records;
	uint64_t (*keys)[2];
	struct table *table;
	struct hash_seed seed;
};

static bool record_equal(const void *records, uint32_t slot, const void *key)
{
	const struct record *all = records;
	return memcmp(all[slot].key, key, sizeof(all[slot].key)) == 0;
}

static uint64_t hash_key(const struct hash_seed *seed, const uint64_t key[2])
{
	return hash_word(seed, hash_word(seed, seed->words[0], key[0]), key[1]);
}

static void find_one_by_one(void *context)
{
	const struct table_bench *self = context;
	uint64_t sum = 0;
	for (uint32_t i = 0; i < LOOKUPS; i++)
		sum += table_find(self->table, hash_key(&self->seed, self->keys[i]), self->keys[i]);
	bench_keep(sum);
}

static void find_in_batches(void *context)
{
	const struct table_bench *self = context;
	uint64_t sum = 0;
	for (uint32_t i = 0; i < LOOKUPS; i += BATCH) {
		uint64_t hashes[BATCH];
		for (uint32_t j = 0; j < BATCH; j++) {
			hashes[j] = hash_key(&self->seed, self->keys[i + j]);
			table_prefetch(self->table, hashes[j]);
		}
		for (uint32_t j = 0; j < BATCH; j++) {
			const uint32_t slot = table_candidate(self->table, hashes[j]);
			if (slot != TABLE_NONE)
				__builtin_prefetch(&self->records[slot]);
		}
		for (uint32_t j = 0; j < BATCH; j++)
			sum += table_find(self->table, hashes[j], self->keys[i + j]);
	}
	bench_keep(sum);
}

static double fill_table(struct table_bench *self, struct bench_random *random)
{
	const uint64_t start_ns = bench_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	for (uint32_t i = 0; i < RECORDS; i++) {
		self->records[i].key[0] = bench_random_next(random);
		self->records[i].key[1] = i;
		table_insert(self->table, hash_key(&self->seed, self->records[i].key), i);
	}
	return (double)(bench_clock_ns(CLOCK_THREAD_CPUTIME_ID) - start_ns) / RECORDS;
}

static void choose_keys(struct table_bench *self, struct bench_random *random, bool miss)
{
	for (uint32_t i = 0; i < LOOKUPS; i++) {
		const uint32_t slot = bench_random_below(random, RECORDS);
		memcpy(self->keys[i], self->records[slot].key, sizeof(self->keys[i]));
		self->keys[i][1] ^= miss ? 1U << 31 : 0;
	}
}

static void table_rows(struct bench *bench, struct table_bench *self, struct bench_random *random)
{
	static const char *const stages[2][2] = {
		{ "one by one, hits", "batches of 32, prefetched, hits" },
		{ "one by one, misses", "batches of 32, prefetched, misses" },
	};
	const struct bench_row insert = { .stage = "insert",
					  .unit = "record",
					  .ns = fill_table(self, random),
					  .memory_bytes =
						  (double)table_bytes(self->table) / RECORDS };
	bench_section(bench, "table", false, "hash table, %d records of 64 bytes, 16-byte keys",
		      RECORDS);
	bench_row(bench, &insert);
	for (int miss = 0; miss < 2; miss++) {
		choose_keys(self, random, miss);
		for (int batch = 0; batch < 2; batch++) {
			const struct bench_row row = {
				.stage = stages[miss][batch],
				.unit = "lookup",
				.ns = bench_best_ns(bench, CLOCK_THREAD_CPUTIME_ID,
						    batch ? find_in_batches : find_one_by_one,
						    self) /
				      LOOKUPS,
			};
			bench_row(bench, &row);
		}
	}
}

static bool bench_table(struct bench *bench)
{
	struct bench_random random = { 1 };
	struct table_bench self = { .seed = { { 1, 0x9e3779b97f4a7c15U } } };
	self.records = calloc(RECORDS, sizeof(*self.records));
	self.keys = calloc(LOOKUPS, sizeof(*self.keys));
	self.table = self.records ? table_open(RECORDS, record_equal, self.records) : NULL;
	const bool good = self.keys && self.table;
	if (good)
		table_rows(bench, &self, &random);
	table_close(self.table);
	free(self.keys);
	free(self.records);
	return good;
}

/* --- timer ---------------------------------------------------------------------------------- */

enum { TIMERS = 1 << 20, TICK_NS = 100 * 1000 * 1000, TIMER_SPREAD_NS = 60000 };

static const uint64_t minute_ns = 60000000000U;

struct timer_bench {
	struct timer_wheel *wheel;
	uint32_t *order;
};

static void set_in_order(void *context)
{
	const struct timer_bench *self = context;
	for (uint32_t i = 0; i < TIMERS; i++)
		timer_wheel_set(self->wheel, i, minute_ns + (uint64_t)i * TIMER_SPREAD_NS);
}

static void move_at_random(void *context)
{
	const struct timer_bench *self = context;
	for (uint32_t i = 0; i < TIMERS; i++)
		timer_wheel_set(self->wheel, self->order[i],
				minute_ns + (uint64_t)i * TIMER_SPREAD_NS);
}

static double fire_all_ns(const struct timer_bench *self)
{
	uint64_t fired = 0;
	const uint64_t start_ns = bench_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	for (uint64_t at_ns = 0; at_ns < 3 * minute_ns; at_ns += TICK_NS / 4) {
		size_t got;
		do {
			uint32_t due[BATCH];
			got = timer_wheel_advance(self->wheel, at_ns, due, BATCH);
			fired += got;
		} while (got == BATCH || timer_wheel_behind(self->wheel));
	}
	const double took = (double)(bench_clock_ns(CLOCK_THREAD_CPUTIME_ID) - start_ns);
	return fired ? took / (double)fired : 0;
}

static bool bench_timers(struct bench *bench)
{
	struct bench_random random = { 2 };
	struct timer_bench self = { .wheel = timer_wheel_open(TIMERS, TICK_NS, 0),
				    .order = calloc(TIMERS, sizeof(*self.order)) };
	const bool good = self.wheel && self.order;
	if (good) {
		for (uint32_t i = 0; i < TIMERS; i++)
			self.order[i] = bench_random_below(&random, TIMERS);
		bench_section(bench, "timers", false, "timer wheel, %d timers, ticks of 100 ms",
			      TIMERS);
		const struct bench_row rows[] = {
			{ "set, in order", "timer",
			  bench_best_ns(bench, CLOCK_THREAD_CPUTIME_ID, set_in_order, &self) /
				  TIMERS,
			  0, (double)timer_wheel_bytes(self.wheel) / TIMERS },
			{ "move, at random", "timer",
			  bench_best_ns(bench, CLOCK_THREAD_CPUTIME_ID, move_at_random, &self) /
				  TIMERS,
			  0, 0 },
			{ "fire", "timer", fire_all_ns(&self), 0, 0 },
		};
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			bench_row(bench, &rows[i]);
	}
	timer_wheel_close(self.wheel);
	free(self.order);
	return good;
}

bool bench_base(struct bench *bench)
{
	return bench_table(bench) && bench_address_sets(bench) && bench_timers(bench) &&
	       bench_ring(bench);
}
