/* counter.h: how much of everything. One row in counters.def per counter, one block per thread.
 *
 * A block is written by its own thread alone, with relaxed atomics, so adding costs a plain add;
 * anybody may read and sum the blocks at any time. Every refusal in the tree has a counter, and the
 * accounting identities (counter_identities_hold) add them up.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum counter {
#define COUNTER(name, help) COUNTER_##name,
#include "collector/base/counters.def"
#undef COUNTER
	COUNTER_COUNT
};

struct counters {
	_Alignas(64) _Atomic uint64_t values[COUNTER_COUNT];
};

/* The name and the help text of counters.def. */
const char *counter_name(enum counter counter);
const char *counter_help(enum counter counter);

/* Only by the thread that owns the block. */
static inline void counter_add(struct counters *counters, enum counter counter, uint64_t amount)
{
	/* relaxed: a single writer, and readers only want a recent value. */
	const uint64_t before =
		atomic_load_explicit(&counters->values[counter], memory_order_relaxed);
	atomic_store_explicit(&counters->values[counter], before + amount, memory_order_relaxed);
}

static inline uint64_t counter_read(const struct counters *counters, enum counter counter)
{
	return atomic_load_explicit(&counters->values[counter], memory_order_relaxed);
}

/* Adds every value of `from` to `into`. */
void counters_sum(struct counters *into, const struct counters *from);

/* Checks each row of identities.def over the summed counters: left side = sum of the right side.
 * Every failure is one line on `stream` (NULL = silent). Only meaningful when all threads have
 * stopped. */
bool counter_identities_hold(const struct counters *sum, FILE *stream);
