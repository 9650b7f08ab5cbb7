/* Rules compiled together: loading, the steps of an event, what they want from the wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "rules/ruleset.h"
#include "tests/support_eql.h"

/* A ruleset being made and used by one test. */
struct bench {
	struct counters counters;
	struct fields *fields;
	struct ruleset_builder *loader;
	struct ruleset *ruleset;
	struct match_scratch *scratch;
	struct event_builder *builder;
	struct complaints complaints;
};

static int set_up(void **state)
{
	static struct bench bench;
	memset(&bench, 0, sizeof(bench));
	bench.fields = fields_open();
	bench.loader = ruleset_builder_open(bench.fields);
	*state = &bench;
	return bench.loader ? 0 : -1;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	event_builder_close(bench->builder);
	match_scratch_close(bench->scratch);
	ruleset_close(bench->ruleset);
	ruleset_builder_close(bench->loader);
	fields_close(bench->fields);
	return 0;
}

/* A rule file around a query; `more` is further lines of [rule]. */
static bool add_rule(struct bench *bench, const char *type, const char *query, const char *more)
{
	char text[4096];
	const int size = snprintf(text, sizeof(text),
				  "[rule]\nrule_id = \"%u\"\nname = \"n\"\ndescription = \"d\"\n"
				  "severity = \"low\"\nrisk_score = 21\n%s\ntype = \"%s\"\n"
				  "query = '''\n%s\n'''\n",
				  bench->complaints.count ? 0U : 1U, more, type, query);
	return ruleset_add_text(bench->loader, "r.toml", text, (size_t)size, &bench->complaints);
}

static void add_good_rule(struct bench *bench, const char *type, const char *query,
			  const char *more)
{
	if (add_rule(bench, type, query, more))
		return;
	complaints_print(&bench->complaints);
	fail_msg("%s", query);
}

static void build(struct bench *bench)
{
	bench->ruleset = ruleset_build(bench->loader);
	assert_non_null(bench->ruleset);
	bench->loader = NULL;
	bench->scratch = match_scratch_open(bench->ruleset);
	bench->builder = event_builder_open(bench->fields, &bench->counters);
	assert_non_null(bench->scratch);
	assert_non_null(bench->builder);
}

/* "process.name=cmd.exe;event.type=start": an event of the given datasets. */
static const struct event *make_event(struct bench *bench, const char *values, uint32_t datasets)
{
	event_begin(bench->builder);
	event_header(bench->builder)->datasets = datasets;
	while (*values) {
		const size_t name_bytes = strcspn(values, "=");
		const char *value = values + name_bytes + 1;
		const size_t value_bytes = strcspn(value, ";");
		const uint16_t field = fields_find(bench->fields, values, name_bytes);
		assert_int_not_equal(field, FIELD_NONE);
		assert_true(event_add_as_field_type(bench->builder, field, value, value_bytes));
		values = value + value_bytes + (value[value_bytes] == ';');
	}
	return event_end(bench->builder);
}

/* The rules that have a step which the event satisfies, as "0 2 ". */
static void match(struct bench *bench, const char *values, uint32_t datasets, char out[256])
{
	step_id steps[64];
	bool rules[64] = { false };
	const struct event *event = make_event(bench, values, datasets);
	const size_t count = ruleset_match(bench->ruleset, bench->scratch, event, steps);
	for (size_t i = 0; i < count; i++) {
		assert_true(i == 0 || steps[i - 1] < steps[i]);
		size_t use_count;
		const struct step_use *uses =
			ruleset_step_uses(bench->ruleset, steps[i], &use_count);
		assert_true(use_count > 0);
		for (size_t j = 0; j < use_count; j++)
			rules[uses[j].rule] = true;
	}
	size_t used = 0;
	out[0] = '\0';
	for (unsigned i = 0; i < 64; i++)
		if (rules[i])
			used += (size_t)snprintf(out + used, 256 - used, "%u ", i);
}

enum { ANY_DATASET = UINT32_MAX };

