/* The ring: order, capacity, batches, wrapping, and two threads under TSan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector/base/ring.h"
#include "tests/support_random.h"

enum { SMALL_RING_BYTES = 4096 };

static void push(struct ring *ring, const void *bytes, size_t size)
{
	void *record = ring_reserve(ring, size);
	assert_non_null(record);
	memcpy(record, bytes, size);
	ring_commit(ring);
}

static void expect(struct ring *ring, const void *bytes, size_t size)
{
	size_t got;
	const void *record = ring_next(ring, &got);
	assert_non_null(record);
	assert_int_equal(got, size);
	assert_memory_equal(record, bytes, size);
}

static void records_come_out_in_order_and_whole(void **state)
{
	(void)state;
	struct ring *ring = ring_open(SMALL_RING_BYTES);
	push(ring, "a", 1);
	push(ring, "12345678", 8);
	push(ring, "123456789", 9);
	expect(ring, "a", 1);
	expect(ring, "12345678", 8);
	expect(ring, "123456789", 9);
	size_t size;
	assert_null(ring_next(ring, &size));
	ring_close(ring);
	ring_close(NULL);
}

static void nothing_is_seen_before_its_commit(void **state)
{
	(void)state;
	struct ring *ring = ring_open(SMALL_RING_BYTES);
	size_t size;
	memcpy(ring_reserve(ring, 3), "one", 3);
	memcpy(ring_reserve(ring, 3), "two", 3);
	assert_null(ring_next(ring, &size));
	ring_commit(ring);
	memcpy(ring_reserve(ring, 5), "three", 5);
	expect(ring, "one", 3);
	expect(ring, "two", 3);
	assert_null(ring_next(ring, &size));
	ring_commit(ring);
	expect(ring, "three", 5);
	ring_close(ring);
}

static void full_ring_refuses_until_records_are_released(void **state)
{
	(void)state;
	struct ring *ring = ring_open(1); /* rounded up to a page */
	const size_t half = ring_record_max(ring);
	assert_int_equal(half, SMALL_RING_BYTES / 2 - 8);
	assert_non_null(ring_reserve(ring, half));
	assert_non_null(ring_reserve(ring, half));
	assert_null(ring_reserve(ring, 1));
	ring_commit(ring);

	size_t size;
	assert_non_null(ring_next(ring, &size));
	assert_null(ring_reserve(ring, 1)); /* returned, but not released */
	ring_release(ring);
	assert_non_null(ring_reserve(ring, half));
	assert_null(ring_reserve(ring, 1));
	ring_close(ring);
}

static void records_are_aligned_and_contiguous_at_every_place(void **state)
{
	(void)state;
	struct ring *ring = ring_open(SMALL_RING_BYTES);
	uint8_t bytes[700];
	for (unsigned i = 0; i < 3000; i++) {
		const size_t size = 1 + i % sizeof(bytes);
		memset(bytes, (int)i, size);
		void *record = ring_reserve(ring, size);
		assert_non_null(record);
		assert_int_equal((uintptr_t)record % 8, 0);
		memcpy(record, bytes, size);
		ring_commit(ring);
		expect(ring, bytes, size);
		ring_release(ring);
	}
	ring_close(ring);
}

static void drained_means_finished_and_empty(void **state)
{
	(void)state;
	struct ring *ring = ring_open(SMALL_RING_BYTES);
	assert_false(ring_drained(ring));
	memcpy(ring_reserve(ring, 4), "last", 4);
	ring_finish(ring); /* publishes what was reserved */
	assert_false(ring_drained(ring));
	expect(ring, "last", 4);
	assert_true(ring_drained(ring));
	ring_close(ring);
}

static void impossible_sizes_are_refused(void **state)
{
	(void)state;
	assert_null(ring_open(SIZE_MAX));
	assert_null(ring_open((size_t)1 << 63));
}

/* --- two sides at once ---------------------------------------------------------------------------
 * Record i is 8..600 bytes: its number, then bytes that follow from it. */

enum { STREAM_RECORDS = 60000, STREAM_RECORD_MAX = 600 };

static size_t size_of_record(uint64_t number)
{
	return 8 + number * 2654435761U % (STREAM_RECORD_MAX - 8);
}

static void *produce(void *argument)
{
	struct ring *ring = argument;
	struct support_random random = { 1 };
	uint32_t batch = 1;
	for (uint64_t i = 0; i < STREAM_RECORDS; i++) {
		const size_t size = size_of_record(i);
		uint8_t *record;
		while (!(record = ring_reserve(ring, size))) {
			ring_commit(ring);
			ring_nap();
		}
		memset(record, (int)(i & 0xff), size);
		memcpy(record, &i, sizeof(i));
		if (--batch == 0) {
			ring_commit(ring);
			batch = 1 + support_random_below(&random, 32);
		}
	}
	ring_finish(ring);
	return NULL;
}

/* Returns how many records came as they should. */
static uint64_t consume(struct ring *ring)
{
	uint64_t right = 0;
	while (!ring_drained(ring)) {
		size_t size;
		const uint8_t *record;
		unsigned got = 0;
		for (; got < 20 && (record = ring_next(ring, &size)); got++) {
			uint64_t number;
			memcpy(&number, record, sizeof(number));
			right += number == right && size == size_of_record(number) &&
				 (size == 8 || record[size - 1] == (number & 0xff));
		}
		ring_release(ring);
		if (got == 0)
			ring_nap();
	}
	return right;
}

static void two_threads_exchange_every_record(void **state)
{
	(void)state;
	struct ring *ring = ring_open(SMALL_RING_BYTES);
	pthread_t producer;
	assert_int_equal(pthread_create(&producer, NULL, produce, ring), 0);
	assert_int_equal(consume(ring), STREAM_RECORDS);
	pthread_join(producer, NULL);
	ring_close(ring);
}

static void a_forked_child_can_be_the_producer(void **state)
{
	(void)state;
	struct ring *ring = ring_open(SMALL_RING_BYTES);
	const pid_t child = fork();
	if (child == 0) {
		produce(ring);
		_exit(0);
	}
	assert_int_equal(consume(ring), STREAM_RECORDS);
	assert_int_equal(waitpid(child, NULL, 0), child);
	ring_close(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_out_in_order_and_whole),
		cmocka_unit_test(nothing_is_seen_before_its_commit),
		cmocka_unit_test(full_ring_refuses_until_records_are_released),
		cmocka_unit_test(records_are_aligned_and_contiguous_at_every_place),
		cmocka_unit_test(drained_means_finished_and_empty),
		cmocka_unit_test(impossible_sizes_are_refused),
		cmocka_unit_test(two_threads_exchange_every_record),
		cmocka_unit_test(a_forked_child_can_be_the_producer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
