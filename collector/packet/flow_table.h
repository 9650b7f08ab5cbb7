/* flow_table.h: the open flows of one capture thread: where they are kept, found, and timed.
 *
 * A fixed array of records, an index by key (base/table.h) and a timer per record (base/timer.h).
 * What packets mean for a flow is flow_state.h; what happens when is tracker.c.
 *
 * Owned by its capture thread; no other may touch it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/packet/flow_key.h"

/* Bits of flow.flags besides enum flow_flags, which are the low four. */
enum flow_record_flags {
	FLOW_RECORD_SOURCE_IS_LOW = 1 << 4, /* which end of the key opened the flow */
	FLOW_RECORD_NAMES = 1 << 5,	    /* payload may still hold a name */
	FLOW_RECORD_TUNNEL = 1 << 6,	    /* flow_table_rest has addresses */
	FLOW_RECORD_SYN = 1 << 7,	    /* initial_sequence is known */
	FLOW_RECORD_PUBLIC = 0x0f,	    /* enum flow_flags */
};

enum { FLOW_FROM_SOURCE, FLOW_FROM_DESTINATION };

/* One open flow. Public, because every packet reads and writes it in place. Two cache lines: the
 * first to find it, the second to count. Index 0 of each pair is from the end that opened it. */
struct flow {
	struct flow_key key;
	uint64_t touched_ns;  /* tracker's clock at the latest packet */
	uint32_t update_at_s; /* tracker's clock: when the next FLOW_UPDATE is due */
	uint16_t capture;
	uint8_t flags;	/* enum flow_flags, enum flow_record_flags */
	uint8_t opener; /* enum flow_opener */

	uint64_t packet_count[2];
	uint64_t wire_bytes[2];
	uint64_t start_ns;
	uint64_t last_ns;
	uint32_t initial_sequence; /* of the SYN */
	uint32_t tunnel_id;
	uint16_t vlan_ids[FLOW_VLANS_MAX];
	uint8_t tcp_flags[2];
	uint8_t ttl[2];
};

enum { FLOW_RECORD_BYTES_MAX = 128 };
_Static_assert(sizeof(struct flow) == FLOW_RECORD_BYTES_MAX, "two cache lines");
_Static_assert(offsetof(struct flow, packet_count) == 64, "what finds it, then what counts");

/* What only some flows have; pages that no flow needs stay untouched. */
struct flow_rest {
	struct ip_address tunnel_source;
	struct ip_address tunnel_destination;
};

struct flow_table;

/* NULL with errno; the caller closes. Time is the caller's and starts at 0. */
struct flow_table *flow_table_open(uint32_t max_flows, const struct hash_seed *seed);
void flow_table_close(struct flow_table *table);

/* Three passes over a batch: prefetch all, prefetch_record all, find all. */
void flow_table_prefetch(const struct flow_table *table, uint64_t hash);
void flow_table_prefetch_record(const struct flow_table *table, uint64_t hash);
struct flow *flow_table_find(struct flow_table *table, const struct flow_key *key, uint64_t hash);

/* A zeroed record with this key, or NULL: full. */
struct flow *flow_table_add(struct flow_table *table, const struct flow_key *key, uint64_t hash);
void flow_table_remove(struct flow_table *table, struct flow *flow);
struct flow_rest *flow_table_rest(struct flow_table *table, const struct flow *flow);

/* Arms the flow's timer, or moves it. */
void flow_table_arm(struct flow_table *table, const struct flow *flow, uint64_t at_ns);

/* Up to `max` flows whose timer is due; it is disarmed. */
enum { FLOW_TABLE_DUE_MAX = 64 };
size_t flow_table_due(struct flow_table *table, uint64_t now_ns,
		      struct flow *out_flows[FLOW_TABLE_DUE_MAX]);

/* The next few records in turn, for choosing one to evict: all of a table no larger than
 * FLOW_TABLE_SAMPLE. Only of a full table, where every record is in use. */
enum { FLOW_TABLE_SAMPLE = 16 };
size_t flow_table_sample(struct flow_table *table, struct flow *out_flows[FLOW_TABLE_SAMPLE]);

/* Every open flow, in no promised order; writes up to flow_table_count. */
void flow_table_all(struct flow_table *table, struct flow **out_flows);

uint32_t flow_table_count(const struct flow_table *table);
size_t flow_table_bytes(const struct flow_table *table);
