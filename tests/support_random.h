/* support_random.h: random numbers for tests that anybody can repeat: each test prints its seed,
 * and PROCSPAN_SEED sets it. */
#pragma once

#include <stdint.h>

struct support_random {
	uint64_t state;
};

/* From PROCSPAN_SEED, or the clock; prints "seed N". */
struct support_random support_random_open(void);

/* SplitMix64 (Steele, Lea, Flood, 2014). */
static inline uint64_t support_random_next(struct support_random *random)
{
	uint64_t word = (random->state += 0x9e3779b97f4a7c15U);
	word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9U;
	word = (word ^ word >> 27) * 0x94d049bb133111ebU;
	return word ^ word >> 31;
}

/* 0 .. limit - 1. */
static inline uint32_t support_random_below(struct support_random *random, uint32_t limit)
{
	return (uint32_t)((support_random_next(random) >> 32) * limit >> 32);
}
