#include "rules/rule_file.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/event.h"
#include "rules/toml_reader.h"

/* Every key of [rule] that the public layout has; those that no function below reads are named by
 * kinds of rules that are not run. */
static const char *const known_keys[] = {
	"alert_suppression",
	"anomaly_threshold",
	"author",
	"building_block_type",
	"data_view_id",
	"description",
	"enabled",
	"event_category_override",
	"exceptions_list",
	"false_positives",
	"filters",
	"from",
	"index",
	"interval",
	"investigation_fields",
	"language",
	"license",
	"machine_learning_job_id",
	"max_signals",
	"name",
	"new_terms",
	"note",
	"query",
	"references",
	"related_integrations",
	"required_fields",
	"response_actions",
	"risk_score",
	"risk_score_mapping",
	"rule_id",
	"rule_name_override",
	"setup",
	"severity",
	"severity_mapping",
	"tags",
	"threat",
	"threat_filters",
	"threat_index",
	"threat_indicator_path",
	"threat_language",
	"threat_mapping",
	"threat_query",
	"threshold",
	"throttle",
	"tiebreaker_field",
	"timeline_id",
	"timeline_title",
	"timestamp_field",
	"timestamp_override",
	"timestamp_override_fallback_disabled",
	"to",
	"type",
	"version",
};

/* Tables beside [rule]; [transform] holds notes for Kibana alone. */
static const char *const known_tables[] = { "metadata", "rule", "transform" };

/* The kinds of rules of the public files. */
static const struct {
	const char *type;
	const char *language; /* NULL: has no query */
	const char *not_run_because;
} kinds[] = {
	{ "eql", "eql", NULL },
	{ "query", "kuery", NULL },
	{ "query", "lucene", "its query is in Lucene's language" },
	{ "saved_query", "kuery", "its query is saved in Kibana" },
	{ "new_terms", "kuery", "new_terms rules need a history of values" },
	{ "threshold", "kuery", "threshold rules count events over a window" },
	{ "esql", "esql", "ES|QL aggregates over an index" },
	{ "threat_match", "kuery", "threat_match rules join with an index of indicators" },
	{ "machine_learning", NULL, "machine_learning rules need Elasticsearch's jobs" },
};

enum { KIND_COUNT = sizeof(kinds) / sizeof(kinds[0]) };

static bool is_among(const char *key, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(key, names[i]) == 0)
			return true;
	return false;
}

void rule_draft_lint(struct rule_draft *draft, struct arena *arena, uint32_t line, uint32_t column,
		     const char *format, ...)
{
	char text[COMPLAINT_TEXT_MAX];
	va_list arguments;
	va_start(arguments, format);
	const int size = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (size < 0 || draft->rule.lint_count == RULE_LINTS_MAX)
		return;
	const char *copy = arena_copy_text(arena, text, strlen(text));
	if (copy)
		draft->lints[draft->rule.lint_count++] =
			(struct rule_lint){ .line = line, .column = column, .text = copy };
}

static void lint_unknown_keys(struct toml_reader *reader, struct rule_draft *draft,
			      const struct toml_node *table, const char *const *names, size_t count)
{
	for (size_t i = 0; table && i < table->count; i++)
		if (!is_among(table->items[i].key, names, count))
			rule_draft_lint(draft, reader->arena, table->items[i].line,
					table->items[i].column, "unknown key `%s`, not used",
					table->items[i].key);
}

/* --- times ------------------------------------------------------------------------------------ */

bool rule_duration_parse(const char *text, uint64_t *out_ns)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = { { 's', 1 },     { 'm', 60 },     { 'h', 3600 },	 { 'H', 3600 },
		      { 'd', 86400 }, { 'w', 604800 }, { 'M', 2592000 }, { 'y', 31536000 } };
	char *end;
	if (*text < '0' || *text > '9')
		return false;
	const uint64_t amount = strtoull(text, &end, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		uint64_t duration_ns;
		if (*end != units[i].unit || end[1] != '\0')
			continue;
		if (__builtin_mul_overflow(amount, units[i].seconds * 1000000000, &duration_ns))
			return false;
		*out_ns = duration_ns;
		return true;
	}
	return false;
}

