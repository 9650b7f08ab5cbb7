/* The hash table, against a naive model: an array of (hash, slot) pairs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "collector/base/hard.h"
#include "collector/base/table.h"
#include "tests/support_random.h"

enum { CAPACITY = HARD(500, 4), STEPS = 200000 };

/* slot -> key; the hash follows from the key. */
static uint64_t keys[CAPACITY];

static bool key_equal(const void *records, uint32_t slot, const void *key)
{
	const uint64_t *all = records;
	return memcmp(&all[slot], key, sizeof(uint64_t)) == 0;
}

static void stored_slots_are_found_by_key(void **state)
{
	(void)state;
	struct table *table = table_open(CAPACITY, key_equal, keys);
	for (uint32_t i = 0; i < CAPACITY; i++) {
		keys[i] = i * 7 + 1;
		assert_true(table_insert(table, keys[i] << 40, i));
	}
	assert_int_equal(table_count(table), CAPACITY);
	for (uint32_t i = 0; i < CAPACITY; i++)
		assert_int_equal(table_find(table, keys[i] << 40, &keys[i]), i);
	assert_int_equal(table_find(table, 3ULL << 40, &(uint64_t){ 3 }), TABLE_NONE);
	table_close(table);
	table_close(NULL);
}

static void full_table_refuses(void **state)
{
	(void)state;
	struct table *table = table_open(CAPACITY, key_equal, keys);
	for (uint32_t i = 0; i < CAPACITY; i++)
		assert_true(table_insert(table, i, i));
	assert_false(table_insert(table, 1, 1));
	assert_int_equal(table_count(table), CAPACITY);
	assert_true(table_remove(table, 1, 1));
	assert_true(table_insert(table, 1, 1));
	table_close(table);
	assert_null(table_open(0, key_equal, keys));
}

/* Every record has the same hash: the worst that can happen still ends and still is right. */
static void equal_hashes_only_cost_time(void **state)
{
	(void)state;
	struct table *table = table_open(CAPACITY, key_equal, keys);
	const uint64_t hash = UINT64_MAX; /* the last bucket: passes go round to the first */
	for (uint32_t i = 0; i < CAPACITY; i++) {
		keys[i] = i + 1;
		assert_true(table_insert(table, hash, i));
	}
	assert_int_equal(table_find(table, hash, &(uint64_t){ 0 }), TABLE_NONE);
	for (uint32_t i = 0; i < CAPACITY; i++) {
		assert_int_equal(table_find(table, hash, &keys[i]), i);
		assert_true(table_remove(table, hash, i));
		assert_int_equal(table_find(table, hash, &keys[i]), TABLE_NONE);
		assert_false(table_remove(table, hash, i));
	}
	assert_int_equal(table_count(table), 0);
	table_close(table);
}

/* Few home buckets and few tags, so that records pass each other by all the time. */
static uint64_t crowded_hash(uint64_t key)
{
	const uint64_t mixed = key * 0x9e3779b97f4a7c15U;
	return (mixed >> 61) << 61 | (mixed >> 20 & 3) << 14;
}

struct model {
	bool stored[CAPACITY];
	uint32_t count;
};

static uint32_t model_find(const struct model *model, uint64_t key)
{
	for (uint32_t i = 0; i < CAPACITY; i++) {
		if (model->stored[i] && keys[i] == key)
			return i;
	}
	return TABLE_NONE;
}

static void check_against_model(const struct table *table, const struct model *model, uint64_t key)
{
	table_prefetch(table, crowded_hash(key));
	const uint32_t candidate = table_candidate(table, crowded_hash(key));
	assert_true(candidate == TABLE_NONE || model->stored[candidate]);
	const uint32_t found = table_find(table, crowded_hash(key), &key);
	assert_int_equal(found, model_find(model, key));
}

static void random_operations_agree_with_the_model(void **state)
{
	(void)state;
	struct support_random random = support_random_open();
	struct table *table = table_open(CAPACITY, key_equal, keys);
	struct model model = { 0 };
	for (uint32_t step = 0; step < STEPS; step++) {
		/* Keys repeat: a former key, or a neighbour of it. Long runs fill and empty it. */
		const uint64_t key = 1 + support_random_below(&random, 2 * CAPACITY);
		const bool filling = step / (2 * CAPACITY) % 2 == 0;
		const uint32_t slot = support_random_below(&random, CAPACITY);
		if (model.stored[slot] && !filling) {
			assert_true(table_remove(table, crowded_hash(keys[slot]), slot));
			model.stored[slot] = false;
			model.count--;
		} else if (!model.stored[slot] && filling &&
			   model_find(&model, key) == TABLE_NONE) {
			keys[slot] = key;
			assert_true(table_insert(table, crowded_hash(key), slot));
			model.stored[slot] = true;
			model.count++;
		}
		assert_int_equal(table_count(table), model.count);
		check_against_model(table, &model, key);
	}
	table_close(table);
}

static void memory_is_a_few_bytes_a_slot(void **state)
{
	(void)state;
	struct table *table = table_open(100000, key_equal, keys);
	assert_in_range(table_bytes(table), 100000 * 5, 100000 * 8);
	table_close(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stored_slots_are_found_by_key),
		cmocka_unit_test(full_table_refuses),
		cmocka_unit_test(equal_hashes_only_cost_time),
		cmocka_unit_test(random_operations_agree_with_the_model),
		cmocka_unit_test(memory_is_a_few_bytes_a_slot),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
