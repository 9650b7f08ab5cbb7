/* The small parts of base: addresses, arenas, cursors, hashes, counters, complaints, pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/address.h"
#include "collector/base/arena.h"
#include "collector/base/complaint.h"
#include "collector/base/counter.h"
#include "collector/base/cursor.h"
#include "collector/base/hash.h"
#include "collector/base/pages.h"

/* --- address ---------------------------------------------------------------------------------- */

static void addresses_are_read_and_written_in_one_form(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *written; /* NULL = refused */
	} cases[] = {
		{ "10.0.0.1", "10.0.0.1" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "::ffff:10.0.0.1", "10.0.0.1" },
		{ "::ffff:a00:1", "10.0.0.1" },
		{ "2001:DB8:0:0:0:0:0:1", "2001:db8::1" },
		{ "::", "::" },
		{ "::1", "::1" },
		{ "fe80::1%12", "fe80::1" },
		{ "fe80::1%", "fe80::1" },
		{ "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8" },
		{ "", NULL },
		{ "%eth0", NULL },
		{ "10.0.0", NULL },
		{ "10.0.0.256", NULL },
		{ "10.0.0.1 ", NULL },
		{ " 10.0.0.1", NULL },
		{ "10.0.0.1/32", NULL },
		{ "1:2:3:4:5:6:7:8:9", NULL },
		{ "::g", NULL },
		{ "localhost", NULL },
		{ "1111:2222:3333:4444:5555:6666:7777:8888:9999:0000", NULL },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const size_t size = strlen(cases[i].text);
		char *exact = malloc(size + 1); /* not terminated */
		memcpy(exact, cases[i].text, size);
		struct ip_address address;
		const bool read = ip_address_parse(exact, size, &address);
		char text[IP_ADDRESS_TEXT_MAX] = "";
		const size_t written = read ? ip_address_format(&address, text) : 0;
		assert_int_equal(written, strlen(text));
		if (read != (cases[i].written != NULL) ||
		    (read && strcmp(text, cases[i].written) != 0))
			fail_msg("%s: %s", cases[i].text, text);
		free(exact);
	}
	struct ip_address address;
	assert_false(ip_address_parse("10.0\0.0.1", 9, &address));
}

static void prefixes_are_read_and_their_host_bits_cleared(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *address; /* NULL = refused */
		unsigned bits;
	} cases[] = {
		{ "10.1.2.3/8", "10.0.0.0", 104 },
		{ "10.1.2.3/0", "0.0.0.0", 96 },
		{ "10.1.2.3", "10.1.2.3", 128 },
		{ "10.1.2.255/31", "10.1.2.254", 127 },
		{ "2001:db8:ffff::/33", "2001:db8:8000::", 33 },
		{ "::/0", "::", 0 },
		{ "::1", "::1", 128 },
		{ "::ffff:10.0.0.0/104", "10.0.0.0", 104 },
		{ "10.0.0.0/33", NULL, 0 },
		{ "::/129", NULL, 0 },
		{ "10.0.0.0/", NULL, 0 },
		{ "10.0.0.0/-1", NULL, 0 },
		{ "10.0.0.0/8 ", NULL, 0 },
		{ "10.0.0.0/0008", NULL, 0 },
		{ "10.0.0.0/8/8", NULL, 0 },
		{ "/8", NULL, 0 },
		{ "", NULL, 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ip_prefix prefix;
		const bool read = ip_prefix_parse(cases[i].text, strlen(cases[i].text), &prefix);
		char text[IP_ADDRESS_TEXT_MAX] = "";
		if (read)
			ip_address_format(&prefix.address, text);
		if (read != (cases[i].address != NULL) ||
		    (read && (strcmp(text, cases[i].address) != 0 || prefix.bits != cases[i].bits)))
			fail_msg("%s: %s/%u", cases[i].text, text, read ? prefix.bits : 0U);
	}
}

