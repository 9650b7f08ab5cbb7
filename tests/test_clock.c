/* Clocks: from pairs of label and wire time to an offset, whatever else is among the pairs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "correlator/clock.h"
#include "tests/support_random.h"

#define SECOND_NS INT64_C(1000000000)
#define START_NS  (UINT64_C(1600000000) * 1000000000)

struct world {
	struct clock clock;
	struct support_random random;
};

static struct world *fresh(uint64_t seed)
{
	static struct world world;
	clock_reset(&world.clock);
	world.random = (struct support_random){ seed };
	return &world;
}

/* Sysmon writes its event 0.2 to 2.2 s after the packet, now and then later. */
static int64_t write_delay(struct support_random *random)
{
	const int64_t usual_ns =
		SECOND_NS / 5 + (int64_t)support_random_below(random, 2000) * SECOND_NS / 1000;
	return support_random_below(random, 12) == 0 ? usual_ns + 3 * SECOND_NS : usual_ns;
}

static void offer(struct world *world, uint64_t wire_ns, int64_t offset_ns, uint64_t tuple)
{
	clock_offer(&world->clock, wire_ns + (uint64_t)offset_ns, wire_ns, tuple, true);
}

struct fault {
	const char *name;
	int64_t offset_ns;
	double drift_ppm;
	int64_t step_ns; /* after 150 s of 300 */
};

static int64_t offset_at(const struct fault *fault, uint64_t wire_ns)
{
	const int64_t since_ns = (int64_t)(wire_ns - START_NS);
	int64_t offset_ns = fault->offset_ns;
	offset_ns += (int64_t)((double)since_ns * fault->drift_ppm / 1e6);
	return since_ns >= 150 * SECOND_NS ? offset_ns + fault->step_ns : offset_ns;
}

static void zones_skew_drift_and_steps_are_recovered(void **state)
{
	(void)state;
	static const struct fault faults[] = {
		{ "right", 0, 0, 0 },
		{ "14 hours west", -14 * 3600 * SECOND_NS, 0, 0 },
		{ "14 hours east and a bit", 14 * 3600 * SECOND_NS + 700000000, 0, 0 },
		{ "a quarter of an hour", 900 * SECOND_NS, 0, 0 },
		{ "local time on a 12-hour clock", -19 * 3600 * SECOND_NS, 0, 0 },
		{ "drift of 100 ppm", 0, 100, 0 },
		{ "a step of 40 s", -5 * 3600 * SECOND_NS, 0, 40 * SECOND_NS },
	};
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct world *world = fresh(i + 1);
		int64_t worst_ns = 0;
		for (uint64_t at = 0; at < 60; at++) {
			const uint64_t wire_ns = START_NS + at * 5 * (uint64_t)SECOND_NS;
			offer(world, wire_ns,
			      offset_at(&faults[i], wire_ns) + write_delay(&world->random), at);
		}
		clock_settle(&world->clock, NULL);
		assert_true(world->clock.trust > 0.9);
		for (uint64_t at = 10; at < 60; at++) {
			const uint64_t wire_ns = START_NS + at * 5 * (uint64_t)SECOND_NS;
			const int64_t truth_ns = offset_at(&faults[i], wire_ns);
			const struct clock_reading reading =
				clock_read(&world->clock, wire_ns + (uint64_t)truth_ns);
			const int64_t error_ns = llabs(reading.offset_ns - truth_ns);
			worst_ns = error_ns > worst_ns ? error_ns : worst_ns;
		}
		printf("  %-32s worst error %.3f s\n", faults[i].name, (double)worst_ns / 1e9);
		/* the source's own jitter is 2 s; around a step neighbours are few */
		assert_true(worst_ns < 2 * SECOND_NS);
	}
}

