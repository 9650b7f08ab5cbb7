#include "correlator/pipeline.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/base/hard.h"
#include "collector/base/ring.h"

enum {
	SOURCES_MAX = 64,
	RECORDS_PER_TURN = 64, /* taken from one ring before the next one gets its turn */
	RING_HEADER_BYTES = 8, /* of each record (ring_record_max) */
};

static const size_t default_ring_bytes = HARD(4U << 20, 1U << 18);

/* How far the watermark moves before the correlator is told: settling is batched. */
static const uint64_t advance_step_ns = 1000000000;

struct source {
	struct source_settings settings;
	struct pipeline *pipeline;
	struct ring *ring;
	pthread_t thread;
	bool started;
	struct counters counters; /* written by the source's thread */
	_Atomic uint64_t done_bytes;
	_Atomic uint64_t total_bytes;

	/* the correlator thread's own */
	uint64_t watermark_ns;
	bool drained;
};

struct pipeline {
	struct pipeline_settings settings;
	struct correlator *correlator;
	struct source *sources[SOURCES_MAX];
	size_t source_count;
	struct counters counters; /* written by the correlator thread */
	pthread_t thread;
	bool started;
	_Atomic bool stopping;
	_Atomic bool done;
	_Atomic uint32_t awaited_count; /* sources `without_time` that have not ended */
	uint64_t told_ns;		/* the watermark that the correlator knows */
	struct shuffle *shuffle;
};

/* --- sources ---------------------------------------------------------------------------------- */

struct counters *source_counters(struct source *source)
{
	return &source->counters;
}

bool source_stopping(const struct source *source)
{
	/* relaxed: only has to be seen soon; nothing is published with it. */
	return atomic_load_explicit(&source->pipeline->stopping, memory_order_relaxed);
}

void source_progress(struct source *source, uint64_t done_bytes, uint64_t total_bytes)
{
	atomic_store_explicit(&source->done_bytes, done_bytes, memory_order_relaxed);
	atomic_store_explicit(&source->total_bytes, total_bytes, memory_order_relaxed);
}

void source_await_events(struct source *source)
{
	/* acquire: pairs with source_main; what the ended sources pushed comes before what we push
	 * now. */
	while (atomic_load_explicit(&source->pipeline->awaited_count, memory_order_acquire) > 0 &&
	       !source_stopping(source))
		ring_nap();
}

/* Room in the ring: a lossless source waits for it, unless it can never come. */
static void *reserve(struct source *source, size_t size_bytes)
{
	if (size_bytes > ring_record_max(source->ring))
		return NULL;
	for (;;) {
		void *room = ring_reserve(source->ring, size_bytes);
		if (room || !source->settings.lossless)
			return room;
		ring_commit(source->ring);
		ring_nap();
	}
}

static void push(struct source *source, const void *record, size_t size_bytes)
{
	void *room = reserve(source, size_bytes);
	if (room)
		memcpy(room, record, size_bytes);
	else
		counter_add(&source->counters, COUNTER_flow_events_lost, 1);
}

static void copy_event(char *room, const struct event *event, const step_id *steps,
		       size_t steps_bytes)
{
	memcpy(room, event, event->size_bytes);
	if (steps_bytes)
		memcpy(room + event->size_bytes, steps, steps_bytes);
}

void source_push_event(struct source *source, const struct event *event, const step_id *steps,
		       size_t step_count)
{
	const size_t steps_bytes = step_count * sizeof(*steps);
	char *room = reserve(source, event->size_bytes + steps_bytes);
	if (room)
		copy_event(room, event, steps, steps_bytes);
	else
		counter_add(&source->counters, COUNTER_flow_events_lost, 1);
}

bool source_try_event(struct source *source, const struct event *event, const step_id *steps,
		      size_t step_count)
{
	const size_t steps_bytes = step_count * sizeof(*steps);
	char *room = ring_reserve(source->ring, event->size_bytes + steps_bytes);
	if (room)
		copy_event(room, event, steps, steps_bytes);
	return room != NULL;
}

