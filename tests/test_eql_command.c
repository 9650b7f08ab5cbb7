/* `procspan eql`: what it prints for documents of any shape, and the conformance cases of the
 * shared data through it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "correlator/eql_command.h"
#include "tests/support_shared.h"

/* --- running it ------------------------------------------------------------------------------- */

struct ran {
	int code;
	char *out;
	char *err;
};

static struct ran run(const struct eql_arguments *arguments)
{
	struct ran ran = { 0 };
	size_t out_bytes;
	size_t err_bytes;
	FILE *out = open_memstream(&ran.out, &out_bytes);
	FILE *err = open_memstream(&ran.err, &err_bytes);
	assert_non_null(out);
	assert_non_null(err);
	ran.code = eql_command(arguments, out, err);
	fclose(out);
	fclose(err);
	return ran;
}

static void ran_free(struct ran *ran)
{
	free(ran->out);
	free(ran->err);
}

/* A file with this text; gone with remove(). */
static void write_file(char path[64], const char *text, bool packed)
{
	memcpy(path, "/tmp/procspan-eql-XXXXXX", sizeof("/tmp/procspan-eql-XXXXXX"));
	const int descriptor = mkstemp(path);
	assert_true(descriptor >= 0);
	gzFile file = gzdopen(descriptor, packed ? "wb" : "wbT");
	assert_int_equal(gzwrite(file, text, (unsigned)strlen(text)), (int)strlen(text));
	assert_int_equal(gzclose(file), Z_OK);
}

/* --- own cases -------------------------------------------------------------------------------- */

#define LINE_1                                                                                     \
	"{\"id\":1,\"@timestamp\":1000,\"event\":{\"category\":\"process\"},\"host\":\"a\",\"n\":" \
	"1}"
#define LINE_2                                                                                     \
	"{\"id\":2,\"@timestamp\":\"1970-01-01T00:00:03Z\",\"event.category\":[\"network\"],"      \
	"\"host\":\"a\"}"
#define LINE_3                                                                                     \
	"{\"id\":3,\"@timestamp\":2000,\"event\":{\"category\":\"process\"},\"host\":[\"b\","      \
	"\"c\"],\"n\":2.50}"
#define LINE_4                                                                                     \
	"{\"id\":4,\"@timestamp\":4000,\"event\":{\"category\":\"network\"},\"host\":\"c\",\"n\":" \
	"null}"
#define NDJSON LINE_1 "\n" LINE_2 "\n" LINE_3 "\n" LINE_4 "\n"
#define ALL    UINT64_MAX

/* Windows events as forwarders send them: a start of NXLog, the same of
 * Winlogbeat, a connection. */
#define GUID "{5eed22bb-0799-6b04-17e8-000000000900}"
#define RAW_START(id)                                                                              \
	"{\"EventTime\":\"2026-11-23 04:30:01\",\"Hostname\":\"A\",\"EventID\":1,\"SourceName\":"  \
	"\"Microsoft-Windows-Sysmon\",\"Channel\":\"Microsoft-Windows-Sysmon/Operational\","       \
	"\"UtcTime\":\"2026-11-23 09:30:01.900\",\"ProcessGuid\":\"" GUID                          \
	"\",\"ProcessId\":\"6120\",\"Image\":\"C:\\\\a\\\\cmd.exe\",\"RecordNumber\":" id "}"
#define RAW_CONNECTION                                                                             \
	"{\"@timestamp\":\"2026-11-23T09:30:03.000Z\",\"winlog\":{\"channel\":\"Microsoft-"        \
	"Windows-"                                                                                 \
	"Sysmon/Operational\",\"computer_name\":\"A\",\"event_id\":\"3\",\"provider_name\":"       \
	"\"Microsoft-Windows-Sysmon\",\"event_data\":{\"UtcTime\":\"2026-11-23 09:30:02.500\","    \
	"\"ProcessGuid\":\"" GUID "\",\"ProcessId\":\"6120\",\"Image\":\"C:\\\\a\\\\cmd.exe\","    \
	"\"Protocol\":\"tcp\",\"Initiated\":\"true\",\"SourceIp\":\"10.0.0.1\",\"SourcePort\":"    \
	"\"50000\",\"DestinationIp\":\"192.0.2.1\",\"DestinationPort\":\"443\"}}}"
