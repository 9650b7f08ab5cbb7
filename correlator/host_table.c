#include "correlator/host_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/table.h"
#include "collector/event.h"

struct host {
	char name[HOST_NAME_MAX_BYTES + 1]; /* ASCII lower case */
	uint16_t name_bytes;
	uint16_t label_bytes;	/* up to the first dot */
	uint32_t group;		/* the first host with this label */
	uint32_t next_in_group; /* or HOST_NONE */
	uint32_t clocks[CLOCK_SOURCES];
	struct host_books books;
};

struct host_table {
	struct hash_seed seed;
	struct counters *counters;
	uint32_t capacity;
	uint32_t count;
	uint32_t clock_capacity;
	uint32_t clock_count;
	struct host *hosts;
	struct clock *clocks;
	struct table *by_name;
	struct table *by_label; /* first host of each group */
};

enum { CLOCKS_PER_HOST = 2 }; /* most hosts send Sysmon and Security, or Endpoint */

struct text_key {
	const char *text;
	size_t size_bytes;
};

static bool name_equal(const void *records, uint32_t slot, const void *key)
{
	const struct host *host = (const struct host *)records + slot;
	const struct text_key *text = key;
	return host->name_bytes == text->size_bytes &&
	       memcmp(host->name, text->text, text->size_bytes) == 0;
}

static bool label_equal(const void *records, uint32_t slot, const void *key)
{
	const struct host *host = (const struct host *)records + slot;
	const struct text_key *text = key;
	return host->label_bytes == text->size_bytes &&
	       memcmp(host->name, text->text, text->size_bytes) == 0;
}

const char *clock_source_name(enum clock_source source)
{
	static const char *const names[CLOCK_SOURCES] = { "sysmon", "security", "endpoint",
							  "other" };
	return names[source];
}

enum clock_source clock_source_of_datasets(uint32_t datasets)
{
	const uint32_t endpoint = 1U << DATASET_endpoint_process | 1U << DATASET_endpoint_network |
				  1U << DATASET_endpoint_file | 1U << DATASET_endpoint_registry |
				  1U << DATASET_endpoint_library | 1U << DATASET_endpoint_security |
				  1U << DATASET_endpoint_api | 1U << DATASET_endpoint_alerts;
	if (datasets & 1U << DATASET_sysmon)
		return CLOCK_SYSMON;
	if (datasets & 1U << DATASET_security)
		return CLOCK_SECURITY;
	return datasets & endpoint ? CLOCK_ENDPOINT : CLOCK_OTHER;
}

struct host_table *host_table_open(uint32_t max_hosts, const struct hash_seed *seed,
				   struct counters *counters)
{
	struct host_table *table = calloc(1, sizeof(*table));
	if (!table)
		return NULL;
	table->seed = *seed;
	table->counters = counters;
	table->capacity = max_hosts;
	table->clock_capacity = max_hosts * CLOCKS_PER_HOST;
	table->hosts = calloc(max_hosts, sizeof(*table->hosts));
	table->clocks = calloc(table->clock_capacity, sizeof(*table->clocks));
	if (table->hosts && table->clocks) {
		table->by_name = table_open(max_hosts, name_equal, table->hosts);
		table->by_label = table_open(max_hosts, label_equal, table->hosts);
	}
	if (table->by_name && table->by_label)
		return table;
	host_table_close(table);
	errno = ENOMEM;
	return NULL;
}

void host_table_close(struct host_table *table)
{
	if (!table)
		return;
	table_close(table->by_name);
	table_close(table->by_label);
	free(table->clocks);
	free(table->hosts);
	free(table);
}

/* "10.1.2.3" has dots, but it is no short name with a domain. */
static size_t label_size(const char *name, size_t size_bytes)
{
	struct ip_address address;
	if (ip_address_parse(name, size_bytes, &address))
		return size_bytes;
	const char *dot = memchr(name, '.', size_bytes);
	return dot && dot != name ? (size_t)(dot - name) : size_bytes;
}

static void join_group(struct host_table *table, uint32_t id)
{
	struct host *host = &table->hosts[id];
	const struct text_key label = { host->name, host->label_bytes };
	const uint64_t hash = hash_bytes(&table->seed, label.text, label.size_bytes);
	const uint32_t first = table_find(table->by_label, hash, &label);
	host->next_in_group = HOST_NONE;
	if (first == TABLE_NONE) {
		host->group = id;
		table_insert(table->by_label, hash, id);
		return;
	}
	host->group = first;
	host->next_in_group = table->hosts[first].next_in_group;
	table->hosts[first].next_in_group = id;
}

