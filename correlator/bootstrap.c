/* Hosts that never report a connection: which address is theirs, and how far is their clock off?
 *
 * Such a host still says which local ports its processes bind (Security 5158) and which names they
 * resolve (Sysmon 22). The wire saw ports and names too, from some address, at some time. For the
 * right address the differences between label and wire time all agree; for a wrong one they are
 * chance. So: of all (address, difference) pairs, the narrow window that the most distinct ports
 * and names fall into, if it stands out.
 */
#include <stdlib.h>
#include <string.h>

#include "correlator/correlator_state.h"

#define NS_PER_SECOND	INT64_C(1000000000)
#define WINDOW_NS	(3 * NS_PER_SECOND)
#define QUARTER_HOUR_NS (900 * NS_PER_SECOND)
#define RESIDUAL_NS	(5 * NS_PER_SECOND)

enum {
	AGREE_LEAST = 4,     /* distinct ports and names */
	STANDS_OUT = 3,	     /* times as many as the best window of any other address */
	PAIRS_MAX = 1 << 16, /* of one host and source; more are left out */
	EPHEMERAL_FIRST = 1025,
};

/* A port used or a name asked for, by an address, on the wire. */
struct sighting {
	uint64_t key; /* hash of (protocol, port) or of the name */
	uint64_t wire_ns;
	struct ip_address address;
};

/* What a host said with the same key. */
struct pair {
	struct ip_address address;
	int64_t delta_ns; /* label minus wire */
	uint64_t key;
	uint64_t label_ns;
};

static uint64_t key_of(uint32_t kind, uint64_t what)
{
	static const struct hash_seed seed = { { 0x626f6f74U, 0x94d049bb133111ebU } };
	return hash_word(&seed, kind, what);
}

static uint64_t key_of_fact(const struct fact *fact)
{
	if (fact->key.kind == FACT_BIND)
		return key_of(FACT_BIND, (uint64_t)fact->key.ip_protocol << 16 | fact->key.port);
	uint64_t word;
	memcpy(&word, &fact->key.address, sizeof(word));
	return key_of(FACT_NAMED, word);
}

static int compare_sightings(const void *left, const void *right)
{
	const struct sighting *a = left;
	const struct sighting *b = right;
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return a->wire_ns < b->wire_ns ? -1 : a->wire_ns > b->wire_ns;
}

static int compare_pairs(const void *left, const void *right)
{
	const struct pair *a = left;
	const struct pair *b = right;
	const int order = memcmp(&a->address, &b->address, sizeof(a->address));
	if (order)
		return order;
	if (a->delta_ns != b->delta_ns)
		return a->delta_ns < b->delta_ns ? -1 : 1;
	return a->key < b->key ? -1 : a->key > b->key;
}

static void add_sighting(struct sighting *sightings, size_t *count, uint64_t key,
			 const struct ip_address *address, uint64_t wire_ns)
{
	if (!address_is_shared(address))
		sightings[(*count)++] = (struct sighting){ key, wire_ns, *address };
}

/* Every ephemeral port and every name that the wire has seen. */
static size_t list_sightings(const struct world *world, struct sighting *sightings)
{
	const struct connection_table *connections = &world->connections;
	size_t count = 0;
	for (uint32_t slot = connections->flow_slots.oldest; slot != NO_SLOT;
	     slot = aged_slots_next(&connections->flow_slots, slot)) {
		const struct flow_event *flow = &connections->flows[slot].flow;
		if (flow->source_port >= EPHEMERAL_FIRST && !(flow->flags & FLOW_MIDSTREAM))
			add_sighting(sightings, &count,
				     key_of(FACT_BIND,
					    (uint64_t)flow->ip_protocol << 16 | flow->source_port),
				     &flow->source, flow->start_ns);
	}
	for (const struct fact *fact = fact_table_walk(world->facts, NULL); fact;
	     fact = fact_table_walk(world->facts, fact))
		if (fact->key.kind == FACT_WIRE_NAMED)
			add_sighting(sightings, &count, key_of_fact(fact), &fact->local,
				     fact->label_ns);
	qsort(sightings, count, sizeof(*sightings), compare_sightings);
	return count;
}