#define RAW_PAIR                                                                                   \
	"sequence by process.entity_id [process where process.name : \"cmd.exe\" and event.type "  \
	"== "                                                                                      \
	"\"start\"] [network where destination.port == 443]"

static const struct {
	const char *name;
	const char *documents;
	struct eql_arguments arguments;
	int code;
	const char *out;
	const char *err; /* a part of it; NULL = nothing is said */
} cases[] = {
	{ "documents come as they were, in the order of time",
	  NDJSON,
	  { .query = "any where true", .size = ALL },
	  0,
	  LINE_1 "\n" LINE_3 "\n" LINE_2 "\n" LINE_4 "\n",
	  NULL },
	{ "an array is as good, and line breaks go",
	  "[" LINE_1 ",\n{\"event\":\n{\"category\":\n\"x\"}}]",
	  { .query = "any where true", .size = ALL },
	  0,
	  LINE_1 "\n{\"event\":{\"category\":\"x\"}}\n",
	  NULL },
	{ "head",
	  NDJSON,
	  { .query = "any where true | head 1", .size = ALL },
	  0,
	  LINE_1 "\n",
	  NULL },
	{ "tail of head",
	  NDJSON,
	  { .query = "any where true | head 2 | tail 1", .size = ALL },
	  0,
	  LINE_3 "\n",
	  NULL },
	{ "size takes the latest",
	  NDJSON,
	  { .query = "any where true", .size = 1 },
	  0,
	  LINE_4 "\n",
	  NULL },
	{ "size of a head takes the first",
	  NDJSON,
	  { .query = "any where true | head 3", .size = 1 },
	  0,
	  LINE_1 "\n",
	  NULL },
	{ "a sequence, with any of several keys",
	  NDJSON,
	  { .query = "sequence by host [process where true] [network where true]", .size = ALL },
	  0,
	  "{\"join_keys\":[\"a\"],\"events\":[" LINE_1 "," LINE_2 "]}\n"
	  "{\"join_keys\":[\"c\"],\"events\":[" LINE_3 "," LINE_4 "]}\n",
	  NULL },
	{ "a missing event",
	  NDJSON,
	  { .query = "sequence with maxspan=9s [process where n == 1] ![file where true] "
		     "[network where true]",
	    .size = ALL },
	  0,
	  "{\"join_keys\":[],\"events\":[" LINE_1 ",null," LINE_2 "]}\n",
	  NULL },
	{ "a sample",
	  NDJSON,
	  { .query = "sample by host [network where true] [process where true]", .size = ALL },
	  0,
	  "{\"join_keys\":[\"a\"],\"events\":[" LINE_2 "," LINE_1 "]}\n"
	  "{\"join_keys\":[\"c\"],\"events\":[" LINE_4 "," LINE_3 "]}\n",
	  NULL },
	{ "keys are texts, null is null",
	  NDJSON,
	  { .query = "sequence by ?n, ?x [process where n == 1] [process where true]"
		     " until [network where id == 4]",
	    .size = ALL },
	  0,
	  "",
	  "no document has the field `x`" },
	{ "other fields for time, category and order",
	  "{\"t\":5,\"c\":\"x\",\"o\":2,\"id\":1}{\"t\":5,\"c\":\"x\",\"o\":1,\"id\":2}"
	  "{\"t\":4,\"c\":\"x\",\"id\":3}{\"t\":5,\"c\":\"x\",\"id\":4}{\"t\":1,\"c\":\"y\"}",
	  { .query = "x where true",
	    .size = ALL,
	    .timestamp_field = "t",
	    .category_field = "c",
	    .tiebreaker_field = "o" },
	  0,
	  "{\"t\":4,\"c\":\"x\",\"id\":3}\n{\"t\":5,\"c\":\"x\",\"o\":1,\"id\":2}\n"
	  "{\"t\":5,\"c\":\"x\",\"o\":2,\"id\":1}\n{\"t\":5,\"c\":\"x\",\"id\":4}\n",
	  NULL },
	{ "a schema gives types",
	  "{\"a\":\"10.0.0.1\"}{\"a\":\"11.0.0.1\"}",
	  { .query = "any where cidrMatch(a, \"10.0.0.0/8\")",
	    .size = ALL,
	    .schema = "{\"a\":\"ip\"}" },
	  0,
	  "{\"a\":\"10.0.0.1\"}\n",
	  NULL },
	{ "with a schema a field that nobody knows is refused",
	  "{\"pid\":1}",
	  { .query = "any where pib == 1", .size = ALL, .schema = "{\"pid\":\"long\"}" },
	  4,
	  "",
	  "pib" },
	{ "a schema of types that nobody knows",
	  "{}",
	  { .query = "any where true", .size = ALL, .schema = "{\"pid\":\"lang\"}" },
	  3,
	  "",
	  "field `pid`" },
	{ "a refused query", "{}", { .query = "process where", .size = ALL }, 4, "", "error " },
	{ "what is no JSON is said and skipped",
	  "nonsense\n" LINE_1 "\n{\"open\":[1\n" LINE_4 "\n{",
	  { .query = "any where true", .size = ALL },
	  0,
	  LINE_1 "\n" LINE_4 "\n",
	  "3 lines or documents are no JSON objects" },
	{ "a raw event is matched as what it means and printed as it came",
	  RAW_START("7") "\n" RAW_CONNECTION "\n" LINE_1,
	  { .query = "process where process.name == \"cmd.exe\" and event.type == \"start\"",
	    .size = ALL },
	  0,
	  RAW_START("7") "\n",
	  NULL },
	{ "a raw event keeps the fields that it came with",
	  RAW_START("7") "\n" RAW_START("8"),
	  { .query = "process where RecordNumber == 8", .size = ALL },
	  0,
	  RAW_START("8") "\n",
	  NULL },
	{ "raw events make sequences",
	  RAW_CONNECTION "\n" RAW_START("7") "\n",
	  { .query = RAW_PAIR, .size = ALL },
	  0,
	  "{\"join_keys\":[\"" GUID "\"],\"events\":[" RAW_START("7") "," RAW_CONNECTION "]}\n",
	  NULL },
	{ "told so, raw events stay what they are",
	  RAW_CONNECTION "\n" RAW_START("7") "\n",
	  { .query = RAW_PAIR, .size = ALL, .raw = true },
	  0,
	  "",
	  NULL },
	{ "with another category field they are somebody's own documents",
	  RAW_START("7"),
	  { .query = "any where process.pid == 6120", .size = ALL, .category_field = "c" },
	  0,
	  "",
	  NULL },
	{ "nanoseconds count",
	  "{\"@timestamp\":\"2020-01-01T00:00:00.000000002Z\"}{\"@timestamp\":1577836800000}",
	  { .query = "any where true", .size = ALL },
	  0,
	  "{\"@timestamp\":1577836800000}\n{\"@timestamp\":\"2020-01-01T00:00:00.000000002Z\"}\n",
	  NULL },
};