uint32_t host_table_learn(struct host_table *table, const char *name, size_t size_bytes)
{
	char folded[HOST_NAME_MAX_BYTES + 1];
	if (size_bytes && name[size_bytes - 1] == '.')
		size_bytes--; /* the root's dot */
	if (size_bytes == 0 || size_bytes > HOST_NAME_MAX_BYTES)
		return HOST_NONE;
	for (size_t i = 0; i < size_bytes; i++)
		folded[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] | 0x20 : name[i]);
	const struct text_key key = { folded, size_bytes };
	const uint64_t hash = hash_bytes(&table->seed, folded, size_bytes);
	const uint32_t known = table_find(table->by_name, hash, &key);
	if (known != TABLE_NONE)
		return known;
	if (table->count == table->capacity) {
		counter_add(table->counters, COUNTER_hosts_refused, 1);
		return HOST_NONE;
	}
	const uint32_t id = table->count++;
	struct host *host = &table->hosts[id];
	memcpy(host->name, folded, size_bytes);
	host->name_bytes = (uint16_t)size_bytes;
	host->label_bytes = (uint16_t)label_size(folded, size_bytes);
	memset(host->clocks, 0xff, sizeof(host->clocks));
	table_insert(table->by_name, hash, id);
	join_group(table, id);
	return id;
}

uint32_t host_table_count(const struct host_table *table)
{
	return table->count;
}

const char *host_table_name(const struct host_table *table, uint32_t host)
{
	return table->hosts[host].name;
}

uint32_t host_table_group(const struct host_table *table, uint32_t host)
{
	return table->hosts[host].group;
}

uint32_t host_table_canonical(const struct host_table *table, uint32_t host)
{
	const struct host *asked = &table->hosts[host];
	if (asked->label_bytes != asked->name_bytes)
		return host;
	uint32_t full = HOST_NONE;
	for (uint32_t id = asked->group; id != HOST_NONE; id = table->hosts[id].next_in_group) {
		if (id == host)
			continue;
		if (full != HOST_NONE)
			return host; /* two hosts it could be short for */
		full = id;
	}
	return full == HOST_NONE ? host : full;
}

bool host_table_same(const struct host_table *table, uint32_t left, uint32_t right)
{
	if (left == right)
		return true;
	if (table->hosts[left].group != table->hosts[right].group)
		return false;
	return host_table_canonical(table, left) == host_table_canonical(table, right);
}

/* --- clocks ----------------------------------------------------------------------------------- */

struct clock *host_table_clock(struct host_table *table, uint32_t host, enum clock_source source,
			       bool create)
{
	uint32_t *slot = &table->hosts[host].clocks[source];
	if (*slot == HOST_NONE && create && table->clock_count < table->clock_capacity)
		*slot = table->clock_count++;
	return *slot == HOST_NONE ? NULL : &table->clocks[*slot];
}

static const struct clock *clock_of(const struct host_table *table, uint32_t host,
				    enum clock_source source)
{
	const uint32_t slot = table->hosts[host].clocks[source];
	return slot == HOST_NONE ? NULL : &table->clocks[slot];
}

/* The most trusted clock of the host, under any of its names, but not `except`. */
static const struct clock *best_other(const struct host_table *table, uint32_t host,
				      const struct clock *except)
{
	const struct clock *best = NULL;
	const uint32_t group = table->hosts[host].group;
	for (uint32_t id = group; id != HOST_NONE; id = table->hosts[id].next_in_group) {
		if (!host_table_same(table, host, id))
			continue;
		for (int source = 0; source < CLOCK_SOURCES; source++) {
			const struct clock *clock = clock_of(table, id, (enum clock_source)source);
			if (!clock || clock == except || clock->trust <= 0)
				continue;
			if (!best || clock->trust > best->trust ||
			    (clock->trust >= best->trust && clock->tuple_count > best->tuple_count))
				best = clock;
		}
	}
	return best;
}

static void settle_clocks_of(struct host_table *table, uint32_t host, bool all, bool alone)
{
	for (int source = 0; source < CLOCK_SOURCES; source++) {
		struct clock *clock =
			host_table_clock(table, host, (enum clock_source)source, false);
		if (!clock)
			continue;
		if (alone && (all ? clock->stale : clock_due(clock)))
			clock_settle(clock, NULL);
		if (!alone && clock->trust < 0.9)
			clock_settle(clock, best_other(table, host, clock));
	}
}

