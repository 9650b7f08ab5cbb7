#include "correlator/address_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/table.h"
#include "correlator/aged_slots.h"

#define STRETCH_GAP_NS (UINT64_C(3600) * 1000000000)

enum { STRETCHES_MAX = 6 };

struct stretch {
	uint64_t first_ns;
	uint64_t last_ns;
};

struct claim {
	struct ip_address address;
	uint32_t host;
	uint32_t source;
	uint32_t next; /* claim on the same address */
	uint32_t stretch_count;
	uint64_t own_count;
	uint64_t other_count;
	struct stretch stretches[STRETCHES_MAX]; /* labels; ascending, of the moments it was own */
};

struct address_table {
	struct hash_seed seed;
	struct counters *counters;
	struct aged_slots slots;
	struct claim *claims;
	struct table *by_address; /* first claim on each address */
};

static bool address_equal(const void *records, uint32_t slot, const void *key)
{
	return ip_address_equal(&((const struct claim *)records)[slot].address, key);
}

struct address_table *address_table_open(uint32_t max_claims, const struct hash_seed *seed,
					 struct counters *counters)
{
	struct address_table *table = calloc(1, sizeof(*table));
	if (!table)
		return NULL;
	table->seed = *seed;
	table->counters = counters;
	table->claims = calloc(max_claims, sizeof(*table->claims));
	if (table->claims && aged_slots_open(&table->slots, max_claims))
		table->by_address = table_open(max_claims, address_equal, table->claims);
	if (table->by_address)
		return table;
	address_table_close(table);
	errno = ENOMEM;
	return NULL;
}

void address_table_close(struct address_table *table)
{
	if (!table)
		return;
	table_close(table->by_address);
	aged_slots_close(&table->slots);
	free(table->claims);
	free(table);
}

static uint64_t hash_of(const struct address_table *table, const struct ip_address *address)
{
	return hash_bytes(&table->seed, address, sizeof(*address));
}

static uint32_t first_claim(const struct address_table *table, const struct ip_address *address)
{
	return table_find(table->by_address, hash_of(table, address), address);
}

static void forget(struct address_table *table, uint32_t slot)
{
	struct claim *claim = &table->claims[slot];
	const uint64_t hash = hash_of(table, &claim->address);
	const uint32_t first = table_find(table->by_address, hash, &claim->address);
	if (first == slot) {
		table_remove(table->by_address, hash, slot);
		if (claim->next != NO_SLOT)
			table_insert(table->by_address, hash, claim->next);
	} else {
		uint32_t before = first;
		while (table->claims[before].next != slot)
			before = table->claims[before].next;
		table->claims[before].next = claim->next;
	}
	aged_slots_give(&table->slots, slot);
}

static uint32_t claim_of(struct address_table *table, uint32_t host, enum clock_source source,
			 const struct ip_address *address)
{
	const uint32_t first = first_claim(table, address);
	for (uint32_t slot = first; slot != TABLE_NONE; slot = table->claims[slot].next)
		if (table->claims[slot].host == host && table->claims[slot].source == source)
			return slot;
	if (table->slots.count == table->slots.capacity) {
		counter_add(table->counters, COUNTER_facts_evicted, 1);
		forget(table, table->slots.oldest);
		return claim_of(table, host, source, address);
	}
	const uint32_t slot = aged_slots_take(&table->slots);
	table->claims[slot] = (struct claim){
		.address = *address, .host = host, .source = (uint32_t)source, .next = NO_SLOT
	};
	if (first == TABLE_NONE) {
		table_insert(table->by_address, hash_of(table, address), slot);
		return slot;
	}
	table->claims[slot].next = table->claims[first].next;
	table->claims[first].next = slot;
	return slot;
}

static void remove_stretch(struct claim *claim, uint32_t at)
{
	claim->stretch_count--;
	memmove(&claim->stretches[at], &claim->stretches[at + 1],
		(claim->stretch_count - at) * sizeof(claim->stretches[0]));
}

/* Room for one more: the two neighbours that lie closest become one. */
static void join_closest(struct claim *claim)
{
	uint32_t closest = 0;
	uint64_t closest_ns = UINT64_MAX;
	for (uint32_t i = 0; i + 1 < claim->stretch_count; i++) {
		const uint64_t gap_ns =
			claim->stretches[i + 1].first_ns - claim->stretches[i].last_ns;
		if (gap_ns < closest_ns) {
			closest = i;
			closest_ns = gap_ns;
		}
	}
	claim->stretches[closest].last_ns = claim->stretches[closest + 1].last_ns;
	remove_stretch(claim, closest + 1);
}

/* Adds a moment to the union: it widens a stretch, joins two, or begins one. */
static void add_moment(struct claim *claim, uint64_t label_ns)
{
	uint32_t at = 0;
	while (at < claim->stretch_count &&
	       claim->stretches[at].last_ns + STRETCH_GAP_NS < label_ns)
		at++;
	struct stretch *stretch = &claim->stretches[at];
	if (at < claim->stretch_count && label_ns + STRETCH_GAP_NS >= stretch->first_ns) {
		if (label_ns < stretch->first_ns)
			stretch->first_ns = label_ns;
		if (label_ns > stretch->last_ns)
			stretch->last_ns = label_ns;
		if (at + 1 < claim->stretch_count &&
		    stretch->last_ns + STRETCH_GAP_NS >= stretch[1].first_ns) {
			stretch->last_ns = stretch[1].last_ns;
			remove_stretch(claim, at + 1);
		}
		return;
	}
	if (claim->stretch_count == STRETCHES_MAX) {
		join_closest(claim);
		add_moment(claim, label_ns);
		return;
	}
	memmove(stretch + 1, stretch, (claim->stretch_count - at) * sizeof(*stretch));
	*stretch = (struct stretch){ label_ns, label_ns };
	claim->stretch_count++;
}

