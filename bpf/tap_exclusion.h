/* tap_exclusion.h: the networks that no rule can want, in the form that the kernel half looks them
 * up. Owner: the thread that owns the tap. */
#pragma once

#include <stddef.h>

#include "bpf/tap_record.h"
#include "collector/base/address.h"

/* IPv4 networks of /16 and wider go into a bitmap; narrower ones, and IPv6, into tries. `shared` is
 * the kernel's own memory. Written aside and then put in use at once: no packet sees half of it.
 * 0 or -errno; then the networks in use stay. */
int tap_exclusion_replace(struct tap_exclusion *shared, int trie4, int trie6,
			  const struct ip_prefix *prefixes, size_t count);
