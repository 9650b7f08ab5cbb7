/* Blocks out of fixed memory, the copies of events in them, and join keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "correlator/block_pool.h"
#include "correlator/event_store.h"
#include "correlator/join_key.h"
#include "tests/support_random.h"

static struct fields *fields;
static struct event_builder *builder;
static struct counters counters;

/* --- blocks ----------------------------------------------------------------------------------- */

struct block {
	unsigned char *bytes;
	size_t size_bytes;
	unsigned char mark;
};

static void check_block(const struct block *block)
{
	for (size_t i = 0; i < block->size_bytes; i++)
		assert_int_equal(block->bytes[i], block->mark);
}

/* Every block is filled with a mark of its own: two that overlap would show. */
static void blocks_keep_to_themselves_and_all_room_comes_back(void **state)
{
	(void)state;
	enum { POOL_BYTES = 37 * 1024 + 64 * 3, BLOCKS = 64, STEPS = 20000 };
	struct support_random random = support_random_open();
	struct block_pool *pool = block_pool_open(POOL_BYTES);
	struct block blocks[BLOCKS] = { 0 };
	size_t refused_count = 0;
	for (uint32_t step = 0; step < STEPS; step++) {
		struct block *block = &blocks[support_random_below(&random, BLOCKS)];
		if (block->bytes) {
			check_block(block);
			block_pool_give(pool, block->bytes, block->size_bytes);
			block->bytes = NULL;
			continue;
		}
		block->size_bytes = 1 + support_random_below(&random, 2000);
		block->bytes = block_pool_take(pool, block->size_bytes);
		refused_count += !block->bytes;
		block->mark = (unsigned char)step;
		if (block->bytes)
			memset(block->bytes, block->mark, block->size_bytes);
	}
	for (size_t i = 0; i < BLOCKS; i++)
		if (blocks[i].bytes)
			block_pool_give(pool, blocks[i].bytes, blocks[i].size_bytes);
	assert_true(refused_count > 0);
	assert_int_equal(block_pool_used_bytes(pool), 0);
	/* all of it is one run again: its largest aligned block can be had */
	void *largest = block_pool_take(pool, (size_t)32 * 1024);
	assert_non_null(largest);
	assert_null(block_pool_take(pool, (size_t)32 * 1024));
	assert_null(block_pool_take(pool, 0));
	assert_null(block_pool_take(pool, SIZE_MAX));
	block_pool_close(pool);
}

/* --- copies of events ------------------------------------------------------------------------- */

static const struct event *make_event(uint64_t identity, size_t text_bytes)
{
	static const char text[512] = { 'x' };
	event_begin(builder);
	event_add_text(builder, FIELD_user_name, text, text_bytes);
	event_header(builder)->identity = identity;
	return event_end(builder);
}

static void copies_are_found_by_identity_and_live_while_held(void **state)
{
	(void)state;
	struct event_store *store = event_store_open(4096, 3, &(struct hash_seed){ { 1, 2 } });
	const uint32_t first = event_store_put(store, make_event(10, 100));
	const uint32_t second = event_store_put(store, make_event(20, 200));
	assert_int_equal(event_store_find(store, 10), first);
	assert_int_equal(event_store_find(store, 20), second);
	assert_int_equal(event_store_find(store, 30), SLOT_NONE);
	assert_int_equal(event_store_oldest(store), first);
	event_store_hold(store, first);
	event_store_unlist(store, first);
	assert_int_equal(event_store_find(store, 10), SLOT_NONE);
	assert_int_equal(event_store_oldest(store), second);
	assert_int_equal(event_store_event(store, first)->identity, 10);
	event_store_release(store, first);
	assert_int_equal(event_store_event(store, first)->identity, 10);
	event_store_release(store, first);
	event_store_release(store, second);
	assert_int_equal(event_store_oldest(store), SLOT_NONE);
	event_store_close(store);
}

static void full_event_store_refuses(void **state)
{
	(void)state;
	struct event_store *store = event_store_open(1024, 8, &(struct hash_seed){ { 1, 2 } });
	uint32_t count = 0;
	while (event_store_put(store, make_event(count + 1, 300)) != SLOT_NONE)
		count++;
	assert_true(count >= 1 && count <= 3);
	event_store_release(store, event_store_oldest(store));
	assert_int_not_equal(event_store_put(store, make_event(99, 300)), SLOT_NONE);
	event_store_close(store);
}

/* --- join keys -------------------------------------------------------------------------------- */

enum value_of_test {
	NOTHING,
	TEXT_1,
	TEXT_A,
	TEXT_LOWER_A,
	INTEGER_1,
	DOUBLE_1,
	DOUBLE_HALF,
	TRUE_,
	ADDRESS,
	TEXT_ADDRESS,
	TWO_TEXTS
};

