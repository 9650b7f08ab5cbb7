/* The ring between two cores, beside a word that goes there and back: what any exchange between the
 * two costs at least. Real time: the machine has to have two cores to spare. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "collector/base/ring.h"
#include "correlator/bench_parts.h"

enum {
	MESSAGES = 1 << 19,
	MESSAGE_BYTES = 56, /* and 8 of header: one line */
	TRIPS = 20000,
	NEAR_BYTES = 1 << 16,
	FAR_BYTES = 1 << 22,
	STAGE_BYTES = 64,
};

struct ring_bench {
	struct ring *ring;
	size_t ring_bytes;
	uint32_t batch;
	bool naps; /* when there is nothing to do; else it gives up its turn */
	bool failed;
};

/* Spinning would take a shared core from the other side. */
static void idle(const struct ring_bench *self)
{
	if (self->naps)
		ring_nap();
	else
		sched_yield();
}

static void *produce(void *argument)
{
	const struct ring_bench *self = argument;
	for (uint32_t i = 0; i < MESSAGES; i++) {
		uint64_t *message;
		while (!(message = ring_reserve(self->ring, MESSAGE_BYTES))) {
			ring_commit(self->ring);
			idle(self);
		}
		for (int word = 0; word < MESSAGE_BYTES / 8; word++)
			message[word] = i;
		if (i % self->batch == self->batch - 1)
			ring_commit(self->ring);
	}
	ring_finish(self->ring);
	return NULL;
}

static void consume(const struct ring_bench *self)
{
	uint64_t sum = 0;
	uint32_t held = 0;
	while (!ring_drained(self->ring)) {
		size_t size;
		const uint64_t *message = ring_next(self->ring, &size);
		if (message)
			sum += message[6];
		if (message ? ++held == self->batch : held > 0) {
			ring_release(self->ring);
			held = 0;
		} else if (!message) {
			idle(self);
		}
	}
	bench_keep(sum);
}

static void pass_messages(void *context)
{
	struct ring_bench *self = context;
	pthread_t producer;
	self->ring = ring_open(self->ring_bytes);
	self->failed = !self->ring || pthread_create(&producer, NULL, produce, self) != 0;
	if (!self->failed) {
		consume(self);
		pthread_join(producer, NULL);
	}
	ring_close(self->ring);
}

/* --- there and back ------------------------------------------------------------------------- */

static _Alignas(64) _Atomic uint32_t ball;

/* acquire and release: each throw is seen by the other side before it answers. */
static void await(uint32_t number)
{
	for (uint32_t looked = 0; atomic_load_explicit(&ball, memory_order_acquire) != number;
	     looked++)
		if (looked % 1024 == 1023)
			sched_yield(); /* the other side may be waiting for this core */
}

static void throw_ball(uint32_t number)
{
	atomic_store_explicit(&ball, number, memory_order_release); /* pairs with await */
}

static void *return_ball(void *argument)
{
	for (uint32_t i = 0; i < TRIPS; i++) {
		await(2 * i + 1);
		throw_ball(2 * i + 2);
	}
	return argument;
}

static void play(void *context)
{
	bool *failed = context;
	pthread_t other;
	throw_ball(0);
	*failed = pthread_create(&other, NULL, return_ball, NULL) != 0;
	if (*failed)
		return;
	for (uint32_t i = 0; i < TRIPS; i++) {
		throw_ball(2 * i + 1);
		await(2 * i + 2);
	}
	pthread_join(other, NULL);
}

bool bench_ring(struct bench *bench)
{
	static const uint32_t batches[] = { 1, 8, 32 };
	bool failed = false;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return true; /* there is nothing to measure between */
	bench_section(bench, "ring", false,
		      "ring, messages of 64 bytes with their header, two cores (real time)");
	const struct bench_row trip = {
		.stage = "a word there and back",
		.unit = "trip",
		.ns = bench_best_ns(bench, CLOCK_MONOTONIC, play, &failed) / TRIPS,
	};
	bench_row(bench, &trip);
	for (size_t i = 0; !failed && i < 2 * sizeof(batches) / sizeof(batches[0]); i++) {
		const bool far = i % 2;
		char stage[STAGE_BYTES];
		struct ring_bench self = { .ring_bytes = far ? FAR_BYTES : NEAR_BYTES,
					   .batch = batches[i / 2],
					   .naps = far };
		snprintf(stage, sizeof(stage), "batch %u, %s", self.batch,
			 far ? "65536 messages, naps" : "1024 messages");
		const struct bench_row row = {
			.stage = stage,
			.unit = "message",
			.ns = bench_best_ns(bench, CLOCK_MONOTONIC, pass_messages, &self) /
			      MESSAGES,
			.unit_bytes = MESSAGE_BYTES,
		};
		failed = self.failed;
		if (!failed)
			bench_row(bench, &row);
	}
	return !failed;
}