static void a_prefix_holds_only_addresses_of_its_family(void **state)
{
	(void)state;
	static const struct {
		const char *prefix;
		const char *address;
		bool held;
	} cases[] = {
		{ "10.0.0.0/8", "10.255.0.1", true },
		{ "10.0.0.0/8", "11.0.0.0", false },
		{ "0.0.0.0/0", "1.2.3.4", true },
		{ "0.0.0.0/0", "::1", false },
		{ "::/0", "::1", true },
		{ "::/0", "1.2.3.4", false },
		{ "::1", "::1", true },
		{ "::1", "::2", false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ip_prefix prefix;
		struct ip_address address;
		assert_true(ip_prefix_parse(cases[i].prefix, strlen(cases[i].prefix), &prefix));
		assert_true(ip_address_parse(cases[i].address, strlen(cases[i].address), &address));
		if (ip_prefix_contains(&prefix, &address) != cases[i].held)
			fail_msg("%s in %s", cases[i].address, cases[i].prefix);
	}
}

/* --- arena ------------------------------------------------------------------------------------ */

static void an_arena_gives_zeroed_aligned_memory_up_to_its_limit(void **state)
{
	(void)state;
	struct arena *arena = arena_open(1 << 20);
	size_t taken = 0;
	for (size_t size = 1; size < 100000; size = size * 3 + 1) {
		unsigned char *bytes = arena_take(arena, size);
		assert_non_null(bytes);
		assert_int_equal((uintptr_t)bytes % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(bytes[i], 0);
		memset(bytes, 0xff, size);
		taken += size;
	}
	assert_int_equal(arena_used_bytes(arena), taken);
	assert_null(arena_take(arena, 1 << 20));
	assert_null(arena_take(arena, SIZE_MAX));
	assert_string_equal(arena_copy_text(arena, "abcdef", 3), "abc");
	arena_close(arena);
	arena_close(NULL);
	arena = arena_open(0);
	assert_null(arena_take(arena, SIZE_MAX));
	assert_non_null(arena_take(arena, 10 << 20));
	arena_close(arena);
}

/* --- cursor ----------------------------------------------------------------------------------- */

static void a_cursor_reads_zero_behind_the_end_and_stays_truncated(void **state)
{
	(void)state;
	static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
	struct cursor cursor = cursor_over(bytes, sizeof(bytes));
	assert_int_equal(cursor_u8(&cursor), 1);
	assert_int_equal(cursor_be16(&cursor), 0x0203);
	assert_int_equal(cursor_le16(&cursor), 0x0504);
	assert_int_equal(cursor_be24(&cursor), 0x060708);
	assert_int_equal(cursor_le32(&cursor), 0x0c0b0a09);
	assert_int_equal(cursor_left(&cursor), 3);
	assert_non_null(cursor_peek(&cursor, 3));
	assert_null(cursor_peek(&cursor, 4));
	assert_false(cursor.truncated);
	assert_int_equal(cursor_be32(&cursor), 0);
	assert_true(cursor.truncated);
	assert_int_equal(cursor_left(&cursor), 0);
	assert_int_equal(cursor_u8(&cursor), 0); /* although one would have fitted before */
	assert_null(cursor_take(&cursor, 0));
}

static void a_cursor_can_be_narrowed_and_split(void **state)
{
	(void)state;
	static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
	struct cursor cursor = cursor_over(bytes, sizeof(bytes));
	cursor_limit(&cursor, 100);
	assert_int_equal(cursor_left(&cursor), 10);
	cursor_limit(&cursor, 9);
	struct cursor part = cursor_split(&cursor, 8);
	assert_int_equal(cursor_be64(&part), 0x0102030405060708);
	assert_int_equal(cursor_left(&part), 0);
	assert_int_equal(cursor_left(&cursor), 1);
	part = cursor_split(&cursor, 2);
	assert_true(part.truncated);
	assert_true(cursor.truncated);
	part = cursor_over(bytes, 8);
	assert_true(cursor_le64(&part) == 0x0807060504030201);
}

/* --- hash ------------------------------------------------------------------------------------- */

/* SipHash-1-3 of the bytes 0, 1, 2, ... under the key 00 01 .. 0f. Computed with an implementation
 * of our own in Python, which was compared with CPython's hash() for the key of zeros. */
static void text_is_hashed_with_siphash_1_3(void **state)
{
	(void)state;
	static const struct {
		size_t size;
		uint64_t hash;
	} cases[] = {
		{ 0, 0xabac0158050fc4dc },  { 1, 0xc9f49bf37d57ca93 },	{ 7, 0xd3927d989bb11140 },
		{ 8, 0x369095118d299a8e },  { 9, 0x25a48eb36c063de4 },	{ 15, 0xd320d86d2a519956 },
		{ 16, 0xcc4fdd1a7d908b66 }, { 17, 0x9cf2689063dbd80c }, { 63, 0x9d199062b7bbb3a8 },
		{ 64, 0xf17997ec4b4a6065 },
	};
	const struct hash_seed seed = { { 0x0706050403020100, 0x0f0e0d0c0b0a0908 } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t *exact = malloc(cases[i].size + 1);
		for (size_t j = 0; j < cases[i].size; j++)
			exact[j] = (uint8_t)j;
		if (hash_bytes(&seed, exact, cases[i].size) != cases[i].hash)
			fail_msg("%zu bytes", cases[i].size);
		free(exact);
	}
}

static void folded_hashes_differ_only_when_more_than_case_does(void **state)
{
	(void)state;
	assert_int_equal(hash_folded_text("CMD.EXE", 7), hash_folded_text("cmd.exe", 7));
	assert_int_not_equal(hash_folded_text("cmd.exe", 7), hash_folded_text("cmd.ex", 6));
	assert_int_not_equal(hash_folded_text("[", 1), hash_folded_text("{", 1)); /* not letters */
	assert_int_not_equal(hash_folded_text("@", 1), hash_folded_text("`", 1));
}

static void seeds_differ_and_change_every_hash(void **state)
{
	(void)state;
	const struct hash_seed first = hash_seed_make();
	const struct hash_seed second = hash_seed_make();
	assert_memory_not_equal(&first, &second, sizeof(first));
	assert_true(hash_bytes(&first, "a", 1) != hash_bytes(&second, "a", 1));
	assert_true(hash_word(&first, first.words[0], 1) != hash_word(&second, second.words[0], 1));
	assert_true(hash_word(&first, first.words[0], 1) != hash_word(&first, first.words[0], 2));
}

/* --- counters --------------------------------------------------------------------------------- */

static void blocks_add_up(void **state)
{
	(void)state;
	static struct counters sum, one, two;
	counter_add(&one, COUNTER_packets_seen, 3);
	counter_add(&two, COUNTER_packets_seen, 4);
	counter_add(&two, COUNTER_packets_seen, 1);
	counters_sum(&sum, &one);
	counters_sum(&sum, &two);
	assert_int_equal(counter_read(&sum, COUNTER_packets_seen), 8);
	assert_string_equal(counter_name(COUNTER_packets_seen), "packets_seen");
	for (int i = 0; i < COUNTER_COUNT; i++)
		assert_true(strlen(counter_help((enum counter)i)) > 0);
}

/* What a stream printed. */
static const char *printed(FILE *stream)
{
	static char text[4096];
	rewind(stream);
	text[fread(text, 1, sizeof(text) - 1, stream)] = '\0';
	fclose(stream);
	return text;
}

static void identities_hold_exactly_or_say_which_one_does_not(void **state)
{
	(void)state;
	static struct counters sum;
	assert_true(counter_identities_hold(&sum, NULL));
	counter_add(&sum, COUNTER_flows_opened, 10);
	counter_add(&sum, COUNTER_flows_closed, 10);
	counter_add(&sum, COUNTER_packets_seen, 5);
	counter_add(&sum, COUNTER_packets_in_flows, 3);
	counter_add(&sum, COUNTER_packets_truncated, 2);
	assert_true(counter_identities_hold(&sum, NULL));
	counter_add(&sum, COUNTER_packets_malformed, 1);
	assert_false(counter_identities_hold(&sum, NULL));
	FILE *stream = tmpfile();
	assert_false(counter_identities_hold(&sum, stream));
	const char *text = printed(stream);
	assert_non_null(strstr(text, "packets_seen = 5, but packets_in_flows"));
	assert_non_null(strstr(text, "= 6\n"));
	assert_null(strstr(text, "flows_opened"));
}

/* --- complaints ------------------------------------------------------------------------------- */

static const char *complaint_text(const struct complaint *complaint)
{
	FILE *stream = tmpfile();
	complaint_print(complaint, stream);
	return printed(stream);
}

static void a_complaint_prints_as_much_of_the_place_as_it_knows(void **state)
{
	(void)state;
	struct complaint complaint;
	assert_false(complain(&complaint, "a.toml", 3, 7, "found `%s`, expected `==`", "="));
	assert_string_equal(complaint_text(&complaint), "a.toml:3:7: found `=`, expected `==`");
	complain(&complaint, "a.toml", 3, 0, "x");
	assert_string_equal(complaint_text(&complaint), "a.toml:3: x");
	complain(&complaint, "a.toml", 0, 0, "x");
	assert_string_equal(complaint_text(&complaint), "a.toml: x");
	complain(&complaint, NULL, 3, 7, "x");
	assert_string_equal(complaint_text(&complaint), "3:7: x");
	complain(&complaint, NULL, 0, 0, "x");
	assert_string_equal(complaint_text(&complaint), "x");
}

static void long_complaints_are_cut_and_full_lists_count(void **state)
{
	(void)state;
	char text[2000];
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	static struct complaints complaints;
	for (int i = 0; i < COMPLAINTS_MAX + 3; i++)
		complain(complaints_next(&complaints), text, 1, 1, "%d %s", i, text);
	assert_int_equal(complaints.count, COMPLAINTS_MAX);
	assert_int_equal(complaints.omitted_count, 3);
	assert_memory_equal(complaints.items[COMPLAINTS_MAX - 1].text, "63 ", 3);
	assert_int_equal(strlen(complaints.items[0].text), COMPLAINT_TEXT_MAX - 1);
	assert_int_equal(strlen(complaints.items[0].file), COMPLAINT_FILE_MAX - 1);
}

/* --- pages ------------------------------------------------------------------------------------ */

static void pages_are_zeroed_and_huge_ones_aligned(void **state)
{
	(void)state;
	static const size_t sizes[] = { 1,	 4096,		4097,	(2 << 20) - 1,
					2 << 20, (2 << 20) + 1, 5 << 20 };
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint8_t *pages = pages_open(sizes[i]);
		assert_non_null(pages);
		assert_int_equal((uintptr_t)pages % (sizes[i] >= 2 << 20 ? 2 << 20 : 4096), 0);
		assert_int_equal(pages[0] | pages[sizes[i] - 1], 0);
		memset(pages, 1, sizes[i]);
		pages_close(pages, sizes[i]);
	}
	pages_close(NULL, 0);
	assert_null(pages_open(0));
	assert_null(pages_open(SIZE_MAX));
	assert_null(pages_open(SIZE_MAX / 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_read_and_written_in_one_form),
		cmocka_unit_test(prefixes_are_read_and_their_host_bits_cleared),
		cmocka_unit_test(a_prefix_holds_only_addresses_of_its_family),
		cmocka_unit_test(an_arena_gives_zeroed_aligned_memory_up_to_its_limit),
		cmocka_unit_test(a_cursor_reads_zero_behind_the_end_and_stays_truncated),
		cmocka_unit_test(a_cursor_can_be_narrowed_and_split),
		cmocka_unit_test(text_is_hashed_with_siphash_1_3),
		cmocka_unit_test(folded_hashes_differ_only_when_more_than_case_does),
		cmocka_unit_test(seeds_differ_and_change_every_hash),
		cmocka_unit_test(blocks_add_up),
		cmocka_unit_test(identities_hold_exactly_or_say_which_one_does_not),
		cmocka_unit_test(a_complaint_prints_as_much_of_the_place_as_it_knows),
		cmocka_unit_test(long_complaints_are_cut_and_full_lists_count),
		cmocka_unit_test(pages_are_zeroed_and_huge_ones_aligned),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
