/* The timer wheel, against a naive model: an array of ticks, looked through at every advance. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "collector/base/hard.h"
#include "collector/base/timer.h"
#include "tests/support_random.h"

enum { TIMERS = HARD(300, 7), STEPS = 4000, OUT_MAX = HARD(16, 2) };

static const uint64_t tick_ns = 1000;

/* All timers that are due by now, oldest first; returns how many. */
static size_t advance_fully(struct timer_wheel *wheel, uint64_t now_ns, uint32_t out[TIMERS])
{
	size_t count = 0;
	for (;;) {
		uint32_t step[OUT_MAX];
		const size_t got = timer_wheel_advance(wheel, now_ns, step, OUT_MAX);
		assert_in_range(got, 0, OUT_MAX);
		assert_in_range(count + got, 0, TIMERS);
		for (size_t i = 0; i < got; i++)
			out[count++] = step[i];
		if (got < OUT_MAX && !timer_wheel_behind(wheel))
			return count;
	}
}

static void timers_fire_in_their_tick_and_never_before(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint64_t now_ns, at_ns, quiet_ns, fires_ns;
	} cases[] = {
		{ "on the tick", 0, 5000, 4999, 5000 },
		{ "between ticks", 0, 4001, 4999, 5000 },
		{ "in the past", 9000, 10, 0, 9000 },
		{ "now", 9000, 9000, 0, 9000 },
		{ "the next level", 63000, 64000, 63999, 64000 },
		{ "two levels up", 1000, 4096000, 4095999, 4096000 },
		{ "a year", 5000, 31536000000000000, 31535999999999999, 31536000000000000 },
		{ "the end of time", 5000, UINT64_MAX - 999, UINT64_MAX - 1000, UINT64_MAX },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct timer_wheel *wheel = timer_wheel_open(TIMERS, tick_ns, cases[i].now_ns);
		uint32_t out[TIMERS];
		timer_wheel_set(wheel, 3, cases[i].at_ns);
		if (cases[i].quiet_ns && advance_fully(wheel, cases[i].quiet_ns, out) != 0)
			fail_msg("%s: early", cases[i].name);
		if (advance_fully(wheel, cases[i].fires_ns, out) != 1 || out[0] != 3)
			fail_msg("%s: late", cases[i].name);
		if (advance_fully(wheel, UINT64_MAX, out) != 0)
			fail_msg("%s: twice", cases[i].name);
		timer_wheel_close(wheel);
	}
	timer_wheel_close(NULL);
}

static void a_timer_can_be_moved_and_cancelled(void **state)
{
	(void)state;
	struct timer_wheel *wheel = timer_wheel_open(TIMERS, tick_ns, 0);
	uint32_t out[TIMERS];
	timer_wheel_cancel(wheel, 0);
	timer_wheel_set(wheel, 0, 10 * tick_ns);
	timer_wheel_set(wheel, 0, 20 * tick_ns);
	timer_wheel_set(wheel, 1, 10 * tick_ns);
	timer_wheel_cancel(wheel, 1);
	timer_wheel_set(wheel, 2, 10 * tick_ns);
	assert_int_equal(advance_fully(wheel, 19 * tick_ns, out), 1);
	assert_int_equal(out[0], 2);
	timer_wheel_set(wheel, 3, 0); /* due already */
	timer_wheel_cancel(wheel, 3);
	assert_int_equal(advance_fully(wheel, 20 * tick_ns, out), 1);
	assert_int_equal(out[0], 0);
	timer_wheel_close(wheel);
}

static void time_never_goes_back(void **state)
{
	(void)state;
	struct timer_wheel *wheel = timer_wheel_open(TIMERS, tick_ns, 0);
	uint32_t out[TIMERS];
	assert_int_equal(advance_fully(wheel, 100 * tick_ns, out), 0);
	assert_int_equal(advance_fully(wheel, 50 * tick_ns, out), 0);
	timer_wheel_set(wheel, 0, 60 * tick_ns);
	assert_int_equal(advance_fully(wheel, 55 * tick_ns, out), 1);
	timer_wheel_close(wheel);
}

static void impossible_wheels_are_refused(void **state)
{
	(void)state;
	assert_null(timer_wheel_open(0, tick_ns, 0));
	assert_null(timer_wheel_open(10, 0, 0));
	assert_null(timer_wheel_open(UINT32_MAX, tick_ns, 0));
}

