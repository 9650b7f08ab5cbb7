#include "bpf/tap_ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/hash.h"
#include "collector/base/table.h"

enum { RETIRE_TURNS = 2 };

struct entry {
	struct tap_flow_key key;
	uint64_t born_ns;
	uint64_t packet_count;
	uint64_t ip_bytes;
	uint32_t turns_left; /* 0: the kernel has it; else forgotten after so many turns */
	uint32_t retired_at; /* index in `retired` */
};

struct tap_ledger {
	struct hash_seed seed;
	struct table *table;
	struct entry *entries;
	uint32_t *unused; /* slots, a stack */
	uint32_t unused_count;
	uint32_t *retired; /* slots */
	uint32_t retired_count;
	uint32_t capacity;
};

static bool is_equal(const void *records, uint32_t slot, const void *key)
{
	const struct entry *entries = records;
	return memcmp(&entries[slot].key, key, sizeof(struct tap_flow_key)) == 0;
}

static uint64_t hash_of(const struct tap_ledger *ledger, const struct tap_flow_key *key)
{
	uint64_t words[sizeof(*key) / sizeof(uint64_t)];
	memcpy(words, key, sizeof(words));
	uint64_t hash = ledger->seed.words[0];
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		hash = hash_word(&ledger->seed, hash, words[i]);
	return hash;
}

struct tap_ledger *tap_ledger_open(uint32_t max_flows)
{
	struct tap_ledger *ledger = calloc(1, sizeof(*ledger));
	if (!ledger)
		return NULL;
	/* Retired entries may be as many again. */
	ledger->capacity = 2 * max_flows;
	ledger->seed = hash_seed_make();
	ledger->entries = calloc(ledger->capacity, sizeof(*ledger->entries));
	ledger->unused = calloc(ledger->capacity, sizeof(*ledger->unused));
	ledger->retired = calloc(ledger->capacity, sizeof(*ledger->retired));
	if (ledger->entries)
		ledger->table = table_open(ledger->capacity, is_equal, ledger->entries);
	if (!ledger->entries || !ledger->table || !ledger->unused || !ledger->retired) {
		tap_ledger_close(ledger);
		errno = ENOMEM;
		return NULL;
	}
	for (uint32_t i = 0; i < ledger->capacity; i++)
		ledger->unused[ledger->unused_count++] = ledger->capacity - 1 - i;
	return ledger;
}

void tap_ledger_close(struct tap_ledger *ledger)
{
	if (!ledger)
		return;
	table_close(ledger->table);
	free(ledger->entries);
	free(ledger->unused);
	free(ledger->retired);
	free(ledger);
}

uint32_t tap_ledger_count(const struct tap_ledger *ledger)
{
	return table_count(ledger->table);
}

static struct entry *find(const struct tap_ledger *ledger, const struct tap_flow_key *key)
{
	const uint32_t slot = table_find(ledger->table, hash_of(ledger, key), key);
	return slot == TABLE_NONE ? NULL : &ledger->entries[slot];
}

static struct entry *add(struct tap_ledger *ledger, const struct tap_flow_key *key)
{
	if (ledger->unused_count == 0)
		return NULL;
	const uint32_t slot = ledger->unused[ledger->unused_count - 1];
	ledger->entries[slot] = (struct entry){ .key = *key };
	if (!table_insert(ledger->table, hash_of(ledger, key), slot))
		return NULL;
	ledger->unused_count--;
	return &ledger->entries[slot];
}

static void unretire(struct tap_ledger *ledger, struct entry *entry)
{
	const uint32_t last = ledger->retired[--ledger->retired_count];
	ledger->retired[entry->retired_at] = last;
	ledger->entries[last].retired_at = entry->retired_at;
	entry->turns_left = 0;
}

/* The entry to compare with, or NULL: what is told is older than what is known. */
static struct entry *current(struct tap_ledger *ledger, const struct tap_flow_key *key,
			     uint64_t born_ns)
{
	struct entry *entry = find(ledger, key);
	if (!entry)
		entry = add(ledger, key);
	if (!entry || born_ns < entry->born_ns)
		return NULL;
	if (born_ns > entry->born_ns) {
		entry->born_ns = born_ns;
		entry->packet_count = 0;
		entry->ip_bytes = 0;
		if (entry->turns_left > 0)
			unretire(ledger, entry);
	}
	return entry;
}

bool tap_ledger_take(struct tap_ledger *ledger, const struct tap_flow_key *key,
		     const struct tap_flow *now, uint64_t *out_packets, uint64_t *out_bytes)
{
	struct entry *entry = current(ledger, key, now->born_ns);
	if (!entry || now->packet_count <= entry->packet_count)
		return false;
	*out_packets = now->packet_count - entry->packet_count;
	*out_bytes = now->ip_bytes > entry->ip_bytes ? now->ip_bytes - entry->ip_bytes : 0;
	entry->packet_count = now->packet_count;
	entry->ip_bytes += *out_bytes;
	return true;
}

void tap_ledger_retire(struct tap_ledger *ledger, const struct tap_flow_key *key)
{
	struct entry *entry = find(ledger, key);
	if (!entry || entry->turns_left > 0)
		return;
	entry->turns_left = RETIRE_TURNS;
	entry->retired_at = ledger->retired_count;
	ledger->retired[ledger->retired_count++] = (uint32_t)(entry - ledger->entries);
}

void tap_ledger_turn(struct tap_ledger *ledger)
{
	/* From the end, because unretire moves the last one into the gap. */
	for (uint32_t i = ledger->retired_count; i-- > 0;) {
		const uint32_t slot = ledger->retired[i];
		struct entry *entry = &ledger->entries[slot];
		if (--entry->turns_left > 0)
			continue;
		unretire(ledger, entry);
		table_remove(ledger->table, hash_of(ledger, &entry->key), slot);
		ledger->unused[ledger->unused_count++] = slot;
	}
}
