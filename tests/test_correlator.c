/* The correlator with events and flows made by hand: every order of arrival, eager and settled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/hard.h"
#include "correlator/correlator.h"
#include "tests/support_random.h"

#define SECOND_NS UINT64_C(1000000000)
#define START_NS  (UINT64_C(1600000000) * SECOND_NS)

enum { FACTS_MAX = 32, ALERTS_MAX = 16, TEXT_ROOM = 128 };

static const char guid[] = "{11111111-1000-5f5e-0000-000000000001}";
static const char other_guid[] = "{11111111-1000-5f5e-0000-000000000002}";

struct seen_alert {
	char id[ALERT_ID_TEXT_MAX];
	enum alert_kind kind;
	char entity_id[TEXT_ROOM];
	char command_line[TEXT_ROOM];
	char method[TEXT_ROOM];
};

struct bench {
	struct fields *fields;
	struct ruleset *ruleset;
	struct counters counters;
	struct event_builder *builder;
	size_t fact_count;
	struct event *events[FACTS_MAX]; /* NULL: the flow with this number */
	struct flow_event flows[FACTS_MAX];
	size_t alert_count;
	struct seen_alert alerts[ALERTS_MAX];
	size_t owned_count;
	size_t flow_count;
};

static struct bench bench;

static const char rule_text[] =
	"sequence by process.entity_id\n"
	"  [process where process.name : \"cmd.exe\" and event.type == \"start\"]\n"
	"  [network where process.name : \"cmd.exe\" and not cidrmatch(destination.ip, "
	"\"10.0.0.0/8\")]";

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
	for (size_t i = 0; i < bench.fact_count; i++)
		free(bench.events[i]);
	event_builder_close(bench.builder);
	ruleset_close(bench.ruleset);
	fields_close(bench.fields);
	return 0;
}

/* --- facts by hand ---------------------------------------------------------------------------- */

static void text(uint16_t field, const char *value)
{
	event_add_text(bench.builder, field, value, strlen(value));
}

static void address(uint16_t field, const char *value)
{
	struct ip_address parsed;
	assert_true(ip_address_parse(value, strlen(value), &parsed));
	event_add_address(bench.builder, field, &parsed);
}

static void begin(enum event_role role, enum dataset dataset, const char *host, uint64_t label_ns)
{
	event_begin(bench.builder);
	struct event *header = event_header(bench.builder);
	header->role = (uint8_t)role;
	header->datasets = 1U << dataset;
	header->host_time_ns = label_ns;
	header->time_ns = label_ns;
	header->received_ns = label_ns;
	header->identity = 1000 + bench.fact_count;
	text(FIELD_host_name, host);
}

static void end(void)
{
	const struct event *event = event_end(bench.builder);
	struct event *copy = malloc(event->size_bytes);
	assert_non_null(copy);
	memcpy(copy, event, event->size_bytes);
	bench.events[bench.fact_count++] = copy;
}

static void process_start(enum dataset dataset, const char *entity_id, int64_t pid,
			  uint64_t label_ns)
{
	begin(EVENT_PROCESS_START, dataset, "ws01.corp.example", label_ns);
	text(FIELD_event_category, "process");
	text(FIELD_event_type, "start");
	if (entity_id)
		text(FIELD_process_entity_id, entity_id);
	event_add_integer(bench.builder, FIELD_process_pid, pid);
	text(FIELD_process_name, "cmd.exe");
	text(FIELD_process_executable, "C:\\Windows\\System32\\cmd.exe");
	text(FIELD_process_command_line, "cmd.exe /c curl");
	end();
}

