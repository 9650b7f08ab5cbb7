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

/* One word in a general register. The empty asm keeps gcc 12 from joining two of these loads into
 * one of 16 bytes, which would wait for the two stores that wrote them (10 ns a packet). */
static inline uint64_t flow_key_word(const void *bytes)
{
	uint64_t word;
	memcpy(&word, bytes, sizeof(word));
	__asm__("" : "+r"(word));
	return word;
}

/* The same for stores: joined ones would go through the stack. */
static inline void flow_key_put_word(void *bytes, uint64_t word)
{
	__asm__("" : "+r"(word));
	memcpy(bytes, &word, sizeof(word));
}

/* Three independent multiplications, then one that joins them. */
static inline uint64_t flow_key_hash_words(const uint64_t words[6], const struct hash_seed *seed)
{
	const uint64_t low =
		hash_fold_multiply(words[0] ^ seed->words[0], words[1] ^ seed->words[1]);
	const uint64_t high =
		hash_fold_multiply(words[2] ^ ~seed->words[1], words[3] ^ ~seed->words[0]);
	const uint64_t rest =
		hash_fold_multiply(words[4] ^ seed->words[1], words[5] ^ ~seed->words[0]);
	return hash_word(seed, low ^ (high << 32 | high >> 32), rest);
}

static inline uint64_t flow_key_hash(const struct flow_key *key, const struct hash_seed *seed)
{
	uint64_t words[6];
	memcpy(words, key, sizeof(words));
	return flow_key_hash_words(words, seed);
}

struct flow_key_made {
	uint64_t hash;
	bool source_is_low; /* the packet's source is `low` */
};

/* The key of a packet between these ends. `vlan_ids` is NULL unless segments are part of it.
 *
 * Without branches on the addresses: packets of both directions come in random order, and a wrong
 * guess costs as much as the rest of this function. */
static inline __attribute__((always_inline)) struct flow_key_made
flow_key_make(const struct endpoints *ends, const uint16_t *vlan_ids, uint32_t network_id,
	      const struct hash_seed *seed, struct flow_key *out_key)
{
	const uint64_t source[2] = { flow_key_word(ends->source.bytes),
				     flow_key_word(ends->source.bytes + 8) };
	const uint64_t destination[2] = { flow_key_word(ends->destination.bytes),
					  flow_key_word(ends->destination.bytes + 8) };
	uint16_t source_port;
	uint16_t destination_port;
	flow_key_ports(ends, &source_port, &destination_port);

	const bool equal = ((source[0] ^ destination[0]) | (source[1] ^ destination[1])) == 0;
	const bool below = (source[1] < destination[1]) |
			   ((source[1] == destination[1]) & (source[0] < destination[0]));
	const bool source_is_low = below | (equal & (source_port <= destination_port));
	const uint64_t swap = (uint64_t)source_is_low - 1; /* all ones: the ends change places */
	const uint64_t difference[2] = { (source[0] ^ destination[0]) & swap,
					 (source[1] ^ destination[1]) & swap };
	const uint64_t ports = (unsigned)(source_port ^ destination_port) & swap;
	uint64_t words[6] = {
		source[0] ^ difference[0],
		source[1] ^ difference[1],
		destination[0] ^ difference[0],
		destination[1] ^ difference[1],
		(source_port ^ ports) | (destination_port ^ ports) << 16,
		(uint64_t)ends->ip_protocol << 32,
	};
	if (vlan_ids) {
		words[4] |= (uint64_t)vlan_ids[0] << 32 | (uint64_t)vlan_ids[1] << 48;
		words[5] |= network_id;
	}
	for (size_t i = 0; i < 6; i++)
		flow_key_put_word((char *)out_key + 8 * i, words[i]);
	return (struct flow_key_made){ .hash = flow_key_hash_words(words, seed),
				       .source_is_low = source_is_low };
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
