/* Sources, rings and the correlator's thread: nothing is lost that may not be,
 * nothing ends early. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/ring.h"
#include "correlator/pipeline.h"

enum {
	PAGE_BYTES = 4096, /* the smallest ring: 18 flows */
	FLOWS_EACH = 300,
	SOURCES = 3,
	WAIT_MS = 60000,
	NAPS_MAX = 200000, /* of 50 us and more: a hang, not a slow machine */
};

static const uint64_t start_ns = UINT64_C(1700000000) * 1000000000;
static const uint64_t second_ns = 1000000000;
static const uint64_t horizon_ns = 60 * UINT64_C(1000000000);

/* What the correlator said; written by its thread. */
struct said {
	_Atomic unsigned flow_count;
	uint64_t id_sum;
};

/* One pipeline over no rules. */
struct fixture {
	struct fields *fields;
	struct ruleset *ruleset;
	struct pipeline *pipeline;
	struct said said;
};

static void take_flow(void *context, const struct settled_flow *flow)
{
	struct said *said = context;
	said->id_sum += flow->flow->flow_id;
	/* release: pairs with said_count. */
	atomic_fetch_add_explicit(&said->flow_count, 1, memory_order_release);
}

static void take_alert(void *context, const struct alert *alert)
{
	(void)context;
	(void)alert;
}

static unsigned said_count(struct said *said)
{
	/* acquire: pairs with take_flow. */
	return atomic_load_explicit(&said->flow_count, memory_order_acquire);
}

static void open_fixture(struct fixture *fixture, uint64_t shuffle_seed)
{
	memset(fixture, 0, sizeof(*fixture));
	fixture->fields = fields_open();
	correlator_want_fields(fixture->fields);
	fixture->ruleset = ruleset_build(ruleset_builder_open(fixture->fields));
	const struct pipeline_settings settings = {
		.ruleset = fixture->ruleset,
		.fields = fixture->fields,
		.correlator = { .horizon_ns = horizon_ns, .max_connections = 4096, .settle = 1 },
		.sink = { .context = &fixture->said, .alert = take_alert, .flow = take_flow },
		.shuffle_seed = shuffle_seed,
	};
	fixture->pipeline = pipeline_open(&settings);
	assert_non_null(fixture->pipeline);
}

static void add(struct fixture *fixture, source_run_fn *run, void *context, bool lossless)
{
	const struct source_settings settings = {
		.name = "test",
		.run = run,
		.context = context,
		.lossless = lossless,
		.ring_bytes = PAGE_BYTES,
	};
	assert_true(pipeline_add(fixture->pipeline, &settings));
}

static void run_to_the_end(struct fixture *fixture)
{
	assert_true(pipeline_start(fixture->pipeline));
	assert_true(pipeline_wait(fixture->pipeline, WAIT_MS));
}

static uint64_t read_counter(const struct fixture *fixture, enum counter counter)
{
	struct counters counters;
	uint64_t done_bytes;
	uint64_t total_bytes;
	pipeline_read(fixture->pipeline, &counters, &done_bytes, &total_bytes);
	return counter_read(&counters, counter);
}

static void close_fixture(struct fixture *fixture)
{
	pipeline_close(fixture->pipeline);
	ruleset_close(fixture->ruleset);
	fields_close(fixture->fields);
}

/* A whole TCP connection, another for each number. */
static void push_flow(struct source *source, uint64_t number)
{
	struct flow_event flow = {
		.record_kind = RECORD_FLOW,
		.kind = FLOW_END,
		.end_reason = FLOW_END_FIN,
		.ip_protocol = 6,
		.source_port = (uint16_t)(1024 + number % 50000),
		.destination_port = 443,
		.flow_id = number,
		.start_ns = start_ns,
		.last_ns = start_ns + second_ns,
	};
	ip_address_parse("192.0.2.1", 9, &flow.source);
	ip_address_parse("192.0.2.2", 9, &flow.destination);
	source_push_flow(source, &flow);
}

/* --- nothing is lost -------------------------------------------------------------------------- */

struct numbers {
	uint64_t first;
	uint64_t count;
};

static void push_numbers(struct source *source, void *context)
{
	const struct numbers *numbers = context;
	for (uint64_t i = 0; i < numbers->count; i++) {
		push_flow(source, numbers->first + i);
		if (i % 7 == 0)
			source_flush(source);
	}
	source_progress(source, numbers->count, 2 * numbers->count);
}

static uint64_t sum_to(uint64_t last)
{
	return last * (last + 1) / 2;
}