void source_push_flow(struct source *source, const struct flow_event *flow)
{
	push(source, flow, sizeof(*flow));
}

void source_push_name(struct source *source, const struct wire_name *name)
{
	push(source, name, sizeof(*name));
}

void source_push_watermark(struct source *source, uint64_t time_ns)
{
	const struct watermark watermark = { .record_kind = RECORD_WATERMARK, .time_ns = time_ns };
	push(source, &watermark, sizeof(watermark));
}

bool source_try_watermark(struct source *source, uint64_t time_ns)
{
	const struct watermark watermark = { .record_kind = RECORD_WATERMARK, .time_ns = time_ns };
	void *room = ring_reserve(source->ring, sizeof(watermark));
	if (room)
		memcpy(room, &watermark, sizeof(watermark));
	return room != NULL;
}

void source_flush(struct source *source)
{
	ring_commit(source->ring);
}

static void *source_main(void *argument)
{
	struct source *source = argument;
	pthread_setname_np(pthread_self(), source->settings.name);
	source->settings.run(source, source->settings.context);
	ring_commit(source->ring);
	ring_finish(source->ring);
	if (source->settings.without_time)
		/* release: pairs with source_await_events. */
		atomic_fetch_sub_explicit(&source->pipeline->awaited_count, 1,
					  memory_order_release);
	return NULL;
}

/* --- shuffling: records are collected, then handed over in a random order --------------------- */

struct shuffle {
	void **records; /* copies, each behind its size */
	size_t count;
	size_t room;
};

struct shuffled {
	size_t size_bytes;
	_Alignas(8) char bytes[];
};

static void collect(struct shuffle *shuffle, const void *record, size_t size_bytes)
{
	if (shuffle->count == shuffle->room) {
		shuffle->room = shuffle->room ? 2 * shuffle->room : 4096;
		shuffle->records =
			realloc(shuffle->records, shuffle->room * sizeof(*shuffle->records));
	}
	struct shuffled *copy = malloc(sizeof(*copy) + size_bytes);
	if (!copy || !shuffle->records)
		abort(); /* a tool for tests; there is no part of it worth saving */
	copy->size_bytes = size_bytes;
	memcpy(copy->bytes, record, size_bytes);
	shuffle->records[shuffle->count++] = copy;
}

/* xorshift64*: repeatable from its seed on any machine. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

/* --- the correlator thread -------------------------------------------------------------------- */

static void dispatch(struct pipeline *pipeline, const void *record, size_t size_bytes)
{
	struct correlator *correlator = pipeline->correlator;
	const struct event *event = record;
	switch (*(const uint32_t *)record) {
	case RECORD_EVENT:
		correlator_event(correlator, event,
				 (const void *)((const char *)record + event->size_bytes),
				 (size_bytes - event->size_bytes) / sizeof(step_id));
		return;
	case RECORD_FLOW:
		correlator_flow(correlator, record);
		return;
	case RECORD_NAME:
		correlator_name(correlator, record);
		return;
	}
}

static bool take_records(struct pipeline *pipeline, struct source *source)
{
	size_t taken = 0;
	size_t size_bytes;
	for (const void *record; taken < RECORDS_PER_TURN; taken++) {
		record = ring_next(source->ring, &size_bytes);
		if (!record)
			break;
		if (*(const uint32_t *)record == RECORD_WATERMARK)
			source->watermark_ns = ((const struct watermark *)record)->time_ns;
		else if (pipeline->shuffle)
			collect(pipeline->shuffle, record, size_bytes);
		else
			dispatch(pipeline, record, size_bytes);
	}
	ring_release(source->ring);
	source->drained = taken == 0 && ring_drained(source->ring);
	return taken > 0;
}

/* The time up to which every source is complete. False: all have ended. An end is not a time: a
 * capture may well hold a packet of the last nanosecond that there is. */
