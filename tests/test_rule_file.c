/* Rule files of the public layout. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/event.h"
#include "rules/rule_file.h"
#include "rules/rule_filter.h"
#include "rules/rule_paths.h"
#include "tests/support_shared.h"
#include "tests/support_tree.h"

#define REQUIRED                                                                                   \
	"[rule]\nrule_id = \"1\"\nname = \"n\"\ndescription = \"d\"\n"                             \
	"severity = \"low\"\nrisk_score = 21\n"

static const char whole[] =
	"[metadata]\n"
	"creation_date = \"2026/01/02\"\n"
	"updated_date = \"2026/01/03\"\n"
	"maturity = \"production\"\n"
	"min_stack_version = \"9.2.0\"\n"
	"integration = [\"endpoint\", \"windows\"]\n"
	"[rule]\n"
	"rule_id = \"4a1d5a00-0000-4000-8000-000000000001\"\n"
	"name = \"A name\"\n"
	"description = \"\"\"\nSeveral\nlines.\n\"\"\"\n"
	"type = \"eql\"\n"
	"language = \"eql\"\n"
	"author = [\"A\", \"B\"]\n"
	"license = \"Apache-2.0\"\n"
	"severity = \"high\"\n"
	"risk_score = 73\n"
	"version = 7\n"
	"from = \"now-9m\"\n"
	"interval = \"5m\"\n"
	"max_signals = 33\n"
	"index = [\"winlogbeat-*\", \"logs-endpoint.events.process-*\"]\n"
	"tags = [\"Domain: Endpoint\"]\n"
	"references = [\"https://example.org\"]\n"
	"false_positives = [\"none known\"]\n"
	"note = \"Look here.\"\n"
	"setup = \"Turn it on.\"\n"
	"timestamp_override = \"event.ingested\"\n"
	"event_category_override = \"event.type\"\n"
	"tiebreaker_field = \"event.sequence\"\n"
	"building_block_type = \"default\"\n"
	"rule_name_override = \"message\"\n"
	"timeline_id = \"t\"\n"
	"timeline_title = \"T\"\n"
	"enabled = true\n"
	"query = '''\nprocess where true\n'''\n"
	"[rule.investigation_fields]\n"
	"field_names = [\"process.name\"]\n"
	"[rule.alert_suppression]\n"
	"group_by = [\"host.id\", \"user.id\"]\n"
	"duration = { value = 3, unit = \"h\" }\n"
	"missing_fields_strategy = \"suppress\"\n"
	"[[rule.exceptions_list]]\n"
	"id = \"e\"\nlist_id = \"endpoint_list\"\nnamespace_type = \"agnostic\"\ntype = "
	"\"endpoint\"\n"
	"[[rule.severity_mapping]]\n"
	"field = \"event.severity\"\noperator = \"equals\"\nseverity = \"critical\"\nvalue = "
	"\"99\"\n"
	"[[rule.risk_score_mapping]]\n"
	"field = \"event.risk_score\"\noperator = \"equals\"\nvalue = \"\"\n"
	"[[rule.threat]]\n"
	"framework = \"MITRE ATT&CK\"\n"
	"tactic = { id = \"TA0002\", name = \"Execution\", reference = \"r\" }\n"
	"[[rule.threat.technique]]\n"
	"id = \"T1059\"\nname = \"N\"\nreference = \"r\"\n"
	"[[rule.threat.technique.subtechnique]]\n"
	"id = \"T1059.003\"\nname = \"N\"\nreference = \"r\"\n"
	"[[rule.threat.technique.subtechnique]]\n"
	"id = \"T1059.001\"\nname = \"N\"\nreference = \"r\"\n"
	"[[transform.osquery]]\nlabel = \"l\"\nquery = \"q\"\n";

static bool read_text(const char *text, size_t size_bytes, struct arena *arena,
		      struct complaints *complaints, struct rule_draft *draft)
{
	char *exact = malloc(size_bytes ? size_bytes : 1);
	memcpy(exact, text, size_bytes);
	const bool accepted =
		rule_file_read("r.toml", exact, size_bytes, arena, arena, complaints, draft);
	free(exact);
	return accepted;
}

static void check_metadata(const struct rule *rule)
{
	assert_string_equal(rule->file, "r.toml");
	assert_string_equal(rule->id, "4a1d5a00-0000-4000-8000-000000000001");
	assert_string_equal(rule->name, "A name");
	assert_string_equal(rule->description, "Several\nlines.\n");
	assert_string_equal(rule->version, "7");
	assert_string_equal(rule->license, "Apache-2.0");
	assert_string_equal(rule->note, "Look here.");
	assert_string_equal(rule->setup, "Turn it on.");
	assert_string_equal(rule->maturity, "production");
	assert_string_equal(rule->creation_date, "2026/01/02");
	assert_string_equal(rule->updated_date, "2026/01/03");
	assert_string_equal(rule->min_stack_version, "9.2.0");
	assert_string_equal(rule->timestamp_override, "event.ingested");
	assert_string_equal(rule->event_category_override, "event.type");
	assert_string_equal(rule->tiebreaker_field, "event.sequence");
	assert_string_equal(rule->building_block_type, "default");
	assert_string_equal(rule->rule_name_override, "message");
	assert_string_equal(rule->timeline_id, "t");
	assert_string_equal(rule->timeline_title, "T");
	assert_int_equal(rule->authors.count, 2);
	assert_string_equal(rule->authors.items[1], "B");
	assert_int_equal(rule->tags.count, 1);
	assert_int_equal(rule->references.count, 1);
	assert_int_equal(rule->false_positives.count, 1);
	assert_int_equal(rule->integrations.count, 2);
	assert_int_equal(rule->investigation_fields.count, 1);
	assert_string_equal(rule->exceptions.items[0], "endpoint_list");
}

static void every_key_of_the_public_layout_is_carried(void **state)
{
	(void)state;
	struct arena *arena = arena_open(0);
	static struct complaints complaints;
	struct rule_draft draft;
	assert_true(read_text(whole, strlen(whole), arena, &complaints, &draft));
	const struct rule *rule = &draft.rule;
	check_metadata(rule);
	assert_int_equal(rule->lint_count, 0);
	assert_int_equal(rule->severity, SEVERITY_HIGH);
	assert_int_equal(rule->risk_score, 73);
	assert_int_equal(rule->look_back_ns, UINT64_C(540000000000));
	assert_int_equal(rule->interval_ns, UINT64_C(300000000000));
	assert_int_equal(rule->max_signals, 33);
	assert_int_equal(rule->indices.count, 2);
	assert_true(rule->datasets & 1U << DATASET_sysmon);
	assert_true(rule->datasets & 1U << DATASET_endpoint_process);
	assert_false(rule->datasets & 1U << DATASET_endpoint_network);
	assert_int_equal(rule->suppression->group_by.count, 2);
	assert_int_equal(rule->suppression->duration_ns, UINT64_C(10800000000000));
	assert_int_equal(rule->severity_mapping_count, 1);
	assert_int_equal(rule->severity_mappings[0].severity, SEVERITY_CRITICAL);
	assert_int_equal(rule->risk_score_mapping_count, 1);
	assert_int_equal(rule->threat_count, 1);
	assert_string_equal(rule->threats[0].tactic_id, "TA0002");
	assert_string_equal(rule->threats[0].techniques[0].subtechniques[1].id, "T1059.001");
	assert_string_equal(draft.query->text, "process where true\n");
	arena_close(arena);
}

static void every_prefix_is_survived(void **state)
{
	(void)state;
	static struct complaints complaints;
	for (size_t size = 0; size < strlen(whole); size++) {
		struct arena *arena = arena_open(0);
		struct rule_draft draft;
		complaints.count = 0;
		if (!read_text(whole, size, arena, &complaints, &draft))
			assert_true(complaints.count > 0);
		arena_close(arena);
	}
}

static void faults_are_named_with_their_place(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *complaint;
	} cases[] = {
		{ "a = 1\n", "1:1 found no `rule`, expected a table" },
		{ "rule = 1\n", "1:8 `rule`: found an integer, expected a table" },
		{ "[rule]\nname = \"n\"\ntype = \"eql\"\nquery = \"any where true\"\n",
		  "1:1 found no `rule_id`, expected a string" },
		{ REQUIRED "query = \"any where true\"\n",
		  "1:1 found no `type`, expected a string" },
		{ REQUIRED "type = \"eql\"\n", "1:1 found no `query`, expected a string" },
		{ REQUIRED "type = \"eql\"\nquery = 5\n",
		  "8:9 `query`: found an integer, expected a string" },
		{ REQUIRED "type = \"eql\"\nlanguage = \"sql\"\nquery = \"\"\n",
		  "7:8 found type \"eql\" with language \"sql\", expected one of the public files' "
		  "kinds, such as \"eql\" with \"eql\" or \"query\" with \"kuery\"" },
		{ "[rule]\nrule_id=\"1\"\nname=\"n\"\ntype=\"eql\"\nquery=\"\"\nseverity="
		  "\"grave\"\n",
		  "6:10 `severity`: found \"grave\", expected \"low\", \"medium\", \"high\" or "
		  "\"critical\"" },
		{ "[rule]\nrule_id=\"1\"\nname=\"n\"\ntype=\"eql\"\nquery=\"\"\nrisk_score=101\n",
		  "6:12 `risk_score`: found 101, expected 0 to 100" },
		{ REQUIRED "type=\"eql\"\nquery=\"\"\nindex = [ \"a\", 1 ]\n",
		  "9:16 `index`: found an integer, expected a string" },
		{ REQUIRED "type=\"eql\"\nquery=\"\"\nthreat = [ 1 ]\n",
		  "9:12 `threat`: found an integer, expected a table" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena *arena = arena_open(0);
		static struct complaints complaints;
		struct rule_draft draft;
		char text[COMPLAINT_TEXT_MAX + 32];
		complaints.count = 0;
		assert_false(read_text(cases[i].text, strlen(cases[i].text), arena, &complaints,
				       &draft));
		snprintf(text, sizeof(text), "%u:%u %s", complaints.items[0].line,
			 complaints.items[0].column, complaints.items[0].text);
		if (strcmp(text, cases[i].complaint) != 0)
			fail_msg("%zu: %s", i, text);
		arena_close(arena);
	}
}

static void what_is_odd_but_harmless_is_a_lint(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *lint;
	} cases[] = {
		{ REQUIRED "type=\"eql\"\nquery=\"\"\nnew_key=1\n",
		  "unknown key `new_key`, not used" },
		{ REQUIRED "type=\"eql\"\nquery=\"\"\n[extra]\n", "unknown key `extra`, not used" },
		{ REQUIRED "type=\"eql\"\nquery=\"\"\nfrom=\"yesterday\"\n",
		  "`from` is not understood: \"yesterday\"" },
		{ "[rule]\nrule_id=\"1\"\nname=\"n\"\nseverity=\"low\"\ntype=\"eql\"\nquery=\"\"\n",
		  "no `risk_score`: taken as 21" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena *arena = arena_open(0);
		static struct complaints complaints;
		struct rule_draft draft;
		assert_true(read_text(cases[i].text, strlen(cases[i].text), arena, &complaints,
				      &draft));
		assert_int_equal(draft.rule.lint_count, 1);
		assert_string_equal(draft.rule.lints[0].text, cases[i].lint);
		arena_close(arena);
	}
}

static void other_kinds_of_rules_are_named_as_not_run(void **state)
{
	(void)state;
	static const char *const kinds[] = {
		"type=\"new_terms\"\nlanguage=\"kuery\"\nquery=\"a:b\"\n"
		"[rule.new_terms]\nfield=\"new_terms_fields\"\nvalue=[\"a.b\",\"c\"]\n"
		"[[rule.new_terms.history_window_start]]\nfield=\"f\"\nvalue=\"now-7d\"\n",
		"type=\"threshold\"\nlanguage=\"kuery\"\nquery=\"a:b\"\n"
		"[rule.threshold]\nfield=[\"host.id\"]\nvalue=5\n"
		"[[rule.threshold.cardinality]]\nfield=\"user.id\"\nvalue=3\n",
		"type=\"esql\"\nlanguage=\"esql\"\nquery=\"from logs\"\n",
		"type=\"machine_learning\"\nanomaly_threshold=50\n",
		"type=\"threat_match\"\nlanguage=\"kuery\"\nquery=\"*:*\"\n",
	};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct arena *arena = arena_open(0);
		static struct complaints complaints;
		struct rule_draft draft;
		char text[1024];
		const int size = snprintf(text, sizeof(text), "%s%s", REQUIRED, kinds[i]);
		assert_true(read_text(text, (size_t)size, arena, &complaints, &draft));
		assert_int_equal(draft.rule.kind, RULE_NOT_RUN);
		assert_non_null(draft.rule.not_run_because);
		assert_int_equal(draft.rule.lint_count, 0);
		if (draft.rule.new_terms) {
			assert_int_equal(draft.rule.new_terms->fields.count, 2);
			assert_int_equal(draft.rule.new_terms->window_ns,
					 UINT64_C(604800000000000));
		}
		if (draft.rule.threshold) {
			assert_int_equal(draft.rule.threshold->value, 5);
			assert_string_equal(draft.rule.threshold->cardinality_field, "user.id");
		}
		arena_close(arena);
	}
}

static void durations_have_units(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t duration_ns;
	} cases[] = { { "90s", 90000000000 },
		      { "9m", 540000000000 },
		      { "1d", 86400000000000 },
		      { "", 0 },
		      { "9", 0 },
		      { "m", 0 },
		      { "9mm", 0 },
		      { "-9m", 0 },
		      { "99999999999999999999d", 0 } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t duration_ns = 0;
		rule_duration_parse(cases[i].text, &duration_ns);
		if (duration_ns != cases[i].duration_ns)
			fail_msg("%s", cases[i].text);
	}
}

/* Reads a file with these filters and prints their condition, or the complaint. */
static void print_filters(const char *filters, char *out, size_t size_bytes)
{
	static struct complaints complaints;
	struct arena *arena = arena_open(0);
	struct fields *fields = fields_open();
	struct toml_reader reader = { .file = "r", .arena = arena, .complaints = &complaints };
	complaints.count = 0;
	const struct toml_node *root =
		toml_parse("r", filters, strlen(filters), arena, complaints_next(&complaints));
	assert_non_null(root);
	complaints.count = 0;
	const struct expression *tree =
		rule_filters_read(&reader, toml_get(root, "filters"), fields, arena);
	if (tree)
		tree_print(tree, out, size_bytes);
	else
		snprintf(out, size_bytes, "%s",
			 complaints.count ? complaints.items[0].text : "none");
	fields_close(fields);
	arena_close(arena);
}