static void connection(enum dataset dataset, const char *host, const char *entity_id, int64_t pid,
		       uint16_t port, uint64_t label_ns)
{
	begin(EVENT_CONNECTION, dataset, host, label_ns);
	text(FIELD_event_category, "network");
	text(FIELD_event_type, "connection");
	if (entity_id)
		text(FIELD_process_entity_id, entity_id);
	event_add_integer(bench.builder, FIELD_process_pid, pid);
	text(FIELD_process_name, "cmd.exe");
	text(FIELD_process_executable,
	     dataset == DATASET_security ? "\\device\\harddiskvolume3\\windows\\system32\\cmd.exe"
					 : "C:\\Windows\\System32\\cmd.exe");
	text(FIELD_network_transport, "tcp");
	text(FIELD_network_direction, "egress");
	address(FIELD_source_ip, "10.0.0.5");
	address(FIELD_destination_ip, "93.184.216.34");
	event_add_integer(bench.builder, FIELD_source_port, port);
	event_add_integer(bench.builder, FIELD_destination_port, 443);
	end();
}

static void flow(uint16_t port, uint64_t start_ns)
{
	struct flow_event *made = &bench.flows[bench.fact_count];
	*made = (struct flow_event){
		.record_kind = RECORD_FLOW,
		.kind = FLOW_END,
		.end_reason = FLOW_END_FIN,
		.ip_protocol = 6,
		.source_port = port,
		.destination_port = 443,
		.flow_id = 7000 + bench.fact_count,
		.start_ns = start_ns,
		.last_ns = start_ns + SECOND_NS,
	};
	ip_address_parse("10.0.0.5", 8, &made->source);
	ip_address_parse("93.184.216.34", 13, &made->destination);
	bench.events[bench.fact_count++] = NULL;
}

/* --- running ---------------------------------------------------------------------------------- */

static void copy_field(char out[TEXT_ROOM], const struct event *event, uint16_t field)
{
	const struct event_text *found = event_text(event, field);
	snprintf(out, TEXT_ROOM, "%s", found ? found->bytes : "");
}

static void keep_alert(void *context, const struct alert *alert)
{
	(void)context;
	assert_true(bench.alert_count < ALERTS_MAX);
	struct seen_alert *seen = &bench.alerts[bench.alert_count++];
	memcpy(seen->id, alert->id, sizeof(seen->id));
	seen->kind = alert->kind;
	const struct event *last = alert->events[alert->event_count - 1];
	copy_field(seen->entity_id, last, FIELD_process_entity_id);
	copy_field(seen->command_line, last, FIELD_process_command_line);
	copy_field(seen->method, last, FIELD_procspan_attribution_method);
}

static void keep_flow(void *context, const struct settled_flow *settled)
{
	(void)context;
	bench.flow_count++;
	bench.owned_count += settled->status == FLOW_STATUS_OWNED;
}

static void run(const uint32_t *order, int settle)
{
	const struct correlator_settings settings = {
		.settle = settle,
		.max_hosts = 8,
		.max_processes = 64,
		.max_connections = 64,
		.max_facts = 64,
		.store_bytes = (size_t)1 << 20,
		.seed = { { 0x243f6a8885a308d3U, 0x13198a2e03707344U } },
	};
	const struct correlator_sink sink = { .alert = keep_alert, .flow = keep_flow };
	struct match_scratch *scratch = match_scratch_open(bench.ruleset);
	step_id steps[16];
	bench.alert_count = bench.flow_count = bench.owned_count = 0;
	struct correlator *correlator =
		correlator_open(&settings, bench.ruleset, bench.fields, &sink, &bench.counters);
	assert_non_null(correlator);
	for (size_t i = 0; i < bench.fact_count; i++) {
		const struct event *event = bench.events[order[i]];
		if (event)
			correlator_event(correlator, event, steps,
					 ruleset_match(bench.ruleset, scratch, event, steps));
		else
			correlator_flow(correlator, &bench.flows[order[i]]);
		correlator_advance(correlator, START_NS + (i + 1) * 2 * SECOND_NS);
	}
	correlator_finish(correlator);
	correlator_close(correlator);
	match_scratch_close(scratch);
}

static size_t count_alerts(enum alert_kind kind)
{
	size_t count = 0;
	for (size_t i = 0; i < bench.alert_count; i++)
		count += bench.alerts[i].kind == kind;
	return count;
}

