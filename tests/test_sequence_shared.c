/* The public rule files, all loaded at once, through the sequence state: the documents made for
 * each sequence must complete it, and near misses must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "correlator/document.h"
#include "correlator/sequence.h"
#include "rules/ruleset.h"
#include "tests/support_shared.h"

/* Each line of the files gets days of its own, so that one engine serves them all. */
static const uint64_t days_apart_ns = 345600ULL * 1000000000ULL;

struct fixture {
	struct fields *fields;
	struct ruleset *ruleset;
	struct match_scratch *scratch;
	struct event_builder *builder;
	struct counters counters;
	struct sequences *sequences;
	step_id *steps;
	uint64_t shift_ns;
	uint64_t identity;
	bool *fired; /* by rule */
	bool seen[FIELD_MAX];
};

static struct fixture *loaded;

static void mark(void *context, enum match_change change, const struct sequence_match *match)
{
	struct fixture *fixture = context;
	fixture->fired[match->rule->index] = change != MATCH_WITHDRAWN;
}

static int load(void **state)
{
	(void)state;
	static struct fixture all;
	static struct complaints complaints;
	const char *path = shared_path("eql/rules");
	if (!path)
		return 0;
	all.fields = fields_open();
	struct ruleset_builder *builder = ruleset_builder_open(all.fields);
	ruleset_add_path(builder, path, &complaints);
	all.ruleset = ruleset_build(builder);
	all.scratch = match_scratch_open(all.ruleset);
	all.steps = calloc(ruleset_step_count(all.ruleset) + 1, sizeof(step_id));
	all.fired = calloc(ruleset_rule_count(all.ruleset) + 1, sizeof(bool));
	all.builder = event_builder_open(all.fields, &all.counters);
	const struct sequence_settings settings = { .horizon_ns = days_apart_ns / 3,
						    .store_bytes = (size_t)4 << 20 };
	all.sequences = sequences_open(all.ruleset, &settings, mark, &all, &all.counters);
	loaded = all.sequences ? &all : NULL;
	return loaded ? 0 : -1;
}

static int unload(void **state)
{
	(void)state;
	if (!loaded)
		return 0;
	sequences_close(loaded->sequences);
	event_builder_close(loaded->builder);
	match_scratch_close(loaded->scratch);
	ruleset_close(loaded->ruleset);
	fields_close(loaded->fields);
	free(loaded->steps);
	free(loaded->fired);
	return 0;
}

static const struct rule *find_rule(const char *id)
{
	for (uint32_t i = 0; i < ruleset_rule_count(loaded->ruleset); i++)
		if (strcmp(ruleset_rule(loaded->ruleset, i)->id, id) == 0)
			return ruleset_rule(loaded->ruleset, i);
	return NULL;
}

static uint64_t add_document(const json_t *document)
{
	uint64_t time_ns = 0;
	event_begin(loaded->builder);
	document_add_to_event(document, loaded->fields, loaded->builder, loaded->seen);
	document_value_time(document_find(document, "@timestamp"), &time_ns);
	struct event *header = event_header(loaded->builder);
	header->time_ns = time_ns + loaded->shift_ns;
	header->tiebreaker = UINT64_MAX;
	header->identity = ++loaded->identity;
	header->datasets = UINT32_MAX;
	const struct event *event = event_end(loaded->builder);
	const size_t count = ruleset_match(loaded->ruleset, loaded->scratch, event, loaded->steps);
	sequences_add(loaded->sequences, event, loaded->steps, count);
	return event->time_ns;
}

struct agreement {
	size_t compared;
	size_t wrong;
};

static void compare_line(const char *line, size_t size_bytes, struct agreement *agreement)
{
	json_t *object = json_loadb(line, size_bytes, 0, NULL);
	assert_non_null(object);
	const struct rule *rule = find_rule(json_string_value(json_object_get(object, "rule_id")));
	const json_t *documents = json_object_get(object, "events");
	const bool expected = json_is_true(json_object_get(object, "expect_match"));
	if (rule && (rule->kind == RULE_SEQUENCE || rule->kind == RULE_SAMPLE)) {
		uint64_t last_ns = 0;
		loaded->fired[rule->index] = false;
		loaded->shift_ns += days_apart_ns;
		for (size_t i = 0; i < json_array_size(documents); i++)
			last_ns = add_document(json_array_get(documents, i));
		sequences_advance(loaded->sequences, last_ns + days_apart_ns / 2);
		agreement->compared++;
		if (loaded->fired[rule->index] != expected && agreement->wrong++ < 10)
			printf("%s: expected %d\n%.*s\n", rule->file, expected, (int)size_bytes,
			       line);
	}
	json_decref(object);
}

static void compare_file(const char *relative)
{
	struct agreement agreement = { .compared = 0 };
	size_t size;
	const char *path = shared_path(relative);
	if (!loaded || !path)
		skip();
	char *bytes = read_whole_file(path, 1, &size);
	for (char *line = bytes, *end; line < bytes + size; line = end + 1) {
		end = memchr(line, '\n', (size_t)(bytes + size - line));
		if (!end)
			end = bytes + size;
		if (end > line)
			compare_line(line, (size_t)(end - line), &agreement);
	}
	free(bytes);
	printf("%zu compared, %zu wrong\n", agreement.compared, agreement.wrong);
	assert_true(agreement.compared > 100);
	assert_int_equal(agreement.wrong, 0);
	assert_int_equal(counter_read(&loaded->counters, COUNTER_sequence_events_evicted), 0);
}

static void every_positive_completes_its_sequence(void **state)
{
	(void)state;
	compare_file("eql/rule_positives.jsonl");
}

static void every_mutant_of_a_sequence_agrees_with_its_label(void **state)
{
	(void)state;
	compare_file("eql/rule_mutants.jsonl");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_positive_completes_its_sequence),
		cmocka_unit_test(every_mutant_of_a_sequence_agrees_with_its_label),
	};
	return cmocka_run_group_tests(tests, load, unload);
}