static void every_case_prints_what_it_should(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int packed = 0; packed < 2; packed++) {
			char path[64];
			write_file(path, cases[i].documents, packed);
			const char *const paths[1] = { path };
			struct eql_arguments arguments = cases[i].arguments;
			arguments.event_paths = paths;
			arguments.event_path_count = 1;
			struct ran ran = run(&arguments);
			remove(path);
			const bool same_err = cases[i].err ? strstr(ran.err, cases[i].err) != NULL
							   : ran.err[0] == '\0';
			if (ran.code != cases[i].code || strcmp(ran.out, cases[i].out) != 0 ||
			    !same_err)
				fail_msg("%s: code %d\nout %s\nerr %s", cases[i].name, ran.code,
					 ran.out, ran.err);
			ran_free(&ran);
		}
	}
}

static void damaged_and_missing_files_are_said(void **state)
{
	(void)state;
	char path[64];
	write_file(path, NDJSON NDJSON NDJSON, true);
	assert_int_equal(truncate(path, 60), 0);
	const char *const paths[2] = { path, "/nonexistent/events.ndjson" };
	for (size_t i = 0; i < 2; i++) {
		const struct eql_arguments arguments = { .query = "any where true",
							 .size = ALL,
							 .event_paths = &paths[i],
							 .event_path_count = 1 };
		struct ran ran = run(&arguments);
		assert_int_equal(ran.code, 6);
		assert_non_null(strstr(ran.err, paths[i]));
		ran_free(&ran);
	}
	remove(path);
}