static void filters_become_conditions(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *tree;
	} cases[] = {
		{ "", "none" },
		{ "filters = []", "none" },
		{ "[[filters]]\nmeta.negate = true\n[filters.query.wildcard.\"file.path\"]\n"
		  "case_insensitive = true\nvalue = \"?:\\\\\\\\a\\\\\\\\*.ps1\"",
		  "(not (like~ file.path \"?:\\a\\*.ps1\"))" },
		{ "[[filters]]\nquery.wildcard.\"file.path\" = 'a\\?b*'",
		  "(regex file.path \"a\\?b.*\")" },
		{ "[[filters]]\nquery.match_phrase.\"event.action\" = \"x\"\n"
		  "[[filters]]\nquery.exists.field = \"user.id\"",
		  "(and (== event.action \"x\") (!= user.id null))" },
		{ "[[filters]]\nmeta.disabled = true\nquery.odd = {}", "true" },
		{ "[[filters]]\nexists.field = \"user.id\"\nmeta.negate = true",
		  "(not (!= user.id null))" },
		{ "[[filters]]\nquery.terms.\"event.code\" = [ \"1\", 3 ]",
		  "(or (== event.code \"1\") (== event.code \"3\"))" },
		{ "[[filters]]\nquery.term.\"destination.port\" = { value = 80 }",
		  "(== destination.port 80)" },
		{ "[[filters]]\nquery.prefix.\"user.name\" = \"MSOL_\"",
		  "(like user.name \"MSOL_*\")" },
		{ "[[filters]]\nquery.range.\"process.pid\" = { gte = 5, lt = \"9\" }",
		  "(and (>= process.pid 5) (< process.pid 9))" },
		{ "[[filters]]\n[[filters.query.bool.should]]\nterm.a = \"x\"\n"
		  "[[filters.query.bool.should]]\nterm.b = \"y\"\n"
		  "[[filters.query.bool.must_not]]\nterm.c = \"z\"",
		  "(and (not (== c \"z\")) (or (== a \"x\") (== b \"y\")))" },
		{ "[[filters]]\nquery.script = {}",
		  "filters: found a query of a kind that is not known" },
		{ "[[filters]]\nquery.term = {}", "filters: expected one field" },
		{ "[[filters]]\nquery.term.\"process.pid\" = \"x\"",
		  "filters: found \"x\", expected a number for `process.pid`" },
		{ "filters = [ 1 ]", "filters: expected a table" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[1024];
		print_filters(cases[i].text, text, sizeof(text));
		if (strcmp(text, cases[i].tree) != 0)
			fail_msg("%zu: %s", i, text);
	}
}