/* A time before now: "now-9m", or "now-24h/d" (the rounding is left out). */
static bool parse_look_back(const char *text, uint64_t *out_ns)
{
	char duration[32];
	if (strncmp(text, "now-", 4) != 0)
		return false;
	const size_t size = strcspn(text + 4, "/");
	if (size >= sizeof(duration))
		return false;
	memcpy(duration, text + 4, size);
	duration[size] = '\0';
	return rule_duration_parse(duration, out_ns);
}

static uint64_t read_time(struct toml_reader *reader, struct rule_draft *draft,
			  const struct toml_node *table, const char *key,
			  bool (*parse)(const char *, uint64_t *))
{
	const struct toml_node *node = toml_read(reader, table, key, TOML_TEXT);
	uint64_t duration_ns = 0;
	if (node && !parse(node->text, &duration_ns))
		rule_draft_lint(draft, reader->arena, node->line, node->column,
				"`%s` is not understood: \"%s\"", key, node->text);
	return duration_ns;
}

/* --- severity and score ----------------------------------------------------------------------- */

static const char *const severity_names[] = {
	[SEVERITY_LOW] = "low",
	[SEVERITY_MEDIUM] = "medium",
	[SEVERITY_HIGH] = "high",
	[SEVERITY_CRITICAL] = "critical",
};

const char *rule_severity_name(enum rule_severity severity)
{
	return severity_names[severity];
}

static enum rule_severity read_severity(struct toml_reader *reader, const struct toml_node *table)
{
	const struct toml_node *node = toml_read(reader, table, "severity", TOML_TEXT);
	if (!node)
		return SEVERITY_MEDIUM;
	for (int i = SEVERITY_LOW; i <= SEVERITY_CRITICAL; i++)
		if (strcmp(node->text, severity_names[i]) == 0)
			return (enum rule_severity)i;
	toml_refuse(reader, node,
		    "`severity`: found \"%s\", expected \"low\", \"medium\", \"high\" or "
		    "\"critical\"",
		    node->text);
	return SEVERITY_MEDIUM;
}

static void read_score(struct toml_reader *reader, struct rule_draft *draft,
		       const struct toml_node *table)
{
	draft->rule.severity = read_severity(reader, table);
	draft->rule.risk_score =
		(int)toml_read_integer(reader, table, "risk_score", 0, 100,
				       (int64_t[]){ 21, 47, 73, 99 }[draft->rule.severity]);
	if (!toml_get(table, "severity"))
		rule_draft_lint(draft, reader->arena, table->line, table->column,
				"no `severity`: taken as medium");
	if (!toml_get(table, "risk_score"))
		rule_draft_lint(draft, reader->arena, table->line, table->column,
				"no `risk_score`: taken as %d", draft->rule.risk_score);
}

static const struct rule_mapping *read_mappings(struct toml_reader *reader,
						const struct toml_node *table, const char *key,
						size_t *out_count)
{
	size_t count;
	const struct toml_node *items = toml_read_tables(reader, table, key, &count);
	struct rule_mapping *mappings = toml_read_room(reader, count, sizeof(*mappings));
	for (size_t i = 0; mappings && i < count; i++) {
		const char *value = toml_read_text(reader, &items[i], "value");
		mappings[i].field = toml_require_text(reader, &items[i], "field");
		mappings[i].value = value ? value : "";
		mappings[i].severity = read_severity(reader, &items[i]);
	}
	*out_count = mappings ? count : 0;
	return mappings;
}

/* --- threat ----------------------------------------------------------------------------------- */

static void read_subtechniques(struct toml_reader *reader, const struct toml_node *table,
			       struct rule_technique *technique)
{
	size_t count;
	const struct toml_node *items = toml_read_tables(reader, table, "subtechnique", &count);
	struct rule_subtechnique *subtechniques =
		toml_read_room(reader, count, sizeof(*subtechniques));
	if (!subtechniques)
		return;
	technique->subtechniques = subtechniques;
	technique->subtechnique_count = count;
	for (size_t i = 0; i < count; i++) {
		subtechniques[i].id = toml_require_text(reader, &items[i], "id");
		subtechniques[i].name = toml_read_text(reader, &items[i], "name");
		subtechniques[i].reference = toml_read_text(reader, &items[i], "reference");
	}
}

