/* What the base structures cost, as tables on stdout. Each row runs for a fraction of a second; the
 * best of a few runs counts, because the machine is shared. */
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "collector/base/cidr.h"
#include "collector/base/hash.h"
#include "collector/base/ring.h"
#include "collector/base/table.h"
#include "collector/base/timer.h"
#include "tests/support_random.h"

enum { RUNS = 3, BATCH = 32 };

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Calls `run` a few times; the best time for each of its operations. */
static double best_ns(uint64_t (*run)(void *), void *context, double operations)
{
	uint64_t best = UINT64_MAX;
	for (int i = 0; i < RUNS; i++) {
		const uint64_t took = run(context);
		if (took < best)
			best = took;
	}
	return (double)best / operations;
}

static void *need(void *pointer)
{
	if (!pointer) {
		perror("bench");
		exit(1);
	}
	return pointer;
}

static volatile uint64_t sink; /* keeps results alive */

/* --- table ------------------------------------------------------------------------------------ */

enum { RECORDS = 1 << 20, LOOKUPS = 1 << 20 };

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

static uint64_t find_one_by_one(void *context)
{
	struct table_bench *bench = context;
	uint64_t sum = 0;
	const uint64_t start = now_ns();
	for (uint32_t i = 0; i < LOOKUPS; i++)
		sum += table_find(bench->table, hash_key(&bench->seed, bench->keys[i]),
				  bench->keys[i]);
	sink = sum;
	return now_ns() - start;
}

static uint64_t find_in_batches(void *context)
{
	struct table_bench *bench = context;
	uint64_t sum = 0;
	const uint64_t start = now_ns();
	for (uint32_t i = 0; i < LOOKUPS; i += BATCH) {
		uint64_t hashes[BATCH];
		for (uint32_t j = 0; j < BATCH; j++) {
			hashes[j] = hash_key(&bench->seed, bench->keys[i + j]);
			table_prefetch(bench->table, hashes[j]);
		}
		for (uint32_t j = 0; j < BATCH; j++) {
			const uint32_t slot = table_candidate(bench->table, hashes[j]);
			if (slot != TABLE_NONE)
				__builtin_prefetch(&bench->records[slot]);
		}
		for (uint32_t j = 0; j < BATCH; j++)
			sum += table_find(bench->table, hashes[j], bench->keys[i + j]);
	}
	sink = sum;
	return now_ns() - start;
}

static void bench_table(struct support_random *random)
{
	struct table_bench bench = { .seed = { { 1, 0x9e3779b97f4a7c15U } } };
	bench.records = need(calloc(RECORDS, sizeof(struct record)));
	bench.keys = need(calloc(LOOKUPS, sizeof(*bench.keys)));
	bench.table = need(table_open(RECORDS, record_equal, bench.records));
	const uint64_t start = now_ns();
	for (uint32_t i = 0; i < RECORDS; i++) {
		bench.records[i].key[0] = support_random_next(random);
		bench.records[i].key[1] = i;
		table_insert(bench.table, hash_key(&bench.seed, bench.records[i].key), i);
	}
	const double insert_ns = (double)(now_ns() - start) / RECORDS;
	printf("table, %d records of 64 bytes with 16-byte keys, %.1f MB (ns each)\n", RECORDS,
	       (double)table_bytes(bench.table) / 1e6);
	printf("  %-28s %8s %8s\n", "", "hit", "miss");
	double figures[2][2];
	for (int miss = 0; miss < 2; miss++) {
		for (uint32_t i = 0; i < LOOKUPS; i++) {
			const uint32_t slot = support_random_below(random, RECORDS);
			memcpy(bench.keys[i], bench.records[slot].key, sizeof(bench.keys[i]));
			bench.keys[i][1] ^= miss ? 1U << 31 : 0;
		}
		figures[0][miss] = best_ns(find_one_by_one, &bench, LOOKUPS);
		figures[1][miss] = best_ns(find_in_batches, &bench, LOOKUPS);
	}
	printf("  %-28s %8.1f %8.1f\n", "one by one", figures[0][0], figures[0][1]);
	printf("  %-28s %8.1f %8.1f\n", "batches of 32, prefetched", figures[1][0], figures[1][1]);
	printf("  %-28s %8.1f\n\n", "insert", insert_ns);
	table_close(bench.table);
	free(bench.keys);
	free(bench.records);
}

/* --- cidr ------------------------------------------------------------------------------------- */

enum { ADDRESSES = 1 << 20 };

struct cidr_bench {
	struct cidr_set *set;
	struct ip_address *addresses;
	uint32_t *values;
};

static uint64_t find_addresses(void *context)
{
	struct cidr_bench *bench = context;
	const uint64_t start = now_ns();
	for (uint32_t i = 0; i < ADDRESSES; i += BATCH)
		cidr_set_find_batch(bench->set, bench->addresses + i, BATCH, bench->values + i);
	return now_ns() - start;
}