static void explain_prints_the_program(void **state)
{
	(void)state;
	const struct eql_arguments arguments = { .query = "process where process.name : \"a*\"",
						 .size = ALL,
						 .explain = true };
	struct ran ran = run(&arguments);
	assert_int_equal(ran.code, 0);
	assert_true(ran.out[0] != '\0');
	ran_free(&ran);
}

/* --- files of others -------------------------------------------------------------------------- */

static size_t count_lines(const char *text)
{
	size_t count = 0;
	for (; *text; text++)
		count += *text == '\n';
	return count;
}

static void processes_of_the_demo_are_found_in_its_raw_events(void **state)
{
	(void)state;
	const char *const paths[1] = { "tests/golden/demo/events.ndjson" };
	struct eql_arguments arguments = {
		.query = "sequence by process.entity_id [process where process.name : \"cmd.exe\" "
			 "and event.type == \"start\"] [network where process.name : "
			 "\"cmd.exe\"]",
		.size = ALL,
		.event_paths = paths,
		.event_path_count = 1,
	};
	struct ran ran = run(&arguments);
	assert_int_equal(ran.code, 0);
	assert_string_equal(ran.err, "");
	assert_true(count_lines(ran.out) > 0);
	ran_free(&ran);
	arguments.raw = true;
	ran = run(&arguments);
	assert_string_equal(ran.out, "");
	ran_free(&ran);
}

static void records_of_an_event_log_are_printed_in_ecs(void **state)
{
	(void)state;
	const char *path = shared_path("ingest/evtx/sysmon-11-registry.evtx");
	if (!path)
		skip();
	const char *const paths[1] = { path };
	const struct eql_arguments arguments = { .query = "any where event.code != null",
						 .size = ALL,
						 .event_paths = paths,
						 .event_path_count = 1 };
	struct ran ran = run(&arguments);
	assert_int_equal(ran.code, 0);
	assert_true(count_lines(ran.out) > 0);
	for (const char *at = ran.out; *at; at = strchr(at, '\n') + 1) {
		json_t *line = json_loadb(at, strcspn(at, "\n"), 0, NULL);
		assert_non_null(json_object_get(line, "@timestamp"));
		assert_non_null(json_object_get(json_object_get(line, "event"), "category"));
		json_decref(line);
	}
	ran_free(&ran);
}

/* --- conformance ------------------------------------------------------------------------------ */

static const char *text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* The events of a data file, one a line, and the types as a schema. */
struct data {
	json_t *json;
	char path[64];
	char *schema;
};

static bool open_data(struct data *data, const char *name)
{
	char relative[128];
	snprintf(relative, sizeof(relative), "eql/data/%s", name);
	const char *path = shared_path(relative);
	data->json = path ? json_load_file(path, 0, NULL) : NULL;
	if (!data->json)
		return false;
	char *events = json_dumps(json_object_get(data->json, "events"), JSON_COMPACT);
	write_file(data->path, events, false);
	free(events);
	data->schema = json_dumps(json_object_get(data->json, "types"), JSON_COMPACT);
	return true;
}

static void close_data(struct data *data)
{
	remove(data->path);
	free(data->schema);
	json_decref(data->json);
}

static json_t *ids_of(const json_t *events, const char *id_field)
{
	json_t *ids = json_array();
	size_t i;
	json_t *event;
	json_array_foreach(events, i, event)
	{
		json_t *id = json_object_get(event, id_field);
		json_array_append_new(ids, id ? json_incref(id) : json_null());
	}
	return ids;
}

/* Every line of the output: {ids: [...] or [[...]...], keys: [[...]...]}. */
static void read_output(const char *out, const char *id_field, json_t *ids, json_t *keys)
{
	while (*out) {
		const char *end = strchr(out, '\n');
		json_t *line = json_loadb(out, (size_t)(end - out), 0, NULL);
		json_t *join_keys = json_object_get(line, "join_keys");
		if (join_keys) {
			json_array_append(keys, join_keys);
			json_array_append_new(ids,
					      ids_of(json_object_get(line, "events"), id_field));
		} else {
			json_array_append(ids, json_object_get(line, id_field));
		}
		json_decref(line);
		out = end + 1;
	}
}