static void run_sources(uint64_t shuffle_seed)
{
	struct fixture fixture;
	struct numbers numbers[SOURCES];
	open_fixture(&fixture, shuffle_seed);
	for (uint64_t i = 0; i < SOURCES; i++) {
		numbers[i] = (struct numbers){ 1 + i * FLOWS_EACH, FLOWS_EACH };
		add(&fixture, push_numbers, &numbers[i], true);
	}
	run_to_the_end(&fixture);
	assert_int_equal(said_count(&fixture.said), SOURCES * FLOWS_EACH);
	assert_int_equal(fixture.said.id_sum, sum_to(SOURCES * FLOWS_EACH));
	assert_int_equal(read_counter(&fixture, COUNTER_flow_events_lost), 0);

	struct counters counters;
	uint64_t done_bytes;
	uint64_t total_bytes;
	pipeline_read(fixture.pipeline, &counters, &done_bytes, &total_bytes);
	assert_int_equal(done_bytes, SOURCES * FLOWS_EACH);
	assert_int_equal(total_bytes, 2 * SOURCES * FLOWS_EACH);
	close_fixture(&fixture);
}

static void lossless_sources_wait_for_room_in_the_smallest_rings(void **state)
{
	(void)state;
	run_sources(0);
}

static void shuffled_records_all_arrive_whatever_the_seed(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_sources(seed);
}

static void push_without_flushing(struct source *source, void *context)
{
	const struct numbers *numbers = context;
	for (uint64_t i = 0; i < numbers->count; i++)
		push_flow(source, numbers->first + i);
}

static void source_that_may_not_wait_counts_what_found_no_room(void **state)
{
	(void)state;
	struct fixture fixture;
	struct numbers numbers = { 1, FLOWS_EACH };
	open_fixture(&fixture, 0);
	add(&fixture, push_without_flushing, &numbers, false);
	run_to_the_end(&fixture);
	const uint64_t lost = read_counter(&fixture, COUNTER_flow_events_lost);
	assert_true(lost > 0 && lost < FLOWS_EACH);
	assert_int_equal(said_count(&fixture.said) + lost, FLOWS_EACH);
	close_fixture(&fixture);
}

static void push_too_large(struct source *source, void *context)
{
	(void)context;
	struct event *event = calloc(1, PAGE_BYTES);
	assert_non_null(event);
	event->record_kind = RECORD_EVENT;
	event->size_bytes = PAGE_BYTES;
	source_push_event(source, event, NULL, 0);
	free(event);
	push_flow(source, 1);
}

static void record_larger_than_the_ring_takes_is_counted_not_waited_for(void **state)
{
	(void)state;
	for (int lossless = 0; lossless < 2; lossless++) {
		struct fixture fixture;
		open_fixture(&fixture, 0);
		add(&fixture, push_too_large, NULL, lossless == 1);
		run_to_the_end(&fixture);
		assert_int_equal(read_counter(&fixture, COUNTER_flow_events_lost), 1);
		assert_int_equal(said_count(&fixture.said), 1);
		close_fixture(&fixture);
	}
}

/* --- the watermark ---------------------------------------------------------------------------- */

static void push_behind_the_last_nanosecond(struct source *source, void *context)
{
	(void)context;
	push_flow(source, 1);
	source_push_watermark(source, UINT64_MAX);
	source_flush(source);
	for (int i = 0; i < 100; i++)
		ring_nap();
	for (uint64_t i = 0; i < FLOWS_EACH; i++)
		push_flow(source, 2 + i);
}

static void watermark_of_the_last_nanosecond_is_not_the_end(void **state)
{
	(void)state;
	struct fixture fixture;
	open_fixture(&fixture, 0);
	add(&fixture, push_behind_the_last_nanosecond, NULL, true);
	run_to_the_end(&fixture);
	assert_true(said_count(&fixture.said) >= FLOWS_EACH);
	close_fixture(&fixture);
}

struct slow {
	struct said *said;
	unsigned seen_before; /* flows that were settled before this source moved on */
	bool settled_after;   /* one was, while this source was still running */
};

static void push_flow_and_run_ahead(struct source *source, void *context)
{
	(void)context;
	push_flow(source, 1);
	source_push_watermark(source, start_ns + 100 * horizon_ns);
	source_flush(source);
}

