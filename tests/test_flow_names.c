/* Names read off the wire: what the table keeps of them, and what they add to joined events and
 * lines of flows, in every order of arrival. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/hard.h"
#include "correlator/correlator.h"
#include "correlator/flow_format.h"
#include "tests/support_random.h"

#define SECOND_NS UINT64_C(1000000000)
#define START_NS  (UINT64_C(1600000000) * SECOND_NS)
#define JA4	  "t13d1516h2_8daaf6152771_b186095e22b6"

static const struct hash_seed seed = { { 0x243f6a8885a308d3U, 0x13198a2e03707344U } };

static struct wire_name make_name(enum wire_name_kind kind, uint64_t flow_id, uint64_t time_ns,
				  const char *text, const char *detail)
{
	struct wire_name name = {
		.record_kind = RECORD_NAME,
		.kind = kind,
		.flow_id = flow_id,
		.time_ns = time_ns,
	};
	snprintf(name.name, sizeof(name.name), "%s", text);
	snprintf(name.detail, sizeof(name.detail), "%s", detail);
	return name;
}

static void assert_text(const char *found, const char *wanted)
{
	if (wanted)
		assert_string_equal(found, wanted);
	else
		assert_null(found);
}

/* --- the table -------------------------------------------------------------------------------- */

static void a_flow_is_known_by_its_first_names_whatever_came_first(void **state)
{
	(void)state;
	const struct wire_name names[] = {
		make_name(WIRE_NAME_HTTP, 7, 300, "late.example", ""),
		make_name(WIRE_NAME_HTTP, 7, 200, "b.example", ""),
		make_name(WIRE_NAME_HTTP, 7, 200, "a.example", ""),
		make_name(WIRE_NAME_TLS, 7, 400, "tls.example", JA4),
		make_name(WIRE_NAME_DNS, 7, 100, "not-mine.example", ""),
	};
	enum { NAMES = sizeof(names) / sizeof(names[0]) };
	static struct counters counters;
	for (size_t first = 0; first < NAMES; first++) {
		struct flow_name_table *table = flow_name_table_open(4, &seed, &counters);
		for (size_t i = 0; i < NAMES; i++)
			flow_name_table_add(table, &names[(first + i) % NAMES]);
		struct flow_names found;
		assert_true(flow_name_table_find(table, 7, &found));
		assert_text(found.http_host, "a.example");
		assert_text(found.server_name, "tls.example");
		assert_text(found.ja4, JA4);
		assert_text(flow_names_domain(&found), "tls.example");
		assert_false(flow_name_table_find(table, 8, &found));
		flow_name_table_forget(table, 7);
		assert_false(flow_name_table_find(table, 7, &found));
		flow_name_table_close(table);
	}
}

static void an_address_is_no_domain(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *server_name;
		const char *http_host;
		const char *domain;
	} cases[] = {
		{ "nothing", NULL, NULL, NULL },
		{ "server name", "a.example", NULL, "a.example" },
		{ "host", NULL, "b.example", "b.example" },
		{ "both", "a.example", "b.example", "a.example" },
		{ "IPv4", NULL, "192.0.2.1", NULL },
		{ "IPv6", NULL, "[2001:db8::1]", NULL },
		{ "IPv6 without brackets", NULL, "2001:db8::1", NULL },
		{ "digits, but a name", NULL, "192.0.2.1.example", "192.0.2.1.example" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct flow_names names = { .server_name = cases[i].server_name,
						  .http_host = cases[i].http_host };
		print_message("%s\n", cases[i].name);
		assert_text(flow_names_domain(&names), cases[i].domain);
	}
}

/* Names of every length: the texts run out before the places do. */
static void a_full_table_forgets_the_oldest_and_counts(void **state)
{
	(void)state;
	enum { FLOWS = 64, ROUNDS = HARD(20000, 4000) };
	static struct counters counters;
	static struct wire_name latest[4 * FLOWS];
	struct support_random random = support_random_open();
	struct flow_name_table *table = flow_name_table_open(FLOWS, &seed, &counters);
	size_t found_count = 0;
	for (uint64_t i = 0; i < ROUNDS; i++) {
		const uint32_t flow = support_random_below(&random, 4 * FLOWS);
		struct flow_names found;
		if (support_random_below(&random, 4) == 0) {
			flow_name_table_forget(table, flow);
			assert_false(flow_name_table_find(table, flow, &found));
			continue;
		}
		struct wire_name *name = &latest[flow];
		flow_name_table_forget(table, flow);
		*name = make_name(WIRE_NAME_TLS, flow, i, "", JA4);
		memset(name->name, 'a' + (int)(i % 26),
		       support_random_below(&random, WIRE_NAME_MAX + 1));
		flow_name_table_add(table, name);
		assert_true(flow_name_table_find(table, flow, &found));
		assert_text(found.ja4, JA4);
		assert_text(found.server_name, name->name[0] ? name->name : NULL);
		const uint32_t other = support_random_below(&random, 4 * FLOWS);
		if (!flow_name_table_find(table, other, &found))
			continue;
		found_count++;
		assert_text(found.server_name, latest[other].name[0] ? latest[other].name : NULL);
	}
	assert_true(found_count > 0);
	assert_true(counter_read(&counters, COUNTER_flow_names_evicted) > 0);
	flow_name_table_close(table);
}

/* --- the joined event ------------------------------------------------------------------------- */