/* The expectations write a null key as null or as "null". */
static bool same_keys(const json_t *expected, const json_t *keys)
{
	if (json_array_size(expected) != json_array_size(keys))
		return false;
	for (size_t i = 0; i < json_array_size(keys); i++) {
		const json_t *want = json_array_get(expected, i);
		const json_t *got = json_array_get(keys, i);
		for (size_t j = 0; j < json_array_size(want); j++) {
			const char *left = json_string_value(json_array_get(want, j));
			const char *right = json_string_value(json_array_get(got, j));
			if (strcmp(left ? left : "null", right ? right : "null") != 0)
				return false;
		}
	}
	return true;
}

static bool is_expected(const json_t *test, const json_t *ids, const json_t *keys)
{
	const json_t *any_of = json_object_get(test, "expected_any_of");
	const json_t *expected = json_object_get(test, "expected_event_ids");
	const json_t *join_keys = json_object_get(test, "join_keys");
	if (!expected)
		expected = json_object_get(test, "expected_sequences");
	if (join_keys && !same_keys(join_keys, keys))
		return false;
	if (expected)
		return json_equal(expected, ids);
	for (size_t i = 0; i < json_array_size(any_of); i++)
		if (json_equal(json_array_get(any_of, i), ids))
			return true;
	return false;
}

static bool run_case(const json_t *test, const struct data *data)
{
	const json_t *size = json_object_get(test, "size");
	const json_t *samples =
		json_object_get(json_object_get(test, "params"), "max_samples_per_key");
	const char *const paths[1] = { data->path };
	const struct eql_arguments arguments = {
		.query = text_of(test, "query"),
		.event_paths = paths,
		.event_path_count = 1,
		.schema = data->schema,
		.timestamp_field = text_of(data->json, "timestamp_field"),
		.category_field = text_of(data->json, "event_category_field"),
		.tiebreaker_field = text_of(data->json, "tiebreaker_field"),
		.size = size ? (uint64_t)json_integer_value(size) : ALL,
		.samples_per_key = (uint64_t)json_integer_value(samples),
	};
	struct ran ran = run(&arguments);
	json_t *ids = json_array();
	json_t *keys = json_array();
	read_output(ran.out, text_of(data->json, "id_field"), ids, keys);
	const bool ok = ran.code == 0 && is_expected(test, ids, keys);
	if (!ok) {
		char *got = json_dumps(ids, JSON_COMPACT);
		char *got_keys = json_dumps(keys, JSON_COMPACT);
		printf("%s %s: %s\n  got %s keys %s code %d %s\n", text_of(test, "suite"),
		       text_of(test, "id"), arguments.query, got, got_keys, ran.code, ran.err);
		free(got);
		free(got_keys);
	}
	json_decref(ids);
	json_decref(keys);
	ran_free(&ran);
	return ok;
}

static void conformance_cases_give_what_elasticsearch_gives(void **state)
{
	(void)state;
	const char *path = shared_path("eql/cases.json");
	if (!path)
		skip();
	json_t *tests = json_load_file(path, 0, NULL);
	size_t passed_count = 0;
	size_t failed_count = 0;
	size_t skipped_count = 0;
	size_t i;
	json_t *test;
	json_array_foreach(tests, i, test)
	{
		struct data data;
		const char *dialect = text_of(test, "dialect");
		if ((dialect && strcmp(dialect, "endgame") == 0) ||
		    json_object_get(test, "requires")) {
			skipped_count++;
			continue;
		}
		assert_true(open_data(&data, text_of(test, "data")));
		const bool ok = run_case(test, &data);
		passed_count += ok;
		failed_count += !ok;
		close_data(&data);
	}
	json_decref(tests);
	printf("%zu passed, %zu failed, %zu of another dialect or mapping\n", passed_count,
	       failed_count, skipped_count);
	assert_int_equal(failed_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_prints_what_it_should),
		cmocka_unit_test(damaged_and_missing_files_are_said),
		cmocka_unit_test(explain_prints_the_program),
		cmocka_unit_test(processes_of_the_demo_are_found_in_its_raw_events),
		cmocka_unit_test(records_of_an_event_log_are_printed_in_ecs),
		cmocka_unit_test(conformance_cases_give_what_elasticsearch_gives),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
