/* What real Windows events become, against what Elastic's own pipelines make of them: every pair of
 * document and expected ECS in the shared data. Prints a table of matches per field, and holds the
 * list of what is different on purpose.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <glob.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/input/normaliser.h"
#include "tests/support_shared.h"

/* What procspan claims to produce. */
static const char *const claimed[] = {
	"@timestamp",
	"event.category",
	"event.type",
	"event.action",
	"event.code",
	"event.kind",
	"event.module",
	"event.provider",
	"event.outcome",
	"event.sequence",
	"process.",
	"source.",
	"destination.",
	"network.",
	"dns.",
	"file.",
	"dll.",
	"registry.",
	"user.",
	"group.",
	"host.name",
	"powershell.",
	"service.name",
	"sysmon.dns.",
	"winlog.logon.id",
	"winlog.logon.type",
};

/* Different on purpose. `code` NULL = any event; a field ending in a dot stands for
 * all below it. */
static const struct deviation {
	const char *field;
	const char *code;
	const char *reason;
} deviations[] = {
	{ "dns.question.registered_domain", "22", "needs the public suffix list" },
	{ "dns.question.subdomain", "22", "needs the public suffix list" },
	{ "dns.question.top_level_domain", "22", "needs the public suffix list" },
	{ "network.direction", "5156", "ingress and egress, the words that rules ask for" },
	{ "network.direction", "5152", "ingress and egress, the words that rules ask for" },
	{ "process.executable", "4624", "\"-\" is no executable" },
	{ "process.name", "4624", "\"-\" is no name" },
	{ "powershell.command.invocation_details", "800", "objects; no rule can read them" },
	{ "powershell.command.invocation_details", "4103", "objects; no rule can read them" },
};

enum { FIELDS_MAX = 512 };

static struct {
	char name[128];
	unsigned match_count;
	unsigned total_count;
	unsigned deviation_count;
} table[FIELDS_MAX];
static size_t table_count;
static unsigned failure_count;

static size_t row_of(const char *name)
{
	for (size_t i = 0; i < table_count; i++)
		if (strcmp(table[i].name, name) == 0)
			return i;
	assert_true(table_count < FIELDS_MAX);
	snprintf(table[table_count].name, sizeof(table[0].name), "%s", name);
	return table_count++;
}

static bool is_claimed(const char *name)
{
	for (size_t i = 0; i < sizeof(claimed) / sizeof(claimed[0]); i++) {
		const size_t size = strlen(claimed[i]);
		if (claimed[i][size - 1] == '.' ? strncmp(name, claimed[i], size) == 0
						: strcmp(name, claimed[i]) == 0)
			return true;
	}
	return false;
}

static const char *deviation_of(const char *field, const char *code)
{
	for (size_t i = 0; i < sizeof(deviations) / sizeof(deviations[0]); i++)
		if (strcmp(deviations[i].field, field) == 0 &&
		    (!deviations[i].code || (code && strcmp(deviations[i].code, code) == 0)))
			return deviations[i].reason;
	return NULL;
}

static const char *scalar_text(const json_t *value, char room[32])
{
	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_boolean(value))
		return json_is_true(value) ? "true" : "false";
	if (json_is_integer(value))
		snprintf(room, 32, "%lld", (long long)json_integer_value(value));
	else if (json_number_value(value) == trunc(json_number_value(value)))
		snprintf(room, 32, "%.0f", json_number_value(value));
	else
		snprintf(room, 32, "%.17g", json_number_value(value));
	return room;
}

