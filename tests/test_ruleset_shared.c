/* The public rule files, all loaded at once, against documents made for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rules/ruleset.h"
#include "tests/support_documents.h"
#include "tests/support_eql.h"
#include "tests/support_shared.h"

struct loaded {
	struct counters counters;
	struct fields *fields;
	struct ruleset *ruleset;
	struct match_scratch *scratch;
	struct event_builder *builder;
	step_id *steps;
};

static struct loaded *loaded;

static int load(void **state)
{
	(void)state;
	static struct loaded all;
	static struct complaints complaints;
	const char *path = shared_path("eql/rules");
	if (!path)
		return 0;
	all.fields = fields_open();
	struct ruleset_builder *builder = ruleset_builder_open(all.fields);
	const bool accepted = ruleset_add_path(builder, path, &complaints);
	complaints_print(&complaints);
	all.ruleset = ruleset_build(builder);
	all.scratch = match_scratch_open(all.ruleset);
	all.steps = calloc(ruleset_step_count(all.ruleset) + 1, sizeof(step_id));
	fields_want_all(all.fields);
	all.builder = event_builder_open(all.fields, &all.counters);
	loaded = accepted ? &all : NULL;
	return accepted ? 0 : -1;
}

static int unload(void **state)
{
	(void)state;
	if (!loaded)
		return 0;
	event_builder_close(loaded->builder);
	match_scratch_close(loaded->scratch);
	ruleset_close(loaded->ruleset);
	fields_close(loaded->fields);
	free(loaded->steps);
	return 0;
}

static void every_public_rule_loads(void **state)
{
	(void)state;
	size_t kinds[RULE_NOT_RUN + 1] = { 0 };
	if (!loaded) {
		skip();
		return;
	}
	for (uint32_t i = 0; i < ruleset_rule_count(loaded->ruleset); i++)
		kinds[ruleset_rule(loaded->ruleset, i)->kind]++;
	printf("%u rules: %zu event, %zu sequence, %zu sample, %zu not run; %u steps\n",
	       ruleset_rule_count(loaded->ruleset), kinds[RULE_EVENT], kinds[RULE_SEQUENCE],
	       kinds[RULE_SAMPLE], kinds[RULE_NOT_RUN], ruleset_step_count(loaded->ruleset));
	assert_true(ruleset_rule_count(loaded->ruleset) > 1000);
	assert_true(kinds[RULE_EVENT] > 700);
}

static const struct rule *find_rule(const char *id)
{
	for (uint32_t i = 0; i < ruleset_rule_count(loaded->ruleset); i++)
		if (strcmp(ruleset_rule(loaded->ruleset, i)->id, id) == 0)
			return ruleset_rule(loaded->ruleset, i);
	return NULL;
}

/* Does the document satisfy the rule's one step, found among all steps? */
static bool fires(const struct rule *rule, json_t *document)
{
	event_begin(loaded->builder);
	event_header(loaded->builder)->datasets = UINT32_MAX;
	document_add_fields(loaded->fields, loaded->builder, "", document);
	const struct event *event = event_end(loaded->builder);
	const size_t count = ruleset_match(loaded->ruleset, loaded->scratch, event, loaded->steps);
	for (size_t i = 0; i < count; i++)
		if (loaded->steps[i] == rule->stages[0].step)
			return true;
	return false;
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
	if (rule && rule->kind == RULE_EVENT) {
		bool fired = false;
		for (size_t i = 0; i < json_array_size(documents); i++)
			fired |= fires(rule, json_array_get(documents, i));
		agreement->compared++;
		if (fired != expected && agreement->wrong++ < 10)
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
	assert_true(agreement.compared > 1000);
	assert_int_equal(agreement.wrong, 0);
}

static void every_positive_fires_its_rule(void **state)
{
	(void)state;
	compare_file("eql/rule_positives.jsonl");
}

static void every_mutant_agrees_with_its_label(void **state)
{
	(void)state;
	compare_file("eql/rule_mutants.jsonl");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_public_rule_loads),
		cmocka_unit_test(every_positive_fires_its_rule),
		cmocka_unit_test(every_mutant_agrees_with_its_label),
	};
	return cmocka_run_group_tests(tests, load, unload);
}