static void read_techniques(struct toml_reader *reader, const struct toml_node *table,
			    struct rule_threat *threat)
{
	size_t count;
	const struct toml_node *items = toml_read_tables(reader, table, "technique", &count);
	struct rule_technique *techniques = toml_read_room(reader, count, sizeof(*techniques));
	if (!techniques)
		return;
	threat->techniques = techniques;
	threat->technique_count = count;
	for (size_t i = 0; i < count; i++) {
		techniques[i].id = toml_require_text(reader, &items[i], "id");
		techniques[i].name = toml_read_text(reader, &items[i], "name");
		techniques[i].reference = toml_read_text(reader, &items[i], "reference");
		read_subtechniques(reader, &items[i], &techniques[i]);
	}
}

static void read_threats(struct toml_reader *reader, const struct toml_node *table,
			 struct rule *rule)
{
	size_t count;
	const struct toml_node *items = toml_read_tables(reader, table, "threat", &count);
	struct rule_threat *threats = toml_read_room(reader, count, sizeof(*threats));
	if (!threats)
		return;
	rule->threats = threats;
	rule->threat_count = count;
	for (size_t i = 0; i < count; i++) {
		const struct toml_node *tactic = toml_read(reader, &items[i], "tactic", TOML_TABLE);
		threats[i].framework = toml_read_text(reader, &items[i], "framework");
		threats[i].tactic_id = toml_read_text(reader, tactic, "id");
		threats[i].tactic_name = toml_read_text(reader, tactic, "name");
		threats[i].tactic_reference = toml_read_text(reader, tactic, "reference");
		read_techniques(reader, &items[i], &threats[i]);
	}
}

/* --- what only some rules have ---------------------------------------------------------------- */

static void read_suppression(struct toml_reader *reader, const struct toml_node *table,
			     struct rule *rule)
{
	const struct toml_node *from = toml_read(reader, table, "alert_suppression", TOML_TABLE);
	struct rule_suppression *suppression =
		from ? toml_read_room(reader, 1, sizeof(*suppression)) : NULL;
	if (!suppression)
		return;
	rule->suppression = suppression;
	suppression->group_by = toml_read_list(reader, from, "group_by");
	suppression->missing_fields_strategy =
		toml_read_text(reader, from, "missing_fields_strategy");
	const struct toml_node *duration = toml_read(reader, from, "duration", TOML_TABLE);
	if (!duration)
		return;
	char text[32];
	const char *unit = toml_read_text(reader, duration, "unit");
	snprintf(text, sizeof(text), "%" PRId64 "%s",
		 toml_read_integer(reader, duration, "value", 0, INT32_MAX, 0), unit ? unit : "");
	if (!rule_duration_parse(text, &suppression->duration_ns))
		toml_refuse(reader, duration,
			    "`duration`: found \"%s\", expected a number of s, "
			    "m, h or d",
			    text);
}

static void read_new_terms(struct toml_reader *reader, struct rule_draft *draft,
			   const struct toml_node *table)
{
	const struct toml_node *from = toml_read(reader, table, "new_terms", TOML_TABLE);
	struct rule_new_terms *terms = from ? toml_read_room(reader, 1, sizeof(*terms)) : NULL;
	if (!terms)
		return;
	draft->rule.new_terms = terms;
	terms->fields = toml_read_list(reader, from, "value");
	size_t count;
	const struct toml_node *windows =
		toml_read_tables(reader, from, "history_window_start", &count);
	if (count)
		terms->window_ns = read_time(reader, draft, windows, "value", parse_look_back);
}