static bool equal(const struct event *event, const struct event_value *value, const char *expected)
{
	enum { NS_PER_MS = 1000000 };
	const void *at = event_at(event, value);
	struct ip_address address;
	uint64_t unix_ns = 0;
	char text[64];
	switch (value->type) {
	case VALUE_TEXT:
		return strcmp(((const struct event_text *)at)->bytes, expected) == 0;
	case VALUE_ADDRESS:
		return ip_address_parse(expected, strlen(expected), &address) &&
		       ip_address_equal(&address, at);
	case VALUE_TIME:
		return time_parse_iso8601(expected, strlen(expected), &unix_ns) &&
		       unix_ns / NS_PER_MS == *(const uint64_t *)at / NS_PER_MS;
	case VALUE_BOOLEAN:
		return strcmp(*(const int64_t *)at ? "true" : "false", expected) == 0;
	case VALUE_DOUBLE:
		return strtod(expected, NULL) == *(const double *)at;
	default:
		snprintf(text, sizeof(text), "%lld", (long long)*(const int64_t *)at);
		return strcmp(text, expected) == 0;
	}
}

struct run {
	struct counters counters;
	struct fields *fields;
	struct normaliser *normaliser;
	const struct event *event;
	const char *file;
	const char *code;
};

/* The expected texts of one field, collected through arrays of objects. */
struct expected {
	const char *texts[256];
	char room[256][32];
	size_t count;
};

static void collect(struct expected *expected, const json_t *value)
{
	size_t i;
	json_t *element;
	if (json_is_array(value)) {
		json_array_foreach(value, i, element)
		{
			collect(expected, element);
		}
	} else if (expected->count < 256 && !json_is_object(value) && !json_is_null(value)) {
		expected->texts[expected->count] =
			scalar_text(value, expected->room[expected->count]);
		expected->count++;
	}
}

static bool field_equals(const struct run *run, const char *name, const struct expected *expected)
{
	size_t count = 0;
	const uint16_t field = fields_find(run->fields, name, strlen(name));
	const struct event_value *values =
		field == FIELD_NONE ? NULL : event_find(run->event, field, &count);
	bool same = count == expected->count;
	for (size_t i = 0; same && i < count; i++)
		same = equal(run->event, &values[i], expected->texts[i]);
	return same;
}

static void compare(struct run *run, const char *name, const struct expected *expected)
{
	if (!is_claimed(name) || expected->count == 0)
		return;
	const size_t row = row_of(name);
	const bool same = field_equals(run, name, expected);
	table[row].total_count++;
	if (same) {
		table[row].match_count++;
	} else if (deviation_of(name, run->code)) {
		table[row].deviation_count++;
	} else {
		failure_count++;
		print_error("%s, event %s: %s should be \"%s\"%s\n", run->file,
			    run->code ? run->code : "?", name, expected->texts[0],
			    expected->count > 1 ? " and more" : "");
	}
}

/* All leaves below `object`; arrays of objects are flattened as Elasticsearch does. */
static void walk(struct run *run, const char *prefix, const json_t *object)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		char name[256];
		snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "." : "", key);
		const bool objects =
			json_is_array(value) && json_is_object(json_array_get(value, 0));
		if (json_is_object(value)) {
			walk(run, name, value);
		} else if (objects && !deviation_of(name, run->code)) {
			const char *inner;
			json_t *ignored;
			json_object_foreach(json_array_get(value, 0), inner, ignored)
			{
				static struct expected expected;
				char inner_name[300];
				size_t i;
				json_t *element;
				expected.count = 0;
				json_array_foreach(value, i, element)
				{
					collect(&expected, json_object_get(element, inner));
				}
				snprintf(inner_name, sizeof(inner_name), "%s.%s", name, inner);
				compare(run, inner_name, &expected);
			}
		} else {
			static struct expected expected;
			expected.count = 0;
			collect(&expected, value);
			compare(run, name, &expected);
		}
	}
}

/* Fields that no row of fields.def names are kept when a rule names them: so do we. */
static void name_fields(struct fields *fields, const char *prefix, const json_t *object)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		char name[256];
		snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "." : "", key);
		if (json_is_array(value) && json_is_object(json_array_get(value, 0)))
			name_fields(fields, name, json_array_get(value, 0));
		else if (json_is_object(value))
			name_fields(fields, name, value);
		else if (is_claimed(name))
			fields_add(fields, name, strlen(name), FIELD_TYPE_ANY);
	}
}

