/* Each family is held in vectors when it is small, and in a tree when it is not. */
#include "collector/base/cidr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/cidr_small.h"
#include "collector/base/cidr_tree.h"

enum { FAMILY_V4, FAMILY_V6, FAMILIES };

struct cidr_set {
	struct cidr_small small;	   /* families with up to CIDR_SMALL_MAX networks */
	struct cidr_tree *trees[FAMILIES]; /* NULL: the family is in `small` */
	cidr_small_batch_fn *small_batch;
};

/* --- building --------------------------------------------------------------------------------- */

/* From the highest bit down; an IPv4 address at the top. */
static inline cidr_key key_of(const struct ip_address *address, int family)
{
	uint64_t halves[2];
	memcpy(halves, address->bytes, sizeof(halves));
	const cidr_key key =
		(cidr_key)__builtin_bswap64(halves[0]) << 64 | __builtin_bswap64(halves[1]);
	return family == FAMILY_V4 ? key << 96 : key;
}

static int family_of_prefix(const struct ip_prefix *prefix)
{
	return prefix->bits >= 96 && ip_address_is_v4(&prefix->address) ? FAMILY_V4 : FAMILY_V6;
}

static struct cidr_item item_of(const struct cidr_entry *entry, int family, size_t order)
{
	const unsigned bits = entry->prefix.bits - (family == FAMILY_V4 ? 96U : 0);
	const cidr_key mask = bits == 0 ? 0 : ~(cidr_key)0 << (128 - bits);
	return (struct cidr_item){
		.network = key_of(&entry->prefix.address, family) & mask,
		.bits = bits,
		.value = entry->value,
		.order = (uint32_t)order,
	};
}

/* Longest first, as the vectors want it; of equal ones the later first, so that it is found. */
static int compare_entries(const void *left_pointer, const void *right_pointer)
{
	const struct cidr_entry *left = *(const struct cidr_entry *const *)left_pointer;
	const struct cidr_entry *right = *(const struct cidr_entry *const *)right_pointer;
	if (left->prefix.bits != right->prefix.bits)
		return left->prefix.bits > right->prefix.bits ? -1 : 1;
	return left > right ? -1 : 1;
}

static void fill_small(struct cidr_set *set, int family, const struct cidr_entry *entries,
		       size_t count)
{
	const struct cidr_entry *sorted[CIDR_SMALL_MAX];
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		if (family_of_prefix(&entries[i].prefix) == family)
			sorted[kept++] = &entries[i];
	}
	qsort(sorted, kept, sizeof(const struct cidr_entry *), compare_entries);
	for (size_t i = 0; i < kept; i++)
		cidr_small_add(&set->small, sorted[i]);
}

static bool fill_tree(struct cidr_set *set, int family, const struct cidr_entry *entries,
		      size_t count, size_t family_count)
{
	struct cidr_item *items = malloc(family_count * sizeof(items[0]));
	if (!items)
		return false;
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		if (family_of_prefix(&entries[i].prefix) == family)
			items[kept++] = item_of(&entries[i], family, i);
	}
	set->trees[family] = cidr_tree_open(family == FAMILY_V4 ? 32 : 128, items, kept);
	free(items);
	return set->trees[family] != NULL;
}

static bool fill(struct cidr_set *set, const struct cidr_entry *entries, size_t count)
{
	size_t counts[FAMILIES] = { 0 };
	for (size_t i = 0; i < count; i++) {
		if (entries[i].prefix.bits > 128 || entries[i].value == CIDR_NONE) {
			errno = EINVAL;
			return false;
		}
		counts[family_of_prefix(&entries[i].prefix)]++;
	}
	for (int family = 0; family < FAMILIES; family++) {
		if (counts[family] <= CIDR_SMALL_MAX)
			fill_small(set, family, entries, count);
		else if (!fill_tree(set, family, entries, count, counts[family]))
			return false;
	}
	cidr_small_finish(&set->small);
	return true;
}

