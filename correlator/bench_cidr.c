/* Longest-prefix match, from the few networks of a rule to a whole routing table. */
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/cidr.h"
#include "correlator/bench_parts.h"

enum { ADDRESSES = 1 << 20, BATCH = 32, STAGE_BYTES = 64 };

struct set_bench {
	struct cidr_set *set;
	struct cidr_entry *entries;
	struct ip_address *addresses;
	uint32_t *values;
};

static void find_in_batches(void *context)
{
	const struct set_bench *self = context;
	for (uint32_t i = 0; i < ADDRESSES; i += BATCH)
		cidr_set_find_batch(self->set, self->addresses + i, BATCH, self->values + i);
}

/* Each address depends on the answer for the one before it. */
static void find_dependent(void *context)
{
	const struct set_bench *self = context;
	uint32_t last = 0;
	for (uint32_t i = 0; i < ADDRESSES; i++) {
		const uint32_t index = (i + (last & 1)) & (ADDRESSES - 1);
		last = cidr_set_find(self->set, &self->addresses[index]);
	}
	bench_keep(last);
}

/* Lengths roughly as in a backbone's routing table: most are /24 (IPv6: /48), the
 * rest around it. */
static struct ip_prefix random_prefix(struct bench_random *random, bool v6)
{
	struct ip_prefix prefix;
	for (int i = 0; i < 16; i++)
		prefix.address.bytes[i] = (uint8_t)bench_random_next(random);
	const uint32_t dice = bench_random_below(random, 100);
	if (v6) {
		prefix.address.bytes[0] = 0x20 | (prefix.address.bytes[0] & 0x0f);
		prefix.bits = (uint8_t)(dice < 45   ? 48
					: dice < 65 ? 32
						    : 29 + bench_random_below(random, 36));
		return prefix;
	}
	prefix.address = ip_address_from_v4(prefix.address.bytes);
	prefix.bits = (uint8_t)(96 + (dice < 60 ? 24 : 12 + bench_random_below(random, 14)));
	return prefix;
}

/* Half are random, half are in one of the networks. */
static void make_addresses(struct set_bench *self, struct bench_random *random, size_t networks,
			   bool v6)
{
	for (uint32_t i = 0; i < ADDRESSES; i++) {
		struct ip_prefix made = random_prefix(random, v6);
		const struct ip_prefix *prefix =
			&self->entries[bench_random_below(random, (uint32_t)networks)].prefix;
		for (unsigned bit = 0; i % 2 && bit < prefix->bits; bit++) {
			const uint8_t mask = (uint8_t)(0x80U >> bit % 8);
			made.address.bytes[bit / 8] =
				(uint8_t)((made.address.bytes[bit / 8] & ~mask) |
					  (prefix->address.bytes[bit / 8] & mask));
		}
		self->addresses[i] = made.address;
	}
}

static void set_row(struct bench *bench, struct set_bench *self, size_t networks, bool v6,
		    bool dependent)
{
	char stage[STAGE_BYTES];
	snprintf(stage, sizeof(stage), "%s, %zu networks%s", v6 ? "IPv6" : "IPv4", networks,
		 dependent ? ", one by one" : "");
	const struct bench_row row = {
		.stage = stage,
		.unit = "lookup",
		.ns = bench_best_ns(bench, CLOCK_THREAD_CPUTIME_ID,
				    dependent ? find_dependent : find_in_batches, self) /
		      ADDRESSES,
		.memory_bytes = (double)cidr_set_bytes(self->set) / (double)networks,
	};
	bench_row(bench, &row);
}

static bool bench_set(struct bench *bench, struct bench_random *random, size_t networks, bool v6)
{
	struct set_bench self = { .entries = calloc(networks, sizeof(*self.entries)),
				  .addresses = calloc(ADDRESSES, sizeof(*self.addresses)),
				  .values = calloc(ADDRESSES, sizeof(*self.values)) };
	bool good = self.entries && self.addresses && self.values;
	for (size_t i = 0; good && i < networks; i++)
		self.entries[i] = (struct cidr_entry){ random_prefix(random, v6), (uint32_t)i };
	if (good)
		self.set = cidr_set_open(self.entries, networks);
	good = self.set != NULL;
	if (good) {
		make_addresses(&self, random, networks, v6);
		set_row(bench, &self, networks, v6, false);
		set_row(bench, &self, networks, v6, true);
	}
	cidr_set_close(self.set);
	free(self.values);
	free(self.addresses);
	free(self.entries);
	return good;
}

bool bench_address_sets(struct bench *bench)
{
	static const struct {
		size_t networks;
		bool v6;
	} sets[] = {
		{ 10, false },	    { 16, false }, { 100000, false },
		{ 1000000, false }, { 16, true },  { 100000, true },
	};
	struct bench_random random = { 3 };
	bench_section(bench, "addresses", false,
		      "longest-prefix match in batches of 32; one by one: each waits for the last");
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		if (!bench_set(bench, &random, sets[i].networks, sets[i].v6))
			return false;
	return true;
}
