/* fragment_table.h: which flow the later fragments of a datagram belong to. Only the first fragment
 * holds the ports, so it is remembered for a while: a fixed number of them, the oldest of a set
 * gives way.
 *
 * One owner thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/hash.h"
#include "collector/packet/flow_key.h"

struct fragment_table;

/* What the first fragment said. */
struct fragment_flow {
	struct flow_key key;
	bool source_is_low;
	bool counted_whole; /* the first fragment's inner IP header already counted all bytes */
};

/* NULL with errno; the caller closes. */
struct fragment_table *fragment_table_open(const struct hash_seed *seed);
void fragment_table_close(struct fragment_table *table);

/* Remembers (or replaces) the flow of these fragments. */
void fragment_table_put(struct fragment_table *table, const struct fragment_key *fragment,
			const struct fragment_flow *flow, uint64_t now_ns);

/* Valid until the next put, or NULL: not seen, given way, or too long ago. */
const struct fragment_flow *fragment_table_find(const struct fragment_table *table,
						const struct fragment_key *fragment,
						uint64_t now_ns);

size_t fragment_table_bytes(void);