static void shuffle(uint32_t *order, size_t count, struct support_random *random)
{
	for (uint32_t i = 0; i < count; i++)
		order[i] = i;
	for (uint32_t i = (uint32_t)count; i > 1; i--) {
		const uint32_t other = support_random_below(random, i);
		const uint32_t held = order[i - 1];
		order[i - 1] = order[other];
		order[other] = held;
	}
}

/* Runs many orders both ways: always one alert for the entity, told once. */
static void assert_one_alert(const char *entity_id)
{
	enum { ORDERS = HARD(200, 40) };
	struct support_random random = support_random_open();
	uint32_t order[FACTS_MAX];
	for (int round = 0; round < ORDERS; round++) {
		shuffle(order, bench.fact_count, &random);
		for (int settle = 0; settle < 2; settle++) {
			run(order, settle);
			if (count_alerts(ALERT_NEW) != 1) {
				printf("settle %d order", settle);
				for (size_t i = 0; i < bench.fact_count; i++)
					printf(" %u", order[i]);
				puts("");
				for (size_t i = 0; i < bench.alert_count; i++)
					printf("  %s %d %s\n", bench.alerts[i].id,
					       bench.alerts[i].kind, bench.alerts[i].entity_id);
			}
			assert_int_equal(count_alerts(ALERT_NEW), 1);
			const struct seen_alert *last = &bench.alerts[bench.alert_count - 1];
			assert_string_equal(last->id, bench.alerts[0].id);
			if (entity_id)
				assert_string_equal(last->entity_id, entity_id);
		}
	}
}

/* --- tests ------------------------------------------------------------------------------------ */

static void sysmon_security_and_wire_make_one_alert_in_any_order(void **state)
{
	(void)state;
	process_start(DATASET_sysmon, guid, 4242, START_NS);
	process_start(DATASET_security, NULL, 4242, START_NS + SECOND_NS / 50);
	connection(DATASET_sysmon, "ws01.corp.example", guid, 4242, 50001,
		   START_NS + 4 * SECOND_NS);
	connection(DATASET_security, "WS01", NULL, 4242, 50001, START_NS + 3 * SECOND_NS);
	flow(50001, START_NS + 3 * SECOND_NS);
	assert_one_alert(guid);
}

static void hosts_alone_make_one_alert_in_any_order(void **state)
{
	(void)state;
	process_start(DATASET_sysmon, guid, 4242, START_NS);
	connection(DATASET_sysmon, "ws01.corp.example", guid, 4242, 50001,
		   START_NS + 4 * SECOND_NS);
	connection(DATASET_security, "ws01.corp.example", NULL, 4242, 50001,
		   START_NS + 3 * SECOND_NS);
	assert_one_alert(guid);
}

static void security_alone_makes_one_alert_with_a_minted_id(void **state)
{
	(void)state;
	process_start(DATASET_security, NULL, 4242, START_NS);
	connection(DATASET_security, "ws01.corp.example", NULL, 4242, 50001,
		   START_NS + 3 * SECOND_NS);
	flow(50001, START_NS + 3 * SECOND_NS);
	assert_one_alert(NULL);
	assert_int_equal(strncmp(bench.alerts[0].entity_id, "procspan-", 9), 0);
}

static void a_reused_pid_belongs_to_the_process_that_lived_then(void **state)
{
	(void)state;
	process_start(DATASET_sysmon, other_guid, 4242, START_NS - 500 * SECOND_NS);
	process_start(DATASET_sysmon, guid, 4242, START_NS);
	connection(DATASET_security, "ws01.corp.example", NULL, 4242, 50001,
		   START_NS + 3 * SECOND_NS);
	flow(50001, START_NS + 3 * SECOND_NS);
	assert_one_alert(guid);
}

