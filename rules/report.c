#include "rules/report.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "rules/dataset_fields.h"
#include "rules/rule_paths.h"
#include "rules/ruleset_parts.h"

enum { EXIT_RULES = 4, REASON_MAX = 512, NO_RULE = UINT32_MAX };

enum status { STATUS_OK, STATUS_UNSUPPORTED, STATUS_DEAD, STATUS_NOT_RUN, STATUS_COUNT };

static const char *const status_names[STATUS_COUNT] = { "ok", "unsupported", "dead", "not run" };

/* What became of one file. */
struct outcome {
	char *file;
	uint32_t rule;		       /* NO_RULE: refused */
	struct complaints *complaints; /* of a refused one */
};

struct report {
	struct fields *fields;
	struct ruleset_builder *builder;
	struct ruleset *ruleset;
	struct outcome *outcomes;
	size_t count;
	size_t room;
	uint32_t rule_count;
	size_t totals[STATUS_COUNT];
	size_t lint_count;
	struct complaints unreadable; /* paths */
};

/* --- loading ---------------------------------------------------------------------------------- */

static struct outcome *next_outcome(struct report *report)
{
	if (report->count == report->room) {
		const size_t room = report->room ? 2 * report->room : 256;
		struct outcome *outcomes = realloc(report->outcomes, room * sizeof(*outcomes));
		if (!outcomes)
			return NULL;
		report->outcomes = outcomes;
		report->room = room;
	}
	return &report->outcomes[report->count];
}

static bool load_file(void *context, const char *file, const char *text, size_t size_bytes)
{
	struct report *report = context;
	struct outcome *outcome = next_outcome(report);
	struct complaints *complaints = calloc(1, sizeof(*complaints));
	char *name = strdup(file);
	if (!outcome || !complaints || !name) {
		free(complaints);
		free(name);
		return complain(complaints_next(&report->unreadable), file, 0, 0, "no memory");
	}
	*outcome = (struct outcome){ .file = name, .rule = NO_RULE, .complaints = complaints };
	report->count++;
	if (!ruleset_add_text(report->builder, file, text, size_bytes, complaints))
		return false;
	outcome->rule = report->rule_count++;
	outcome->complaints = NULL;
	free(complaints);
	return true;
}

static bool report_open(struct report *report, const char *const *paths, size_t count)
{
	report->fields = fields_open();
	report->builder = report->fields ? ruleset_builder_open(report->fields) : NULL;
	if (!report->builder)
		return false;
	for (size_t i = 0; i < count; i++)
		rule_paths_each(paths[i], &report->unreadable, load_file, report);
	report->ruleset = ruleset_build(report->builder);
	if (report->ruleset)
		report->builder = NULL;
	return report->ruleset != NULL;
}

static void report_close(struct report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		free(report->outcomes[i].file);
		free(report->outcomes[i].complaints);
	}
	free(report->outcomes);
	ruleset_close(report->ruleset);
	ruleset_builder_close(report->builder);
	fields_close(report->fields);
}

/* --- dead rules ------------------------------------------------------------------------------- */

/* The first field that the step needs and the dataset has not, or NULL. */
static const char *missing_field(const struct report *report, const struct program *program,
				 enum dataset dataset)
{
	size_t count;
	const uint16_t *required = program_required_fields(program, &count);
	for (size_t i = 0; i < count; i++) {
		const char *name = fields_name(report->fields, required[i]);
		if (!dataset_has_field(dataset, name))
			return name;
	}
	return NULL;
}

/* Can the dataset's events have one of the categories that the step wants? */
static bool has_category(const struct program *program, enum dataset dataset)
{
	size_t count;
	const struct conjunct *conjuncts = program_conjuncts(program, &count);
	for (size_t i = 0; i < count; i++) {
		if (conjuncts[i].kind != CONJUNCT_TEXTS || conjuncts[i].negated ||
		    conjuncts[i].field != FIELD_event_category)
			continue;
		bool any = false;
		for (size_t j = 0; j < conjuncts[i].count && !any; j++)
			any = dataset_has_category(dataset, conjuncts[i].texts[j].bytes);
		if (!any)
			return false;
	}
	return true;
}