static bool least_watermark(const struct pipeline *pipeline, uint64_t *out_least_ns)
{
	bool any = false;
	*out_least_ns = UINT64_MAX;
	for (size_t i = 0; i < pipeline->source_count; i++) {
		const struct source *source = pipeline->sources[i];
		any |= !source->drained;
		if (!source->drained && source->watermark_ns < *out_least_ns)
			*out_least_ns = source->watermark_ns;
	}
	return any;
}

/* What all sources have seen and lost so far. */
static void tell_of_losses(struct pipeline *pipeline, uint64_t now_ns)
{
	struct tap_totals totals = { 0 };
	for (size_t i = 0; i < pipeline->source_count; i++) {
		const struct counters *counters = &pipeline->sources[i]->counters;
		const uint64_t refused = counter_read(counters, COUNTER_packets_flow_table_full);
		const uint64_t seen = counter_read(counters, COUNTER_packets_seen);
		totals.packets_seen += seen > refused ? seen - refused : 0;
		totals.packets_lost += refused +
				       counter_read(counters, COUNTER_packets_dropped_kernel) +
				       counter_read(counters, COUNTER_packets_dropped_interface);
		totals.records_lost += counter_read(counters, COUNTER_flow_events_lost);
	}
	correlator_tap(pipeline->correlator, now_ns, &totals);
}

/* Tells the correlator the watermark when it has moved far enough. */
static void advance(struct pipeline *pipeline, uint64_t watermark_ns)
{
	if (pipeline->shuffle || watermark_ns < pipeline->told_ns ||
	    watermark_ns - pipeline->told_ns < advance_step_ns)
		return;
	if (pipeline->settings.correlator.live)
		tell_of_losses(pipeline, watermark_ns);
	correlator_advance(pipeline->correlator, watermark_ns);
	pipeline->told_ns = watermark_ns;
}

static void hand_over_shuffled(struct pipeline *pipeline)
{
	struct shuffle *shuffle = pipeline->shuffle;
	uint64_t state = pipeline->settings.shuffle_seed;
	for (size_t left = shuffle->count; left > 0; left--) {
		const size_t chosen = next_random(&state) % left;
		struct shuffled *record = shuffle->records[chosen];
		shuffle->records[chosen] = shuffle->records[left - 1];
		dispatch(pipeline, record->bytes, record->size_bytes);
		free(record);
	}
	free(shuffle->records);
	free(shuffle);
	pipeline->shuffle = NULL;
}

static void *correlator_main(void *argument)
{
	struct pipeline *pipeline = argument;
	pthread_setname_np(pthread_self(), "correlator");
	for (;;) {
		bool busy = false;
		for (size_t i = 0; i < pipeline->source_count; i++)
			busy |= take_records(pipeline, pipeline->sources[i]);
		uint64_t watermark_ns;
		if (!least_watermark(pipeline, &watermark_ns))
			break;
		advance(pipeline, watermark_ns);
		if (!busy)
			ring_nap();
	}
	if (pipeline->shuffle)
		hand_over_shuffled(pipeline);
	if (!pipeline->settings.goes_on)
		correlator_finish(pipeline->correlator);
	/* release: pairs with pipeline_wait; the correlator's state is complete and may be read. */
	atomic_store_explicit(&pipeline->done, true, memory_order_release);
	return NULL;
}

/* --- the main thread -------------------------------------------------------------------------- */

struct pipeline *pipeline_open(const struct pipeline_settings *settings)
{
	struct pipeline *pipeline = calloc(1, sizeof(*pipeline));
	if (!pipeline)
		return NULL;
	pipeline->settings = *settings;
	pipeline->correlator =
		correlator_open(&settings->correlator, settings->ruleset, settings->fields,
				&settings->sink, &pipeline->counters);
	if (settings->shuffle_seed)
		pipeline->shuffle = calloc(1, sizeof(*pipeline->shuffle));
	if (!pipeline->correlator || (settings->shuffle_seed && !pipeline->shuffle)) {
		pipeline_close(pipeline);
		return NULL;
	}
	return pipeline;
}