enum { NOT_ARMED = 0 };

struct model {
	uint64_t ticks[TIMERS]; /* when it fires, + 1 */
};

/* Mostly soon, sometimes as far away as the round allows. */
static uint64_t random_delay(struct support_random *random, uint32_t far_bits)
{
	const uint32_t bits = support_random_below(random, far_bits);
	const uint64_t spread = support_random_next(random) & ((2ULL << bits) - 1);
	return support_random_below(random, 3) ? spread % (200 * tick_ns) : spread;
}

static void expect_fired(struct model *model, uint64_t now_ns, const uint32_t *out, size_t count)
{
	uint64_t previous = 0;
	for (size_t i = 0; i < count; i++) {
		assert_in_range(out[i], 0, TIMERS - 1);
		const uint64_t tick = model->ticks[out[i]];
		assert_int_not_equal(tick, NOT_ARMED);
		assert_true(tick - 1 <= now_ns / tick_ns);
		assert_true(tick >= previous);
		previous = tick;
		model->ticks[out[i]] = NOT_ARMED;
	}
	for (uint32_t i = 0; i < TIMERS; i++)
		assert_true(model->ticks[i] == NOT_ARMED || model->ticks[i] - 1 > now_ns / tick_ns);
}

static void one_round(struct support_random *random, uint32_t far_bits)
{
	uint64_t now_ns = support_random_next(random) >> 20;
	struct timer_wheel *wheel = timer_wheel_open(TIMERS, tick_ns, now_ns);
	struct model model = { 0 };
	for (uint32_t step = 0; step < STEPS && now_ns < UINT64_MAX / 2; step++) {
		const uint32_t timer = support_random_below(random, TIMERS);
		const uint32_t action = support_random_below(random, 8);
		if (action < 6) {
			const uint64_t at_ns = now_ns + 1 + random_delay(random, far_bits);
			timer_wheel_set(wheel, timer, at_ns);
			model.ticks[timer] = (at_ns + tick_ns - 1) / tick_ns + 1;
		} else if (action == 6) {
			timer_wheel_cancel(wheel, timer);
			model.ticks[timer] = NOT_ARMED;
		} else {
			now_ns += random_delay(random, far_bits) >> support_random_below(random, 8);
			uint32_t out[TIMERS];
			const size_t count = advance_fully(wheel, now_ns, out);
			expect_fired(&model, now_ns, out, count);
		}
	}
	timer_wheel_close(wheel);
}

static void random_operations_agree_with_the_model(void **state)
{
	(void)state;
	struct support_random random = support_random_open();
	for (uint32_t far_bits = 12; far_bits <= 62; far_bits += 2)
		one_round(&random, far_bits);
}

/* Everything at once, far away: each call moves a bounded number, and nothing is lost. */
static void a_crowd_fires_whole(void **state)
{
	(void)state;
	enum { CROWD = 20000 };
	static uint8_t fired[CROWD];
	struct timer_wheel *wheel = timer_wheel_open(CROWD, tick_ns, 0);
	for (uint32_t i = 0; i < CROWD; i++)
		timer_wheel_set(wheel, i, 70000 * tick_ns);
	size_t count = 0;
	bool was_behind = false;
	for (;;) {
		uint32_t out[64];
		const size_t got = timer_wheel_advance(wheel, 70000 * tick_ns, out, 64);
		for (size_t i = 0; i < got; i++)
			fired[out[i]]++;
		count += got;
		was_behind |= timer_wheel_behind(wheel);
		if (got < 64 && !timer_wheel_behind(wheel))
			break;
	}
	assert_true(was_behind);
	assert_int_equal(count, CROWD);
	for (uint32_t i = 0; i < CROWD; i++)
		assert_int_equal(fired[i], 1);
	timer_wheel_close(wheel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_fire_in_their_tick_and_never_before),
		cmocka_unit_test(a_timer_can_be_moved_and_cancelled),
		cmocka_unit_test(time_never_goes_back),
		cmocka_unit_test(impossible_wheels_are_refused),
		cmocka_unit_test(random_operations_agree_with_the_model),
		cmocka_unit_test(a_crowd_fires_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
