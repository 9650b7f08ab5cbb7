#include "correlator/flow_name_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/pages.h"
#include "collector/base/table.h"
#include "correlator/aged_slots.h"
#include "correlator/block_pool.h"

enum {
	TEXT_BYTES_PER_FLOW = 2 * BLOCK_POOL_UNIT, /* a name of up to 90 bytes, and a JA4 */
	TEXT_BYTES_MIN = 64 * BLOCK_POOL_UNIT,	   /* two of the longest, in the smallest table */
	TEXT_BYTES_MAX = WIRE_NAME_MAX + 1 + WIRE_DETAIL_MAX + 1,
};

enum name_place { PLACE_TLS, PLACE_HTTP, PLACES };

/* "name\0detail\0" in the pool. */
struct named {
	char *text; /* NULL: not seen */
	uint64_t time_ns;
	uint16_t size_bytes;
	uint16_t detail_at;
};

struct flow_entry {
	uint64_t flow_id;
	uint32_t revision;
	struct named named[PLACES];
};

struct flow_name_table {
	struct hash_seed seed;
	struct counters *counters;
	struct aged_slots slots;
	struct flow_entry *entries;
	struct block_pool *texts;
	struct table *by_flow;
};

static bool entry_equal(const void *records, uint32_t slot, const void *key)
{
	return ((const struct flow_entry *)records)[slot].flow_id == *(const uint64_t *)key;
}

struct flow_name_table *flow_name_table_open(uint32_t max_flows, const struct hash_seed *seed,
					     struct counters *counters)
{
	struct flow_name_table *table = calloc(1, sizeof(*table));
	if (!table)
		return NULL;
	const size_t text_bytes = (size_t)max_flows * TEXT_BYTES_PER_FLOW;
	table->seed = *seed;
	table->counters = counters;
	table->entries = pages_open(max_flows * sizeof(*table->entries));
	table->texts = block_pool_open(text_bytes > TEXT_BYTES_MIN ? text_bytes : TEXT_BYTES_MIN);
	if (table->entries && table->texts && aged_slots_open(&table->slots, max_flows))
		table->by_flow = table_open(max_flows, entry_equal, table->entries);
	if (table->by_flow)
		return table;
	flow_name_table_close(table);
	errno = ENOMEM;
	return NULL;
}

void flow_name_table_close(struct flow_name_table *table)
{
	if (!table)
		return;
	table_close(table->by_flow);
	pages_close(table->entries, table->slots.capacity * sizeof(*table->entries));
	aged_slots_close(&table->slots);
	block_pool_close(table->texts);
	free(table);
}

static uint64_t hash_of(const struct flow_name_table *table, uint64_t flow_id)
{
	return hash_word(&table->seed, table->seed.words[0], flow_id);
}

static uint32_t find(const struct flow_name_table *table, uint64_t flow_id)
{
	return table_find(table->by_flow, hash_of(table, flow_id), &flow_id);
}

static void drop_text(struct flow_name_table *table, struct named *named)
{
	if (named->text)
		block_pool_give(table->texts, named->text, named->size_bytes);
	named->text = NULL;
}

static void forget(struct flow_name_table *table, uint32_t slot)
{
	struct flow_entry *entry = &table->entries[slot];
	for (int i = 0; i < PLACES; i++)
		drop_text(table, &entry->named[i]);
	table_remove(table->by_flow, hash_of(table, entry->flow_id), slot);
	aged_slots_give(&table->slots, slot);
}

static void evict_oldest(struct flow_name_table *table)
{
	counter_add(table->counters, COUNTER_flow_names_evicted, 1);
	forget(table, table->slots.oldest);
}

static uint32_t entry_of(struct flow_name_table *table, uint64_t flow_id)
{
	uint32_t slot = find(table, flow_id);
	if (slot != TABLE_NONE)
		return slot;
	if (table->slots.count == table->slots.capacity)
		evict_oldest(table);
	slot = aged_slots_take(&table->slots);
	table->entries[slot] = (struct flow_entry){ .flow_id = flow_id };
	table_insert(table->by_flow, hash_of(table, flow_id), slot);
	return slot;
}

