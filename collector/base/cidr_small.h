/* cidr_small.h: up to sixteen networks of one family, compared all at once. For cidr.c only.
 *
 * Rules name a handful of networks; a vector compare answers faster than any tree's first load.
 */
#pragma once

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/cidr.h"

enum { CIDR_SMALL_MAX = 16 };

/* Lane i is the i-th longest prefix, so the lowest lane that agrees is the answer. Addresses and
 * masks are in network order, as in memory: comparing does not care. */
struct cidr_small {
	alignas(64) uint32_t v4_networks[CIDR_SMALL_MAX];
	alignas(64) uint32_t v4_masks[CIDR_SMALL_MAX];
	alignas(64) uint64_t v6_networks[2][CIDR_SMALL_MAX]; /* first and second half */
	alignas(64) uint64_t v6_masks[2][CIDR_SMALL_MAX];
	uint32_t v4_values[CIDR_SMALL_MAX + 1]; /* the last one is CIDR_NONE */
	uint32_t v6_values[CIDR_SMALL_MAX + 1];
	uint32_t v4_used; /* one bit per lane in use */
	uint32_t v6_used;
};

/* Adds a network; longer prefixes must come first, and no more than CIDR_SMALL_MAX per family. */
void cidr_small_add(struct cidr_small *small, const struct cidr_entry *entry);

/* To be called once all are added, or when there are none. */
void cidr_small_finish(struct cidr_small *small);

uint32_t cidr_small_find(const struct cidr_small *small, const struct ip_address *address);

typedef void cidr_small_batch_fn(const struct cidr_small *small, const struct ip_address *addresses,
				 size_t count, uint32_t *out_values);

/* The fastest one that this CPU runs; [1], [2] are the ones for lesser CPUs, NULL ends the list. So
 * a test can try them all. */
enum { CIDR_SMALL_BATCHES_MAX = 4 };
void cidr_small_batches(cidr_small_batch_fn *out_functions[CIDR_SMALL_BATCHES_MAX]);
