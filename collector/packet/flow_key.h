/* flow_key.h: what makes two packets the same conversation, whichever way they go.
 *
 * Inline, because every packet makes one. The end with the lower address (then port) is `low`; the
 * hash is keyed, so nobody can choose flows that collide.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "collector/base/hash.h"
#include "collector/packet/decode.h"

struct flow_key {
	struct ip_address low;
	struct ip_address high;
	uint16_t low_port;
	uint16_t high_port;
	uint16_t vlan_ids[FLOW_VLANS_MAX]; /* 0 unless segments are part of the key */
	uint32_t network_id;		   /* the same */
	uint32_t ip_protocol;
};

_Static_assert(sizeof(struct flow_key) == 48, "whole words, no padding: compared and hashed as is");

/* The two numbers that stand for ports. ICMP requests and replies get their types crossed over, so
 * that both ways have one key (as in Community ID). */
static inline void flow_key_ports(const struct endpoints *ends, uint16_t *out_source,
				  uint16_t *out_destination)
{
	*out_source = ends->source_port;
	*out_destination = ends->destination_port;
	if (ends->ip_protocol == 1 || ends->ip_protocol == 58) {
		const int other = icmp_counterpart(ends->ip_protocol, (uint8_t)ends->source_port);
		if (other >= 0)
			*out_destination = (uint16_t)other;
	}
}

/* True: the packet's source is `low`. Without branches on the addresses: packets of both directions
 * come in random order, and a wrong guess costs as much as the rest of this function. */
static inline bool flow_key_make(const struct endpoints *ends, struct flow_key *out_key)
{
	__uint128_t source;
	__uint128_t destination;
	memcpy(&source, &ends->source, sizeof(source));
	memcpy(&destination, &ends->destination, sizeof(destination));
	uint16_t source_port;
	uint16_t destination_port;
	flow_key_ports(ends, &source_port, &destination_port);

	const bool source_is_low = (source < destination) |
				   ((source == destination) & (source_port <= destination_port));
	const __uint128_t difference = (source ^ destination) & ((__uint128_t)source_is_low - 1);
	source ^= difference;
	destination ^= difference;
	memcpy(&out_key->low, &source, sizeof(source));
	memcpy(&out_key->high, &destination, sizeof(destination));
	const uint16_t ports =
		(uint16_t)((source_port ^ destination_port) & ((unsigned)source_is_low - 1U));
	out_key->low_port = source_port ^ ports;
	out_key->high_port = destination_port ^ ports;
	memset(out_key->vlan_ids, 0, sizeof(out_key->vlan_ids));
	out_key->network_id = 0;
	out_key->ip_protocol = ends->ip_protocol;
	return source_is_low;
}

/* Three independent multiplications, then one that joins them. */
static inline uint64_t flow_key_hash(const struct flow_key *key, const struct hash_seed *seed)
{
	uint64_t words[6];
	memcpy(words, key, sizeof(words));
	const uint64_t low =
		hash_fold_multiply(words[0] ^ seed->words[0], words[1] ^ seed->words[1]);
	const uint64_t high =
		hash_fold_multiply(words[2] ^ ~seed->words[1], words[3] ^ ~seed->words[0]);
	const uint64_t rest =
		hash_fold_multiply(words[4] ^ seed->words[1], words[5] ^ ~seed->words[0]);
	return hash_word(seed, low ^ (high << 32 | high >> 32), rest);
}

static inline bool flow_key_equal(const struct flow_key *left, const struct flow_key *right)
{
	uint64_t a[6];
	uint64_t b[6];
	memcpy(a, left, sizeof(a));
	memcpy(b, right, sizeof(b));
	return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) |
		(a[5] ^ b[5])) == 0;
}
