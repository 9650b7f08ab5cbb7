#include "correlator/fact_table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/table.h"

struct fact_table {
	struct hash_seed seed;
	struct counters *counters;
	struct aged_slots slots;
	struct fact *facts;
	struct table *by_key; /* newest of each chain */
};

static_assert(sizeof(struct fact_key) == 24, "no hidden padding: keys are hashed as bytes");

static bool key_equal(const void *records, uint32_t slot, const void *key)
{
	return memcmp(&((const struct fact *)records)[slot].key, key, sizeof(struct fact_key)) == 0;
}

struct fact_table *fact_table_open(uint32_t max_facts, const struct hash_seed *seed,
				   struct counters *counters)
{
	struct fact_table *table = calloc(1, sizeof(*table));
	if (!table)
		return NULL;
	table->seed = *seed;
	table->counters = counters;
	table->facts = calloc(max_facts, sizeof(*table->facts));
	if (table->facts && aged_slots_open(&table->slots, max_facts))
		table->by_key = table_open(max_facts, key_equal, table->facts);
	if (table->by_key)
		return table;
	fact_table_close(table);
	errno = ENOMEM;
	return NULL;
}

void fact_table_close(struct fact_table *table)
{
	if (!table)
		return;
	table_close(table->by_key);
	aged_slots_close(&table->slots);
	free(table->facts);
	free(table);
}

static uint64_t hash_of(const struct fact_table *table, const struct fact_key *key)
{
	return hash_bytes(&table->seed, key, sizeof(*key));
}

static void forget(struct fact_table *table, uint32_t slot)
{
	const struct fact *fact = &table->facts[slot];
	const uint64_t hash = hash_of(table, &fact->key);
	uint32_t at = table_find(table->by_key, hash, &fact->key);
	if (at == slot) {
		table_remove(table->by_key, hash, slot);
		if (fact->next != NO_SLOT)
			table_insert(table->by_key, hash, fact->next);
	} else {
		while (table->facts[at].next != slot)
			at = table->facts[at].next;
		table->facts[at].next = fact->next;
	}
	aged_slots_give(&table->slots, slot);
}

void fact_table_add(struct fact_table *table, const struct fact *fact)
{
	if (table->slots.count == table->slots.capacity) {
		counter_add(table->counters, COUNTER_facts_evicted, 1);
		forget(table, table->slots.oldest);
	}
	const uint32_t slot = aged_slots_take(&table->slots);
	const uint64_t hash = hash_of(table, &fact->key);
	const uint32_t newest = table_find(table->by_key, hash, &fact->key);
	table->facts[slot] = *fact;
	table->facts[slot].next = newest == TABLE_NONE ? NO_SLOT : newest;
	if (newest != TABLE_NONE)
		table_remove(table->by_key, hash, newest);
	table_insert(table->by_key, hash, slot);
}

const struct fact *fact_table_first(const struct fact_table *table, const struct fact_key *key)
{
	const uint32_t slot = table_find(table->by_key, hash_of(table, key), key);
	return slot == TABLE_NONE ? NULL : &table->facts[slot];
}

const struct fact *fact_table_next(const struct fact_table *table, const struct fact *fact)
{
	return fact->next == NO_SLOT ? NULL : &table->facts[fact->next];
}

const struct fact *fact_table_walk(const struct fact_table *table, const struct fact *at)
{
	const uint32_t slot = at ? aged_slots_next(&table->slots, (uint32_t)(at - table->facts))
				 : table->slots.oldest;
	return slot == NO_SLOT ? NULL : &table->facts[slot];
}

uint32_t fact_table_count(const struct fact_table *table)
{
	return table->slots.count;
}

size_t fact_table_bytes(const struct fact_table *table)
{
	return sizeof(*table) + table->slots.capacity * sizeof(struct fact) +
	       aged_slots_bytes(&table->slots) + table_bytes(table->by_key);
}
