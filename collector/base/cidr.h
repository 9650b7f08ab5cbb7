/* cidr.h: longest-prefix match over IPv4 and IPv6 networks: which of these networks is this address
 * in?
 *
 * Built in one go from a list (rules, host networks), then read by any number of threads; updates
 * make a new set. IPv4 and IPv6 are two trees: an IPv4 address (also when written ::ffff:a.b.c.d)
 * never matches an IPv6 network, as EQL's cidrMatch wants.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/address.h"

struct cidr_set;

struct cidr_entry {
	struct ip_prefix prefix;
	uint32_t value; /* what a match returns; the same prefix twice keeps the later one */
};

enum { CIDR_NONE = UINT32_MAX }; /* no network holds the address; not usable as a value */

/* Copies what it needs. NULL with errno. Immutable from here on; the caller closes. */
struct cidr_set *cidr_set_open(const struct cidr_entry *entries, size_t count);
void cidr_set_close(struct cidr_set *set);

/* The value of the longest prefix that holds the address, or CIDR_NONE. */
uint32_t cidr_set_find(const struct cidr_set *set, const struct ip_address *address);

/* The same for a batch: one result per address; prefetches across the batch. */
void cidr_set_find_batch(const struct cidr_set *set, const struct ip_address *addresses,
			 size_t count, uint32_t *out_values);

size_t cidr_set_bytes(const struct cidr_set *set);
