/* host_table.h: the hosts that send events: their names and their clocks. (Their addresses:
 * address_table.h.)
 *
 * A host is known by the name its events carry. A short name and the only full name that begins
 * with it are one host; two full names are two, and then the short name stands for itself. That is
 * decided when asked, from all names known, so that it does not matter which name came first.
 *
 * One owner thread. Nothing is ever forgotten here: a full table refuses and counts.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/counter.h"
#include "collector/base/hash.h"
#include "correlator/baseline.h"
#include "correlator/clock.h"

struct host_table;

enum { HOST_NONE = UINT32_MAX, HOST_NAME_MAX_BYTES = 255 };

/* Event sources label differently, so each has a clock of its own. */
enum clock_source { CLOCK_SYSMON, CLOCK_SECURITY, CLOCK_ENDPOINT, CLOCK_OTHER, CLOCK_SOURCES };

const char *clock_source_name(enum clock_source source);
enum clock_source clock_source_of_datasets(uint32_t datasets);

/* NULL with errno; the caller closes. */
struct host_table *host_table_open(uint32_t max_hosts, const struct hash_seed *seed,
				   struct counters *counters);
void host_table_close(struct host_table *table);

/* The number of a name, new or known; HOST_NONE when the table is full or the name is none. */
uint32_t host_table_learn(struct host_table *table, const char *name, size_t size_bytes);

uint32_t host_table_count(const struct host_table *table);
const char *host_table_name(const struct host_table *table, uint32_t host); /* lower case */

/* The name by which this host is reported, and which two numbers must share to be one host. */
uint32_t host_table_canonical(const struct host_table *table, uint32_t host);
bool host_table_same(const struct host_table *table, uint32_t left, uint32_t right);

/* Equal for all names that could ever be one host: for the keys of indices. */
uint32_t host_table_group(const struct host_table *table, uint32_t host);

/* --- clocks ----------------------------------------------------------------------------------- */

/* The clock of a name and source; NULL when there is no sample and, with `create`, no room. */
struct clock *host_table_clock(struct host_table *table, uint32_t host, enum clock_source source,
			       bool create);

/* Settles the clocks that have new samples; with `all`, also those not due yet. */
void host_table_settle_clocks(struct host_table *table, bool all);

/* The same for the clocks of one name, when they are due. */
void host_table_settle_host(struct host_table *table, uint32_t host);

/* The offset for a label: of its own clock, else of another source of the host. Trust 0 and offset
 * 0: unknown. */
struct clock_reading host_table_read_clock(const struct host_table *table, uint32_t host,
					   enum clock_source source, uint64_t label_ns);

/* The same for an event that is no network report: the host's own clock, without the time that
 * writing network events takes. Read off the source that writes them at once where there is one
 * (the Security log). */
struct clock_reading host_table_read_event_clock(const struct host_table *table, uint32_t host,
						 enum clock_source source, uint64_t label_ns);

/* Moves with every change of any clock's estimate worth noticing. */
uint32_t host_table_clock_revision(const struct host_table *table, uint32_t host,
				   enum clock_source source);

static inline uint64_t wire_time(const struct clock_reading *reading, uint64_t label_ns)
{
	return label_ns - (uint64_t)reading->offset_ns;
}

/* --- books ------------------------------------------------------------------------------------ */

struct host_books {
	uint64_t event_count;
	uint64_t network_event_count; /* connections that it reported */
	uint64_t hint_count;	      /* local ports and names that it reported */
	uint64_t process_count;
	uint64_t owned_count;
	uint64_t unreported_count;
	uint64_t news_count;			/* of the unreported ones: against its habit */
	uint64_t first_label_ns[CLOCK_SOURCES]; /* of network events: since when it sends them */
	uint64_t last_label_ns[CLOCK_SOURCES];	/* of any event: how far its stream has come */
	struct baseline baselines[TRAFFIC_KINDS];
	enum clock_source latest_source; /* the event that arrived last */
	uint64_t latest_label_ns;
	uint64_t latest_received_ns;
};

struct host_books *host_table_books(struct host_table *table, uint32_t host);

size_t host_table_bytes(const struct host_table *table);
