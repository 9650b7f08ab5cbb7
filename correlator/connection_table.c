#include "correlator/connection_table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/pages.h"
#include "collector/base/table.h"

static_assert(sizeof(struct tuple) == 40, "no hidden padding: tuples are hashed as bytes");

static bool tuple_equal(const void *records, uint32_t slot, const void *key)
{
	return memcmp(&((const struct conversation *)records)[slot].tuple, key,
		      sizeof(struct tuple)) == 0;
}

bool connection_table_open(struct connection_table *table, uint32_t max_flows, uint32_t max_reports,
			   struct cell_store *store, const struct hash_seed *seed,
			   struct counters *counters)
{
	*table = (struct connection_table){ .seed = *seed, .counters = counters, .store = store };
	const uint32_t max_conversations = max_flows + max_reports;
	bool open = aged_slots_open(&table->conversation_slots, max_conversations) &&
		    aged_slots_open(&table->flow_slots, max_flows) &&
		    aged_slots_open(&table->report_slots, max_reports);
	if (open) {
		table->conversations =
			pages_open(max_conversations * sizeof(*table->conversations));
		table->flows = pages_open(max_flows * sizeof(*table->flows));
		table->reports = pages_open(max_reports * sizeof(*table->reports));
		if (table->conversations && table->flows && table->reports)
			table->by_tuple =
				table_open(max_conversations, tuple_equal, table->conversations);
	}
	if (table->by_tuple)
		return true;
	connection_table_close(table);
	errno = ENOMEM;
	return false;
}

void connection_table_close(struct connection_table *table)
{
	pages_close(table->conversations,
		    table->conversation_slots.capacity * sizeof(*table->conversations));
	pages_close(table->flows, table->flow_slots.capacity * sizeof(*table->flows));
	pages_close(table->reports, table->report_slots.capacity * sizeof(*table->reports));
	table_close(table->by_tuple);
	aged_slots_close(&table->conversation_slots);
	aged_slots_close(&table->flow_slots);
	aged_slots_close(&table->report_slots);
	*table = (struct connection_table){ 0 };
}

struct tuple tuple_make(const struct ip_address *source, uint16_t source_port,
			const struct ip_address *destination, uint16_t destination_port,
			uint32_t ip_protocol)
{
	int order = memcmp(source, destination, sizeof(*source));
	if (order == 0)
		order = source_port < destination_port ? -1 : 1;
	const bool forward = order < 0;
	return (struct tuple){
		.low = forward ? *source : *destination,
		.high = forward ? *destination : *source,
		.low_port = forward ? source_port : destination_port,
		.high_port = forward ? destination_port : source_port,
		.ip_protocol = ip_protocol,
	};
}

static uint64_t hash_tuple(const struct hash_seed *seed, const struct tuple *tuple)
{
	uint64_t words[5];
	memcpy(words, tuple, sizeof(words));
	uint64_t state = seed->words[0];
	for (int i = 0; i < 5; i++)
		state = hash_word(seed, state, words[i]);
	return state;
}

uint64_t tuple_stable_hash(const struct tuple *tuple)
{
	static const struct hash_seed seed = { { 0x7475706c65U, 0xbf58476d1ce4e5b9U } };
	return hash_tuple(&seed, tuple);
}

bool tuple_is_distinctive(const struct tuple *tuple)
{
	enum { EPHEMERAL_FIRST = 1025 };
	const uint16_t low = tuple->low_port;
	const uint16_t high = tuple->high_port;
	const uint16_t larger = low > high ? low : high;
	return low != high && larger >= EPHEMERAL_FIRST &&
	       (tuple->ip_protocol == 6 || tuple->ip_protocol == 17);
}

static uint32_t conversation_of(struct connection_table *table, const struct tuple *tuple)
{
	const uint64_t hash = hash_tuple(&table->seed, tuple);
	uint32_t slot = table_find(table->by_tuple, hash, tuple);
	if (slot != TABLE_NONE)
		return slot;
	slot = aged_slots_take(&table->conversation_slots);
	if (slot == NO_SLOT)
		return NO_SLOT;
	table->conversations[slot] = (struct conversation){
		.tuple = *tuple,
		.first_flow = NO_SLOT,
		.first_report = NO_SLOT,
	};
	table_insert(table->by_tuple, hash, slot);
	return slot;
}

