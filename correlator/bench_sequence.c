/* Events per second through the sequence state: the shape of the seed rule (a process starts, then
 * opens a connection; joined by entity, no maxspan), 100,000 processes alive, in order and with a
 * tenth of the events late. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "correlator/bench_parts.h"
#include "correlator/sequence.h"

enum {
	KEYS = 100000,
	EVENTS = 500000,
	EVENT_INTERVAL_NS = 2000000, /* 500 events a second */
	LATE_BY_EVENTS = 4000,	     /* 8 s */
	WATERMARK_EVERY = 500,
	HORIZON_S = 900,
	ENTITY_BYTES = 64,
};

static const uint64_t start_ns = 1700000000000000000U;

struct sequence_bench {
	const struct rule *rule;
	struct event **events;
	bool some_late;
	bool settle;
	bool failed;
	size_t memory_bytes;
};

static struct event *make_event(struct event_builder *builder, uint32_t key)
{
	char entity[ENTITY_BYTES];
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

static void run(void *context)
{
	struct sequence_bench *self = context;
	struct counters counters = { 0 };
	uint64_t match_count = 0;
	const struct sequence_settings settings = { .horizon_ns = HORIZON_S * 1000000000ULL,
						    .store_bytes = (size_t)512 << 20,
						    .settle = self->settle,
						    .seed = { { 1, 2 } } };
	struct sequences *sequences = sequences_open_rules(&self->rule, 1, &settings, count_match,
							   &match_count, &counters);
	self->failed = !sequences;
	if (!sequences)
		return;
	for (uint64_t i = 0; i < EVENTS; i++) {
		if (!self->some_late || i % 10 != 3)
			add(sequences, self->events, i);
		if (self->some_late && i >= LATE_BY_EVENTS && (i - LATE_BY_EVENTS) % 10 == 3)
			add(sequences, self->events, i - LATE_BY_EVENTS);
		if (i % WATERMARK_EVERY == 0 && i > LATE_BY_EVENTS)
			sequences_advance(sequences,
					  start_ns + (i - LATE_BY_EVENTS) * EVENT_INTERVAL_NS);
	}
	bench_keep(match_count);
	self->memory_bytes = sequences_bytes(sequences);
	sequences_close(sequences);
}

static bool measure(struct bench *bench, struct event **events)
{
	struct rule_stage stages[2] = {
		{ .step = 0, .keys = { { .field = FIELD_process_entity_id } } },
		{ .step = 1, .keys = { { .field = FIELD_process_entity_id } } },
	};
	struct rule rule = { .kind = RULE_SEQUENCE,
			     .id = "bench",
			     .key_count = 1,
			     .stage_count = 2,
			     .stages = stages,
			     .until_step = RULE_NO_STEP };
	static const struct {
		const char *stage;
		bool some_late;
		bool settle;
		uint16_t key_count;
	} cases[] = {
		{ "eager, in order", false, false, 1 },
		{ "eager, 10 % late", true, false, 1 },
		{ "settled, in order", false, true, 1 },
		{ "settled, 10 % late", true, true, 1 },
		/* The worst for late events: one group holds all that is not final. */
		{ "eager, one key, 10 % late", true, false, 0 },
	};
	bench_section(bench, "sequence", false,
		      "sequence state, two steps by entity, %d processes alive", KEYS);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sequence_bench self = { .rule = &rule,
					       .events = events,
					       .some_late = cases[i].some_late,
					       .settle = cases[i].settle };
		rule.key_count = cases[i].key_count;
		const double run_ns = bench_best_ns(bench, CLOCK_THREAD_CPUTIME_ID, run, &self);
		const struct bench_row row = { .stage = cases[i].stage,
					       .unit = "event",
					       .ns = run_ns / EVENTS,
					       .memory_bytes = (double)self.memory_bytes / KEYS };
		if (self.failed)
			return false;
		bench_row(bench, &row);
	}
	return true;
}

bool bench_sequences(struct bench *bench)
{
	struct counters counters = { 0 };
	struct fields *fields = fields_open();
	if (!fields)
		return false;
	fields_want_all(fields);
	struct event_builder *builder = event_builder_open(fields, &counters);
	struct event **events = calloc(KEYS, sizeof(struct event *));
	bool good = builder && events;
	for (uint32_t i = 0; good && i < KEYS; i++)
		good = (events[i] = make_event(builder, i)) != NULL;
	good = good && measure(bench, events);
	for (uint32_t i = 0; events && i < KEYS; i++)
		free(events[i]);
	free(events);
	event_builder_close(builder);
	fields_close(fields);
	return good;
}