static void read_threshold(struct toml_reader *reader, const struct toml_node *table,
			   struct rule *rule)
{
	const struct toml_node *from = toml_read(reader, table, "threshold", TOML_TABLE);
	struct rule_threshold *threshold =
		from ? toml_read_room(reader, 1, sizeof(*threshold)) : NULL;
	if (!threshold)
		return;
	rule->threshold = threshold;
	threshold->fields = toml_read_list(reader, from, "field");
	threshold->value = (uint64_t)toml_read_integer(reader, from, "value", 1, INT64_MAX, 1);
	size_t count;
	const struct toml_node *cardinality = toml_read_tables(reader, from, "cardinality", &count);
	if (!count)
		return;
	threshold->cardinality_field = toml_read_text(reader, cardinality, "field");
	threshold->cardinality =
		(uint64_t)toml_read_integer(reader, cardinality, "value", 0, INT64_MAX, 0);
}

static void read_exceptions(struct toml_reader *reader, const struct toml_node *table,
			    struct rule *rule)
{
	size_t count;
	const struct toml_node *items = toml_read_tables(reader, table, "exceptions_list", &count);
	const char **names = toml_read_room(reader, count, sizeof(*names));
	for (size_t i = 0; names && i < count; i++)
		names[i] = toml_require_text(reader, &items[i], "list_id");
	rule->exceptions = (struct text_list){ .items = names, .count = names ? count : 0 };
}

/* --- the whole -------------------------------------------------------------------------------- */

static const char *read_version(struct toml_reader *reader, const struct toml_node *table)
{
	const struct toml_node *node = toml_get(table, "version");
	if (!node || node->kind != TOML_INTEGER) {
		const char *text = toml_read_text(reader, table, "version");
		return text ? text : "1";
	}
	char text[24];
	const int size = snprintf(text, sizeof(text), "%" PRId64, node->integer);
	return arena_copy_text(reader->arena, text, (size_t)size);
}

/* An event that does not say what it is could be in any index, so it answers to every pattern. */
static void read_datasets(struct toml_reader *reader, const struct toml_node *table,
			  struct rule *rule)
{
	rule->indices = toml_read_list(reader, table, "index");
	rule->datasets = rule->indices.count ? 1U << DATASET_other : UINT32_MAX;
	for (size_t i = 0; i < rule->indices.count; i++)
		rule->datasets |= datasets_of_index_pattern(rule->indices.items[i],
							    strlen(rule->indices.items[i]));
}

/* Which kind it is, and its query. */
static void read_kind(struct toml_reader *reader, struct rule_draft *draft,
		      const struct toml_node *table)
{
	struct rule *rule = &draft->rule;
	rule->type = toml_require_text(reader, table, "type");
	rule->language = toml_read_text(reader, table, "language");
	if (!rule->type)
		return;
	if (!rule->language)
		rule->language = strcmp(rule->type, "eql") == 0 ? "eql" : "kuery";
	size_t i = 0;
	while (i < KIND_COUNT &&
	       (strcmp(rule->type, kinds[i].type) != 0 ||
		(kinds[i].language && strcmp(rule->language, kinds[i].language) != 0)))
		i++;
	if (i == KIND_COUNT) {
		toml_refuse(
			reader, toml_get(table, "type"),
			"found type \"%s\" with language \"%s\", expected one of the public "
			"files' kinds, such as \"eql\" with \"eql\" or \"query\" with \"kuery\"",
			rule->type, rule->language);
		return;
	}
	rule->not_run_because = kinds[i].not_run_because;
	rule->kind = rule->not_run_because ? RULE_NOT_RUN : RULE_EVENT;
	draft->query = rule->not_run_because ? toml_read(reader, table, "query", TOML_TEXT)
					     : toml_require(reader, table, "query", TOML_TEXT);
	if (draft->query)
		rule->query =
			arena_copy_text(reader->arena, draft->query->text, draft->query->count);
}

