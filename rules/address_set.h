/* address_set.h: sets of IP addresses as sorted ranges: union, intersection, opposite. For what the
 * rules want from the wire; built while rules are loaded, read by any thread.
 *
 * IPv4 addresses are the mapped ones, and no IPv6 network holds them ("::/0" is IPv6 only), as in
 * EQL's cidrMatch.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/address.h"

struct address_set;

/* All return NULL with errno when there is no memory; operands that are NULL make NULL. The caller
 * closes. */
struct address_set *address_set_open_empty(void);
struct address_set *address_set_open(const struct ip_prefix *prefixes, size_t count);
struct address_set *address_set_opposite(const struct address_set *set);
struct address_set *address_set_union(const struct address_set *left,
				      const struct address_set *right);
struct address_set *address_set_intersection(const struct address_set *left,
					     const struct address_set *right);
void address_set_close(struct address_set *set);

bool address_set_holds(const struct address_set *set, const struct ip_address *address);
bool address_set_is_all(const struct address_set *set);
bool address_set_is_empty(const struct address_set *set);

/* The fewest prefixes that make up the set, ascending: up to `room` of them into `out_prefixes`;
 * returns how many there are. */
size_t address_set_prefixes(const struct address_set *set, struct ip_prefix *out_prefixes,
			    size_t room);
