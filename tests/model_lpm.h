/* model_lpm.h: longest-prefix match as a child would write it: look at every network, keep the
 * longest that holds the address, of equal ones the later. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "collector/base/cidr.h"

uint32_t model_lpm_find(const struct cidr_entry *entries, size_t count,
			const struct ip_address *address);
