/* address_table.h: which address belonged to which host, and when.
 *
 * A claim is (address, host, event source) with the stretches of time in which the host spoke of
 * the address. Stretches are unions of moments, so the order of arrival does not matter. An address
 * that moves has claims of two hosts; asked for a moment, the nearest stretch answers.
 *
 * One owner thread. A full table forgets the claim that was refreshed longest ago.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/address.h"
#include "correlator/host_table.h"

struct address_table;

struct address_table *address_table_open(uint32_t max_claims, const struct hash_seed *seed,
					 struct counters *counters);
void address_table_close(struct address_table *table);

/* The host spoke of this address as its own, or as another's, at this label. */
void address_table_claim(struct address_table *table, uint32_t host, enum clock_source source,
			 const struct ip_address *address, uint64_t label_ns, bool own);

/* Is it the host's own, by all that the host's events say? */
bool address_table_owns(const struct address_table *table, const struct host_table *hosts,
			uint32_t host, const struct ip_address *address);

struct address_owner {
	uint32_t host;	/* HOST_NONE: of no host known here */
	bool ambiguous; /* two hosts claim it at that time */
};

/* Whose address was it at this wire time? */
struct address_owner address_table_owner(const struct address_table *table,
					 const struct host_table *hosts,
					 const struct ip_address *address, uint64_t wire_ns);

/* The addresses of a host in the order of their bytes; returns how many were written. */
size_t address_table_list(const struct address_table *table, const struct host_table *hosts,
			  uint32_t host, struct ip_address *out_addresses, size_t max);

/* Belongs to no single host: multicast, broadcast, loopback, unspecified. */
bool address_is_shared(const struct ip_address *address);

size_t address_table_bytes(const struct address_table *table);