static void the_order_of_the_samples_does_not_matter(void **state)
{
	(void)state;
	enum { COUNT = 400 };
	static struct {
		uint64_t wire_ns;
		int64_t offset_ns;
	} samples[COUNT];
	struct support_random random = support_random_open();
	for (uint64_t i = 0; i < COUNT; i++) {
		samples[i].wire_ns = START_NS + i * 20 * (uint64_t)SECOND_NS;
		samples[i].offset_ns = -4 * 3600 * SECOND_NS + write_delay(&random);
	}
	struct clock_reading first = { 0 };
	for (int round = 0; round < 5; round++) {
		struct world *world = fresh(1);
		for (uint32_t i = 0; i < COUNT; i++)
			offer(world, samples[i].wire_ns, samples[i].offset_ns, samples[i].wire_ns);
		clock_settle(&world->clock, NULL);
		const struct clock_reading reading =
			clock_read(&world->clock, samples[COUNT / 2].wire_ns);
		if (round == 0)
			first = reading;
		assert_int_equal(reading.offset_ns, first.offset_ns);
		assert_int_equal(reading.confidence_ns, first.confidence_ns);
		for (uint32_t i = COUNT; i > 1; i--) {
			const uint32_t other = support_random_below(&random, i);
			const uint64_t wire_ns = samples[i - 1].wire_ns;
			const int64_t offset_ns = samples[i - 1].offset_ns;
			samples[i - 1] = samples[other];
			samples[other].wire_ns = wire_ns;
			samples[other].offset_ns = offset_ns;
		}
		/* the middle one by time, wherever it lies now */
		for (uint32_t i = 0; i < COUNT; i++)
			if (samples[i].wire_ns == START_NS + COUNT / 2 * 20 * (uint64_t)SECOND_NS) {
				const uint64_t wire_ns = samples[i].wire_ns;
				const int64_t offset_ns = samples[i].offset_ns;
				samples[i] = samples[COUNT / 2];
				samples[COUNT / 2].wire_ns = wire_ns;
				samples[COUNT / 2].offset_ns = offset_ns;
			}
	}
}

struct refusal {
	const char *name;
	size_t count;
	int64_t offsets_ns[6];
	double trust_at_least;
	double trust_at_most;
};

static void coincidences_are_refused_and_few_samples_trusted_little(void **state)
{
	(void)state;
	static const struct refusal refusals[] = {
		{ "nothing at all", 0, { 0 }, 0, 0 },
		{ "one tuple hours apart", 1, { 7 * 3600 * SECOND_NS + 411 * SECOND_NS }, 0, 0 },
		{ "tuples hours apart that do not agree",
		  3,
		  { 7 * 3600 * SECOND_NS + 411 * SECOND_NS, 5 * 3600 * SECOND_NS + 77 * SECOND_NS,
		    -3 * 3600 * SECOND_NS - 300 * SECOND_NS },
		  0,
		  0 },
		{ "one tuple a whole number of hours off", 1, { -5 * 3600 * SECOND_NS }, 0.5, 0.7 },
		{ "one tuple at no offset", 1, { SECOND_NS }, 0.9, 1 },
		{ "two tuples that agree",
		  2,
		  { -4 * 3600 * SECOND_NS, -4 * 3600 * SECOND_NS + SECOND_NS },
		  0.85,
		  0.95 },
		{ "four that agree on a clock set wrong by minutes",
		  4,
		  { 411 * SECOND_NS, 412 * SECOND_NS, 412 * SECOND_NS, 413 * SECOND_NS },
		  0.95,
		  1 },
		{ "the many against the few",
		  6,
		  { -5 * 3600 * SECOND_NS, -5 * 3600 * SECOND_NS, -5 * 3600 * SECOND_NS + SECOND_NS,
		    -5 * 3600 * SECOND_NS + SECOND_NS, 99 * SECOND_NS * 60, 3 * 3600 * SECOND_NS },
		  0.95,
		  1 },
	};
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct world *world = fresh(1);
		for (size_t j = 0; j < refusals[i].count; j++)
			offer(world, START_NS + j * 10 * (uint64_t)SECOND_NS,
			      refusals[i].offsets_ns[j], j);
		clock_settle(&world->clock, NULL);
		printf("  %-50s trust %.2f\n", refusals[i].name, world->clock.trust);
		assert_true(world->clock.trust >= refusals[i].trust_at_least);
		assert_true(world->clock.trust <= refusals[i].trust_at_most);
	}
}

static void the_same_tuple_many_times_counts_once(void **state)
{
	(void)state;
	struct world *world = fresh(1);
	for (uint64_t i = 0; i < 20; i++)
		offer(world, START_NS + i * (uint64_t)SECOND_NS, 411 * SECOND_NS, 1);
	clock_settle(&world->clock, NULL);
	assert_true(world->clock.trust <= 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zones_skew_drift_and_steps_are_recovered),
		cmocka_unit_test(the_order_of_the_samples_does_not_matter),
		cmocka_unit_test(coincidences_are_refused_and_few_samples_trusted_little),
		cmocka_unit_test(the_same_tuple_many_times_counts_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
