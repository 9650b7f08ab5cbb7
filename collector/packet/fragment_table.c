#include "collector/packet/fragment_table.h"

#include <stdlib.h>
#include <string.h>

#include "collector/base/hard.h"

enum { SETS = HARD(1024, 1), WAYS = 4 };

/* RFC 1122, section 3.3.2, gives reassembly 60 to 120 s; hosts use 15 (BSD) to 60 (Windows). */
static const uint64_t lifetime_ns = 60ULL * 1000000000U;

struct entry {
	struct fragment_key fragment;
	struct fragment_flow flow;
	uint64_t put_ns;
	bool in_use;
};

struct fragment_table {
	struct hash_seed seed;
	struct entry entries[SETS][WAYS];
};

_Static_assert(sizeof(struct fragment_key) == 40, "no padding: hashed and compared as is");

struct fragment_table *fragment_table_open(const struct hash_seed *seed)
{
	struct fragment_table *table = calloc(1, sizeof(*table));
	if (table)
		table->seed = *seed;
	return table;
}

void fragment_table_close(struct fragment_table *table)
{
	free(table);
}

static size_t set_of(const struct fragment_table *table, const struct fragment_key *fragment)
{
	return hash_bytes(&table->seed, fragment, sizeof(*fragment)) % SETS;
}

static bool is_entry(const struct entry *entry, const struct fragment_key *fragment)
{
	return entry->in_use && memcmp(&entry->fragment, fragment, sizeof(*fragment)) == 0;
}

void fragment_table_put(struct fragment_table *table, const struct fragment_key *fragment,
			const struct fragment_flow *flow, uint64_t now_ns)
{
	struct entry *set = table->entries[set_of(table, fragment)];
	struct entry *chosen = &set[0];
	for (int i = 0; i < WAYS; i++) {
		if (is_entry(&set[i], fragment)) {
			chosen = &set[i];
			break;
		}
		if (chosen->in_use && (!set[i].in_use || set[i].put_ns < chosen->put_ns))
			chosen = &set[i];
	}
	*chosen = (struct entry){
		.fragment = *fragment, .flow = *flow, .put_ns = now_ns, .in_use = true
	};
}

const struct fragment_flow *fragment_table_find(const struct fragment_table *table,
						const struct fragment_key *fragment,
						uint64_t now_ns)
{
	const struct entry *set = table->entries[set_of(table, fragment)];
	for (int i = 0; i < WAYS; i++)
		if (is_entry(&set[i], fragment) && now_ns - set[i].put_ns < lifetime_ns)
			return &set[i].flow;
	return NULL;
}

size_t fragment_table_bytes(void)
{
	return sizeof(struct fragment_table);
}
