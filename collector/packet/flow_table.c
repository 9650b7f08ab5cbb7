/* Records are handed out from a list of free ones; those never used come last, so that a table
 * costs no memory that it has not needed yet. A record that is not in use has no protocol word of a
 * real flow (free_record_protocol), and its update_at_s is the next free one. */
#include "collector/packet/flow_table.h"

#include <assert.h>
#include <stdlib.h>

#include "collector/base/pages.h"
#include "collector/base/table.h"
#include "collector/base/timer.h"

enum { TICK_NS = 100 * 1000 * 1000 }; /* flows end at most this late */

static const uint32_t free_record_protocol = UINT32_MAX; /* in key.ip_protocol */
static const uint32_t no_record = UINT32_MAX;

struct flow_table {
	struct flow *flows;
	struct flow_rest *rests;
	struct table *index;
	struct timer_wheel *timers;
	struct hash_seed seed;
	uint32_t max_flows;
	uint32_t used_count; /* records ever used */
	uint32_t first_free;
	uint32_t count;
	uint32_t sample_at;
};

static bool key_equal(const void *records, uint32_t slot, const void *key)
{
	const struct flow *flows = records;
	return flow_key_equal(&flows[slot].key, key);
}

static size_t records_bytes(uint32_t max_flows)
{
	return (size_t)max_flows * sizeof(struct flow);
}

static size_t rests_bytes(uint32_t max_flows)
{
	return (size_t)max_flows * sizeof(struct flow_rest);
}

struct flow_table *flow_table_open(uint32_t max_flows, const struct hash_seed *seed)
{
	struct flow_table *table = calloc(1, sizeof(*table));
	if (!table)
		return NULL;
	table->seed = *seed;
	table->max_flows = max_flows;
	table->first_free = no_record;
	table->flows = pages_open(records_bytes(max_flows));
	table->rests = pages_open(rests_bytes(max_flows));
	table->timers = timer_wheel_open(max_flows, TICK_NS, 0);
	if (table->flows)
		table->index = table_open(max_flows, key_equal, table->flows);
	if (table->flows && table->rests && table->timers && table->index)
		return table;
	flow_table_close(table);
	return NULL;
}

void flow_table_close(struct flow_table *table)
{
	if (!table)
		return;
	table_close(table->index);
	timer_wheel_close(table->timers);
	pages_close(table->rests, rests_bytes(table->max_flows));
	pages_close(table->flows, records_bytes(table->max_flows));
	free(table);
}

void flow_table_prefetch(const struct flow_table *table, uint64_t hash)
{
	table_prefetch(table->index, hash);
}

void flow_table_prefetch_record(const struct flow_table *table, uint64_t hash)
{
	const uint32_t slot = table_candidate(table->index, hash);
	if (slot == TABLE_NONE)
		return;
	__builtin_prefetch(&table->flows[slot], 1);
	__builtin_prefetch(&table->flows[slot].packet_count, 1);
}

struct flow *flow_table_find(struct flow_table *table, const struct flow_key *key, uint64_t hash)
{
	const uint32_t slot = table_find(table->index, hash, key);
	return slot == TABLE_NONE ? NULL : &table->flows[slot];
}

static uint32_t slot_of(const struct flow_table *table, const struct flow *flow)
{
	return (uint32_t)(flow - table->flows);
}

struct flow *flow_table_add(struct flow_table *table, const struct flow_key *key, uint64_t hash)
{
	if (table->count == table->max_flows)
		return NULL;
	const uint32_t slot =
		table->first_free != no_record ? table->first_free : table->used_count;
	struct flow *flow = &table->flows[slot];
	if (!table_insert(table->index, hash, slot))
		return NULL;
	if (slot == table->first_free)
		table->first_free = flow->update_at_s;
	else
		table->used_count++;
	table->count++;
	*flow = (struct flow){ .key = *key };
	return flow;
}

void flow_table_remove(struct flow_table *table, struct flow *flow)
{
	const uint32_t slot = slot_of(table, flow);
	const bool was_there =
		table_remove(table->index, flow_key_hash(&flow->key, &table->seed), slot);
	assert(was_there);
	(void)was_there;
	timer_wheel_cancel(table->timers, slot);
	flow->key.ip_protocol = free_record_protocol;
	flow->update_at_s = table->first_free;
	table->first_free = slot;
	table->count--;
}

struct flow_rest *flow_table_rest(struct flow_table *table, const struct flow *flow)
{
	return &table->rests[slot_of(table, flow)];
}

void flow_table_arm(struct flow_table *table, const struct flow *flow, uint64_t at_ns)
{
	timer_wheel_set(table->timers, slot_of(table, flow), at_ns);
}

size_t flow_table_due(struct flow_table *table, uint64_t now_ns,
		      struct flow *out_flows[FLOW_TABLE_DUE_MAX])
{
	uint32_t slots[FLOW_TABLE_DUE_MAX];
	const size_t count = timer_wheel_advance(table->timers, now_ns, slots, FLOW_TABLE_DUE_MAX);
	for (size_t i = 0; i < count; i++)
		out_flows[i] = &table->flows[slots[i]];
	return count;
}

size_t flow_table_sample(struct flow_table *table, struct flow *out_flows[FLOW_TABLE_SAMPLE])
{
	const uint32_t count =
		table->max_flows < FLOW_TABLE_SAMPLE ? table->max_flows : FLOW_TABLE_SAMPLE;
	for (uint32_t i = 0; i < count; i++) {
		out_flows[i] = &table->flows[table->sample_at];
		table->sample_at =
			table->sample_at + 1 == table->max_flows ? 0 : table->sample_at + 1;
	}
	return count;
}

void flow_table_all(struct flow_table *table, struct flow **out_flows)
{
	for (uint32_t slot = 0; slot < table->used_count; slot++)
		if (table->flows[slot].key.ip_protocol != free_record_protocol)
			*out_flows++ = &table->flows[slot];
}

uint32_t flow_table_count(const struct flow_table *table)
{
	return table->count;
}

size_t flow_table_bytes(const struct flow_table *table)
{
	return sizeof(*table) + records_bytes(table->max_flows) + rests_bytes(table->max_flows) +
	       table_bytes(table->index) + timer_wheel_bytes(table->timers);
}