static const struct event *event_with(enum value_of_test value)
{
	const uint16_t field = FIELD_user_name;
	const struct ip_address address = ip_address_from_v4((const uint8_t[4]){ 10, 0, 0, 1 });
	event_begin(builder);
	switch (value) {
	case NOTHING:
		break;
	case TEXT_1:
		event_add_text(builder, field, "1", 1);
		break;
	case TEXT_A:
		event_add_text(builder, field, "A", 1);
		break;
	case TEXT_LOWER_A:
		event_add_text(builder, field, "a", 1);
		break;
	case INTEGER_1:
		event_add_integer(builder, field, 1);
		break;
	case DOUBLE_1:
		event_add_double(builder, field, 1.0);
		break;
	case DOUBLE_HALF:
		event_add_double(builder, field, 1.5);
		break;
	case TRUE_:
		event_add_boolean(builder, field, true);
		break;
	case ADDRESS:
		event_add_address(builder, field, &address);
		break;
	case TEXT_ADDRESS:
		event_add_text(builder, field, "10.0.0.1", 8);
		break;
	case TWO_TEXTS:
		event_add_text(builder, field, "a", 1);
		event_add_text(builder, field, "A", 1);
		event_add_text(builder, field, "a", 1);
		break;
	}
	return event_end(builder);
}

static void keys_join_by_value_and_type(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum value_of_test left, right;
		bool optional;
		size_t common_count;
	} cases[] = {
		{ "equal text", TEXT_A, TEXT_A, false, 1 },
		{ "text is compared exactly", TEXT_A, TEXT_LOWER_A, false, 0 },
		{ "a number is no text", TEXT_1, INTEGER_1, false, 0 },
		{ "a number is a number", DOUBLE_1, INTEGER_1, false, 1 },
		{ "a fraction is another number", DOUBLE_HALF, INTEGER_1, false, 0 },
		{ "true is not one", TRUE_, INTEGER_1, false, 0 },
		{ "an address is no text", ADDRESS, TEXT_ADDRESS, false, 0 },
		{ "an address is an address", ADDRESS, ADDRESS, false, 1 },
		{ "null takes no part", NOTHING, NOTHING, false, 0 },
		{ "null joins null when optional", NOTHING, NOTHING, true, 1 },
		{ "null joins nothing else", NOTHING, TEXT_A, true, 0 },
		{ "each distinct value is a key", TWO_TEXTS, TWO_TEXTS, false, 2 },
		{ "one of several values is enough", TWO_TEXTS, TEXT_A, false, 1 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct join_key left[JOIN_KEYS_MAX];
		struct join_key right[JOIN_KEYS_MAX];
		const struct rule_key key = { FIELD_user_name, cases[i].optional };
		bool cut = false;
		size_t common_count = 0;
		const size_t left_count =
			join_keys_make(event_with(cases[i].left), &key, 1, left, &cut);
		const struct event *event = event_with(cases[i].right);
		const size_t right_count = join_keys_make(event, &key, 1, right, &cut);
		for (size_t j = 0; j < left_count; j++)
			for (size_t k = 0; k < right_count; k++)
				common_count += join_key_equal(&left[j], &right[k]);
		if (common_count != cases[i].common_count || cut)
			fail_msg("%s: %zu keys in common", cases[i].name, common_count);
		const struct event_value *value;
		for (size_t k = 0; k < right_count; k++)
			assert_true(join_key_values(event, &key, 1, &right[k], &value));
	}
}

static void too_many_combinations_are_cut_and_said(void **state)
{
	(void)state;
	struct join_key keys[JOIN_KEYS_MAX];
	const struct rule_key key_fields[2] = { { FIELD_process_pid, false },
						{ FIELD_process_parent_pid, false } };
	bool cut = false;
	event_begin(builder);
	for (int i = 0; i < 20; i++) {
		event_add_integer(builder, FIELD_process_pid, i);
		event_add_integer(builder, FIELD_process_parent_pid, i);
	}
	assert_int_equal(join_keys_make(event_end(builder), key_fields, 2, keys, &cut),
			 JOIN_KEYS_MAX);
	assert_true(cut);
}

int main(void)
{
	fields = fields_open();
	fields_want_all(fields);
	builder = event_builder_open(fields, &counters);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_keep_to_themselves_and_all_room_comes_back),
		cmocka_unit_test(copies_are_found_by_identity_and_live_while_held),
		cmocka_unit_test(full_event_store_refuses),
		cmocka_unit_test(keys_join_by_value_and_type),
		cmocka_unit_test(too_many_combinations_are_cut_and_said),
	};
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);
	event_builder_close(builder);
	fields_close(fields);
	return failed;
}
