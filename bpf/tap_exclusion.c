#include "bpf/tap_exclusion.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { MAPPED_BITS = 96, GENERATION_BITS = 32, WIDE_BITS = 16, NETWORK_COUNT = 1 << WIDE_BITS };

static bool is_ipv4(const struct ip_prefix *prefix)
{
	return prefix->bits >= MAPPED_BITS && ip_address_is_v4(&prefix->address);
}

static struct tap_prefix4 key4(const struct ip_prefix *prefix, uint32_t generation)
{
	struct tap_prefix4 key = { .bits = GENERATION_BITS + prefix->bits - MAPPED_BITS,
				   .generation = generation };
	memcpy(&key.address, prefix->address.bytes + 12, sizeof(key.address));
	return key;
}

static struct tap_prefix6 key6(const struct ip_prefix *prefix, uint32_t generation)
{
	struct tap_prefix6 key = { .bits = GENERATION_BITS + prefix->bits,
				   .generation = generation };
	memcpy(key.address, prefix->address.bytes, sizeof(key.address));
	return key;
}

static enum tap_unwanted state_of(const uint8_t *bitmap, uint32_t network)
{
	return (enum tap_unwanted)(bitmap[network >> 2] >> (network & 3) * 2 & 3);
}

static void set_state(uint8_t *bitmap, uint32_t network, enum tap_unwanted state)
{
	const unsigned shift = (network & 3) * 2;
	bitmap[network >> 2] =
		(uint8_t)((bitmap[network >> 2] & ~(3U << shift)) | (unsigned)state << shift);
}

/* Marks one IPv4 network; true: the trie has to know it too. */
static bool mark4(uint8_t *bitmap, const struct ip_prefix *prefix)
{
	const uint8_t *bytes = prefix->address.bytes + 12;
	const uint32_t first = (uint32_t)bytes[0] << 8 | bytes[1];
	const uint32_t bits = prefix->bits - (uint32_t)MAPPED_BITS;
	if (bits <= WIDE_BITS) {
		const uint32_t count = NETWORK_COUNT >> bits;
		for (uint32_t i = 0; i < count && first + i < NETWORK_COUNT; i++)
			set_state(bitmap, first + i, TAP_UNWANTED);
		return false;
	}
	if (state_of(bitmap, first) == TAP_WANTED)
		set_state(bitmap, first, TAP_UNWANTED_PARTLY);
	return true;
}

/* Removes every key whose generation is, or is not, the given one. */
static void forget(int trie, size_t key_bytes, uint32_t generation, bool same)
{
	struct tap_prefix6 key; /* the larger one; bits and generation stand alike in both */
	struct tap_prefix6 next;
	bool has_key = false;
	while (bpf_map_get_next_key(trie, has_key ? &key : NULL, &next) == 0) {
		memcpy(&key, &next, key_bytes);
		has_key = (key.generation == generation) != same;
		if (!has_key && bpf_map_delete_elem(trie, &key) != 0)
			return;
	}
}

static int add_all(struct tap_exclusion *shared, int trie4, int trie6,
		   const struct ip_prefix *prefixes, size_t count, uint32_t generation)
{
	const uint32_t yes = 1;
	uint8_t *bitmap = shared->ipv4[generation & 1];
	for (size_t i = 0; i < count; i++) {
		int status = 0;
		if (is_ipv4(&prefixes[i])) {
			const struct tap_prefix4 key = key4(&prefixes[i], generation);
			if (mark4(bitmap, &prefixes[i]))
				status = bpf_map_update_elem(trie4, &key, &yes, BPF_ANY);
		} else {
			const struct tap_prefix6 key = key6(&prefixes[i], generation);
			shared->has_ipv6 |= 1U << (generation & 1);
			status = bpf_map_update_elem(trie6, &key, &yes, BPF_ANY);
		}
		if (status != 0)
			return status;
	}
	return 0;
}

int tap_exclusion_replace(struct tap_exclusion *shared, int trie4, int trie6,
			  const struct ip_prefix *prefixes, size_t count)
{
	const uint32_t generation = shared->generation + 1;
	memset(shared->ipv4[generation & 1], 0, TAP_BITMAP_BYTES);
	shared->has_ipv6 &= ~(1U << (generation & 1));
	const int status = add_all(shared, trie4, trie6, prefixes, count, generation);
	/* release: a packet that sees the new generation sees its networks. */
	if (status == 0)
		__atomic_store_n(&shared->generation, generation, __ATOMIC_RELEASE);
	forget(trie4, sizeof(struct tap_prefix4), generation, status != 0);
	forget(trie6, sizeof(struct tap_prefix6), generation, status != 0);
	return status;
}