/* A block for a text of the flow in `slot`: others make room, the oldest first. */
static char *take_text(struct flow_name_table *table, uint32_t slot, size_t size_bytes)
{
	char *text;
	while (!(text = block_pool_take(table->texts, size_bytes))) {
		if (table->slots.oldest == slot)
			aged_slots_touch(&table->slots, slot);
		if (table->slots.oldest == slot)
			return NULL; /* alone: the pool is cut up by its own other text */
		evict_oldest(table);
	}
	return text;
}

static bool is_earlier(const struct named *named, uint64_t time_ns, const char *text,
		       size_t size_bytes)
{
	if (named->time_ns != time_ns)
		return named->time_ns < time_ns;
	if (named->size_bytes != size_bytes)
		return named->size_bytes < size_bytes;
	return memcmp(named->text, text, size_bytes) <= 0;
}

void flow_name_table_add(struct flow_name_table *table, const struct wire_name *name)
{
	if (name->kind != WIRE_NAME_TLS && name->kind != WIRE_NAME_HTTP)
		return;
	char text[TEXT_BYTES_MAX];
	const size_t name_bytes = strnlen(name->name, WIRE_NAME_MAX);
	const size_t detail_bytes = strnlen(name->detail, WIRE_DETAIL_MAX);
	const size_t size_bytes = name_bytes + 1 + detail_bytes + 1;
	memcpy(text, name->name, name_bytes);
	text[name_bytes] = '\0';
	memcpy(text + name_bytes + 1, name->detail, detail_bytes);
	text[size_bytes - 1] = '\0';

	const uint32_t slot = entry_of(table, name->flow_id);
	struct named *named =
		&table->entries[slot].named[name->kind == WIRE_NAME_TLS ? PLACE_TLS : PLACE_HTTP];
	if (named->text && is_earlier(named, name->time_ns, text, size_bytes))
		return;
	drop_text(table, named);
	named->text = take_text(table, slot, size_bytes);
	if (!named->text) {
		counter_add(table->counters, COUNTER_flow_names_evicted, 1);
		return;
	}
	memcpy(named->text, text, size_bytes);
	named->time_ns = name->time_ns;
	named->size_bytes = (uint16_t)size_bytes;
	named->detail_at = (uint16_t)(name_bytes + 1);
	table->entries[slot].revision++;
}

static const char *text_or_null(const char *text)
{
	return *text ? text : NULL;
}

bool flow_name_table_find(const struct flow_name_table *table, uint64_t flow_id,
			  struct flow_names *out_names)
{
	if (table->slots.count == 0)
		return false;
	const uint32_t slot = find(table, flow_id);
	if (slot == TABLE_NONE)
		return false;
	const struct named *tls = &table->entries[slot].named[PLACE_TLS];
	const struct named *http = &table->entries[slot].named[PLACE_HTTP];
	*out_names = (struct flow_names){
		.server_name = tls->text ? text_or_null(tls->text) : NULL,
		.ja4 = tls->text ? text_or_null(tls->text + tls->detail_at) : NULL,
		.http_host = http->text ? text_or_null(http->text) : NULL,
	};
	return true;
}

uint32_t flow_name_table_revision(const struct flow_name_table *table, uint64_t flow_id)
{
	const uint32_t slot = table->slots.count ? find(table, flow_id) : TABLE_NONE;
	return slot == TABLE_NONE ? 0 : table->entries[slot].revision;
}

void flow_name_table_forget(struct flow_name_table *table, uint64_t flow_id)
{
	if (table->slots.count == 0)
		return;
	const uint32_t slot = find(table, flow_id);
	if (slot != TABLE_NONE)
		forget(table, slot);
}

const char *flow_names_domain(const struct flow_names *names)
{
	const char *domain = names->server_name ? names->server_name : names->http_host;
	struct ip_address address;
	if (!domain || *domain == '[' || ip_address_parse(domain, strlen(domain), &address))
		return NULL;
	return domain;
}

size_t flow_name_table_bytes(const struct flow_name_table *table)
{
	return sizeof(*table) + table->slots.capacity * sizeof(struct flow_entry) +
	       aged_slots_bytes(&table->slots) + block_pool_bytes(table->texts) +
	       table_bytes(table->by_flow);
}
