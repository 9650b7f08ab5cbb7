/* The event type and its builder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "collector/event.h"

struct fixture {
	struct fields *fields;
	struct counters counters;
	struct event_builder *builder;
};

static int set_up(void **state)
{
	static struct fixture fixture;
	memset(&fixture, 0, sizeof(fixture));
	fixture.fields = fields_open();
	fields_want_all(fixture.fields);
	fixture.builder = event_builder_open(fixture.fields, &fixture.counters);
	event_begin(fixture.builder);
	*state = &fixture;
	return fixture.builder ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	event_builder_close(fixture->builder);
	fields_close(fixture->fields);
	return 0;
}

static void values_come_back_sorted_and_lists_keep_their_order(void **state)
{
	struct fixture *fixture = *state;
	event_add_text(fixture->builder, FIELD_process_name, "cmd.exe", 7);
	event_add_text(fixture->builder, FIELD_event_type, "start", 5);
	event_add_text(fixture->builder, FIELD_event_category, "process", 7);
	event_add_text(fixture->builder, FIELD_event_type, "info", 4);
	event_add_integer(fixture->builder, FIELD_process_pid, 7084);
	const struct event *event = event_end(fixture->builder);

	size_t count;
	const struct event_value *types = event_find(event, FIELD_event_type, &count);
	assert_int_equal(count, 2);
	const struct event_text *first = event_at(event, &types[0]);
	const struct event_text *second = event_at(event, &types[1]);
	assert_string_equal(first->bytes, "start");
	assert_string_equal(second->bytes, "info");
	assert_string_equal(event_text(event, FIELD_event_category)->bytes, "process");
	int64_t pid;
	assert_true(event_integer(event, FIELD_process_pid, &pid));
	assert_int_equal(pid, 7084);
	assert_null(event_find(event, FIELD_destination_ip, &count));
	assert_int_equal(count, 0);
}

static void text_is_converted_to_the_type_of_its_field(void **state)
{
	static const struct {
		const char *name;
		uint16_t field;
		const char *text;
		bool accepted;
	} cases[] = {
		{ "decimal", FIELD_process_pid, "4242", true },
		{ "hexadecimal", FIELD_process_pid, "0x11cc", true },
		{ "not a number", FIELD_process_pid, "12a", false },
		{ "empty number", FIELD_process_pid, "", false },
		{ "address", FIELD_destination_ip, "2001:db8::1", true },
		{ "unabbreviated address", FIELD_destination_ip, "fe80:0:0:0:0:0:0:1", true },
		{ "not an address", FIELD_destination_ip, "WS01", false },
		{ "boolean", FIELD_process_code_signature_trusted, "True", true },
		{ "time", FIELD_event_created, "2020-09-20 16:16:09.362", true },
		{ "not a time", FIELD_event_created, "yesterday", false },
	};
	struct fixture *fixture = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		event_begin(fixture->builder);
		const bool accepted = event_add_as_field_type(fixture->builder, cases[i].field,
							      cases[i].text, strlen(cases[i].text));
		if (accepted != cases[i].accepted ||
		    event_has(fixture->builder, cases[i].field) != accepted)
			fail_msg("%s", cases[i].name);
	}
}

static void full_event_leaves_values_out_and_counts(void **state)
{
	struct fixture *fixture = *state;
	for (int i = 0; i < EVENT_VALUES_MAX + 3; i++)
		event_add_integer(fixture->builder, FIELD_process_pid, i);
	assert_int_equal(event_end(fixture->builder)->value_count, EVENT_VALUES_MAX);
	assert_int_equal(counter_read(&fixture->counters, COUNTER_event_values_cut), 3);
}

static void unwanted_fields_are_dropped(void **state)
{
	struct fixture *fixture = *state;
	struct fields *fields = fields_open();
	fields_want(fields, FIELD_process_name);
	struct event_builder *builder = event_builder_open(fields, &fixture->counters);
	event_begin(builder);
	event_add_text(builder, FIELD_process_name, "cmd.exe", 7);
	event_add_text(builder, FIELD_process_command_line, "cmd /c", 6);
	assert_int_equal(event_end(builder)->value_count, 1);
	event_builder_close(builder);
	fields_close(fields);
}

static void times_are_read_in_every_form_that_logs_write(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t unix_ns; /* 0 = refused */
	} cases[] = {
		{ "2020-09-20T16:16:09.362Z", 1600618569362000000 },
		{ "2020-09-20 16:16:09", 1600618569000000000 },
		{ "2020-09-20 16:16:09.040", 1600618569040000000 },
		{ "2020-09-20T18:16:09+02:00", 1600618569000000000 },
		{ "2020-09-20 12:16:09 -0400", 1600618569000000000 },
		{ "2022-05-13T08:54:05.1230000Z", 1652432045123000000 },
		{ "2262-04-11T23:47:14Z", 9223372034000000000 },
		{ "9999-12-31T23:59:59Z", 9223372035000000000 },
		{ "1970-01-01", 0 },
		{ "2020-13-01T00:00:00Z", 0 },
		{ "2020-09-20T16:16:09Zz", 0 },
		{ "", 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t unix_ns = 0;
		time_parse_iso8601(cases[i].text, strlen(cases[i].text), &unix_ns);
		if (unix_ns != cases[i].unix_ns)
			fail_msg("%s", cases[i].text);
	}
	char text[TIME_TEXT_MAX];
	time_format_iso8601(1600618569362000000, 3, text);
	assert_string_equal(text, "2020-09-20T16:16:09.362Z");
}

static void index_patterns_select_datasets(void **state)
{
	(void)state;
	const uint32_t winlogbeat = datasets_of_index_pattern("winlogbeat-*", 12);
	assert_true(winlogbeat & 1U << DATASET_sysmon);
	assert_true(winlogbeat & 1U << DATASET_security);
	assert_false(winlogbeat & 1U << DATASET_endpoint_network);
	assert_int_equal(datasets_of_index_pattern("logs-endpoint.events.network-*", 30),
			 1U << DATASET_endpoint_network);
	assert_int_equal(datasets_of_index_pattern("auditbeat-*", 11), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(values_come_back_sorted_and_lists_keep_their_order,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(text_is_converted_to_the_type_of_its_field, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(full_event_leaves_values_out_and_counts, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(unwanted_fields_are_dropped, set_up, tear_down),
		cmocka_unit_test(times_are_read_in_every_form_that_logs_write),
		cmocka_unit_test(index_patterns_select_datasets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