struct tally {
	size_t files;
	size_t refused;
	size_t lints;
};

static bool tally_file(void *context, const char *file, const char *text, size_t size_bytes)
{
	struct tally *tally = context;
	struct arena *arena = arena_open(0);
	static struct complaints complaints;
	struct rule_draft draft;
	complaints.count = 0;
	const bool accepted =
		rule_file_read(file, text, size_bytes, arena, arena, &complaints, &draft);
	tally->files++;
	tally->refused += !accepted;
	tally->lints += accepted ? draft.rule.lint_count : 0;
	arena_close(arena);
	return accepted;
}

static void every_public_file_is_read_without_a_lint(void **state)
{
	(void)state;
	static struct complaints complaints;
	struct tally tally = { .files = 0 };
	const char *path = shared_path("eql/rules");
	if (!path)
		skip();
	assert_true(rule_paths_each(path, &complaints, tally_file, &tally));
	assert_true(tally.files > 1000);
	assert_int_equal(tally.refused, 0);
	assert_int_equal(tally.lints, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_of_the_public_layout_is_carried),
		cmocka_unit_test(every_prefix_is_survived),
		cmocka_unit_test(faults_are_named_with_their_place),
		cmocka_unit_test(what_is_odd_but_harmless_is_a_lint),
		cmocka_unit_test(other_kinds_of_rules_are_named_as_not_run),
		cmocka_unit_test(durations_have_units),
		cmocka_unit_test(filters_become_conditions),
		cmocka_unit_test(every_public_file_is_read_without_a_lint),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