/* So that the largest event fits, should it satisfy every step of the rules. */
static size_t usual_ring_bytes(const struct ruleset *ruleset)
{
	const size_t steps_bytes = ruleset_step_count(ruleset) * sizeof(step_id);
	const size_t least_bytes = 2 * (EVENT_SIZE_MAX + steps_bytes + RING_HEADER_BYTES);
	return least_bytes > default_ring_bytes ? least_bytes : default_ring_bytes;
}

bool pipeline_add(struct pipeline *pipeline, const struct source_settings *settings)
{
	if (pipeline->source_count == SOURCES_MAX) {
		errno = ENOSPC;
		return false;
	}
	struct source *source = calloc(1, sizeof(*source));
	if (!source)
		return false;
	source->settings = *settings;
	source->pipeline = pipeline;
	source->ring =
		ring_open(settings->ring_bytes ? settings->ring_bytes
					       : usual_ring_bytes(pipeline->settings.ruleset));
	if (!source->ring) {
		free(source);
		return false;
	}
	pipeline->sources[pipeline->source_count++] = source;
	if (settings->without_time)
		atomic_fetch_add_explicit(&pipeline->awaited_count, 1, memory_order_relaxed);
	return true;
}

bool pipeline_start(struct pipeline *pipeline)
{
	/* Threads inherit the mask: signals are the main thread's. */
	sigset_t all;
	sigset_t before;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	int error = pthread_create(&pipeline->thread, NULL, correlator_main, pipeline);
	pipeline->started = error == 0;
	for (size_t i = 0; i < pipeline->source_count && error == 0; i++) {
		struct source *source = pipeline->sources[i];
		error = pthread_create(&source->thread, NULL, source_main, source);
		source->started = error == 0;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return error == 0;
}

void pipeline_stop(struct pipeline *pipeline)
{
	atomic_store_explicit(&pipeline->stopping, true, memory_order_relaxed);
}

bool pipeline_wait(struct pipeline *pipeline, int timeout_ms)
{
	const struct timespec step = { .tv_nsec = 1000000 };
	for (int waited_ms = 0;; waited_ms++) {
		/* acquire: pairs with correlator_main. */
		if (atomic_load_explicit(&pipeline->done, memory_order_acquire))
			return true;
		if (waited_ms >= timeout_ms)
			return false;
		nanosleep(&step, NULL);
	}
}

void pipeline_read(const struct pipeline *pipeline, struct counters *out_counters,
		   uint64_t *out_done_bytes, uint64_t *out_total_bytes)
{
	memset(out_counters, 0, sizeof(*out_counters));
	counters_sum(out_counters, &pipeline->counters);
	*out_done_bytes = 0;
	*out_total_bytes = 0;
	for (size_t i = 0; i < pipeline->source_count; i++) {
		const struct source *source = pipeline->sources[i];
		counters_sum(out_counters, &source->counters);
		*out_done_bytes += atomic_load_explicit(&source->done_bytes, memory_order_relaxed);
		*out_total_bytes +=
			atomic_load_explicit(&source->total_bytes, memory_order_relaxed);
	}
}

const struct correlator *pipeline_correlator(const struct pipeline *pipeline)
{
	return pipeline->correlator;
}

void pipeline_close(struct pipeline *pipeline)
{
	if (!pipeline)
		return;
	pipeline_stop(pipeline);
	for (size_t i = 0; i < pipeline->source_count; i++) {
		struct source *source = pipeline->sources[i];
		if (source->started)
			pthread_join(source->thread, NULL);
		else
			ring_finish(source->ring); /* or the correlator would wait for it */
	}
	if (pipeline->started)
		pthread_join(pipeline->thread, NULL);
	for (size_t i = 0; i < pipeline->source_count; i++) {
		ring_close(pipeline->sources[i]->ring);
		free(pipeline->sources[i]);
	}
	correlator_close(pipeline->correlator);
	free(pipeline->shuffle);
	free(pipeline);
}