/* Can events of any of the step's datasets satisfy it? If not, says why. */
static bool step_is_dead(const struct report *report, const struct indexed_step *step,
			 char out_reason[REASON_MAX])
{
	const char *field = NULL;
	if (program_constant(step->program) == PROGRAM_ALWAYS_FALSE) {
		snprintf(out_reason, REASON_MAX, "its condition is false for every event");
		return true;
	}
	for (int i = 0; i < DATASET_COUNT; i++) {
		if (i == DATASET_other || !(step->datasets >> i & 1) ||
		    !has_category(step->program, (enum dataset)i))
			continue;
		const char *missing = missing_field(report, step->program, (enum dataset)i);
		if (!missing)
			return false;
		field = missing;
	}
	if (field)
		snprintf(out_reason, REASON_MAX, "no event of its index has the field %s", field);
	else
		snprintf(out_reason, REASON_MAX, "no event of its index has its category");
	return true;
}

static bool is_dead(const struct report *report, const struct rule *rule,
		    char out_reason[REASON_MAX])
{
	if (rule->datasets == 1U << DATASET_other) {
		snprintf(out_reason, REASON_MAX, "no source answers to its index (%s%s)",
			 rule->indices.items[0], rule->indices.count > 1 ? ", ..." : "");
		return true;
	}
	for (uint16_t i = 0; i < rule->stage_count; i++) {
		const struct rule_stage *stage = &rule->stages[i];
		if (!stage->missing &&
		    step_is_dead(report, &report->ruleset->indexed[stage->step], out_reason))
			return true;
	}
	return false;
}

static enum status judge(const struct report *report, const struct outcome *outcome,
			 char out_reason[REASON_MAX])
{
	out_reason[0] = '\0';
	if (outcome->rule == NO_RULE)
		return STATUS_UNSUPPORTED;
	const struct rule *rule = ruleset_rule(report->ruleset, outcome->rule);
	if (rule->kind == RULE_NOT_RUN) {
		snprintf(out_reason, REASON_MAX, "%s", rule->not_run_because);
		return STATUS_NOT_RUN;
	}
	return is_dead(report, rule, out_reason) ? STATUS_DEAD : STATUS_OK;
}

/* --- text ------------------------------------------------------------------------------------- */

static void print_complaints(const struct complaints *complaints, const char *status, FILE *stream)
{
	for (size_t i = 0; i < complaints->count; i++) {
		fprintf(stream, "%-11s ", status);
		complaint_print(&complaints->items[i], stream);
		fputc('\n', stream);
	}
	if (complaints->omitted_count)
		fprintf(stream, "%-11s ... and %zu more\n", status, complaints->omitted_count);
}

static void print_rule(const struct rule *rule, enum status status, const char *reason,
		       FILE *stream)
{
	fprintf(stream, "%-11s %s: %s%s%s\n", status_names[status], rule->file, rule->name,
		*reason ? ": " : "", reason);
	for (size_t i = 0; i < rule->lint_count; i++)
		fprintf(stream, "%-11s %s:%u:%u: %s\n", "  lint", rule->file, rule->lints[i].line,
			rule->lints[i].column, rule->lints[i].text);
}

