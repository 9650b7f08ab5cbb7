/* When silence is news: what a host is used to report, what the tap may have missed, and what
 * alerts say about both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "correlator/baseline.h"
#include "correlator/correlator.h"
#include "tests/support_random.h"

#define SECOND_NS UINT64_C(1000000000)
#define MINUTE_NS (60 * SECOND_NS)
#define START_NS  (UINT64_C(1600000020) * SECOND_NS) /* a whole minute */

/* --- baselines -----------------------------------------------------------------------------------
 */

static void a_baseline_promises_no_more_than_it_has_seen(void **state)
{
	(void)state;
	static const struct {
		uint32_t could_count;
		uint32_t did_count;
		double least;
		double most;
	} cases[] = {
		{ 0, 0, 0, 0 },		  { 1, 1, 0.2, 0.21 },	    { 10, 10, 0.72, 0.73 },
		{ 100, 100, 0.96, 0.97 }, { 1000, 0, 0, 0 },	    { 1000, 500, 0.46, 0.48 },
		{ 40, 39, 0.86, 0.88 },	  { 2048, 2048, 0.998, 1 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct baseline baseline = { cases[i].could_count, cases[i].did_count };
		const double expected = baseline_expected(&baseline);
		print_message("%u of %u: %.4f\n", cases[i].did_count, cases[i].could_count,
			      expected);
		assert_true(expected >= cases[i].least && expected <= cases[i].most);
	}
}

static void a_baseline_forgets_old_ways(void **state)
{
	(void)state;
	struct baseline baseline = { 0, 0 };
	for (int i = 0; i < 100000; i++)
		baseline_learn(&baseline, true);
	assert_true(baseline_expected(&baseline) > BASELINE_NEWS);
	assert_true(baseline.could_count <= BASELINE_MEMORY);
	for (int i = 0; i < 4 * BASELINE_MEMORY; i++)
		baseline_learn(&baseline, false);
	assert_true(baseline_expected(&baseline) < 0.1);
}

static void lookups_and_directions_are_kinds_of_their_own(void **state)
{
	(void)state;
	static const struct {
		uint8_t ip_protocol;
		uint16_t destination_port;
		enum traffic_kind out;
		enum traffic_kind in;
	} cases[] = {
		{ 6, 443, TRAFFIC_TCP_OUT, TRAFFIC_TCP_IN },
		{ 6, 53, TRAFFIC_LOOKUP_OUT, TRAFFIC_LOOKUP_IN },
		{ 17, 53, TRAFFIC_LOOKUP_OUT, TRAFFIC_LOOKUP_IN },
		{ 17, 5355, TRAFFIC_LOOKUP_OUT, TRAFFIC_LOOKUP_IN },
		{ 17, 443, TRAFFIC_UDP_OUT, TRAFFIC_UDP_IN },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct flow_event flow = { .ip_protocol = cases[i].ip_protocol,
						 .source_port = 50000,
						 .destination_port = cases[i].destination_port };
		assert_int_equal(traffic_kind_of(&flow, false), cases[i].out);
		assert_int_equal(traffic_kind_of(&flow, true), cases[i].in);
	}
}

/* --- the health of the tap -----------------------------------------------------------------------
 */

static void losses_count_for_the_minutes_in_which_they_may_have_been(void **state)
{
	(void)state;
	static struct tap_health health;
	assert_int_equal(tap_health_between(&health, 0, UINT64_MAX).packets_seen, 0);
	const struct tap_totals told[] = { { 1000, 0, 0 }, { 2000, 10, 1 }, { 3000, 10, 1 } };
	tap_health_tell(&health, START_NS + SECOND_NS, &told[0]);
	tap_health_tell(&health, START_NS + MINUTE_NS + SECOND_NS, &told[1]);
	tap_health_tell(&health, START_NS + 3 * MINUTE_NS, &told[2]);
	static const struct {
		uint64_t from_minute;
		uint64_t to_minute;
		uint64_t packets_lost;
		uint64_t records_lost;
	} cases[] = {
		{ 0, 0, 10, 1 }, { 1, 1, 10, 1 }, { 2, 2, 0, 0 }, { 3, 3, 0, 0 },
		{ 2, 9, 0, 0 },	 { 1, 3, 10, 1 }, { 9, 1, 0, 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct tap_totals between =
			tap_health_between(&health, START_NS + cases[i].from_minute * MINUTE_NS,
					   START_NS + cases[i].to_minute * MINUTE_NS);
		assert_int_equal(between.packets_lost, cases[i].packets_lost);
		assert_int_equal(between.records_lost, cases[i].records_lost);
	}
	/* a day later the places of these minutes are others' */
	tap_health_tell(&health, START_NS + TAP_HEALTH_MINUTES * MINUTE_NS, &told[2]);
	assert_int_equal(tap_health_between(&health, START_NS, START_NS).packets_lost, 0);
	const struct tap_totals totals = { 90, 10, 0 };
	assert_true(fabs(tap_loss_percent(&totals) - 10) < 1e-9);
}

/* --- hosts that say something and hosts that do not ----------------------------------------------
 */

enum { HABIT = 60, FLOWS = 2 * HABIT + 2, TEXT_ROOM = 64 };

struct bench {
	struct fields *fields;
	struct ruleset *ruleset;
	struct event_builder *builder;
	struct counters counters;
	struct correlator *correlator;
	size_t alert_count;
	struct alert_quality quality;
	size_t by_status[FLOW_STATUS_CANNOT_JUDGE + 1];
	double expected[FLOWS]; /* by the number of the flow; -1 = not unreported */
	uint64_t unreported_count;
	uint64_t news_count;
};

static struct bench bench;

static const char rule_text[] = "network where procspan.flow.status == \"unreported\" and "
				"procspan.flow.expected_report >= 0.9";

static int set_up(void **state)
{
	(void)state;
	static struct complaints complaints;
	memset(&bench, 0, sizeof(bench));
	bench.fields = fields_open();
	struct ruleset_builder *builder = ruleset_builder_open(bench.fields);
	const struct query_options options = { 0 };
	if (!ruleset_add_query(builder, rule_text, sizeof(rule_text) - 1, &options, &complaints))
		return -1;
	bench.ruleset = ruleset_build(builder);
	correlator_want_fields(bench.fields);
	bench.builder = event_builder_open(bench.fields, &bench.counters);
	return bench.ruleset && bench.builder ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	event_builder_close(bench.builder);
	ruleset_close(bench.ruleset);
	fields_close(bench.fields);
	return 0;
}

static void keep_alert(void *context, const struct alert *alert)
{
	(void)context;
	bench.alert_count++;
	bench.quality = alert->quality;
}

static void keep_flow(void *context, const struct settled_flow *settled)
{
	(void)context;
	bench.by_status[settled->status]++;
	bench.expected[settled->flow->flow_id - 1] =
		settled->status == FLOW_STATUS_UNREPORTED ? settled->expected_report : -1;
}

static void keep_host(void *context, const struct host_report *host)
{
	(void)context;
	bench.unreported_count += host->unreported_count;
	bench.news_count += host->news_count;
}

static void open_correlator(int settle, int live)
{
	const struct correlator_settings settings = {
		.live = live,
		.settle = settle,
		.max_hosts = 8,
		.max_processes = 64,
		.max_connections = 512,
		.max_facts = 512,
		.store_bytes = (size_t)1 << 20,
		.seed = { { 0x243f6a8885a308d3U, 0x13198a2e03707344U } },
	};
	const struct correlator_sink sink = { .alert = keep_alert, .flow = keep_flow };
	memset(bench.by_status, 0, sizeof(bench.by_status));
	bench.alert_count = 0;
	bench.unreported_count = bench.news_count = 0;
	bench.correlator =
		correlator_open(&settings, bench.ruleset, bench.fields, &sink, &bench.counters);
	assert_non_null(bench.correlator);
}

static void close_correlator(void)
{
	correlator_finish(bench.correlator);
	correlator_each_host(bench.correlator, NULL, keep_host);
	correlator_close(bench.correlator);
}

/* Flows alternate: an even one is TCP to 443, an odd one is DNS. */
static struct flow_event make_flow(uint32_t number)
{
	const bool is_lookup = number % 2 == 1;
	struct flow_event flow = {
		.record_kind = RECORD_FLOW,
		.kind = FLOW_END,
		.end_reason = FLOW_END_FIN,
		.ip_protocol = is_lookup ? 17 : 6,
		.source_port = (uint16_t)(50000 + number),
		.destination_port = is_lookup ? 53 : 443,
		.flow_id = number + 1,
		.start_ns = START_NS + number * SECOND_NS,
		.last_ns = START_NS + number * SECOND_NS + SECOND_NS / 2,
	};
	ip_address_parse("10.0.0.5", 8, &flow.source);
	ip_address_parse("93.184.216.34", 13, &flow.destination);
	return flow;
}

static void add_text(uint16_t field, const char *text)
{
	event_add_text(bench.builder, field, text, strlen(text));
}

static const struct event *make_report(const struct flow_event *flow, uint64_t received_ns)
{
	event_begin(bench.builder);
	struct event *header = event_header(bench.builder);
	header->role = EVENT_CONNECTION;
	header->datasets = 1U << DATASET_sysmon;
	header->time_ns = header->host_time_ns = flow->start_ns;
	header->received_ns = received_ns;
	header->identity = flow->flow_id;
	add_text(FIELD_host_name, "ws01.corp.example");
	add_text(FIELD_event_category, "network");
	add_text(FIELD_process_entity_id, "{11111111-1000-5f5e-0000-000000000001}");
	event_add_integer(bench.builder, FIELD_process_pid, 4242);
	add_text(FIELD_process_executable, "C:\\Windows\\System32\\curl.exe");
	add_text(FIELD_network_transport, "tcp");
	add_text(FIELD_network_direction, "egress");
	event_add_address(bench.builder, FIELD_source_ip, &flow->source);
	event_add_integer(bench.builder, FIELD_source_port, flow->source_port);
	event_add_address(bench.builder, FIELD_destination_ip, &flow->destination);
	event_add_integer(bench.builder, FIELD_destination_port, flow->destination_port);
	return event_end(bench.builder);
}

/* The host reports its TCP, all but one: the last before the end, which it reports again. Facts
 * are numbered: flows, then reports. */
static void send_fact(uint32_t fact)
{
	const struct flow_event flow = make_flow(fact % FLOWS);
	const bool reported = flow.ip_protocol == 6 && fact % FLOWS != FLOWS - 4;
	if (fact < FLOWS)
		correlator_flow(bench.correlator, &flow);
	else if (reported)
		correlator_event(bench.correlator, make_report(&flow, flow.start_ns), NULL, 0);
}

static void silence_is_news_only_against_the_habit_in_any_order(void **state)
{
	(void)state;
	enum { ROUNDS = 10, FACTS = 2 * FLOWS };
	struct support_random random = support_random_open();
	uint32_t order[FACTS];
	for (uint32_t i = 0; i < FACTS; i++)
		order[i] = i;
	for (int round = 0; round < ROUNDS; round++) {
		open_correlator(1, 0);
		for (uint32_t i = 0; i < FACTS; i++)
			send_fact(order[i]);
		close_correlator();
		assert_int_equal(bench.by_status[FLOW_STATUS_OWNED], FLOWS / 2 - 1);
		assert_int_equal(bench.by_status[FLOW_STATUS_UNREPORTED], FLOWS / 2 + 1);
		for (uint32_t i = 1; i < FLOWS; i += 2) /* it never reports its lookups */
			assert_true(fabs(bench.expected[i]) < 1e-9);
		assert_true(bench.expected[FLOWS - 4] >= BASELINE_NEWS);
		assert_int_equal(bench.unreported_count, FLOWS / 2 + 1);
		assert_int_equal(bench.news_count, 1);
		assert_int_equal(bench.alert_count, 1);
		for (uint32_t i = FACTS; i > 1; i--) {
			const uint32_t other = support_random_below(&random, i);
			const uint32_t held = order[i - 1];
			order[i - 1] = order[other];
			order[other] = held;
		}
	}
}

static void nobody_is_called_silent_while_the_tap_loses(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct tap_totals totals;
		bool judges;
	} cases[] = {
		{ "nothing lost", { 100000, 0, 0 }, true },
		{ "too little to matter", { 100000, 10, 0 }, true },
		{ "packets lost", { 1000, 10, 0 }, false },
		{ "a record lost", { 100000, 0, 1 }, false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("%s\n", cases[i].name);
		open_correlator(1, 0);
		correlator_tap(bench.correlator, START_NS + (FLOWS - 4) * SECOND_NS,
			       &cases[i].totals);
		for (uint32_t fact = 0; fact < 2 * FLOWS; fact++)
			send_fact(fact);
		close_correlator();
		assert_int_equal(bench.alert_count, cases[i].judges);
		assert_int_equal(bench.news_count, cases[i].judges);
		assert_int_equal(bench.by_status[FLOW_STATUS_CANNOT_JUDGE] == 0, cases[i].judges);
		assert_int_equal(bench.by_status[FLOW_STATUS_OWNED], FLOWS / 2 - 1);
	}
}

/* Eager: a flow that has just begun is not unreported yet; within the horizon it may be. */
static void a_host_has_a_horizon_of_time_to_report(void **state)
{
	(void)state;
	open_correlator(0, 0);
	for (uint32_t fact = 0; fact < 2 * FLOWS; fact++) {
		send_fact(fact);
		correlator_advance(bench.correlator, START_NS + fact * SECOND_NS);
	}
	assert_int_equal(bench.alert_count, 0);
	correlator_advance(bench.correlator, START_NS + 3600 * SECOND_NS);
	assert_int_equal(bench.alert_count, 1);
	close_correlator();
	assert_int_equal(bench.news_count, 1);
}

static void an_alert_says_what_was_lost_and_how_late_its_host_is(void **state)
{
	(void)state;
	for (int live = 0; live < 2; live++) {
		open_correlator(0, live);
		const struct tap_totals totals = { 1000000, 500,
						   0 }; /* 0.05 %: judged all the same */
		correlator_tap(bench.correlator, START_NS + (FLOWS - 4) * SECOND_NS, &totals);
		for (uint32_t number = 0; number < FLOWS; number++)
			send_fact(number);
		for (uint32_t number = 0; number < FLOWS - 4; number += 2) {
			const struct flow_event flow = make_flow(number);
			correlator_event(bench.correlator,
					 make_report(&flow, flow.start_ns + 5 * SECOND_NS), NULL,
					 0);
		}
		for (uint32_t number = FLOWS - 2; number < FLOWS; number += 2) {
			const struct flow_event flow = make_flow(number);
			correlator_event(bench.correlator,
					 make_report(&flow, flow.start_ns + 7 * SECOND_NS), NULL,
					 0);
		}
		correlator_advance(bench.correlator, START_NS + FLOWS * SECOND_NS);
		correlator_advance(bench.correlator, START_NS + 3600 * SECOND_NS);
		assert_int_equal(bench.alert_count, 1);
		assert_true(fabs(bench.quality.capture_loss_percent - 0.05) < 0.001);
		assert_in_range(bench.quality.telemetry_lag_ms, live ? 6900 : 0, live ? 7100 : 0);
		close_correlator();
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_baseline_promises_no_more_than_it_has_seen),
		cmocka_unit_test(a_baseline_forgets_old_ways),
		cmocka_unit_test(lookups_and_directions_are_kinds_of_their_own),
		cmocka_unit_test(losses_count_for_the_minutes_in_which_they_may_have_been),
		TEST(silence_is_news_only_against_the_habit_in_any_order),
		TEST(nobody_is_called_silent_while_the_tap_loses),
		TEST(a_host_has_a_horizon_of_time_to_report),
		TEST(an_alert_says_what_was_lost_and_how_late_its_host_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