static void an_event_finds_the_rules_that_it_satisfies(void **state)
{
	struct bench *bench = *state;
	static const char *const queries[] = {
		/* 0 */ "process where process.name : \"cmd.exe\" and event.type == \"start\"",
		/* 1 */ "process where process.name in (\"a.exe\", \"CMD.EXE\")",
		/* 2 */ "any where process.name : (\"c*.exe\", \"d?.exe\")",
		/* 3 */ "network where not cidrmatch(destination.ip, \"10.0.0.0/8\")",
		/* 4 */ "process where process.name : \"x\" or process.parent.name : \"cmd.exe\"",
		/* 5 */ "any where true",
		/* 6 */ "any where process.name != \"cmd.exe\"",
		/* 7 */ "process where process.args == \"/c\" and process.args : \"WHO*\"",
		/* 8 */ "any where destination.port == 443",
		/* 9 */ "file where false",
	};
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
		add_good_rule(bench, "eql", queries[i], "");
	build(bench);
	static const struct {
		const char *values;
		const char *rules;
	} cases[] = {
		{ "event.category=process;event.type=start;process.name=CMD.exe", "0 2 5 6 " },
		{ "event.category=process;event.type=end;process.name=cmd.exe", "2 5 " },
		{ "event.category=process;process.name=CMD.EXE", "1 2 5 6 " },
		{ "event.category=network;event.category=process;event.type=start;"
		  "process.name=cmd.exe",
		  "0 2 3 5 " },
		{ "event.category=network;destination.ip=10.1.2.3", "5 6 " },
		{ "event.category=network;destination.ip=::ffff:10.1.2.3", "5 6 " },
		{ "event.category=network;destination.ip=11.1.2.3;destination.port=443",
		  "3 5 6 8 " },
		{ "event.category=process;process.parent.name=cmd.EXE", "4 5 6 " },
		{ "event.category=process;process.args=/c;process.args=whoami", "5 6 7 " },
		{ "event.category=Process;process.name=d1.exe;event.type=start", "2 5 6 " },
		{ "", "5 6 " },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char rules[256];
		match(bench, cases[i].values, ANY_DATASET, rules);
		if (strcmp(rules, cases[i].rules) != 0)
			fail_msg("%s: %s", cases[i].values, rules);
	}
}