/* Each clock by itself first; then those that could not decide alone ask the others. So the result
 * does not depend on the order of hosts. */
void host_table_settle_clocks(struct host_table *table, bool all)
{
	for (uint32_t id = 0; id < table->count; id++)
		settle_clocks_of(table, id, all, true);
	for (uint32_t id = 0; id < table->count; id++)
		settle_clocks_of(table, id, all, false);
}

void host_table_settle_host(struct host_table *table, uint32_t host)
{
	settle_clocks_of(table, host, false, true);
	settle_clocks_of(table, host, false, false);
}

struct clock_reading host_table_read_clock(const struct host_table *table, uint32_t host,
					   enum clock_source source, uint64_t label_ns)
{
	const struct clock *own = clock_of(table, host, source);
	if (own && own->trust > 0)
		return clock_read(own, label_ns);
	const struct clock *other = best_other(table, host, own);
	if (!other)
		return (struct clock_reading){ 0 };
	struct clock_reading reading = clock_read(other, label_ns);
	reading.trust *= 0.9;
	return reading;
}

/* How long a source takes at least to write a network event. Sysmon: a second, and up to another
 * one. */
static const int64_t write_delay_ns[CLOCK_SOURCES] = { [CLOCK_SYSMON] = 1000000000 };

static int64_t nearest_quarter_hours(int64_t difference_ns)
{
	const int64_t step_ns = INT64_C(15) * 60 * 1000000000;
	const int64_t half_ns = difference_ns < 0 ? -step_ns / 2 : step_ns / 2;
	return (difference_ns + half_ns) / step_ns * step_ns;
}

/* The host's clock as one of its sources shows it, in the zone of `own`'s labels. */
static int64_t event_offset(const struct clock *clock, enum clock_source source,
			    const struct clock *own, uint64_t label_ns)
{
	const int64_t apart_ns = clock->knots[clock->knot_count / 2].offset_ns -
				 own->knots[own->knot_count / 2].offset_ns;
	const int64_t zone_ns = nearest_quarter_hours(apart_ns);
	const int64_t cut_ns = clock->whole_seconds ? 1000000000 : 0;
	return clock_read(clock, label_ns + (uint64_t)zone_ns).offset_ns - zone_ns + cut_ns -
	       write_delay_ns[source];
}

struct clock_reading host_table_read_event_clock(const struct host_table *table, uint32_t host,
						 enum clock_source source, uint64_t label_ns)
{
	static const enum clock_source at_once[] = { CLOCK_SECURITY, CLOCK_ENDPOINT, CLOCK_OTHER };
	enum { SAME_CLOCK_NS_MAX = 5 };
	struct clock_reading reading = host_table_read_clock(table, host, source, label_ns);
	const struct clock *own = clock_of(table, host, source);
	if (!own || own->trust <= 0 || own->knot_count == 0)
		return reading;
	reading.offset_ns = event_offset(own, source, own, label_ns);
	for (size_t i = 0; i < sizeof(at_once) / sizeof(at_once[0]) && write_delay_ns[source];
	     i++) {
		const struct clock *other = clock_of(table, host, at_once[i]);
		if (!other || other->trust < own->trust * 0.9 || other->knot_count == 0)
			continue;
		const int64_t offset_ns = event_offset(other, at_once[i], own, label_ns);
		if (llabs(offset_ns - reading.offset_ns) <
		    SAME_CLOCK_NS_MAX * INT64_C(1000000000)) {
			reading.offset_ns = offset_ns;
			reading.confidence_ns = other->confidence_ns;
		}
		break;
	}
	return reading;
}

uint32_t host_table_clock_revision(const struct host_table *table, uint32_t host,
				   enum clock_source source)
{
	const struct clock *own = clock_of(table, host, source);
	if (own && own->trust > 0)
		return own->revision;
	const struct clock *other = best_other(table, host, own);
	return other ? other->revision : 0;
}

struct host_books *host_table_books(struct host_table *table, uint32_t host)
{
	return &table->hosts[host].books;
}

size_t host_table_bytes(const struct host_table *table)
{
	return sizeof(*table) + table->capacity * sizeof(struct host) +
	       table->clock_capacity * sizeof(struct clock) + table_bytes(table->by_name) +
	       table_bytes(table->by_label);
}