bool address_is_shared(const struct ip_address *address)
{
	const uint8_t *bytes = address->bytes;
	if (ip_address_is_v4(address))
		return bytes[12] >= 224 || bytes[12] == 127 || bytes[12] == 0;
	if (bytes[0] == 0xff)
		return true;
	for (int i = 0; i < 15; i++)
		if (bytes[i])
			return false;
	return bytes[15] <= 1; /* :: and ::1 */
}

void address_table_claim(struct address_table *table, uint32_t host, enum clock_source source,
			 const struct ip_address *address, uint64_t label_ns, bool own)
{
	if (address_is_shared(address))
		return;
	const uint32_t slot = claim_of(table, host, source, address);
	struct claim *claim = &table->claims[slot];
	aged_slots_touch(&table->slots, slot);
	if (!own) {
		claim->other_count++;
		return;
	}
	claim->own_count++;
	add_moment(claim, label_ns);
}

bool address_table_owns(const struct address_table *table, const struct host_table *hosts,
			uint32_t host, const struct ip_address *address)
{
	uint64_t own_count = 0;
	uint64_t other_count = 0;
	for (uint32_t slot = first_claim(table, address); slot != TABLE_NONE;
	     slot = table->claims[slot].next) {
		const struct claim *claim = &table->claims[slot];
		if (!host_table_same(hosts, claim->host, host))
			continue;
		own_count += claim->own_count;
		other_count += claim->other_count;
	}
	return own_count > other_count;
}

static uint64_t distance_to(const struct claim *claim, uint64_t label_ns)
{
	uint64_t nearest_ns = UINT64_MAX;
	for (uint32_t i = 0; i < claim->stretch_count; i++) {
		const struct stretch *stretch = &claim->stretches[i];
		uint64_t apart_ns = 0;
		if (label_ns < stretch->first_ns)
			apart_ns = stretch->first_ns - label_ns;
		else if (label_ns > stretch->last_ns)
			apart_ns = label_ns - stretch->last_ns;
		if (apart_ns < nearest_ns)
			nearest_ns = apart_ns;
	}
	return nearest_ns;
}

struct address_owner address_table_owner(const struct address_table *table,
					 const struct host_table *hosts,
					 const struct ip_address *address, uint64_t wire_ns)
{
	struct address_owner owner = { .host = HOST_NONE };
	uint64_t nearest_ns = UINT64_MAX;
	for (uint32_t slot = first_claim(table, address); slot != TABLE_NONE;
	     slot = table->claims[slot].next) {
		const struct claim *claim = &table->claims[slot];
		if (claim->own_count == 0 ||
		    !address_table_owns(table, hosts, claim->host, address))
			continue;
		/* labels are on the host's clock; move the moment there */
		const struct clock_reading reading =
			host_table_read_clock(hosts, claim->host, (enum clock_source)claim->source,
					      claim->stretches[0].first_ns);
		const uint64_t apart_ns = distance_to(claim, wire_ns + (uint64_t)reading.offset_ns);
		const uint32_t host = host_table_canonical(hosts, claim->host);
		if (owner.host == host) {
			nearest_ns = apart_ns < nearest_ns ? apart_ns : nearest_ns;
		} else if (apart_ns == nearest_ns && owner.host != HOST_NONE) {
			owner.ambiguous = true;
			owner.host = host < owner.host ? host : owner.host;
		} else if (apart_ns < nearest_ns) {
			owner = (struct address_owner){ .host = host };
			nearest_ns = apart_ns;
		}
	}
	return owner;
}

static int compare_address(const void *left, const void *right)
{
	return memcmp(left, right, sizeof(struct ip_address));
}

size_t address_table_list(const struct address_table *table, const struct host_table *hosts,
			  uint32_t host, struct ip_address *out_addresses, size_t max)
{
	size_t count = 0;
	for (uint32_t slot = table->slots.oldest; slot != NO_SLOT && count < max;
	     slot = aged_slots_next(&table->slots, slot)) {
		const struct claim *claim = &table->claims[slot];
		if (claim->own_count == 0 || !host_table_same(hosts, claim->host, host) ||
		    !address_table_owns(table, hosts, host, &claim->address))
			continue;
		bool known = false;
		for (size_t i = 0; i < count && !known; i++)
			known = ip_address_equal(&out_addresses[i], &claim->address);
		if (!known)
			out_addresses[count++] = claim->address;
	}
	qsort(out_addresses, count, sizeof(out_addresses[0]), compare_address);
	return count;
}

size_t address_table_bytes(const struct address_table *table)
{
	return sizeof(*table) + table->slots.capacity * sizeof(struct claim) +
	       aged_slots_bytes(&table->slots) + table_bytes(table->by_address);
}