/* Each address depends on the answer for the one before it. */
static uint64_t find_dependent(void *context)
{
	struct cidr_bench *bench = context;
	uint32_t last = 0;
	const uint64_t start = now_ns();
	for (uint32_t i = 0; i < ADDRESSES; i++) {
		const uint32_t index = (i + (last & 1)) & (ADDRESSES - 1);
		last = cidr_set_find(bench->set, &bench->addresses[index]);
	}
	sink = last;
	return now_ns() - start;
}

/* Lengths roughly as in a backbone's routing table: most are /24 (IPv6: /48), the
 * rest around it. */
static struct ip_prefix random_prefix(struct support_random *random, bool v6)
{
	struct ip_prefix prefix;
	for (int i = 0; i < 16; i++)
		prefix.address.bytes[i] = (uint8_t)support_random_next(random);
	const uint32_t dice = support_random_below(random, 100);
	if (v6) {
		prefix.address.bytes[0] = 0x20 | (prefix.address.bytes[0] & 0x0f);
		prefix.bits = (uint8_t)(dice < 45   ? 48
					: dice < 65 ? 32
						    : 29 + support_random_below(random, 36));
		return prefix;
	}
	prefix.address = ip_address_from_v4(prefix.address.bytes);
	prefix.bits = (uint8_t)(96 + (dice < 60 ? 24 : 12 + support_random_below(random, 14)));
	return prefix;
}

static void bench_cidr_of(struct support_random *random, size_t networks, bool v6)
{
	struct cidr_entry *entries = need(malloc(networks * sizeof(entries[0])));
	for (size_t i = 0; i < networks; i++)
		entries[i] = (struct cidr_entry){ random_prefix(random, v6), (uint32_t)i };
	struct cidr_bench bench;
	const uint64_t start = now_ns();
	bench.set = need(cidr_set_open(entries, networks));
	const double build_ms = (double)(now_ns() - start) / 1e6;
	bench.addresses = need(malloc(ADDRESSES * sizeof(bench.addresses[0])));
	bench.values = need(malloc(ADDRESSES * sizeof(bench.values[0])));
	size_t hits = 0;
	for (uint32_t i = 0; i < ADDRESSES; i++) {
		/* Half are random, half are in one of the networks. */
		struct ip_prefix made = random_prefix(random, v6);
		const struct ip_prefix *prefix =
			&entries[support_random_below(random, (uint32_t)networks)].prefix;
		for (unsigned bit = 0; i % 2 && bit < prefix->bits; bit++) {
			const uint8_t mask = (uint8_t)(0x80U >> bit % 8);
			made.address.bytes[bit / 8] =
				(uint8_t)((made.address.bytes[bit / 8] & ~mask) |
					  (prefix->address.bytes[bit / 8] & mask));
		}
		bench.addresses[i] = made.address;
	}
	const double batch_ns = best_ns(find_addresses, &bench, ADDRESSES);
	for (uint32_t i = 0; i < ADDRESSES; i++)
		hits += bench.values[i] != CIDR_NONE;
	printf("  %-5s %9zu %8.2f %8.1f %9.2f %9.1f %5zu%%\n", v6 ? "IPv6" : "IPv4", networks,
	       batch_ns, best_ns(find_dependent, &bench, ADDRESSES),
	       (double)cidr_set_bytes(bench.set) / 1e6, build_ms, hits * 100 / ADDRESSES);
	cidr_set_close(bench.set);
	free(bench.addresses);
	free(bench.values);
	free(entries);
}

static void bench_cidr(struct support_random *random)
{
	static const size_t sizes[] = { 3, 10, 16, 100, 1000, 10000, 100000, 1000000 };
	printf("longest-prefix match (ns each; one: each lookup waits for the one before it)\n");
	printf("  %-5s %9s %8s %8s %9s %9s %6s\n", "", "networks", "batch 32", "one", "MB",
	       "build ms", "hits");
	for (int v6 = 0; v6 < 2; v6++) {
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			bench_cidr_of(random, sizes[i], v6);
	}
	printf("\n");
}

/* --- ring ------------------------------------------------------------------------------------- */

enum { MESSAGES = 1 << 21, MESSAGE_BYTES = 56 /* and 8 of header: one line */ };

struct ring_bench {
	struct ring *ring;
	size_t ring_bytes;
	uint32_t batch;
	bool naps; /* when there is nothing to do; else it spins */
};

static void idle(const struct ring_bench *bench)
{
	if (bench->naps)
		ring_nap();
}