static void hold_back_then_follow(struct source *source, void *context)
{
	struct slow *slow = context;
	source_push_watermark(source, start_ns);
	source_flush(source);
	for (int i = 0; i < 400; i++)
		ring_nap();
	slow->seen_before = said_count(slow->said);
	source_push_watermark(source, start_ns + 50 * horizon_ns);
	source_flush(source);
	for (int i = 0; i < NAPS_MAX && !slow->settled_after; i++) {
		ring_nap();
		slow->settled_after = said_count(slow->said) > 0;
	}
}

static void slowest_source_decides_what_is_settled(void **state)
{
	(void)state;
	struct fixture fixture;
	open_fixture(&fixture, 0);
	struct slow slow = { .said = &fixture.said };
	add(&fixture, push_flow_and_run_ahead, NULL, true);
	add(&fixture, hold_back_then_follow, &slow, true);
	run_to_the_end(&fixture);
	assert_int_equal(slow.seen_before, 0);
	assert_true(slow.settled_after);
	close_fixture(&fixture);
}

/* --- waiting and stopping --------------------------------------------------------------------- */

struct order {
	bool events_ended; /* written before source_main says so, read after the wait: no atomics */
	bool seen;
};

static void end_late(struct source *source, void *context)
{
	struct order *order = context;
	(void)source;
	for (int i = 0; i < 100; i++)
		ring_nap();
	order->events_ended = true;
}

static void await_events(struct source *source, void *context)
{
	struct order *order = context;
	source_await_events(source);
	order->seen = order->events_ended;
}

static void packets_come_after_the_events_that_have_no_time(void **state)
{
	(void)state;
	struct fixture fixture;
	struct order order = { 0 };
	open_fixture(&fixture, 0);
	const struct source_settings events = {
		.name = "events",
		.run = end_late,
		.context = &order,
		.lossless = true,
		.without_time = true,
		.ring_bytes = PAGE_BYTES,
	};
	assert_true(pipeline_add(fixture.pipeline, &events));
	add(&fixture, await_events, &order, true);
	run_to_the_end(&fixture);
	assert_true(order.seen);
	close_fixture(&fixture);
}

static void push_until_stopped(struct source *source, void *context)
{
	uint64_t *pushed = context;
	while (!source_stopping(source)) {
		if (*pushed < FLOWS_EACH)
			push_flow(source, ++*pushed);
		source_flush(source);
		ring_nap();
	}
}

static void stopped_sources_end_and_what_they_pushed_is_kept(void **state)
{
	(void)state;
	struct fixture fixture;
	uint64_t pushed = 0;
	open_fixture(&fixture, 0);
	add(&fixture, push_until_stopped, &pushed, true);
	assert_true(pipeline_start(fixture.pipeline));
	assert_false(pipeline_wait(fixture.pipeline, 5));
	pipeline_stop(fixture.pipeline);
	assert_true(pipeline_wait(fixture.pipeline, WAIT_MS));
	assert_int_equal(said_count(&fixture.said), pushed);
	close_fixture(&fixture);
}

static void closing_stops_what_runs_and_forgives_what_never_did(void **state)
{
	(void)state;
	struct fixture fixture;
	uint64_t pushed = 0;
	for (int started = 0; started < 2; started++) {
		open_fixture(&fixture, 0);
		add(&fixture, push_until_stopped, &pushed, true);
		if (started)
			assert_true(pipeline_start(fixture.pipeline));
		close_fixture(&fixture);
	}
	pipeline_close(NULL);
}

static void sources_beyond_the_limit_are_refused(void **state)
{
	(void)state;
	struct fixture fixture;
	open_fixture(&fixture, 0);
	const struct source_settings settings = { .name = "many", .run = push_too_large };
	size_t count = 0;
	while (count < 1000 && pipeline_add(fixture.pipeline, &settings))
		count++;
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(count, 64);
	close_fixture(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lossless_sources_wait_for_room_in_the_smallest_rings),
		cmocka_unit_test(shuffled_records_all_arrive_whatever_the_seed),
		cmocka_unit_test(source_that_may_not_wait_counts_what_found_no_room),
		cmocka_unit_test(record_larger_than_the_ring_takes_is_counted_not_waited_for),
		cmocka_unit_test(watermark_of_the_last_nanosecond_is_not_the_end),
		cmocka_unit_test(slowest_source_decides_what_is_settled),
		cmocka_unit_test(packets_come_after_the_events_that_have_no_time),
		cmocka_unit_test(stopped_sources_end_and_what_they_pushed_is_kept),
		cmocka_unit_test(closing_stops_what_runs_and_forgives_what_never_did),
		cmocka_unit_test(sources_beyond_the_limit_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
