/* flow_name_table.h: the names that flows asked for, read off the wire: the server name and JA4 of
 * a TLS handshake, the Host of an HTTP request. Found by the flow's id.
 *
 * A flow that says several (keep-alive, a second handshake) is known by its first, in the wire's
 * time: the same whatever the order of arrival. A name may come before its flow and stays until the
 * flow is forgotten. A full table forgets the oldest and counts (flow_names_evicted).
 *
 * One owner thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/counter.h"
#include "collector/base/hash.h"
#include "collector/flow.h"

struct flow_name_table;

/* Each NULL when not seen; NUL-terminated, valid until the table's next change. */
struct flow_names {
	const char *server_name; /* TLS */
	const char *ja4;
	const char *http_host;
};

/* Room for `max_flows` flows with names of ordinary length. NULL with errno; the caller closes. */
struct flow_name_table *flow_name_table_open(uint32_t max_flows, const struct hash_seed *seed,
					     struct counters *counters);
void flow_name_table_close(struct flow_name_table *table);

/* Learns a WIRE_NAME_TLS or WIRE_NAME_HTTP; others are not for here. */
void flow_name_table_add(struct flow_name_table *table, const struct wire_name *name);

/* False: the flow has said none. */
bool flow_name_table_find(const struct flow_name_table *table, uint64_t flow_id,
			  struct flow_names *out_names);

/* How often what is known of the flow has changed: 0 = no name yet. */
uint32_t flow_name_table_revision(const struct flow_name_table *table, uint64_t flow_id);

void flow_name_table_forget(struct flow_name_table *table, uint64_t flow_id);

/* The domain that the flow went to: the server name, else the Host, unless that is an address.
 * NULL = not known. */
const char *flow_names_domain(const struct flow_names *names);

size_t flow_name_table_bytes(const struct flow_name_table *table);