static void pin_to(size_t cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void *produce(void *argument)
{
	const struct ring_bench *bench = argument;
	pin_to(1);
	for (uint32_t i = 0; i < MESSAGES; i++) {
		uint64_t *message;
		while (!(message = ring_reserve(bench->ring, MESSAGE_BYTES))) {
			ring_commit(bench->ring);
			idle(bench);
		}
		for (int word = 0; word < MESSAGE_BYTES / 8; word++)
			message[word] = i;
		if (i % bench->batch == bench->batch - 1)
			ring_commit(bench->ring);
	}
	ring_finish(bench->ring);
	return NULL;
}

static uint64_t pass_messages(void *context)
{
	struct ring_bench *bench = context;
	bench->ring = need(ring_open(bench->ring_bytes));
	pthread_t producer;
	const uint64_t start = now_ns();
	pthread_create(&producer, NULL, produce, bench);
	uint64_t sum = 0;
	uint32_t held = 0;
	while (!ring_drained(bench->ring)) {
		size_t size;
		const uint64_t *message = ring_next(bench->ring, &size);
		if (message)
			sum += message[6];
		if (message ? ++held == bench->batch : held > 0) {
			ring_release(bench->ring);
			held = 0;
		} else if (!message) {
			idle(bench);
		}
	}
	const uint64_t took = now_ns() - start;
	pthread_join(producer, NULL);
	ring_close(bench->ring);
	sink = sum;
	return took;
}

enum { TRIPS = 200000 };

static _Alignas(64) _Atomic uint32_t ball;

static void *return_ball(void *argument)
{
	pin_to(1);
	for (uint32_t i = 0; i < TRIPS; i++) {
		while (atomic_load_explicit(&ball, memory_order_acquire) != 2 * i + 1)
			;
		atomic_store_explicit(&ball, 2 * i + 2, memory_order_release);
	}
	return argument;
}

/* A word to the other core and back: what any exchange between the two costs at least. */
static double round_trip_ns(void)
{
	pthread_t other;
	atomic_store(&ball, 0);
	pthread_create(&other, NULL, return_ball, NULL);
	const uint64_t start = now_ns();
	for (uint32_t i = 0; i < TRIPS; i++) {
		atomic_store_explicit(&ball, 2 * i + 1, memory_order_release);
		while (atomic_load_explicit(&ball, memory_order_acquire) != 2 * i + 2)
			;
	}
	const double took = (double)(now_ns() - start) / TRIPS;
	pthread_join(other, NULL);
	return took;
}

static void bench_ring(void)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		printf("ring: needs two CPUs\n\n");
		return;
	}
	pin_to(0);
	printf("ring, messages of 64 bytes with their header, two cores (ns a message)\n");
	printf("  %-8s %22s %22s %14s\n", "batch", "1024 messages, spins", "65536 messages, naps",
	       "round trip");
	for (uint32_t batch = 1; batch <= 32; batch = batch == 1 ? 8 : batch * 4) {
		struct ring_bench spins = { .batch = batch, .ring_bytes = 1UL << 16 };
		struct ring_bench naps = { .batch = batch, .ring_bytes = 1UL << 22, .naps = true };
		const double trip_ns = round_trip_ns();
		const double spins_ns = best_ns(pass_messages, &spins, MESSAGES);
		printf("  %-8u %22.1f %22.1f %14.0f\n", batch, spins_ns,
		       best_ns(pass_messages, &naps, MESSAGES), trip_ns);
	}
	printf("\n");
}

/* --- timer ------------------------------------------------------------------------------------ */

enum { TIMERS = 1 << 20, TICK_NS = 100 * 1000 * 1000 };

static void bench_timer(struct support_random *random)
{
	struct timer_wheel *wheel = need(timer_wheel_open(TIMERS, TICK_NS, 0));
	const uint64_t minute_ns = 60000000000U;
	uint32_t *order = need(malloc(TIMERS * sizeof(order[0])));
	for (uint32_t i = 0; i < TIMERS; i++)
		order[i] = support_random_below(random, TIMERS);
	uint64_t start = now_ns();
	for (uint32_t i = 0; i < TIMERS; i++)
		timer_wheel_set(wheel, i, minute_ns + i * 60000ULL);
	const double set_ns = (double)(now_ns() - start) / TIMERS;
	start = now_ns();
	for (uint32_t i = 0; i < TIMERS; i++)
		timer_wheel_set(wheel, order[i], minute_ns + i * 60000ULL);
	const double move_ns = (double)(now_ns() - start) / TIMERS;
	uint64_t fired = 0;
	uint64_t longest = 0;
	start = now_ns();
	for (uint64_t at_ns = 0; at_ns < 3 * minute_ns; at_ns += TICK_NS / 4) {
		size_t got;
		do {
			uint32_t due[BATCH];
			const uint64_t before = now_ns();
			got = timer_wheel_advance(wheel, at_ns, due, BATCH);
			const uint64_t took = now_ns() - before;
			longest = took > longest ? took : longest;
			fired += got;
		} while (got == BATCH || timer_wheel_behind(wheel));
	}
	const double fire_ns = (double)(now_ns() - start) / (double)fired;
	printf("timer wheel, %d timers, ticks of 100 ms, %.1f MB (ns each)\n", TIMERS,
	       (double)timer_wheel_bytes(wheel) / 1e6);
	printf("  set %.1f, move a random one %.1f, fire %.1f; longest call %.0f us\n", set_ns,
	       move_ns, fire_ns, (double)longest / 1000);
	timer_wheel_close(wheel);
	free(order);
}

int main(void)
{
	struct support_random random = support_random_open();
	bench_table(&random);
	bench_cidr(&random);
	bench_ring();
	bench_timer(&random);
	return 0;
}
