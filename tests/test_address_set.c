/* Sets of addresses, beside the plain answer for each address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "rules/address_set.h"
#include "tests/support_random.h"

static struct ip_prefix prefix_of(const char *text)
{
	struct ip_prefix prefix;
	assert_true(ip_prefix_parse(text, strlen(text), &prefix));
	return prefix;
}

static bool holds(const struct address_set *set, const char *text)
{
	struct ip_address address;
	assert_true(ip_address_parse(text, strlen(text), &address));
	return address_set_holds(set, &address);
}

static void families_are_kept_apart(void **state)
{
	(void)state;
	const struct ip_prefix every_v6 = prefix_of("::/0");
	const struct ip_prefix every_v4 = prefix_of("0.0.0.0/0");
	struct address_set *v6 = address_set_open(&every_v6, 1);
	struct address_set *v4 = address_set_open(&every_v4, 1);
	struct address_set *both = address_set_union(v4, v6);
	assert_true(holds(v6, "2001:db8::1"));
	assert_true(holds(v6, "::"));
	assert_false(holds(v6, "10.0.0.1"));
	assert_false(holds(v6, "::ffff:10.0.0.1"));
	assert_true(holds(v4, "::ffff:10.0.0.1"));
	assert_false(holds(v4, "::1"));
	assert_true(address_set_is_all(both));
	address_set_close(v6);
	address_set_close(v4);
	address_set_close(both);
}

static void prefixes_of_a_set_are_the_fewest(void **state)
{
	(void)state;
	const struct ip_prefix halves[] = { prefix_of("10.128.0.0/9"), prefix_of("10.0.0.0/9"),
					    prefix_of("10.1.0.0/16"), prefix_of("192.168.0.0/16") };
	struct address_set *set = address_set_open(halves, 4);
	struct ip_prefix prefixes[4];
	assert_int_equal(address_set_prefixes(set, prefixes, 4), 2);
	assert_int_equal(prefixes[0].bits, 96 + 8);
	assert_int_equal(prefixes[1].bits, 96 + 16);
	address_set_close(set);

	struct address_set *none = address_set_open_empty();
	struct address_set *all = address_set_opposite(none);
	assert_int_equal(address_set_prefixes(none, prefixes, 4), 0);
	assert_int_equal(address_set_prefixes(all, prefixes, 4), 1);
	assert_int_equal(prefixes[0].bits, 0);
	assert_true(address_set_is_empty(none));
	address_set_close(none);
	address_set_close(all);
}

enum { PREFIXES_MAX = 6 };

/* Few bits vary, so that networks touch and overlap. */
static struct ip_prefix random_prefix(struct support_random *random)
{
	struct ip_prefix prefix = { .bits = (uint8_t)support_random_below(random, 129) };
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	if (support_random_below(random, 2)) {
		memcpy(prefix.address.bytes, mapped, sizeof(mapped));
		prefix.bits = (uint8_t)(96 + prefix.bits % 33);
	}
	prefix.address.bytes[12] = (uint8_t)support_random_below(random, 4);
	prefix.address.bytes[15] = (uint8_t)support_random_below(random, 256);
	for (unsigned bit = prefix.bits; bit < 128; bit++)
		prefix.address.bytes[bit / 8] &= (uint8_t) ~(0x80U >> bit % 8);
	return prefix;
}

static bool model_holds(const struct ip_prefix *prefixes, size_t count,
			const struct ip_address *address)
{
	for (size_t i = 0; i < count; i++) {
		const bool same_family =
			ip_address_is_v4(address) ==
			(ip_address_is_v4(&prefixes[i].address) && prefixes[i].bits >= 96);
		if (same_family && ip_prefix_contains(&prefixes[i], address))
			return true;
	}
	return false;
}

static void compare_with_model(struct support_random *random)
{
	struct ip_prefix left[PREFIXES_MAX];
	struct ip_prefix right[PREFIXES_MAX];
	const size_t left_count = support_random_below(random, PREFIXES_MAX + 1);
	const size_t right_count = support_random_below(random, PREFIXES_MAX + 1);
	for (size_t i = 0; i < left_count; i++)
		left[i] = random_prefix(random);
	for (size_t i = 0; i < right_count; i++)
		right[i] = random_prefix(random);
	struct address_set *a = address_set_open(left, left_count);
	struct address_set *b = address_set_open(right, right_count);
	struct address_set *either = address_set_union(a, b);
	struct address_set *both = address_set_intersection(a, b);
	struct address_set *neither = address_set_opposite(either);
	for (int i = 0; i < 64; i++) {
		const struct ip_address address = random_prefix(random).address;
		const bool in_a = model_holds(left, left_count, &address);
		const bool in_b = model_holds(right, right_count, &address);
		assert_int_equal(address_set_holds(either, &address), in_a || in_b);
		assert_int_equal(address_set_holds(both, &address), in_a && in_b);
		assert_int_equal(address_set_holds(neither, &address), !in_a && !in_b);
	}
	struct ip_prefix prefixes[1024];
	const size_t count = address_set_prefixes(either, prefixes, 1024);
	struct address_set *again = address_set_open(prefixes, count);
	struct address_set *difference = address_set_intersection(again, neither);
	assert_true(address_set_is_empty(difference));
	address_set_close(a);
	address_set_close(b);
	address_set_close(either);
	address_set_close(both);
	address_set_close(neither);
	address_set_close(again);
	address_set_close(difference);
}

static void sets_agree_with_the_plain_answer(void **state)
{
	(void)state;
	struct support_random random = support_random_open();
	for (int i = 0; i < 2000; i++)
		compare_with_model(&random);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(families_are_kept_apart),
		cmocka_unit_test(prefixes_of_a_set_are_the_fewest),
		cmocka_unit_test(sets_agree_with_the_plain_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