struct cidr_set *cidr_set_open(const struct cidr_entry *entries, size_t count)
{
	struct cidr_set *set = aligned_alloc(alignof(struct cidr_set), sizeof(*set));
	if (!set)
		return NULL;
	memset(set, 0, sizeof(*set));
	cidr_small_batch_fn *batches[CIDR_SMALL_BATCHES_MAX];
	cidr_small_batches(batches);
	set->small_batch = batches[0];
	if (!fill(set, entries, count)) {
		cidr_set_close(set);
		return NULL;
	}
	return set;
}

void cidr_set_close(struct cidr_set *set)
{
	if (!set)
		return;
	cidr_tree_close(set->trees[FAMILY_V4]);
	cidr_tree_close(set->trees[FAMILY_V6]);
	free(set);
}

size_t cidr_set_bytes(const struct cidr_set *set)
{
	size_t bytes = sizeof(*set);
	for (int family = 0; family < FAMILIES; family++)
		bytes += set->trees[family] ? cidr_tree_bytes(set->trees[family]) : 0;
	return bytes;
}

/* --- looking up ------------------------------------------------------------------------------- */

uint32_t cidr_set_find(const struct cidr_set *set, const struct ip_address *address)
{
	const int family = ip_address_is_v4(address) ? FAMILY_V4 : FAMILY_V6;
	if (set->trees[family])
		return cidr_tree_find(set->trees[family], key_of(address, family));
	uint32_t value;
	set->small_batch(&set->small, address, 1, &value);
	return value;
}

/* Up to CIDR_BATCH addresses of one family. */
static void find_family(const struct cidr_set *set, int family, const struct ip_address *addresses,
			size_t count, uint32_t *out_values)
{
	if (!set->trees[family]) {
		set->small_batch(&set->small, addresses, count, out_values);
		return;
	}
	struct cidr_keys keys;
	for (size_t i = 0; i < count; i++) {
		const cidr_key key = key_of(&addresses[i], family);
		keys.high[i] = (uint64_t)(key >> 64);
		keys.low[i] = (uint64_t)key;
	}
	cidr_tree_find_batch(set->trees[family], &keys, count, out_values);
}

/* Up to CIDR_BATCH addresses. When both families are among them, each is gathered and searched on
 * its own. */
static void find_some(const struct cidr_set *set, const struct ip_address *addresses, size_t count,
		      uint32_t *out_values)
{
	uint8_t members[FAMILIES][CIDR_BATCH];
	size_t counts[FAMILIES] = { 0 };
	for (size_t i = 0; i < count; i++) {
		const bool v4 = ip_address_is_v4(&addresses[i]);
		members[FAMILY_V4][counts[FAMILY_V4]] = (uint8_t)i;
		members[FAMILY_V6][counts[FAMILY_V6]] = (uint8_t)i;
		counts[FAMILY_V4] += v4;
		counts[FAMILY_V6] += !v4;
	}
	for (int family = 0; family < FAMILIES; family++) {
		if (counts[family] == count) {
			find_family(set, family, addresses, count, out_values);
			return;
		}
	}
	for (int family = 0; family < FAMILIES; family++) {
		struct ip_address gathered[CIDR_BATCH];
		uint32_t values[CIDR_BATCH];
		for (size_t j = 0; j < counts[family]; j++)
			gathered[j] = addresses[members[family][j]];
		find_family(set, family, gathered, counts[family], values);
		for (size_t j = 0; j < counts[family]; j++)
			out_values[members[family][j]] = values[j];
	}
}

void cidr_set_find_batch(const struct cidr_set *set, const struct ip_address *addresses,
			 size_t count, uint32_t *out_values)
{
	if (!set->trees[FAMILY_V4] && !set->trees[FAMILY_V6]) {
		set->small_batch(&set->small, addresses, count, out_values);
		return;
	}
	for (size_t done = 0; done < count; done += CIDR_BATCH) {
		const size_t left = count - done;
		find_some(set, addresses + done, left < CIDR_BATCH ? left : CIDR_BATCH,
			  out_values + done);
	}
}