static void read_texts(struct toml_reader *reader, const struct toml_node *table, struct rule *rule)
{
	rule->id = toml_require_text(reader, table, "rule_id");
	rule->name = toml_require_text(reader, table, "name");
	const char *description = toml_read_text(reader, table, "description");
	rule->description = description ? description : "";
	rule->version = read_version(reader, table);
	rule->license = toml_read_text(reader, table, "license");
	rule->note = toml_read_text(reader, table, "note");
	rule->setup = toml_read_text(reader, table, "setup");
	rule->building_block_type = toml_read_text(reader, table, "building_block_type");
	rule->rule_name_override = toml_read_text(reader, table, "rule_name_override");
	rule->timestamp_override = toml_read_text(reader, table, "timestamp_override");
	rule->event_category_override = toml_read_text(reader, table, "event_category_override");
	rule->tiebreaker_field = toml_read_text(reader, table, "tiebreaker_field");
	rule->timeline_id = toml_read_text(reader, table, "timeline_id");
	rule->timeline_title = toml_read_text(reader, table, "timeline_title");
	rule->authors = toml_read_list(reader, table, "author");
	rule->tags = toml_read_list(reader, table, "tags");
	rule->references = toml_read_list(reader, table, "references");
	rule->false_positives = toml_read_list(reader, table, "false_positives");
}

static void read_rule(struct toml_reader *reader, struct rule_draft *draft,
		      const struct toml_node *table)
{
	struct rule *rule = &draft->rule;
	enum { MAX_SIGNALS = 100 }; /* what Kibana takes when a rule says nothing */
	rule->line = table->line;
	read_kind(reader, draft, table);
	read_texts(reader, table, rule);
	read_score(reader, draft, table);
	read_datasets(reader, table, rule);
	read_threats(reader, table, rule);
	read_suppression(reader, table, rule);
	read_new_terms(reader, draft, table);
	read_threshold(reader, table, rule);
	read_exceptions(reader, table, rule);
	rule->interval_ns = read_time(reader, draft, table, "interval", rule_duration_parse);
	rule->look_back_ns = read_time(reader, draft, table, "from", parse_look_back);
	rule->max_signals = (uint32_t)toml_read_integer(reader, table, "max_signals", 0, INT32_MAX,
							MAX_SIGNALS);
	rule->disabled = !toml_read_boolean(reader, table, "enabled", true);
	rule->severity_mappings =
		read_mappings(reader, table, "severity_mapping", &rule->severity_mapping_count);
	rule->risk_score_mappings =
		read_mappings(reader, table, "risk_score_mapping", &rule->risk_score_mapping_count);
	rule->investigation_fields =
		toml_read_list(reader, toml_read(reader, table, "investigation_fields", TOML_TABLE),
			       "field_names");
	draft->filters = toml_read(reader, table, "filters", TOML_ARRAY);
	lint_unknown_keys(reader, draft, table, known_keys,
			  sizeof(known_keys) / sizeof(known_keys[0]));
}

static void read_metadata(struct toml_reader *reader, const struct toml_node *root,
			  struct rule *rule)
{
	const struct toml_node *table = toml_read(reader, root, "metadata", TOML_TABLE);
	rule->maturity = toml_read_text(reader, table, "maturity");
	rule->creation_date = toml_read_text(reader, table, "creation_date");
	rule->updated_date = toml_read_text(reader, table, "updated_date");
	rule->min_stack_version = toml_read_text(reader, table, "min_stack_version");
	rule->integrations = toml_read_list(reader, table, "integration");
}

bool rule_file_read(const char *file, const char *text, size_t size_bytes, struct arena *scratch,
		    struct arena *arena, struct complaints *complaints,
		    struct rule_draft *out_draft)
{
	struct toml_reader reader = { .file = file, .arena = arena, .complaints = complaints };
	struct complaint fault;
	const struct toml_node *root = toml_parse(file, text, size_bytes, scratch, &fault);
	if (!root) {
		*complaints_next(complaints) = fault;
		return false;
	}
	struct rule_draft draft = {
		.rule = { .until_step = RULE_NO_STEP },
	};
	draft.lints = toml_read_room(&reader, RULE_LINTS_MAX, sizeof(*draft.lints));
	if (!draft.lints)
		return false;
	draft.rule.lints = draft.lints;
	draft.rule.file = arena_copy_text(arena, file, strlen(file));
	lint_unknown_keys(&reader, &draft, root, known_tables,
			  sizeof(known_tables) / sizeof(known_tables[0]));
	const struct toml_node *table = toml_require(&reader, root, "rule", TOML_TABLE);
	if (table)
		read_rule(&reader, &draft, table);
	read_metadata(&reader, root, &draft.rule);
	if (reader.failed)
		return false;
	*out_draft = draft;
	return true;
}
