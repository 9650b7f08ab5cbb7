/* hash.h: the keyed hash for everything whose keys come from outside, so that nobody can choose
 * keys that collide. Every table takes its seed from hash_seed_make; `replay` uses a fixed one,
 * because replay is exact.
 *
 * Source: SipHash-1-3 (Aumasson and Bernstein, 2012; 1-3 as in Rust's and Python's tables) for
 * text; for the fixed-size keys of hot tables a multiply-and-fold of 64x64->128 bits over seeded
 * words.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct hash_seed {
	uint64_t words[2];
};

/* From the kernel's random source. */
struct hash_seed hash_seed_make(void);

/* SipHash-1-3 of any bytes. */
uint64_t hash_bytes(const struct hash_seed *seed, const void *bytes, size_t size_bytes);

/* ASCII case folded on the way: equal for texts that differ only in ASCII case. Not keyed: it is
 * stored in events and compared across threads and rules, and only ever selects candidates among
 * the constants of our own rules. */
uint32_t hash_folded_text(const char *text, size_t size_bytes);

static inline uint64_t hash_fold_multiply(uint64_t left, uint64_t right)
{
	const __uint128_t product = (__uint128_t)left * right;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* One step for keys of whole 64-bit words: state starts as seed->words[0]. */
static inline uint64_t hash_word(const struct hash_seed *seed, uint64_t state, uint64_t word)
{
	return hash_fold_multiply(state ^ word, seed->words[1] | 1);
}
