/* bench.h: what `procspan bench` is made of: workloads that make their own input from a fixed seed,
 * time themselves, and say each figure as one row beside the floor of the same run. Main thread
 * only.
 *
 * Rows come in sections: one input, and its first row may be the floor that the others are compared
 * with. The same rows are a table or, with --json, one JSON object.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct bench {
	bool json;
	uint64_t row_ns;	   /* how long to measure for one row */
	const char *const *events; /* the operator's own event files instead of made events */
	size_t event_count;
	const char *const *rules; /* the operator's own rules instead of made ones */
	size_t rule_count;
	/* bench.c's own */
	const char *name;
	const char *input;
	bool has_floor;
	double floor_ns;
	bool any_row;
};

/* One workload. False with errno: no memory, or what the operator named cannot be read (then it
 * has said so). */
typedef bool bench_fn(struct bench *bench);

#define BENCH(name, rows, help) bench_fn bench_##name;
#include "correlator/benches.def"
#undef BENCH

/* What one row says. */
struct bench_row {
	const char *stage;
	const char *unit;    /* what is counted: "packet" */
	double ns;	     /* per unit */
	double unit_bytes;   /* data in a unit, for Gbit/s; 0 = does not apply */
	double memory_bytes; /* memory for a flow, a record or a prefix; 0 = does not apply */
};

/* Head and foot of the whole. */
void bench_begin(struct bench *bench, double seconds);
void bench_end(struct bench *bench);

/* A new input: `input` is its short name, `format` the heading. With `has_floor`, the next row is
 * what the others of the section are compared with. */
void bench_section(struct bench *bench, const char *input, bool has_floor, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void bench_row(struct bench *bench, const struct bench_row *row);

/* --- measuring ------------------------------------------------------------------------------ */

/* CLOCK_THREAD_CPUTIME_ID where one thread does the work, since others may use the machine;
 * CLOCK_MONOTONIC where several do. */
uint64_t bench_clock_ns(clockid_t clock);

typedef void bench_run_fn(void *context);

/* Runs it until the row's time is spent, at least once; the best run's nanoseconds. */
double bench_best_ns(const struct bench *bench, clockid_t clock, bench_run_fn *run, void *context);

/* So that the compiler keeps work whose result nobody reads. */
void bench_keep(uint64_t number);

/* SplitMix64 (Steele, Lea, Flood, 2014): the same inputs in every run. */
struct bench_random {
	uint64_t state;
};

static inline uint64_t bench_random_next(struct bench_random *random)
{
	uint64_t word = (random->state += 0x9e3779b97f4a7c15U);
	word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9U;
	word = (word ^ word >> 27) * 0x94d049bb133111ebU;
	return word ^ word >> 31;
}

/* 0 .. limit - 1. */
static inline uint32_t bench_random_below(struct bench_random *random, uint32_t limit)
{
	return (uint32_t)((bench_random_next(random) >> 32) * limit >> 32);
}