static size_t first_with_key(const struct sighting *sightings, size_t count, uint64_t key)
{
	size_t low = 0;
	size_t high = count;
	while (low < high) {
		const size_t middle = (low + high) / 2;
		if (sightings[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static size_t list_pairs(const struct world *world, uint32_t host, enum clock_source source,
			 const struct sighting *sightings, size_t sighting_count,
			 struct pair *pairs)
{
	size_t count = 0;
	for (const struct fact *fact = fact_table_walk(world->facts, NULL); fact;
	     fact = fact_table_walk(world->facts, fact)) {
		const bool of_use =
			(fact->key.kind == FACT_BIND && fact->key.port >= EPHEMERAL_FIRST) ||
			fact->key.kind == FACT_NAMED;
		if (!of_use || fact->host != host || fact->source != (uint32_t)source)
			continue;
		const uint64_t key = key_of_fact(fact);
		for (size_t i = first_with_key(sightings, sighting_count, key);
		     i < sighting_count && sightings[i].key == key && count < PAIRS_MAX; i++)
			pairs[count++] = (struct pair){
				.address = sightings[i].address,
				.delta_ns = (int64_t)(fact->label_ns - sightings[i].wire_ns),
				.key = key,
				.label_ns = fact->label_ns,
			};
	}
	qsort(pairs, count, sizeof(*pairs), compare_pairs);
	return count;
}

struct window {
	size_t first;
	size_t count;
	uint32_t key_count; /* distinct */
};

static uint32_t distinct_keys(const struct pair *pairs, size_t count)
{
	uint32_t keys = 0;
	for (size_t i = 0; i < count; i++) {
		bool seen = false;
		for (size_t j = 0; j < i && !seen; j++)
			seen = pairs[j].key == pairs[i].key;
		keys += !seen;
	}
	return keys;
}

/* The best window of each address in turn; keeps the best and how good the best of another is. */
static struct window best_window(const struct pair *pairs, size_t count, uint32_t *out_second)
{
	struct window best = { 0 };
	*out_second = 0;
	size_t end = 0;
	for (size_t first = 0; first < count; first++) {
		if (end < first)
			end = first;
		while (end < count &&
		       ip_address_equal(&pairs[end].address, &pairs[first].address) &&
		       pairs[end].delta_ns - pairs[first].delta_ns <= WINDOW_NS)
			end++;
		if (end - first < best.key_count && end - first <= *out_second)
			continue;
		const uint32_t keys = distinct_keys(pairs + first, end - first);
		const bool same_address =
			best.count &&
			ip_address_equal(&pairs[first].address, &pairs[best.first].address);
		if (keys > best.key_count) {
			if (!same_address && best.key_count > *out_second)
				*out_second = best.key_count;
			best = (struct window){ first, end - first, keys };
		} else if (!same_address && keys > *out_second) {
			*out_second = keys;
		}
	}
	return best;
}

static bool near_quarter_hour(int64_t delta_ns)
{
	int64_t rest = llabs(delta_ns) % QUARTER_HOUR_NS;
	if (rest > QUARTER_HOUR_NS / 2)
		rest = QUARTER_HOUR_NS - rest;
	return rest <= RESIDUAL_NS;
}

static void adopt(struct correlator *correlator, uint32_t host, enum clock_source source,
		  const struct pair *pairs, size_t count)
{
	struct clock *clock = host_table_clock(correlator->world.hosts, host, source, true);
	if (!clock)
		return;
	for (size_t i = 0; i < count; i++) {
		clock_offer(clock, pairs[i].label_ns,
			    pairs[i].label_ns - (uint64_t)pairs[i].delta_ns, pairs[i].key, true);
		address_table_claim(correlator->world.addresses, host, source, &pairs[i].address,
				    pairs[i].label_ns, true);
	}
}

static bool needs_help(const struct world *world, uint32_t host)
{
	struct ip_address address;
	return host_table_books(world->hosts, host)->network_event_count == 0 &&
	       host_table_books(world->hosts, host)->hint_count >= AGREE_LEAST &&
	       address_table_list(world->addresses, world->hosts, host, &address, 1) == 0;
}

static void help(struct correlator *correlator, uint32_t host, const struct sighting *sightings,
		 size_t sighting_count, struct pair *pairs)
{
	for (int i = 0; i < CLOCK_SOURCES; i++) {
		const enum clock_source source = (enum clock_source)i;
		const size_t count = list_pairs(&correlator->world, host, source, sightings,
						sighting_count, pairs);
		uint32_t second;
		const struct window window = best_window(pairs, count, &second);
		if (window.key_count >= AGREE_LEAST && window.key_count >= STANDS_OUT * second &&
		    near_quarter_hour(pairs[window.first].delta_ns))
			adopt(correlator, host, source, pairs + window.first, window.count);
	}
}

void bootstrap_hosts(struct correlator *correlator)
{
	const struct world *world = &correlator->world;
	const uint32_t host_count = host_table_count(world->hosts);
	bool needed = false;
	for (uint32_t host = 0; host < host_count; host++)
		needed |= needs_help(world, host);
	if (!needed)
		return;
	/* seldom, and only for such hosts: not worth memory held for it */
	struct sighting *sightings =
		malloc((world->connections.flow_slots.count + fact_table_count(world->facts) + 1) *
		       sizeof(*sightings));
	struct pair *pairs = malloc(PAIRS_MAX * sizeof(*pairs));
	if (sightings && pairs) {
		const size_t count = list_sightings(world, sightings);
		for (uint32_t host = 0; host < host_count; host++)
			if (needs_help(world, host))
				help(correlator, host, sightings, count, pairs);
	}
	free(sightings);
	free(pairs);
}
