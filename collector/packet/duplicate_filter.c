#include "collector/packet/duplicate_filter.h"

#include <stdlib.h>
#include <string.h>

#include "collector/base/hard.h"

enum { SETS = HARD(4096, 1), WAYS = 4 };

/* 64 bits of a keyed hash stand for a packet: nobody can make two that collide, and chance does so
 * once in 10^15. */
struct seen {
	uint64_t digest; /* 0 = free */
	uint64_t time_ns;
};

struct duplicate_filter {
	struct hash_seed seed;
	struct seen sets[SETS][WAYS];
};

struct duplicate_filter *duplicate_filter_open(const struct hash_seed *seed)
{
	struct duplicate_filter *filter = calloc(1, sizeof(*filter));
	if (filter)
		filter->seed = *seed;
	return filter;
}

void duplicate_filter_close(struct duplicate_filter *filter)
{
	free(filter);
}

size_t duplicate_filter_bytes(void)
{
	return sizeof(struct duplicate_filter);
}

static uint64_t digest_of(const struct duplicate_filter *filter, const struct decoded *decoded)
{
	uint8_t block[sizeof(struct endpoints) + 5 * sizeof(uint32_t) + DUPLICATE_PAYLOAD_BYTES];
	const uint32_t numbers[5] = { decoded->ip_bytes, decoded->tcp_sequence,
				      decoded->tcp_acknowledgement,
				      (uint32_t)decoded->ip_id << 8 | decoded->tcp_flags,
				      decoded->payload_bytes };
	const uint32_t payload_bytes = decoded->payload_bytes < DUPLICATE_PAYLOAD_BYTES
					       ? decoded->payload_bytes
					       : DUPLICATE_PAYLOAD_BYTES;
	memcpy(block, &decoded->ends, sizeof(decoded->ends));
	memcpy(block + sizeof(decoded->ends), numbers, sizeof(numbers));
	memcpy(block + sizeof(decoded->ends) + sizeof(numbers), decoded->payload, payload_bytes);
	const uint64_t digest = hash_bytes(&filter->seed, block,
					   sizeof(decoded->ends) + sizeof(numbers) + payload_bytes);
	return digest ? digest : 1;
}

bool duplicate_filter_check(struct duplicate_filter *filter, const struct decoded *decoded,
			    uint64_t now_ns)
{
	if (decoded->ip_id == 0 && decoded->payload_bytes == 0)
		return false;
	const uint64_t digest = digest_of(filter, decoded);
	struct seen *set = filter->sets[digest % SETS];
	struct seen *oldest = &set[0];
	for (int i = 0; i < WAYS; i++) {
		if (set[i].digest == digest && now_ns - set[i].time_ns < DUPLICATE_WINDOW_NS)
			return true;
		if (set[i].time_ns < oldest->time_ns)
			oldest = &set[i];
	}
	*oldest = (struct seen){ .digest = digest, .time_ns = now_ns };
	return false;
}
