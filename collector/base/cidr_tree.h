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

/* Sorts the items. NULL with errno; the caller closes. */
struct cidr_tree *cidr_tree_open(struct cidr_item *items, size_t count);
void cidr_tree_close(struct cidr_tree *tree);
size_t cidr_tree_bytes(const struct cidr_tree *tree);

uint32_t cidr_tree_find(const struct cidr_tree *tree, cidr_key key);

/* One search of a batch; the trees may differ. `entry` ends as the value. */
struct cidr_walk {
	const struct cidr_tree *tree;
	cidr_key key;
	uint32_t *out_value;
};

enum { CIDR_WALKS_MAX = 32 };

/* All walks step by step together, so that their cache misses overlap. */
void cidr_tree_find_batch(const struct cidr_walk *walks, size_t count);
