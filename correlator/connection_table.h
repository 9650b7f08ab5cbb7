/* connection_table.h: everything that was seen or said of each conversation: flows on the wire and
 * reports by hosts, under one unordered five-tuple.
 *
 *	conversation (five-tuple) --> flow, flow, ...	the same tuple again later is another flow
 *				  \-> report, report, ...
 *
 * Which report speaks of which flow is not stored here: it is worked out when asked, from times and
 * clocks (attribution.h), because both may still change.
 *
 * One owner thread. Full tables forget the oldest; the owner is asked to say its last word first.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/counter.h"
#include "collector/base/hash.h"
#include "collector/flow.h"
#include "correlator/cell_store.h"
#include "correlator/host_table.h"
#include "correlator/aged_slots.h"

enum { CHAIN_LOOK_MAX = 64 }; /* flows or reports of one tuple that are looked at */

/* The lower (address, port) first, so that both directions have one key. */
struct tuple {
	struct ip_address low;
	struct ip_address high;
	uint16_t low_port;
	uint16_t high_port;
	uint32_t ip_protocol;
};

struct conversation {
	struct tuple tuple;
	uint32_t first_flow; /* newest first */
	uint32_t first_report;
};

enum flow_side { SIDE_SOURCE, SIDE_DESTINATION, SIDES };

struct flow_record {
	struct flow_event flow; /* the latest state */
	uint32_t conversation;
	uint32_t next;		    /* of the conversation */
	uint64_t said[SIDES];	    /* signature of what was last said of each end; 0 = nothing */
	uint64_t identities[SIDES]; /* of the joined events; 0 = not said yet */
	bool said_owned[SIDES];	    /* what was said named an owner */
	bool ended;
};

/* Which end of the conversation the reporting host is. */
enum report_hint { HINT_NONE, HINT_SOURCE, HINT_DESTINATION };

struct report {
	uint32_t conversation;
	uint32_t next;
	uint32_t host;
	uint32_t process; /* record in process_table as the event named it, or NO_SLOT */
	uint32_t process_generation;
	uint32_t event; /* handle in the store, or CELL_NONE */
	uint32_t datasets;
	uint16_t source_port;
	uint16_t destination_port;
	uint8_t source; /* enum clock_source */
	uint8_t hint;	/* enum report_hint */
	bool hint_is_sure;
	bool connection_end; /* tells of the end of a connection, not of its start */
	struct ip_address source_ip;
	struct ip_address destination_ip;
	uint64_t label_ns;
	uint64_t received_ns;
	uint64_t arrived_ns; /* watermark at arrival */
	uint64_t identity;
	uint64_t tiebreaker; /* of its event: orders what was written in the same second */
	uint64_t said; /* identity of the joined event that it went into while not on the wire */
};

struct connection_table {
	struct hash_seed seed;
	struct counters *counters;
	struct cell_store *store;
	struct aged_slots conversation_slots;
	struct aged_slots flow_slots;
	struct aged_slots report_slots;
	struct conversation *conversations;
	struct flow_record *flows;
	struct report *reports;
	struct table *by_tuple;
};

bool connection_table_open(struct connection_table *table, uint32_t max_flows, uint32_t max_reports,
			   struct cell_store *store, const struct hash_seed *seed,
			   struct counters *counters);
void connection_table_close(struct connection_table *table);

struct tuple tuple_make(const struct ip_address *source, uint16_t source_port,
			const struct ip_address *destination, uint16_t destination_port,
			uint32_t ip_protocol);

/* For clock samples: equal in every run. */
uint64_t tuple_stable_hash(const struct tuple *tuple);

/* Ephemeral on one side, and not a socket that every host has: unlikely to come twice by chance. */
bool tuple_is_distinctive(const struct tuple *tuple);

/* The flow's record, made when it is new. NO_SLOT: full; forget the oldest, then ask again. */
uint32_t connection_table_flow(struct connection_table *table, const struct flow_event *flow,
			       bool *out_new);

/* Adds a report (copied); NO_SLOT: full. */
uint32_t connection_table_report(struct connection_table *table, const struct tuple *tuple,
				 const struct report *report);

void connection_table_forget_flow(struct connection_table *table, uint32_t slot);
void connection_table_forget_report(struct connection_table *table, uint32_t slot);

static inline struct conversation *conversation_of_flow(const struct connection_table *table,
							uint32_t flow)
{
	return &table->conversations[table->flows[flow].conversation];
}

size_t connection_table_bytes(const struct connection_table *table);