static void print_totals(const struct report *report, FILE *stream)
{
	fprintf(stream, "%zu rules: %zu ok, %zu unsupported, %zu dead, %zu not run; %zu lints\n",
		report->count, report->totals[STATUS_OK], report->totals[STATUS_UNSUPPORTED],
		report->totals[STATUS_DEAD], report->totals[STATUS_NOT_RUN], report->lint_count);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static json_t *json_of_complaints(const struct complaints *complaints)
{
	json_t *list = json_array();
	for (size_t i = 0; i < complaints->count; i++) {
		const struct complaint *item = &complaints->items[i];
		json_array_append_new(list,
				      json_pack("{s:i, s:i, s:s?}", "line", (int)item->line,
						"column", (int)item->column, "text", item->text));
	}
	return list;
}

static json_t *json_of_lints(const struct rule *rule)
{
	json_t *list = json_array();
	for (size_t i = 0; i < rule->lint_count; i++)
		json_array_append_new(list, json_pack("{s:i, s:i, s:s?}", "line",
						      (int)rule->lints[i].line, "column",
						      (int)rule->lints[i].column, "text",
						      rule->lints[i].text));
	return list;
}

static json_t *json_of_outcome(const struct report *report, const struct outcome *outcome,
			       enum status status, const char *reason)
{
	json_t *object =
		json_pack("{s:s?, s:s}", "file", outcome->file, "status", status_names[status]);
	if (outcome->rule == NO_RULE) {
		json_object_set_new(object, "complaints", json_of_complaints(outcome->complaints));
		return object;
	}
	const struct rule *rule = ruleset_rule(report->ruleset, outcome->rule);
	json_object_set_new(object, "rule_id", json_string(rule->id));
	json_object_set_new(object, "name", json_string(rule->name));
	json_object_set_new(object, "type", json_string(rule->type));
	if (*reason)
		json_object_set_new(object, "reason", json_string(reason));
	if (rule->lint_count)
		json_object_set_new(object, "lints", json_of_lints(rule));
	return object;
}

static void print_json(const struct report *report, json_t *rules, FILE *stream)
{
	json_t *whole = json_object();
	json_object_set_new(whole, "rules", rules);
	if (report->unreadable.count)
		json_object_set_new(whole, "unreadable", json_of_complaints(&report->unreadable));
	json_object_set_new(whole, "totals",
			    json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "rules",
				      (json_int_t)report->count, "ok",
				      (json_int_t)report->totals[STATUS_OK], "unsupported",
				      (json_int_t)report->totals[STATUS_UNSUPPORTED], "dead",
				      (json_int_t)report->totals[STATUS_DEAD], "not_run",
				      (json_int_t)report->totals[STATUS_NOT_RUN], "lints",
				      (json_int_t)report->lint_count));
	json_dumpf(whole, stream, JSON_COMPACT);
	fputc('\n', stream);
	json_decref(whole);
}

/* --- the whole -------------------------------------------------------------------------------- */

static void print_outcomes(struct report *report, bool json, FILE *stream)
{
	json_t *rules = json ? json_array() : NULL;
	for (size_t i = 0; i < report->count; i++) {
		char reason[REASON_MAX];
		const struct outcome *outcome = &report->outcomes[i];
		const enum status status = judge(report, outcome, reason);
		const struct rule *rule = outcome->rule == NO_RULE
						  ? NULL
						  : ruleset_rule(report->ruleset, outcome->rule);
		report->totals[status]++;
		report->lint_count += rule ? rule->lint_count : 0;
		if (json)
			json_array_append_new(rules,
					      json_of_outcome(report, outcome, status, reason));
		else if (rule)
			print_rule(rule, status, reason, stream);
		else
			print_complaints(outcome->complaints, status_names[status], stream);
	}
	if (json) {
		print_json(report, rules, stream);
		return;
	}
	print_complaints(&report->unreadable, "unreadable", stream);
	print_totals(report, stream);
}

int rules_report(const char *const *paths, size_t count, bool json, FILE *stream)
{
	struct report *report = calloc(1, sizeof(*report));
	if (!report || !report_open(report, paths, count)) {
		fputs("no memory for the rules\n", stderr);
		if (report)
			report_close(report);
		free(report);
		return EXIT_RULES;
	}
	print_outcomes(report, json, stream);
	const bool accepted =
		report->totals[STATUS_UNSUPPORTED] == 0 && report->unreadable.count == 0;
	report_close(report);
	free(report);
	return accepted ? 0 : EXIT_RULES;
}
