/* Longest-prefix match: by table, and against a linear scan over random and mutated networks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "collector/base/cidr.h"
#include "collector/base/cidr_small.h"
#include "tests/model_lpm.h"
#include "tests/support_random.h"

static struct cidr_entry entry(const char *text, uint32_t value)
{
	struct cidr_entry made = { .value = value };
	if (!ip_prefix_parse(text, strlen(text), &made.prefix))
		fail_msg("not a network: %s", text);
	return made;
}

static struct ip_address address(const char *text)
{
	struct ip_address parsed;
	if (!ip_address_parse(text, strlen(text), &parsed))
		fail_msg("not an address: %s", text);
	return parsed;
}

/* Room for the networks of a case and for filler that makes the set too large for vectors. */
enum { FILLER = 40, CASE_NETWORKS = 6 };

static uint32_t find_in(const char *const networks[CASE_NETWORKS], size_t filler, const char *text)
{
	struct cidr_entry entries[CASE_NETWORKS + FILLER];
	size_t count = 0;
	for (; count < CASE_NETWORKS && networks[count]; count++)
		entries[count] = entry(networks[count], (uint32_t)count);
	for (size_t i = 0; i < filler; i++) {
		entries[count] = entry(i % 2 ? "203.0.113.0/32" : "2001:db8:ffff::/128", 1000);
		entries[count++].prefix.address.bytes[15] = (uint8_t)i;
	}
	struct cidr_set *set = cidr_set_open(entries, count);
	assert_non_null(set);
	const struct ip_address wanted = address(text);
	const uint32_t found = cidr_set_find(set, &wanted);
	uint32_t batch_found;
	cidr_set_find_batch(set, &wanted, 1, &batch_found);
	assert_int_equal(found, batch_found);
	cidr_set_close(set);
	return found;
}

static void the_longest_network_wins_and_families_are_apart(void **state)
{
	(void)state;
	static const struct {
		const char *networks[CASE_NETWORKS]; /* value = index */
		const char *address;
		uint32_t found;
	} cases[] = {
		{ { NULL }, "10.0.0.1", CIDR_NONE },
		{ { "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16" }, "172.31.255.255", 1 },
		{ { "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16" }, "172.32.0.0", CIDR_NONE },
		{ { "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3" }, "10.1.2.3", 3 },
		{ { "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3" }, "10.1.2.4", 2 },
		{ { "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3" }, "10.1.3.3", 1 },
		{ { "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3" }, "10.2.2.3", 0 },
		{ { "10.1.2.3/8", "10.1.2.3/32" }, "10.200.0.1", 0 }, /* host bits are ignored */
		{ { "10.0.0.0/8", "10.0.0.0/8" }, "10.0.0.0", 1 },    /* the later one */
		{ { "0.0.0.0/0" }, "255.255.255.255", 0 },
		{ { "0.0.0.0/0" }, "::ffff:1.2.3.4", 0 },
		{ { "0.0.0.0/0" }, "::1", CIDR_NONE },
		{ { "::/0" }, "1.2.3.4", CIDR_NONE },
		{ { "::/0" }, "::1.2.3.4", 0 },
		{ { "::ffff:0:0/95" }, "1.2.3.4", CIDR_NONE },
		{ { "::ffff:0:0/95" }, "::fffe:1.2.3.4", 0 },
		{ { "::ffff:0:0/96" }, "1.2.3.4", 0 },
		{ { "::ffff:10.0.0.0/104" }, "10.2.3.4", 0 },
		{ { "2000::/3", "2001:db8::/32", "2001:db8::/33" }, "2001:db8:7fff::1", 2 },
		{ { "2000::/3", "2001:db8::/32", "2001:db8::/33" }, "2001:db8:8000::1", 1 },
		{ { "fe80::/10", "fe80::1/128" }, "fe80::1%eth0", 1 },
		{ { "fe80::/10", "fe80::1/128" }, "fe80::2", 0 },
		{ { "127.0.0.0/8", "::1/128" }, "::1", 1 },
		{ { "128.0.0.0/1", "0.0.0.0/1" }, "127.0.0.1", 1 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t filler = 0; filler <= FILLER; filler += FILLER) {
			if (find_in(cases[i].networks, filler, cases[i].address) != cases[i].found)
				fail_msg("case %zu, %s, %zu more networks", i, cases[i].address,
					 filler);
		}
	}
}