static void kql_rules_run_beside_eql_rules(void **state)
{
	struct bench *bench = *state;
	add_good_rule(bench, "query",
		      "process.name:cmd.exe and event.action:\"Network connection detected (rule: "
		      "NetworkConnect)\" and not destination.ip:(10.0.0.0/8 or 172.16.0.0/12 or "
		      "192.168.0.0/16)",
		      "language = \"kuery\"");
	add_good_rule(bench, "query", "event.code:(4624 or \"4625\") and user.name:*$",
		      "language = \"kuery\"");
	build(bench);
	static const struct {
		const char *values;
		const char *rules;
	} cases[] = {
		{ "process.name=cmd.exe;event.action=Network connection detected (rule: "
		  "NetworkConnect);destination.ip=8.8.8.8",
		  "0 " },
		{ "process.name=cmd.exe;event.action=Network connection detected (rule: "
		  "NetworkConnect);destination.ip=172.20.1.1",
		  "" },
		{ "process.name=CMD.EXE;event.action=Network connection detected (rule: "
		  "NetworkConnect);destination.ip=8.8.8.8",
		  "" },
		{ "event.code=4624;user.name=WS01$", "1 " },
		{ "event.code=4624;user.name=bob", "" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char rules[256];
		match(bench, cases[i].values, ANY_DATASET, rules);
		if (strcmp(rules, cases[i].rules) != 0)
			fail_msg("%s: %s", cases[i].values, rules);
	}
}

static void index_patterns_and_overrides_are_honoured(void **state)
{
	struct bench *bench = *state;
	add_good_rule(bench, "eql", "process where true", "index = [\"winlogbeat-*\"]");
	add_good_rule(bench, "eql", "process where true",
		      "index = [\"logs-endpoint.events.process-*\"]");
	add_good_rule(bench, "eql", "process where true", "index = [\"auditbeat-*\"]");
	add_good_rule(bench, "eql", "process where true", "");
	add_good_rule(bench, "eql", "start where true", "event_category_override = \"event.type\"");
	build(bench);
	static const struct {
		const char *values;
		uint32_t datasets;
		const char *rules;
	} cases[] = {
		{ "event.category=process", 1U << DATASET_sysmon, "0 3 " },
		{ "event.category=process", 1U << DATASET_endpoint_process, "1 3 " },
		{ "event.category=process", 1U << DATASET_flow, "3 " },
		{ "event.type=start", 1U << DATASET_flow, "4 " },
		{ "event.category=process", 1U << DATASET_other, "0 1 2 3 " },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char rules[256];
		match(bench, cases[i].values, cases[i].datasets, rules);
		if (strcmp(rules, cases[i].rules) != 0)
			fail_msg("%zu: %s", i, rules);
	}
	assert_int_equal(ruleset_rule(bench->ruleset, 2)->datasets, 1U << DATASET_other);
}

static void filters_hold_for_every_step(void **state)
{
	struct bench *bench = *state;
	add_good_rule(bench, "eql", "sequence by host.id [process where true] [file where true]",
		      "filters = [ { meta = { negate = true }, query = { wildcard = { "
		      "\"user.name\" = { value = \"sys*\", case_insensitive = true } } } } ]");
	build(bench);
	char rules[256];
	match(bench, "event.category=file;user.name=bob", ANY_DATASET, rules);
	assert_string_equal(rules, "0 ");
	match(bench, "event.category=file;user.name=SYSTEM", ANY_DATASET, rules);
	assert_string_equal(rules, "");
	match(bench, "event.category=process;user.name=System", ANY_DATASET, rules);
	assert_string_equal(rules, "");
}

static void equal_steps_are_one(void **state)
{
	struct bench *bench = *state;
	add_good_rule(bench, "eql",
		      "sequence by process.entity_id with maxspan=5m\n"
		      "  [process where process.name : \"cmd.exe\"] with runs=3\n"
		      "  ![network where true]\n"
		      "  [file where true]\n"
		      "until [process where event.type == \"end\"]",
		      "");
	add_good_rule(bench, "eql", "process where process.name : \"cmd.exe\"", "");
	add_good_rule(bench, "eql", "sample by host.id [file where true] [process where true]", "");
	build(bench);
	const struct rule *sequence = ruleset_rule(bench->ruleset, 0);
	const struct rule *event = ruleset_rule(bench->ruleset, 1);
	const struct rule *sample = ruleset_rule(bench->ruleset, 2);
	assert_int_equal(sequence->kind, RULE_SEQUENCE);
	assert_int_equal(event->kind, RULE_EVENT);
	assert_int_equal(sample->kind, RULE_SAMPLE);
	assert_int_equal(sequence->stage_count, 5);
	assert_int_equal(sequence->maxspan_ns, UINT64_C(300000000000));
	assert_int_equal(sequence->key_count, 1);
	assert_int_equal(sequence->stages[0].keys[0].field, FIELD_process_entity_id);
	assert_true(sequence->stages[3].missing);
	assert_int_equal(sequence->stages[0].step, sequence->stages[2].step);
	assert_int_equal(sequence->stages[0].step, event->stages[0].step);
	assert_int_equal(sequence->stages[4].step, sample->stages[0].step);
	assert_int_not_equal(sequence->until_step, RULE_NO_STEP);
	assert_int_equal(sequence->until_keys[0].field, FIELD_process_entity_id);
	assert_int_equal(ruleset_step_count(bench->ruleset), 5);
	size_t count;
	const struct step_use *uses =
		ruleset_step_uses(bench->ruleset, sequence->stages[0].step, &count);
	assert_int_equal(count, 4);
	assert_int_equal(uses[2].stage, 2);
	assert_int_equal(uses[3].rule, 1);
	assert_true(fields_wanted(bench->fields, FIELD_process_entity_id));
	assert_true(fields_wanted(bench->fields, FIELD_event_category));
	assert_false(fields_wanted(bench->fields, FIELD_process_pe_company));
}

static void a_refused_rule_names_its_place_and_spoils_no_other(void **state)
{
	struct bench *bench = *state;
	assert_false(add_rule(bench, "eql", "process where process.name ==", ""));
	assert_int_equal(bench->complaints.count, 1);
	assert_string_equal(bench->complaints.items[0].file, "r.toml");
	assert_true(bench->complaints.items[0].line >= 10);
	static const char one_line[] = "[rule]\nrule_id=\"1\"\nname=\"n\"\ntype=\"eql\"\n"
				       "query = \"process where process.name == == 1\"\n";
	assert_false(ruleset_add_text(bench->loader, "s.toml", one_line, strlen(one_line),
				      &bench->complaints));
	assert_string_equal(bench->complaints.items[1].file, "s.toml");
	assert_int_equal(bench->complaints.items[1].line, 5);
	assert_int_equal(bench->complaints.items[1].column, 40);
	add_good_rule(bench, "eql", "process where true", "");
	build(bench);
	assert_int_equal(ruleset_rule_count(bench->ruleset), 1);
	assert_int_equal(ruleset_step_count(bench->ruleset), 1);
}

static void rules_of_other_kinds_are_loaded_but_have_no_step(void **state)
{
	struct bench *bench = *state;
	add_good_rule(bench, "threshold", "a:b", "language = \"kuery\"");
	add_good_rule(bench, "eql", "process where true", "enabled = false");
	build(bench);
	assert_int_equal(ruleset_rule_count(bench->ruleset), 2);
	assert_int_equal(ruleset_rule(bench->ruleset, 0)->kind, RULE_NOT_RUN);
	assert_int_equal(ruleset_rule(bench->ruleset, 1)->kind, RULE_NOT_RUN);
	char rules[256];
	match(bench, "event.category=process", ANY_DATASET, rules);
	assert_string_equal(rules, "");
	assert_false(ruleset_wants_category(bench->ruleset, "process"));
}

static bool wants(const struct bench *bench, const char *text)
{
	struct ip_address address;
	assert_true(ip_address_parse(text, strlen(text), &address));
	return ruleset_wants_destination(bench->ruleset, &address);
}

static void only_destinations_that_a_rule_can_want_are_wanted(void **state)
{
	struct bench *bench = *state;
	add_good_rule(
		bench, "eql",
		"sequence by process.entity_id\n"
		"  [process where process.name : \"cmd.exe\" and event.type == \"start\"]\n"
		"  [network where process.name : \"cmd.exe\" and not cidrmatch(destination.ip, "
		"\"10.0.0.0/8\", \"172.16.0.0/12\", \"192.168.0.0/16\")]",
		"");
	add_good_rule(bench, "eql",
		      "network where cidrmatch(destination.ip, \"192.168.7.0/24\", "
		      "\"2001:db8::/32\") and destination.port == 445",
		      "");
	add_good_rule(bench, "query", "event.category:file and file.name:x",
		      "language = \"kuery\"");
	build(bench);
	assert_true(wants(bench, "8.8.8.8"));
	assert_true(wants(bench, "2001:db8::1"));
	assert_true(wants(bench, "fe80::1"));
	assert_true(wants(bench, "192.168.7.9"));
	assert_false(wants(bench, "192.168.8.9"));
	assert_false(wants(bench, "10.0.0.1"));
	assert_false(wants(bench, "172.31.255.255"));
	assert_true(ruleset_wants_category(bench->ruleset, "network"));
	assert_false(ruleset_wants_category(bench->ruleset, "registry"));
	struct ip_prefix prefixes[64];
	const size_t count = ruleset_unwanted_prefixes(bench->ruleset, prefixes, 64);
	assert_true(count > 3 && count < 64);
	for (size_t i = 0; i < count; i++)
		assert_false(ruleset_wants_destination(bench->ruleset, &prefixes[i].address));
}

static void one_rule_without_a_condition_wants_every_destination(void **state)
{
	struct bench *bench = *state;
	add_good_rule(bench, "eql", "network where cidrmatch(destination.ip, \"10.0.0.0/8\")", "");
	add_good_rule(bench, "query", "process.name:x or destination.ip:\"1.1.1.1\"",
		      "language = \"kuery\"");
	build(bench);
	assert_true(wants(bench, "10.0.0.1"));
	assert_true(wants(bench, "9.9.9.9"));
	assert_true(wants(bench, "::1"));
}

static void no_rules_want_nothing(void **state)
{
	struct bench *bench = *state;
	build(bench);
	assert_false(wants(bench, "8.8.8.8"));
	char rules[256];
	match(bench, "event.category=process", ANY_DATASET, rules);
	assert_string_equal(rules, "");
}

static void queries_are_rules_without_a_file(void **state)
{
	struct bench *bench = *state;
	static const char query[] = "process where process.pid > 3 | head 4 | tail 2";
	const struct query_options options = { .category_field = "event.type" };
	assert_true(ruleset_add_query(bench->loader, query, strlen(query), &options,
				      &bench->complaints));
	assert_false(ruleset_add_query(bench->loader, "x", 1, NULL, &bench->complaints));
	build(bench);
	const struct rule *rule = ruleset_rule(bench->ruleset, 0);
	assert_int_equal(rule->pipe_count, 2);
	assert_true(rule->pipes[1].tail);
	assert_int_equal(rule->pipes[0].count, 4);
	char rules[256];
	match(bench, "event.type=process;process.pid=4", ANY_DATASET, rules);
	assert_string_equal(rules, "0 ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_event_finds_the_rules_that_it_satisfies),
		TEST(kql_rules_run_beside_eql_rules),
		TEST(index_patterns_and_overrides_are_honoured),
		TEST(filters_hold_for_every_step),
		TEST(equal_steps_are_one),
		TEST(a_refused_rule_names_its_place_and_spoils_no_other),
		TEST(rules_of_other_kinds_are_loaded_but_have_no_step),
		TEST(only_destinations_that_a_rule_can_want_are_wanted),
		TEST(one_rule_without_a_condition_wants_every_destination),
		TEST(no_rules_want_nothing),
		TEST(queries_are_rules_without_a_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
