/* Why an event does not satisfy a step: which conditions it misses, in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/explain.h"

struct bench {
	struct counters counters;
	struct complaints complaints;
	struct fields *fields;
	struct ruleset *ruleset;
	struct explainer *explainer;
	struct event_builder *builder;
};

static void open_bench(struct bench *bench, const char *query)
{
	memset(bench, 0, sizeof(*bench));
	bench->fields = fields_open();
	struct ruleset_builder *loader = ruleset_builder_open(bench->fields);
	assert_true(ruleset_add_query(loader, query, strlen(query), NULL, &bench->complaints));
	bench->ruleset = ruleset_build(loader);
	assert_non_null(bench->ruleset);
	bench->explainer = explainer_open(bench->ruleset, bench->fields);
	bench->builder = event_builder_open(bench->fields, &bench->counters);
	assert_non_null(bench->explainer);
	assert_non_null(bench->builder);
}

static void close_bench(struct bench *bench)
{
	event_builder_close(bench->builder);
	explainer_close(bench->explainer);
	ruleset_close(bench->ruleset);
	fields_close(bench->fields);
}

/* "process.name=cmd.exe;event.type=start" */
static const struct event *make_event(struct bench *bench, const char *values)
{
	event_begin(bench->builder);
	event_header(bench->builder)->datasets = UINT32_MAX;
	for (const char *at = values; *at;) {
		const size_t name_bytes = strcspn(at, "=");
		const char *value = at + name_bytes + 1;
		const size_t value_bytes = strcspn(value, ";");
		const uint16_t field = fields_find(bench->fields, at, name_bytes);
		if (field != FIELD_NONE)
			event_add_as_field_type(bench->builder, field, value, value_bytes);
		at = value + value_bytes + (value[value_bytes] == ';');
	}
	return event_end(bench->builder);
}

/* All misses, " | " between them, " & " between alternatives of one condition. */
static char *explain(struct bench *bench, const struct event *event)
{
	struct miss misses[MISSES_MAX];
	char *text = NULL;
	size_t size_bytes;
	FILE *stream = open_memstream(&text, &size_bytes);
	const size_t count = explainer_misses(bench->explainer, 0, event, misses);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			fputs(misses[i].number == misses[i - 1].number ? " & " : " | ", stream);
		miss_print(bench->explainer, &misses[i], event, stream);
	}
	fclose(stream);
	return text;
}

#define NETWORK	  "event.category=network;"
#define CIDR_RULE "network where not cidrmatch(destination.ip, \"10.0.0.0/8\", \"fe80::/10\")"

static const struct {
	const char *name;
	const char *query;
	const char *event;
	const char *says;
} cases[] = {
	{ "nothing is missed", "process where true", "event.category=process", "" },
	{ "a text", "process where process.name : \"cmd.exe\"",
	  "event.category=process;process.name=a.exe",
	  "process.name = \"a.exe\" is not \"cmd.exe\"" },
	{ "one of several texts", "process where process.name : (\"b\", \"c\")",
	  "event.category=process;process.name=a", "process.name = \"a\" is none of \"b\", \"c\"" },
	{ "a text that should not be", "process where process.name != \"a\"",
	  "event.category=process;process.name=a", "process.name = \"a\" is \"a\"" },
	{ "no value", "process where process.pid > 4", "event.category=process",
	  "process.pid has no value; expected 4" },
	{ "a number", "process where process.pid > 4", "event.category=process;process.pid=4",
	  "process.pid = 4 is not > 4" },
	{ "the network that it is in", CIDR_RULE, NETWORK "destination.ip=10.1.2.2",
	  "destination.ip = 10.1.2.2 is inside 10.0.0.0/8" },
	{ "a network of IPv6", CIDR_RULE, NETWORK "destination.ip=fe80::1",
	  "destination.ip = fe80::1 is inside fe80::/10" },
	{ "in none of the networks",
	  "network where cidrmatch(destination.ip, \"10.0.0.0/8\", \"192.0.2.0/24\")",
	  NETWORK "destination.ip=198.51.100.1",
	  "destination.ip = 198.51.100.1 is in none of the networks 10.0.0.0/8, 192.0.2.0/24" },
	{ "several conditions", "network where destination.port == 1 and source.port == 2",
	  NETWORK "destination.port=3;source.port=4",
	  "destination.port = 3 is not 1 | source.port = 4 is not 2" },
	{ "alternatives", "network where destination.port == 1 or source.port == 2",
	  NETWORK "destination.port=3;source.port=4",
	  "destination.port = 3 is not 1 & source.port = 4 is not 2" },
	{ "a pattern", "process where process.name like \"a*\"",
	  "event.category=process;process.name=b", "process.name = \"b\" does not fit \"a*\"" },
	{ "another category", "process where true", "event.category=file",
	  "event.category = \"file\" is not \"process\"" },
	{ "what no terminal should get", "process where process.name : \"a\"",
	  "event.category=process;process.name=\x1b[2J\x7f\xc2\x9b"
	  "1m",
	  "process.name = \"\\u001b[2J\\u007f\\u009b1m\" is not \"a\"" },
};

static void every_case_is_told_in_its_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bench bench;
		open_bench(&bench, cases[i].query);
		char *text = explain(&bench, make_event(&bench, cases[i].event));
		if (strcmp(text, cases[i].says) != 0)
			fail_msg("%s: %s", cases[i].name, text);
		free(text);
		close_bench(&bench);
	}
}

static void misses_are_none_exactly_when_the_event_matches(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bench bench;
		open_bench(&bench, cases[i].query);
		struct match_scratch *scratch = match_scratch_open(bench.ruleset);
		for (size_t j = 0; j < sizeof(cases) / sizeof(cases[0]); j++) {
			struct miss misses[MISSES_MAX];
			step_id steps[1];
			const struct event *event = make_event(&bench, cases[j].event);
			const size_t matched = ruleset_match(bench.ruleset, scratch, event, steps);
			const size_t missed = explainer_misses(bench.explainer, 0, event, misses);
			if ((matched > 0) != (missed == 0))
				fail_msg("%s: event of %s", cases[i].name, cases[j].name);
		}
		match_scratch_close(scratch);
		close_bench(&bench);
	}
}

static void category_of_a_step_is_known(void **state)
{
	(void)state;
	struct bench bench;
	open_bench(&bench, "network where true");
	assert_string_equal(explainer_category(bench.explainer, 0), "network");
	close_bench(&bench);
	open_bench(&bench, "any where process.pid == 1");
	assert_null(explainer_category(bench.explainer, 0));
	close_bench(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_is_told_in_its_words),
		cmocka_unit_test(misses_are_none_exactly_when_the_event_matches),
		cmocka_unit_test(category_of_a_step_is_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