static void impossible_entries_are_refused(void **state)
{
	(void)state;
	struct cidr_entry wrong = entry("10.0.0.0/8", CIDR_NONE);
	assert_null(cidr_set_open(&wrong, 1));
	wrong = entry("10.0.0.0/8", 1);
	wrong.prefix.bits = 129;
	assert_null(cidr_set_open(&wrong, 1));
	cidr_set_close(NULL);
}

static void a_rule_costs_kilobytes(void **state)
{
	(void)state;
	struct cidr_entry entries[300];
	for (uint32_t i = 0; i < 300; i++) {
		entries[i] = entry("10.0.0.0/24", i);
		entries[i].prefix.address.bytes[13] = (uint8_t)(i >> 3);
		entries[i].prefix.address.bytes[14] = (uint8_t)(i << 5);
	}
	static const struct {
		size_t networks, bytes;
	} most[] = { { 3, 2048 }, { 16, 2048 }, { 200, 64 << 10 }, { 300, 512 << 10 } };
	for (size_t i = 0; i < sizeof(most) / sizeof(most[0]); i++) {
		struct cidr_set *set = cidr_set_open(entries, most[i].networks);
		assert_in_range(cidr_set_bytes(set), 0, most[i].bytes);
		cidr_set_close(set);
	}
}

/* --- against the model ------------------------------------------------------------------------ */

enum { RANDOM_MAX = 700, QUERIES = 1500 };

/* Mostly a former network with a bit flipped and another length: near misses and deep nesting. */
static struct cidr_entry random_entry(struct support_random *random,
				      const struct cidr_entry *former, size_t count, uint32_t value)
{
	struct cidr_entry made = { .value = value };
	if (count > 0 && support_random_below(random, 8)) {
		made = former[support_random_below(random, (uint32_t)count)];
		made.value = value;
		const uint32_t flips = support_random_below(random, 3);
		for (uint32_t i = 0; i < flips; i++) {
			const uint32_t bit = support_random_below(random, 128);
			made.prefix.address.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
		}
	} else {
		for (int i = 0; i < 16; i++)
			made.prefix.address.bytes[i] = (uint8_t)support_random_next(random);
		if (support_random_below(random, 2))
			made.prefix.address = ip_address_from_v4(made.prefix.address.bytes);
	}
	made.prefix.bits = (uint8_t)support_random_below(random, 129);
	if (ip_address_is_v4(&made.prefix.address) && support_random_below(random, 8))
		made.prefix.bits = (uint8_t)(96 + support_random_below(random, 33));
	return made;
}

