#include "rules/address_set.h"

#include <stdlib.h>
#include <string.h>

/* Addresses as numbers. Ranges are inclusive, sorted, disjoint and not adjacent, so equal sets have
 * equal ranges. */
typedef __uint128_t number;

struct range {
	number first;
	number last;
};

struct address_set {
	size_t count;
	struct range ranges[];
};

#define LAST_ADDRESS (~(number)0)
#define FIRST_V4     ((number)0xffff << 32)
#define LAST_V4	     (FIRST_V4 | 0xffffffffU)

static number number_of(const struct ip_address *address)
{
	number value = 0;
	for (size_t i = 0; i < sizeof(address->bytes); i++)
		value = value << 8 | address->bytes[i];
	return value;
}

static struct ip_address address_of(number value)
{
	struct ip_address address;
	for (size_t i = sizeof(address.bytes); i > 0; i--, value >>= 8)
		address.bytes[i - 1] = (uint8_t)value;
	return address;
}

static struct address_set *make(size_t room)
{
	struct address_set *set = malloc(sizeof(*set) + room * sizeof(struct range));
	if (set)
		set->count = 0;
	return set;
}

/* Appends a range that starts no earlier than the last one did. */
static void append(struct address_set *set, struct range range)
{
	struct range *last = set->count ? &set->ranges[set->count - 1] : NULL;
	if (last && (last->last == LAST_ADDRESS || range.first <= last->last + 1)) {
		if (range.last > last->last)
			last->last = range.last;
		return;
	}
	set->ranges[set->count++] = range;
}

struct address_set *address_set_open_empty(void)
{
	return make(0);
}

void address_set_close(struct address_set *set)
{
	free(set);
}

static int by_first(const void *left, const void *right)
{
	const number a = ((const struct range *)left)->first;
	const number b = ((const struct range *)right)->first;
	return (a > b) - (a < b);
}

static struct range range_of(const struct ip_prefix *prefix)
{
	const number first = number_of(&prefix->address);
	const number host_bits = prefix->bits == 0     ? LAST_ADDRESS
				 : prefix->bits == 128 ? 0
						       : LAST_ADDRESS >> prefix->bits;
	return (struct range){ first, first | host_bits };
}

/* At most two ranges per prefix: an IPv6 network around the mapped addresses leaves them out. */
struct address_set *address_set_open(const struct ip_prefix *prefixes, size_t count)
{
	struct range *ranges = malloc((2 * count + 1) * sizeof(*ranges));
	struct address_set *set = make(2 * count);
	size_t range_count = 0;
	for (size_t i = 0; ranges && i < count; i++) {
		const struct range range = range_of(&prefixes[i]);
		if (range.first < FIRST_V4 && range.last >= LAST_V4) {
			ranges[range_count++] = (struct range){ range.first, FIRST_V4 - 1 };
			if (range.last > LAST_V4)
				ranges[range_count++] = (struct range){ LAST_V4 + 1, range.last };
		} else {
			ranges[range_count++] = range;
		}
	}
	if (!ranges || !set) {
		free(ranges);
		free(set);
		return NULL;
	}
	qsort(ranges, range_count, sizeof(*ranges), by_first);
	for (size_t i = 0; i < range_count; i++)
		append(set, ranges[i]);
	free(ranges);
	return set;
}

struct address_set *address_set_opposite(const struct address_set *set)
{
	struct address_set *opposite = set ? make(set->count + 1) : NULL;
	number first = 0;
	for (size_t i = 0; opposite && i < set->count; i++) {
		if (set->ranges[i].first > first)
			append(opposite, (struct range){ first, set->ranges[i].first - 1 });
		if (set->ranges[i].last == LAST_ADDRESS)
			return opposite;
		first = set->ranges[i].last + 1;
	}
	if (opposite)
		append(opposite, (struct range){ first, LAST_ADDRESS });
	return opposite;
}

struct address_set *address_set_union(const struct address_set *left,
				      const struct address_set *right)
{
	struct address_set *set = left && right ? make(left->count + right->count) : NULL;
	size_t i = 0;
	size_t j = 0;
	while (set && (i < left->count || j < right->count)) {
		if (j == right->count ||
		    (i < left->count && left->ranges[i].first <= right->ranges[j].first))
			append(set, left->ranges[i++]);
		else
			append(set, right->ranges[j++]);
	}
	return set;
}

/* De Morgan: sets are few and small. */
struct address_set *address_set_intersection(const struct address_set *left,
					     const struct address_set *right)
{
	struct address_set *not_left = address_set_opposite(left);
	struct address_set *not_right = address_set_opposite(right);
	struct address_set *neither = address_set_union(not_left, not_right);
	struct address_set *set = address_set_opposite(neither);
	address_set_close(not_left);
	address_set_close(not_right);
	address_set_close(neither);
	return set;
}

bool address_set_holds(const struct address_set *set, const struct ip_address *address)
{
	const number value = number_of(address);
	size_t low = 0;
	size_t high = set->count;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (value < set->ranges[middle].first)
			high = middle;
		else if (value > set->ranges[middle].last)
			low = middle + 1;
		else
			return true;
	}
	return false;
}

bool address_set_is_all(const struct address_set *set)
{
	return set->count == 1 && set->ranges[0].first == 0 && set->ranges[0].last == LAST_ADDRESS;
}

bool address_set_is_empty(const struct address_set *set)
{
	return set->count == 0;
}

/* The largest aligned block that starts at `first` and ends no later than `last`. */
static uint8_t host_bits_of(struct range range)
{
	uint8_t bits = 0;
	while (bits < 128) {
		const number larger = bits == 127 ? LAST_ADDRESS : ((number)2 << bits) - 1;
		if (range.first & larger || range.last - range.first < larger)
			break;
		bits++;
	}
	return bits;
}

size_t address_set_prefixes(const struct address_set *set, struct ip_prefix *out_prefixes,
			    size_t room)
{
	size_t count = 0;
	for (size_t i = 0; i < set->count; i++) {
		struct range left = set->ranges[i];
		for (;;) {
			const uint8_t host_bits = host_bits_of(left);
			if (count < room)
				out_prefixes[count] = (struct ip_prefix){
					.address = address_of(left.first),
					.bits = (uint8_t)(128 - host_bits),
				};
			count++;
			const number size = host_bits == 128 ? 0 : (number)1 << host_bits;
			if (size == 0 || left.last - left.first < size)
				break;
			left.first += size;
		}
	}
	return count;
}
