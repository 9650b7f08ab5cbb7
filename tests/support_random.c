#include "tests/support_random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct support_random support_random_open(void)
{
	const char *wanted = getenv("PROCSPAN_SEED");
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	const uint64_t seed = wanted ? strtoull(wanted, NULL, 10)
				     : (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	printf("seed %" PRIu64 "\n", seed);
	return (struct support_random){ .state = seed };
}
