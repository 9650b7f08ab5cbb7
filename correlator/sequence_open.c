/* Opening and closing: everything is sized and allocated here, once. See sequence_inside.h. */
#include "correlator/sequence_inside.h"

#include <errno.h>
#include <stdlib.h>

#include "collector/base/hard.h"
#include "collector/base/pages.h"

enum {
	STORE_BYTES_DEFAULT = HARD(256 * 1024 * 1024, 64 * 1024),
	STORE_BYTES_MIN = 8 * 1024,
	EVENT_BYTES = 512, /* how large an event is taken to be, to size the rest by */
	VISIT_TICK_NS = 100 * 1000 * 1000, /* folding may be late: it changes no result */
};

/* Half of the store is copies of events, the rest the records about them. */
struct sizes {
	size_t copy_bytes;
	uint32_t events;
	uint32_t parts;
	uint32_t partials;
	uint32_t matches;
	uint32_t groups;
};

static struct sizes sizes_of(const struct sequence_settings *settings)
{
	size_t store_bytes = settings->store_bytes ? settings->store_bytes : STORE_BYTES_DEFAULT;
	if (store_bytes < STORE_BYTES_MIN)
		store_bytes = STORE_BYTES_MIN;
	struct sizes sizes = { .copy_bytes = store_bytes / 2 };
	const size_t events = sizes.copy_bytes / EVENT_BYTES;
	sizes.events = events < UINT32_MAX / 8 ? (uint32_t)events : UINT32_MAX / 8;
	sizes.parts = 2 * sizes.events;
	sizes.partials = 4 * sizes.events + 2 * PARTIALS_SPARE;
	sizes.matches = 2 * sizes.events;
	sizes.groups = settings->max_keys ? settings->max_keys : sizes.parts;
	return sizes;
}

static bool open_records(struct sequences *sequences, const struct sizes *sizes)
{
	sequences->parts = pages_open(sizes->parts * sizeof(struct part));
	sequences->partials = pages_open(sizes->partials * sizeof(struct partial));
	sequences->matches = pages_open(sizes->matches * sizeof(struct match));
	sequences->groups = pages_open(sizes->groups * sizeof(struct group));
	sequences->heap = pages_open(sizes->matches * sizeof(uint32_t));
	return slots_open(&sequences->part_slots, sizes->parts) &&
	       slots_open(&sequences->partial_slots, sizes->partials) &&
	       slots_open(&sequences->match_slots, sizes->matches) &&
	       slots_open(&sequences->group_slots, sizes->groups) && sequences->parts &&
	       sequences->partials && sequences->matches && sequences->groups && sequences->heap;
}

struct sequences *sequences_open_rules(const struct rule *const *rules, size_t rule_count,
				       const struct sequence_settings *settings,
				       sequence_match_fn *found, void *context,
				       struct counters *counters)
{
	struct sequences *sequences = calloc(1, sizeof(*sequences));
	if (!sequences)
		return NULL;
	const struct sizes sizes = sizes_of(settings);
	sequences->settings = *settings;
	sequences->found = found;
	sequences->context = context;
	sequences->counters = counters;
	sequences->plan = sequence_plan_open(rules, rule_count, settings->horizon_ns);
	if (!sequences->plan || !open_records(sequences, &sizes))
		goto failed;
	sequences->events = event_store_open(sizes.copy_bytes, sizes.events, &settings->seed);
	sequences->groups_by_key = table_open(sizes.groups, group_key_equal, sequences->groups);
	sequences->visits = timer_wheel_open(sizes.groups, VISIT_TICK_NS, 0);
	sequences->touched =
		calloc(sequence_plan_use_count(sequences->plan) + 1, sizeof(struct plan_use));
	sequences->evicted_counts = calloc(rule_count + 1, sizeof(uint64_t));
	if (sequences->events && sequences->groups_by_key && sequences->visits &&
	    sequences->touched && sequences->evicted_counts)
		return sequences;
failed:
	sequences_close(sequences);
	errno = ENOMEM;
	return NULL;
}

void sequences_close(struct sequences *sequences)
{
	if (!sequences)
		return;
	free(sequences->evicted_counts);
	free(sequences->touched);
	timer_wheel_close(sequences->visits);
	table_close(sequences->groups_by_key);
	event_store_close(sequences->events);
	pages_close(sequences->parts, sequences->part_slots.capacity * sizeof(struct part));
	pages_close(sequences->partials,
		    sequences->partial_slots.capacity * sizeof(struct partial));
	pages_close(sequences->matches, sequences->match_slots.capacity * sizeof(struct match));
	pages_close(sequences->heap, sequences->match_slots.capacity * sizeof(uint32_t));
	pages_close(sequences->groups, sequences->group_slots.capacity * sizeof(struct group));
	slots_close(&sequences->part_slots);
	slots_close(&sequences->partial_slots);
	slots_close(&sequences->match_slots);
	slots_close(&sequences->group_slots);
	sequence_plan_close(sequences->plan);
	free(sequences);
}

size_t sequences_bytes(const struct sequences *sequences)
{
	return sizeof(*sequences) + event_store_bytes(sequences->events) +
	       table_bytes(sequences->groups_by_key) + timer_wheel_bytes(sequences->visits) +
	       sequence_plan_bytes(sequences->plan) +
	       sequences->part_slots.capacity * (sizeof(struct part) + sizeof(uint32_t)) +
	       sequences->partial_slots.capacity * (sizeof(struct partial) + sizeof(uint32_t)) +
	       sequences->match_slots.capacity * (sizeof(struct match) + 2 * sizeof(uint32_t)) +
	       sequences->group_slots.capacity * (sizeof(struct group) + sizeof(uint32_t));
}

uint64_t sequences_evicted_count(const struct sequences *sequences, uint32_t rule)
{
	return rule < sequence_plan_rule_count(sequences->plan) ? sequences->evicted_counts[rule]
								: 0;
}

struct sequences *sequences_open(const struct ruleset *ruleset,
				 const struct sequence_settings *settings, sequence_match_fn *found,
				 void *context, struct counters *counters)
{
	const uint32_t rule_count = ruleset_rule_count(ruleset);
	const struct rule **rules = calloc(rule_count + 1, sizeof(const struct rule *));
	if (!rules)
		return NULL;
	for (uint32_t i = 0; i < rule_count; i++)
		rules[i] = ruleset_rule(ruleset, i);
	struct sequences *sequences =
		sequences_open_rules(rules, rule_count, settings, found, context, counters);
	const int error = errno;
	free(rules);
	errno = error;
	return sequences;
}