static void labels_hours_off_are_put_on_the_time_line_of_the_wire(void **state)
{
	(void)state;
	const uint64_t off_ns = 5 * 3600 * SECOND_NS;
	process_start(DATASET_sysmon, guid, 4242, START_NS - off_ns);
	for (uint16_t i = 0; i < 4; i++) {
		const uint64_t at_ns = START_NS + (3 + i) * SECOND_NS;
		connection(DATASET_sysmon, "ws01.corp.example", i ? other_guid : guid,
			   i ? 77 : 4242, (uint16_t)(50001 + i), at_ns - off_ns + SECOND_NS);
		flow((uint16_t)(50001 + i), at_ns);
	}
	uint32_t order[FACTS_MAX];
	struct support_random random = support_random_open();
	for (int round = 0; round < HARD(100, 20); round++) {
		shuffle(order, bench.fact_count, &random);
		run(order, 1);
		assert_int_equal(count_alerts(ALERT_NEW), 1);
		assert_int_equal(bench.owned_count, 4);
		assert_string_equal(bench.alerts[0].method, "tuple");
		assert_string_equal(bench.alerts[0].command_line, "cmd.exe /c curl");
	}
}

static void the_same_tuple_hours_later_is_another_connection(void **state)
{
	(void)state;
	process_start(DATASET_sysmon, guid, 4242, START_NS);
	connection(DATASET_sysmon, "ws01.corp.example", guid, 4242, 50001,
		   START_NS + 3 * SECOND_NS);
	flow(50001, START_NS + 7 * 3600 * SECOND_NS + 411 * SECOND_NS);
	uint32_t order[] = { 0, 1, 2 };
	run(order, 1);
	assert_int_equal(bench.flow_count, 1);
	assert_int_equal(bench.owned_count, 0);
	assert_int_equal(count_alerts(ALERT_NEW), 1); /* the host's own word still counts */
}

static void full_tables_forget_the_oldest_and_count(void **state)
{
	(void)state;
	const struct correlator_settings settings = {
		.settle = 1,
		.max_hosts = 2,
		.max_processes = 4,
		.max_connections = 4,
		.max_facts = 4,
		.store_bytes = (size_t)16 << 10,
		.seed = { { 0x243f6a8885a308d3U, 0x13198a2e03707344U } },
	};
	const struct correlator_sink sink = { .flow = keep_flow };
	struct correlator *correlator =
		correlator_open(&settings, bench.ruleset, bench.fields, &sink, &bench.counters);
	enum { ROUNDS = 500 };
	for (uint16_t i = 0; i < ROUNDS; i++) {
		char name[TEXT_ROOM];
		snprintf(name, sizeof(name), "host%u.corp.example", i % 3U);
		bench.fact_count = 0;
		connection(DATASET_sysmon, name, i % 2 ? guid : NULL, i, (uint16_t)(50001 + i),
			   START_NS + i * SECOND_NS);
		correlator_event(correlator, bench.events[0], NULL, 0);
		free(bench.events[0]);
		bench.fact_count = 0;
		flow((uint16_t)(50001 + i), START_NS + i * SECOND_NS);
		bench.flows[0].flow_id = i + 1U;
		correlator_flow(correlator, &bench.flows[0]);
	}
	correlator_finish(correlator);
	assert_int_equal(bench.flow_count, ROUNDS); /* each flow is told of once, evicted or not */
	assert_int_equal(counter_read(&bench.counters, COUNTER_connections_evicted), ROUNDS - 4);
	assert_true(counter_read(&bench.counters, COUNTER_facts_evicted) > 0);
	assert_true(counter_read(&bench.counters, COUNTER_processes_evicted) > 0);
	assert_true(counter_read(&bench.counters, COUNTER_hosts_refused) > 0);
	correlator_close(correlator);
	bench.fact_count = 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sysmon_security_and_wire_make_one_alert_in_any_order),
		TEST(hosts_alone_make_one_alert_in_any_order),
		TEST(security_alone_makes_one_alert_with_a_minted_id),
		TEST(a_reused_pid_belongs_to_the_process_that_lived_then),
		TEST(labels_hours_off_are_put_on_the_time_line_of_the_wire),
		TEST(the_same_tuple_hours_later_is_another_connection),
		TEST(full_tables_forget_the_oldest_and_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