static void forget_if_empty(struct connection_table *table, uint32_t slot)
{
	const struct conversation *conversation = &table->conversations[slot];
	if (conversation->first_flow != NO_SLOT || conversation->first_report != NO_SLOT)
		return;
	table_remove(table->by_tuple, hash_tuple(&table->seed, &conversation->tuple), slot);
	aged_slots_give(&table->conversation_slots, slot);
}

uint32_t connection_table_flow(struct connection_table *table, const struct flow_event *flow,
			       bool *out_new)
{
	const struct tuple tuple = tuple_make(&flow->source, flow->source_port, &flow->destination,
					      flow->destination_port, flow->ip_protocol);
	const uint32_t conversation = conversation_of(table, &tuple);
	if (conversation == NO_SLOT)
		return NO_SLOT;
	uint32_t slot = table->conversations[conversation].first_flow;
	for (int i = 0; i < CHAIN_LOOK_MAX && slot != NO_SLOT; i++) {
		if (table->flows[slot].flow.flow_id == flow->flow_id)
			break;
		slot = table->flows[slot].next;
	}
	*out_new = slot == NO_SLOT || table->flows[slot].flow.flow_id != flow->flow_id;
	if (*out_new) {
		slot = aged_slots_take(&table->flow_slots);
		if (slot == NO_SLOT) {
			forget_if_empty(table, conversation);
			return NO_SLOT;
		}
		table->flows[slot] = (struct flow_record){
			.conversation = conversation,
			.next = table->conversations[conversation].first_flow,
		};
		table->conversations[conversation].first_flow = slot;
	}
	struct flow_record *record = &table->flows[slot];
	/* a start that arrives after the end says nothing new */
	if (*out_new || (!record->ended && flow->last_ns >= record->flow.last_ns) ||
	    flow->kind == FLOW_END)
		record->flow = *flow;
	record->ended |= flow->kind == FLOW_END;
	return slot;
}

uint32_t connection_table_report(struct connection_table *table, const struct tuple *tuple,
				 const struct report *report)
{
	const uint32_t conversation = conversation_of(table, tuple);
	if (conversation == NO_SLOT)
		return NO_SLOT;
	const uint32_t slot = aged_slots_take(&table->report_slots);
	if (slot == NO_SLOT) {
		forget_if_empty(table, conversation);
		return NO_SLOT;
	}
	table->reports[slot] = *report;
	table->reports[slot].conversation = conversation;
	table->reports[slot].next = table->conversations[conversation].first_report;
	table->conversations[conversation].first_report = slot;
	return slot;
}

void connection_table_forget_flow(struct connection_table *table, uint32_t slot)
{
	const struct flow_record *flow = &table->flows[slot];
	uint32_t *link = &table->conversations[flow->conversation].first_flow;
	while (*link != slot)
		link = &table->flows[*link].next;
	*link = flow->next;
	aged_slots_give(&table->flow_slots, slot);
	forget_if_empty(table, flow->conversation);
}

void connection_table_forget_report(struct connection_table *table, uint32_t slot)
{
	const struct report *report = &table->reports[slot];
	uint32_t *link = &table->conversations[report->conversation].first_report;
	while (*link != slot)
		link = &table->reports[*link].next;
	*link = report->next;
	cell_store_drop(table->store, report->event);
	aged_slots_give(&table->report_slots, slot);
	forget_if_empty(table, report->conversation);
}

size_t connection_table_bytes(const struct connection_table *table)
{
	return table->conversation_slots.capacity * sizeof(struct conversation) +
	       table->flow_slots.capacity * sizeof(struct flow_record) +
	       table->report_slots.capacity * sizeof(struct report) +
	       aged_slots_bytes(&table->conversation_slots) + aged_slots_bytes(&table->flow_slots) +
	       aged_slots_bytes(&table->report_slots) + table_bytes(table->by_tuple);
}
