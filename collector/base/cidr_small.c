#include "collector/base/cidr_small.h"

#include <assert.h>
#include <string.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "collector/base/address.h"

/* The two halves of an address as they are in memory. */
struct halves {
	uint64_t half[2];
};

static inline struct halves halves_of(const struct ip_address *address)
{
	struct halves halves;
	memcpy(&halves, address->bytes, sizeof(halves));
	return halves;
}

/* ::ffff:0:0/96 in memory order, for a little-endian CPU (cursor.h asserts that). */
static inline bool is_v4(struct halves halves)
{
	return halves.half[0] == 0 && (uint32_t)halves.half[1] == 0xffff0000U;
}

static inline uint32_t v4_of(struct halves halves)
{
	return (uint32_t)(halves.half[1] >> 32);
}

static inline uint32_t value_of(const uint32_t values[CIDR_SMALL_MAX + 1], uint32_t lanes)
{
	return values[__builtin_ctz(lanes | 1U << CIDR_SMALL_MAX)];
}

void cidr_small_add(struct cidr_small *small, const struct cidr_entry *entry)
{
	const struct halves network = halves_of(&entry->prefix.address);
	struct ip_address mask = { 0 };
	for (unsigned bit = 0; bit < entry->prefix.bits; bit++)
		mask.bytes[bit / 8] |= (uint8_t)(0x80U >> bit % 8);
	const struct halves masks = halves_of(&mask);
	if (entry->prefix.bits >= 96 && is_v4(network)) {
		const unsigned lane = (unsigned)__builtin_popcount(small->v4_used);
		assert(lane < CIDR_SMALL_MAX);
		small->v4_networks[lane] = v4_of(network) & v4_of(masks);
		small->v4_masks[lane] = v4_of(masks);
		small->v4_values[lane] = entry->value;
		small->v4_used |= 1U << lane;
		return;
	}
	const unsigned lane = (unsigned)__builtin_popcount(small->v6_used);
	assert(lane < CIDR_SMALL_MAX);
	for (int i = 0; i < 2; i++) {
		small->v6_networks[i][lane] = network.half[i] & masks.half[i];
		small->v6_masks[i][lane] = masks.half[i];
	}
	small->v6_values[lane] = entry->value;
	small->v6_used |= 1U << lane;
}

void cidr_small_finish(struct cidr_small *small)
{
	small->v4_values[CIDR_SMALL_MAX] = CIDR_NONE;
	small->v6_values[CIDR_SMALL_MAX] = CIDR_NONE;
}

static uint32_t find_v4(const struct cidr_small *small, uint32_t address)
{
	uint32_t lanes = 0;
	for (unsigned i = 0; i < CIDR_SMALL_MAX; i++)
		lanes |= (uint32_t)((address & small->v4_masks[i]) == small->v4_networks[i]) << i;
	return value_of(small->v4_values, lanes & small->v4_used);
}

static uint32_t find_v6(const struct cidr_small *small, struct halves address)
{
	uint32_t lanes = 0;
	for (unsigned i = 0; i < CIDR_SMALL_MAX; i++) {
		const uint64_t first =
			(address.half[0] ^ small->v6_networks[0][i]) & small->v6_masks[0][i];
		const uint64_t second =
			(address.half[1] ^ small->v6_networks[1][i]) & small->v6_masks[1][i];
		lanes |= (uint32_t)((first | second) == 0) << i;
	}
	return value_of(small->v6_values, lanes & small->v6_used);
}

uint32_t cidr_small_find(const struct cidr_small *small, const struct ip_address *address)
{
	const struct halves halves = halves_of(address);
	return is_v4(halves) ? find_v4(small, v4_of(halves)) : find_v6(small, halves);
}

static void find_batch_plain(const struct cidr_small *small, const struct ip_address *addresses,
			     size_t count, uint32_t *out_values)
{
	for (size_t i = 0; i < count; i++)
		out_values[i] = cidr_small_find(small, &addresses[i]);
}

#ifdef __x86_64__

/* Eight of the sixteen IPv6 lanes: one bit each. */
__attribute__((target("avx512f"))) static inline uint32_t
eight_v6_lanes(const struct cidr_small *small, unsigned from, __m512i first, __m512i second)
{
	const __m512i first_difference = _mm512_and_si512(
		_mm512_xor_si512(first, _mm512_load_si512(&small->v6_networks[0][from])),
		_mm512_load_si512(&small->v6_masks[0][from]));
	const __m512i second_difference = _mm512_and_si512(
		_mm512_xor_si512(second, _mm512_load_si512(&small->v6_networks[1][from])),
		_mm512_load_si512(&small->v6_masks[1][from]));
	const __m512i difference = _mm512_or_si512(first_difference, second_difference);
	return _mm512_testn_epi64_mask(difference, difference);
}

__attribute__((target("avx512f"))) static void find_batch_avx512(const struct cidr_small *small,
								 const struct ip_address *addresses,
								 size_t count, uint32_t *out_values)
{
	const __m512i networks = _mm512_load_si512(small->v4_networks);
	const __m512i masks = _mm512_load_si512(small->v4_masks);
	for (size_t i = 0; i < count; i++) {
		const struct halves halves = halves_of(&addresses[i]);
		if (is_v4(halves)) {
			const __m512i all = _mm512_set1_epi32((int)v4_of(halves));
			const uint32_t lanes =
				_mm512_cmpeq_epi32_mask(_mm512_and_si512(all, masks), networks);
			out_values[i] = value_of(small->v4_values, lanes & small->v4_used);
			continue;
		}
		const __m512i first = _mm512_set1_epi64((long long)halves.half[0]);
		const __m512i second = _mm512_set1_epi64((long long)halves.half[1]);
		const uint32_t lanes = eight_v6_lanes(small, 0, first, second) |
				       eight_v6_lanes(small, 8, first, second) << 8;
		out_values[i] = value_of(small->v6_values, lanes & small->v6_used);
	}
}

__attribute__((target("avx2"))) static inline uint32_t
eight_v4_lanes(const struct cidr_small *small, unsigned from, __m256i all)
{
	const __m256i networks =
		_mm256_load_si256((const __m256i *)(const void *)&small->v4_networks[from]);
	const __m256i masks =
		_mm256_load_si256((const __m256i *)(const void *)&small->v4_masks[from]);
	const __m256i equal = _mm256_cmpeq_epi32(_mm256_and_si256(all, masks), networks);
	return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(equal));
}

/* IPv6 is left to the compiler's own vectors. */
__attribute__((target("avx2"))) static void find_batch_avx2(const struct cidr_small *small,
							    const struct ip_address *addresses,
							    size_t count, uint32_t *out_values)
{
	for (size_t i = 0; i < count; i++) {
		const struct halves halves = halves_of(&addresses[i]);
		if (!is_v4(halves)) {
			out_values[i] = find_v6(small, halves);
			continue;
		}
		const __m256i all = _mm256_set1_epi32((int)v4_of(halves));
		const uint32_t lanes = eight_v4_lanes(small, 0, all) | eight_v4_lanes(small, 8, all)
									       << 8;
		out_values[i] = value_of(small->v4_values, lanes & small->v4_used);
	}
}

#endif

void cidr_small_batches(cidr_small_batch_fn *out_functions[CIDR_SMALL_BATCHES_MAX])
{
	size_t count = 0;
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx512f"))
		out_functions[count++] = find_batch_avx512;
	if (__builtin_cpu_supports("avx2"))
		out_functions[count++] = find_batch_avx2;
#endif
	out_functions[count++] = find_batch_plain;
	out_functions[count] = NULL;
}
