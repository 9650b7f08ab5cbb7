/* fact_table.h: what hosts said besides connections: a process bound a local port, a process
 * resolved a name. Found by (protocol, port) and by resolved address.
 *
 * One owner thread. A full table forgets the oldest and counts.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/address.h"
#include "collector/base/counter.h"
#include "collector/base/hash.h"
#include "correlator/aged_slots.h"

enum fact_kind {
	FACT_BIND,	 /* a process bound this local port */
	FACT_RESOLVED,	 /* a process resolved a name to this address */
	FACT_PEER,	 /* a process had a connection to this address and port */
	FACT_SOCKET,	 /* a process had a UDP conversation from this local port */
	FACT_NAMED,	 /* a host says that it resolved this name */
	FACT_WIRE_NAMED, /* the wire saw `local` resolve this name; label_ns is wire time */
};

struct fact_key {
	struct ip_address address; /* resolved to, or of the peer, or the hash of a name */
	uint32_t ip_protocol;	   /* of ports, else 0 */
	uint16_t port;
	uint16_t kind; /* enum fact_kind */
};

struct fact {
	struct fact_key key;
	uint32_t host;
	uint32_t source; /* enum clock_source */
	uint32_t process;
	uint32_t process_generation;
	uint32_t next;
	uint64_t label_ns;
	uint64_t identity;
	struct ip_address local; /* FACT_BIND: the address bound; zero or unspecified = any */
};

struct fact_table;

struct fact_table *fact_table_open(uint32_t max_facts, const struct hash_seed *seed,
				   struct counters *counters);
void fact_table_close(struct fact_table *table);

void fact_table_add(struct fact_table *table, const struct fact *fact);

/* The newest fact under a key; the others follow by `next`. NULL = none. */
const struct fact *fact_table_first(const struct fact_table *table, const struct fact_key *key);
const struct fact *fact_table_next(const struct fact_table *table, const struct fact *fact);

/* Every fact, oldest first: `at` begins as NULL. */
const struct fact *fact_table_walk(const struct fact_table *table, const struct fact *at);

uint32_t fact_table_count(const struct fact_table *table);
size_t fact_table_bytes(const struct fact_table *table);
