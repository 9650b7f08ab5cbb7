/* Events per second through the sequence state: the shape of our first rule (a process starts, then
 * opens a connection; joined by entity, no maxspan), 100,000 processes alive, in order and with a
 * tenth of the events late. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "correlator/sequence.h"

enum {
	KEYS = 100000,
	EVENTS = 1000000,
	EVENT_INTERVAL_NS = 2000000, /* 500 events a second */
	LATE_BY_EVENTS = 4000,	     /* 8 s */
	WATERMARK_EVERY = 500,
	HORIZON_S = 900,
	BATCH = 1024,
};

static const uint64_t start_ns = 1700000000000000000U;

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now); /* the machine may have other work */
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static struct event *make_event(struct event_builder *builder, uint32_t key)
{
	char entity[64];
	const int size = snprintf(entity, sizeof(entity), "{7b1c4b2a-%08x-0000-0010-%012x}",
				  key * 2654435761U, key);
	event_begin(builder);
	event_add_text(builder, FIELD_process_entity_id, entity, (size_t)size);
	event_add_text(builder, FIELD_process_name, "cmd.exe", 7);
	event_add_text(builder, FIELD_event_type, "start", 5);
	event_add_text(builder, FIELD_process_executable, "C:\\Windows\\System32\\cmd.exe", 27);
	event_add_integer(builder, FIELD_process_pid, key);
	const struct event *event = event_end(builder);
	struct event *copy = malloc(event->size_bytes);
	if (copy)
		memcpy(copy, event, event->size_bytes);
	return copy;
}

static void count_match(void *context, enum match_change change, const struct sequence_match *match)
{
	(void)change;
	(void)match;
	(*(uint64_t *)context)++;
}

/* Event `i` of the stream: even ones start a process, odd ones are connections of one that started
 * half a key set ago. */
static void add(struct sequences *sequences, struct event *const *events, uint64_t i)
{
	const uint64_t process = i / 2;
	const step_id step = i & 1;
	struct event *event = events[(step ? process + KEYS / 2 : process) % KEYS];
	event->time_ns = start_ns + i * EVENT_INTERVAL_NS;
	event->tiebreaker = i;
	event->identity = i * 0x9e3779b97f4a7c15U;
	sequences_add(sequences, event, &step, 1);
}

static void run(const char *name, const struct rule *rule, struct event *const *events,
		bool some_late, bool settle)
{
	static struct counters counters;
	uint64_t match_count = 0;
	const struct sequence_settings settings = { .horizon_ns = HORIZON_S * 1000000000ULL,
						    .store_bytes = (size_t)512 << 20,
						    .settle = settle,
						    .seed = hash_seed_make() };
	struct sequences *sequences =
		sequences_open_rules(&rule, 1, &settings, count_match, &match_count, &counters);
	if (!sequences)
		return;
	const uint64_t begin_ns = now_ns();
	for (uint64_t i = 0; i < EVENTS; i++) {
		if (!some_late || i % 10 != 3)
			add(sequences, events, i);
		if (some_late && i >= LATE_BY_EVENTS && (i - LATE_BY_EVENTS) % 10 == 3)
			add(sequences, events, i - LATE_BY_EVENTS);
		if (i % WATERMARK_EVERY == 0 && i > LATE_BY_EVENTS)
			sequences_advance(sequences,
					  start_ns + (i - LATE_BY_EVENTS) * EVENT_INTERVAL_NS);
	}
	const double seconds = (double)(now_ns() - begin_ns) / 1e9;
	printf("%-28s %8.0f events/s  %5.0f ns/event  %" PRIu64 " matches  %" PRIu64
	       " evicted  %zu MB\n",
	       name, EVENTS / seconds, seconds / EVENTS * 1e9, match_count,
	       sequences_evicted_count(sequences, 0), sequences_bytes(sequences) >> 20);
	sequences_close(sequences);
}

int main(void)
{
	static struct counters counters;
	struct fields *fields = fields_open();
	fields_want_all(fields);
	struct event_builder *builder = event_builder_open(fields, &counters);
	struct event **events = calloc(KEYS, sizeof(struct event *));
	struct rule_stage stages[2] = {
		{ .step = 0, .keys = { { .field = FIELD_process_entity_id } } },
		{ .step = 1, .keys = { { .field = FIELD_process_entity_id } } },
	};
	struct rule rule = {
		.kind = RULE_SEQUENCE,
		.id = "bench",
		.key_count = 1,
		.stage_count = 2,
		.stages = stages,
		.until_step = RULE_NO_STEP,
	};
	for (uint32_t i = 0; i < KEYS; i++)
		events[i] = make_event(builder, i);
	run("eager, in order", &rule, events, false, false);
	run("eager, 10 % late", &rule, events, true, false);
	run("settled, in order", &rule, events, false, true);
	run("settled, 10 % late", &rule, events, true, true);
	/* The worst for late events: one group holds everything that is not final. */
	rule.key_count = 0;
	run("eager, one key, 10 % late", &rule, events, true, false);
	for (uint32_t i = 0; i < KEYS; i++)
		free(events[i]);
	free(events);
	event_builder_close(builder);
	fields_close(fields);
	return 0;
}
