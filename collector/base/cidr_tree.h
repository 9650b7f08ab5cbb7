/* cidr_tree.h: longest-prefix match for many networks of one family. For cidr.c only.
 *
 * Built in one go, then immutable: any number of threads may look up.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* An address or network from the highest bit down; IPv4 is 32 bits at the top and zeros. */
typedef __uint128_t cidr_key;

struct cidr_item {
	cidr_key network;
	uint32_t value;
	uint32_t order; /* of equal networks, the one with the highest order counts */
	uint32_t bits;	/* 0..128; IPv4 0..32 */
};

struct cidr_tree;

/* Sorts the items. `key_bits` is 32 or 128. NULL with errno; the caller closes. */
struct cidr_tree *cidr_tree_open(unsigned key_bits, struct cidr_item *items, size_t count);
void cidr_tree_close(struct cidr_tree *tree);
size_t cidr_tree_bytes(const struct cidr_tree *tree);

uint32_t cidr_tree_find(const struct cidr_tree *tree, cidr_key key);

/* Up to CIDR_BATCH keys at once, step by step together, so that their cache misses overlap. */
enum { CIDR_BATCH = 32 };

struct cidr_keys {
	uint64_t high[CIDR_BATCH];
	uint64_t low[CIDR_BATCH]; /* not looked at for IPv4 */
};

void cidr_tree_find_batch(const struct cidr_tree *tree, const struct cidr_keys *keys, size_t count,
			  uint32_t out_values[CIDR_BATCH]);