static const char rule_text[] = "network where destination.domain == \"files.example\" and "
				"tls.client.server_name == \"files.example\" and "
				"tls.client.ja4 == \"" JA4 "\" and url.domain == \"www.example\"";

struct outcome {
	char id[ALERT_ID_TEXT_MAX];
	size_t new_count;
	char *lines;
	size_t line_bytes;
	FILE *stream;
};

static void keep_alert(void *context, const struct alert *alert)
{
	struct outcome *outcome = context;
	outcome->new_count += alert->kind == ALERT_NEW;
	if (outcome->id[0])
		assert_string_equal(outcome->id, alert->id);
	memcpy(outcome->id, alert->id, sizeof(outcome->id));
}

static void keep_flow(void *context, const struct settled_flow *flow)
{
	struct outcome *outcome = context;
	assert_true(flow_write_json(flow, outcome->stream));
}

enum { MESSAGES = 4 }; /* start, end, TLS, HTTP */

static struct flow_event make_flow(enum flow_event_kind kind)
{
	struct flow_event flow = {
		.record_kind = RECORD_FLOW,
		.kind = (uint8_t)kind,
		.ip_protocol = 6,
		.source_port = 50001,
		.destination_port = 443,
		.flow_id = 7,
		.start_ns = START_NS,
		.last_ns = START_NS + (kind == FLOW_END ? SECOND_NS : 0),
	};
	ip_address_parse("10.0.0.5", 8, &flow.source);
	ip_address_parse("93.184.216.34", 13, &flow.destination);
	return flow;
}

static void send(struct correlator *correlator, uint32_t message)
{
	const struct flow_event flow = make_flow(message == 0 ? FLOW_START : FLOW_END);
	const struct wire_name tls = make_name(WIRE_NAME_TLS, 7, START_NS, "files.example", JA4);
	const struct wire_name http = make_name(WIRE_NAME_HTTP, 7, START_NS, "www.example", "");
	if (message < 2)
		correlator_flow(correlator, &flow);
	else
		correlator_name(correlator, message == 2 ? &tls : &http);
}

static void run(const struct ruleset *ruleset, const struct fields *fields, int settle,
		const uint32_t *order, struct outcome *outcome)
{
	static struct counters counters;
	*outcome = (struct outcome){ 0 };
	const struct correlator_settings settings = {
		.settle = settle,
		.max_hosts = 8,
		.max_processes = 64,
		.max_connections = 64,
		.max_facts = 64,
		.store_bytes = (size_t)1 << 20,
		.seed = seed,
	};
	const struct correlator_sink sink = { .context = outcome,
					      .alert = keep_alert,
					      .flow = keep_flow };
	struct correlator *correlator =
		correlator_open(&settings, ruleset, fields, &sink, &counters);
	assert_non_null(correlator);
	outcome->stream = open_memstream(&outcome->lines, &outcome->line_bytes);
	for (uint32_t i = 0; i < MESSAGES; i++) {
		send(correlator, order[i]);
		correlator_advance(correlator, START_NS + (i + UINT64_C(1)) * 2 * SECOND_NS);
	}
	correlator_finish(correlator);
	correlator_close(correlator);
	fclose(outcome->stream);
}

static void names_are_joined_whether_they_come_before_or_after_their_flow(void **state)
{
	(void)state;
	static struct complaints complaints;
	const struct query_options options = { 0 };
	struct fields *fields = fields_open();
	struct ruleset_builder *builder = ruleset_builder_open(fields);
	assert_true(ruleset_add_query(builder, rule_text, sizeof(rule_text) - 1, &options,
				      &complaints));
	struct ruleset *ruleset = ruleset_build(builder);
	correlator_want_fields(fields);
	char first_id[ALERT_ID_TEXT_MAX] = "";
	for (uint32_t number = 0; number < 4 * 3 * 2 * 2; number++) {
		uint32_t order[MESSAGES] = { 0, 1, 2, 3 };
		uint32_t rest = number / 2;
		for (uint32_t i = 0; i < MESSAGES - 1; i++) { /* the number's permutation */
			const uint32_t chosen = i + rest % (MESSAGES - i);
			const uint32_t held = order[i];
			order[i] = order[chosen];
			order[chosen] = held;
			rest /= MESSAGES - i;
		}
		struct outcome outcome;
		run(ruleset, fields, number % 2 == 0, order, &outcome);
		assert_int_equal(outcome.new_count, 1);
		if (first_id[0])
			assert_string_equal(outcome.id, first_id);
		memcpy(first_id, outcome.id, sizeof(first_id));
		assert_non_null(strstr(outcome.lines, "\"domain\":\"files.example\""));
		assert_non_null(strstr(outcome.lines,
				       "\"tls\":{\"client\":{\"server_name\":\"files.example\","
				       "\"ja4\":\"" JA4 "\"}}"));
		assert_non_null(strstr(outcome.lines, "\"url\":{\"domain\":\"www.example\"}"));
		free(outcome.lines);
	}
	ruleset_close(ruleset);
	fields_close(fields);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flow_is_known_by_its_first_names_whatever_came_first),
		cmocka_unit_test(an_address_is_no_domain),
		cmocka_unit_test(a_full_table_forgets_the_oldest_and_counts),
		cmocka_unit_test(names_are_joined_whether_they_come_before_or_after_their_flow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
