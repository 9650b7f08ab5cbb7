/* The tap as a source of the pipeline: packets on an interface become flows that the correlator is
 * told of, through either backend, and every packet is accounted for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "correlator/source_live.h"
#include "tests/support_network.h"
#include "tests/support_random.h"
#include "tests/support_wire.h"

enum { PACKETS = 3000, TURNS_MAX = 3000, TURN_MS = 10, WAIT_MS = 60000 };

struct bench {
	struct wire wire;
	struct fields *fields;
	struct ruleset *ruleset;
	struct pipeline *pipeline;
	struct live_source source;
	_Atomic uint64_t told_packets; /* written by the correlator's thread */
};

static void take_flow(void *context, const struct settled_flow *settled)
{
	struct bench *bench = context;
	atomic_fetch_add_explicit(&bench->told_packets,
				  settled->flow->from_source.packet_count +
					  settled->flow->from_destination.packet_count,
				  memory_order_relaxed);
}

static void take_alert(void *context, const struct alert *alert)
{
	(void)context;
	(void)alert;
}

static void bench_open(struct bench *bench)
{
	bench->fields = fields_open();
	correlator_want_fields(bench->fields);
	bench->ruleset = ruleset_build(ruleset_builder_open(bench->fields));
	const struct pipeline_settings settings = {
		.ruleset = bench->ruleset,
		.fields = bench->fields,
		.correlator = { .max_connections = 1 << 16, .settle = 1 },
		.sink = { .context = bench, .alert = take_alert, .flow = take_flow },
	};
	bench->pipeline = pipeline_open(&settings);
	assert_non_null(bench->pipeline);
	bench->source.tracker.max_flows = 1 << 14;
	const struct source_settings source = { .name = "tap",
						.run = live_source_run,
						.context = &bench->source,
						.ring_bytes = 8 << 20 };
	assert_true(pipeline_add(bench->pipeline, &source));
	assert_true(pipeline_start(bench->pipeline));
	wire_open(&bench->wire);
}

static struct counters read_counters(const struct bench *bench)
{
	struct counters counters;
	uint64_t done_bytes;
	uint64_t total_bytes;
	pipeline_read(bench->pipeline, &counters, &done_bytes, &total_bytes);
	return counters;
}

/* Sends, waits until all was seen, stops; then the books must agree. */
static void run(struct bench *bench)
{
	struct support_random random = support_random_open();
	for (size_t i = 0; i < PACKETS; i++)
		wire_send_random(&bench->wire, &random);
	struct counters counters = read_counters(bench);
	for (int turn = 0; turn < TURNS_MAX; turn++) {
		counters = read_counters(bench);
		if (counter_read(&counters, COUNTER_packets_seen) == PACKETS)
			break;
		pipeline_wait(bench->pipeline, TURN_MS);
	}
	pipeline_stop(bench->pipeline);
	assert_true(pipeline_wait(bench->pipeline, WAIT_MS));
	counters = read_counters(bench);
	assert_int_equal(counter_read(&counters, COUNTER_packets_seen), PACKETS);
	assert_int_equal(counter_read(&counters, COUNTER_packets_dropped_kernel), 0);
	assert_int_equal(counter_read(&counters, COUNTER_flow_events_lost), 0);
	assert_true(counter_identities_hold(&counters, stdout));
	assert_int_equal(counter_read(&counters, COUNTER_packets_in_flows),
			 atomic_load_explicit(&bench->told_packets, memory_order_relaxed));
	assert_int_equal(bench->source.error, 0);
}

static void bench_close(struct bench *bench)
{
	pipeline_close(bench->pipeline);
	ruleset_close(bench->ruleset);
	fields_close(bench->fields);
	capture_live_close(bench->source.capture);
	capture_xdp_close(bench->source.kernel);
	wire_close(&bench->wire);
}

static void packets_of_an_interface_become_flows(void **state)
{
	(void)state;
	static struct bench bench; /* large */
	if (!network_make())
		skip();
	memset(&bench, 0, sizeof(bench));
	const struct capture_live_settings settings = { .interface = NETWORK_FAR };
	struct complaint complaint;
	assert_int_equal(capture_live_open(&settings, 1, &bench.source.capture, &complaint), 0);
	bench_open(&bench);
	run(&bench);
	bench_close(&bench);
}

static void packets_counted_in_the_kernel_become_the_same(void **state)
{
	(void)state;
	static struct bench bench; /* large */
	if (!network_make())
		skip();
	memset(&bench, 0, sizeof(bench));
	const struct capture_xdp_settings settings = { .interface = NETWORK_FAR,
						       .max_flows = 1 << 14,
						       .ring_bytes = 8 << 20 };
	struct complaint complaint;
	if (capture_xdp_open(&settings, &bench.source.kernel, &complaint) != 0) {
		printf("skipped: %s\n", complaint.text);
		skip();
	}
	bench_open(&bench);
	run(&bench);
	bench_close(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_of_an_interface_become_flows),
		cmocka_unit_test(packets_counted_in_the_kernel_become_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