static void run_text(struct run *run, const char *dump, const json_t *expected)
{
	const size_t size = strlen(dump);
	char *text = calloc(1, size + NORMALISER_PADDING);
	memcpy(text, dump, size); /* NOLINT(bugprone-not-null-terminated-result): sized */
	const enum normaliser_result result =
		normaliser_json(run->normaliser, text, size, 0, &run->event);
	if (result != NORMALISED)
		fail_msg("%s: refused with %d", run->file, result);
	run->code = json_string_value(json_object_get(json_object_get(expected, "event"), "code"));
	walk(run, "", expected);
	free(text);
}

static void run_pair(struct run *run, const json_t *input, const json_t *expected)
{
	char *dump = json_dumps(input, JSON_COMPACT);
	run_text(run, dump, expected);
	free(dump);
}

/* A list of pairs, one pair, or documents that are their own expectation. */
static void run_document(struct run *run, const json_t *document)
{
	size_t i;
	json_t *element;
	if (json_is_array(document)) {
		json_array_foreach(document, i, element)
		{
			run_document(run, element);
		}
	} else if (!run->normaliser) {
		if (!json_object_get(document, "input"))
			name_fields(run->fields, "", document);
	} else if (json_object_get(document, "input")) {
		run_pair(run, json_object_get(document, "input"),
			 json_object_get(document, "expected"));
	} else {
		run_pair(run, document, document);
	}
}

/* A document with integers beyond jansson's: its own text is what is normalised. */
static void run_wide_document(struct run *run, const char *path)
{
	json_error_t error;
	size_t size;
	char *text = read_whole_file(path, 1, &size);
	json_t *document = json_loads(text, JSON_DECODE_INT_AS_REAL, &error);
	assert_non_null(document);
	if (run->normaliser)
		run_text(run, text, document);
	else
		name_fields(run->fields, "", document);
	json_decref(document);
	free(text);
}

static void run_files(struct run *run, const char *pattern)
{
	glob_t found;
	const char *path = shared_path("ingest");
	char full[4096];
	snprintf(full, sizeof(full), "%s/%s", path, pattern);
	if (glob(full, 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		json_error_t error;
		json_t *document = json_load_file(found.gl_pathv[i], 0, &error);
		run->file = strrchr(found.gl_pathv[i], '/') + 1;
		if (document)
			run_document(run, document);
		else
			run_wide_document(run, found.gl_pathv[i]);
		json_decref(document);
	}
	globfree(&found);
}

static void print_table(void)
{
	print_message("%-48s %7s %9s\n", "field", "matches", "on purpose");
	for (size_t i = 0; i < table_count; i++)
		print_message("%-48s %3u/%-4u %5u\n", table[i].name, table[i].match_count,
			      table[i].total_count, table[i].deviation_count);
	for (size_t i = 0; i < sizeof(deviations) / sizeof(deviations[0]); i++)
		print_message("on purpose: event %s, %s: %s\n", deviations[i].code,
			      deviations[i].field, deviations[i].reason);
}

static void claimed_fields_equal_the_expected_ones(void **state)
{
	static struct run run;
	(void)state;
	if (!shared_path("ingest"))
		skip();
	run.fields = fields_open();
	run_files(&run, "endpoint/*.json"); /* without a normaliser: names their fields */
	fields_want_all(run.fields);
	run.normaliser = normaliser_open(run.fields, &run.counters);
	assert_non_null(run.normaliser);
	run_files(&run, "beats/*/*.pairs.json");
	run_files(&run, "beats7_js/*.json");
	run_files(&run, "integrations/*.pair.json");
	run_files(&run, "endpoint/*.json");
	print_table();
	normaliser_close(run.normaliser);
	fields_close(run.fields);
	assert_int_equal(failure_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(claimed_fields_equal_the_expected_ones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