/* An address in a network, or just outside of it. */
static struct ip_address random_query(struct support_random *random,
				      const struct cidr_entry *entries, size_t count)
{
	struct ip_address made = { 0 };
	if (count > 0)
		made = entries[support_random_below(random, (uint32_t)count)].prefix.address;
	for (uint32_t flips = support_random_below(random, 4); flips > 0; flips--) {
		const uint32_t bit = support_random_below(random, 128);
		made.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	if (support_random_below(random, 3) == 0)
		made.bytes[15] = (uint8_t)support_random_next(random);
	return made;
}

static void compare_with_model(struct support_random *random, size_t count, uint32_t value_base)
{
	struct cidr_entry *entries = malloc((count + 1) * sizeof(entries[0]));
	for (size_t i = 0; i < count; i++)
		entries[i] = random_entry(random, entries, i, value_base + (uint32_t)i);
	struct cidr_set *set = cidr_set_open(entries, count);
	assert_non_null(set);
	static struct ip_address queries[QUERIES];
	static uint32_t found[QUERIES];
	for (size_t i = 0; i < QUERIES; i++)
		queries[i] = random_query(random, entries, count);
	cidr_set_find_batch(set, queries, QUERIES, found);
	for (size_t i = 0; i < QUERIES; i++) {
		const uint32_t expected = model_lpm_find(entries, count, &queries[i]);
		assert_int_equal(found[i], expected);
		assert_int_equal(cidr_set_find(set, &queries[i]), expected);
	}
	cidr_set_close(set);
	free(entries);
}

static void random_networks_agree_with_the_model(void **state)
{
	(void)state;
	struct support_random random = support_random_open();
	for (size_t count = 0; count < RANDOM_MAX; count += 1 + count / 6) {
		compare_with_model(&random, count, 0);
		compare_with_model(&random, count, UINT32_MAX - RANDOM_MAX); /* large values */
	}
}

/* The model would take too long here: expected answers by construction. Every /24 of a stretch, and
 * a host in every eighth of them, so that every size of root is built. */
static void large_sets_find_what_was_put_in(void **state)
{
	(void)state;
	for (uint32_t networks = 10000; networks <= 460000; networks += 225000) {
		struct cidr_entry *entries = malloc(networks * 2UL * sizeof(entries[0]));
		size_t count = 0;
		for (uint32_t i = 0; i < networks; i++) {
			const uint8_t bytes[4] = { (uint8_t)(i >> 16), (uint8_t)(i >> 8),
						   (uint8_t)i, 7 };
			entries[count++] =
				(struct cidr_entry){ { ip_address_from_v4(bytes), 120 }, i };
			if (i % 8 == 0)
				entries[count++] =
					(struct cidr_entry){ { ip_address_from_v4(bytes), 128 },
							     networks + i };
		}
		struct cidr_set *set = cidr_set_open(entries, count);
		for (uint32_t i = 0; i < networks + 100; i++) {
			uint8_t bytes[4] = { (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i, 8 };
			struct ip_address wanted = ip_address_from_v4(bytes);
			const uint32_t network = i < networks ? i : (uint32_t)CIDR_NONE;
			assert_int_equal(cidr_set_find(set, &wanted), network);
			wanted.bytes[15] = 7;
			assert_int_equal(cidr_set_find(set, &wanted),
					 i % 8 == 0 && i < networks ? networks + i : network);
		}
		cidr_set_close(set);
		free(entries);
	}
}

/* Whatever this CPU has, and what lesser ones would use. */
static void every_vector_width_agrees(void **state)
{
	(void)state;
	struct support_random random = support_random_open();
	cidr_small_batch_fn *batches[CIDR_SMALL_BATCHES_MAX];
	cidr_small_batches(batches);
	struct cidr_entry entries[CIDR_SMALL_MAX];
	struct cidr_small *small = aligned_alloc(alignof(struct cidr_small), sizeof(*small));
	memset(small, 0, sizeof(*small));
	for (uint32_t i = 0; i < CIDR_SMALL_MAX; i++)
		entries[i] = random_entry(&random, entries, i, i);
	for (int bits = 128; bits >= 0; bits--) {
		for (uint32_t i = CIDR_SMALL_MAX; i-- > 0;) {
			if (entries[i].prefix.bits == bits)
				cidr_small_add(small, &entries[i]);
		}
	}
	cidr_small_finish(small);
	for (size_t query = 0; query < QUERIES; query++) {
		const struct ip_address wanted = random_query(&random, entries, CIDR_SMALL_MAX);
		const uint32_t expected = model_lpm_find(entries, CIDR_SMALL_MAX, &wanted);
		for (size_t i = 0; batches[i]; i++) {
			uint32_t found;
			batches[i](small, &wanted, 1, &found);
			assert_int_equal(found, expected);
		}
	}
	free(small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_network_wins_and_families_are_apart),
		cmocka_unit_test(impossible_entries_are_refused),
		cmocka_unit_test(a_rule_costs_kilobytes),
		cmocka_unit_test(random_networks_agree_with_the_model),
		cmocka_unit_test(large_sets_find_what_was_put_in),
		cmocka_unit_test(every_vector_width_agrees),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
