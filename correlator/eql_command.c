/* The query, the fields that it may name, and the documents that satisfy a step of it. See
 * eql_command.h and eql_search.h.
 */
#include "correlator/eql_command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "correlator/eql_search.h"
#include "rules/eql.h"

enum { CODE_DONE = 0, CODE_SCHEMA = 3, CODE_QUERY = 4, CODE_INPUT = 6 };

/* --- fields ----------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum field_type type;
} elasticsearch_types[] = {
	{ "keyword", FIELD_TYPE_KEYWORD },
	{ "text", FIELD_TYPE_KEYWORD },
	{ "wildcard", FIELD_TYPE_KEYWORD },
	{ "constant_keyword", FIELD_TYPE_KEYWORD },
	{ "match_only_text", FIELD_TYPE_KEYWORD },
	{ "flattened", FIELD_TYPE_KEYWORD },
	{ "version", FIELD_TYPE_KEYWORD },
	{ "long", FIELD_TYPE_LONG },
	{ "integer", FIELD_TYPE_LONG },
	{ "short", FIELD_TYPE_LONG },
	{ "byte", FIELD_TYPE_LONG },
	{ "unsigned_long", FIELD_TYPE_LONG },
	{ "double", FIELD_TYPE_DOUBLE },
	{ "float", FIELD_TYPE_DOUBLE },
	{ "half_float", FIELD_TYPE_DOUBLE },
	{ "scaled_float", FIELD_TYPE_DOUBLE },
	{ "boolean", FIELD_TYPE_BOOLEAN },
	{ "ip", FIELD_TYPE_IP },
	{ "date", FIELD_TYPE_DATE },
	{ "date_nanos", FIELD_TYPE_DATE },
};

/* "text+keyword" is a text with a keyword beside it: the first name counts. */
static bool type_of_name(const char *name, enum field_type *out_type)
{
	const size_t size_bytes = strcspn(name, "+");
	const size_t count = sizeof(elasticsearch_types) / sizeof(elasticsearch_types[0]);
	for (size_t i = 0; i < count; i++) {
		const char *known = elasticsearch_types[i].name;
		if (strlen(known) != size_bytes || memcmp(known, name, size_bytes) != 0)
			continue;
		*out_type = elasticsearch_types[i].type;
		return true;
	}
	return false;
}

static void set_type(struct fields *fields, const char *name, enum field_type type)
{
	const uint16_t field = fields_add(fields, name, strlen(name), type);
	if (field != FIELD_NONE)
		fields_set_type(fields, field, type);
}

static bool read_schema(struct eql_search *search)
{
	const char *schema = search->arguments->schema;
	const bool is_text = *schema == '{';
	json_error_t error;
	json_t *json = is_text ? json_loads(schema, 0, &error) : json_load_file(schema, 0, &error);
	if (!json_is_object(json)) {
		fprintf(search->err, "error schema %s: %s\n", is_text ? "" : schema,
			json ? "found no object, expected {\"field\": \"type\"}" : error.text);
		json_decref(json);
		return false;
	}
	bool ok = true;
	const char *name;
	json_t *value;
	json_object_foreach(json, name, value)
	{
		enum field_type type;
		if (json_is_string(value) && type_of_name(json_string_value(value), &type)) {
			set_type(search->fields, name, type);
			continue;
		}
		fprintf(search->err,
			"error schema: field `%s`: expected the name of an Elasticsearch type\n",
			name);
		ok = false;
	}
	json_decref(json);
	return ok;
}

static const char *timestamp_field(const struct eql_search *search)
{
	const char *name = search->arguments->timestamp_field;
	return name ? name : "@timestamp";
}

static void learn_field(void *context, const char *path, size_t path_bytes, const json_t *value)
{
	(void)value;
	fields_add(context, path, path_bytes, FIELD_TYPE_ANY);
}

/* With a schema the documents' own fields are known too, so they have to be seen before the query
 * is checked. */
static void learn_fields(struct eql_search *search, const char *path)
{
	struct complaint complaint;
	struct document_file *file;
	struct document_text text;
	if (!document_file_open(path, &complaint, &file))
		return; /* said when it is searched */
	while (document_file_next(file, &text)) {
		json_t *document = document_parse(&text);
		if (document)
			document_each_value(document, learn_field, search->fields);
		else
			document_file_resume(file, &text);
		json_decref(document);
	}
	document_file_close(file);
}

/* --- query ------------------------------------------------------------------------------------ */

static void print_complaints(const struct complaints *complaints, FILE *err)
{
	for (size_t i = 0; i < complaints->count; i++) {
		fputs("error ", err);
		complaint_print(&complaints->items[i], err);
		putc('\n', err);
	}
	if (complaints->omitted_count)
		fprintf(err, "error and %zu more\n", complaints->omitted_count);
}

static bool compile(struct eql_search *search, struct complaints *complaints)
{
	const struct eql_arguments *arguments = search->arguments;
	const size_t size_bytes = strlen(arguments->query);
	const struct query_options options = {
		.category_field = arguments->category_field,
		.strict_fields = arguments->schema != NULL,
	};
	struct ruleset_builder *builder = ruleset_builder_open(search->fields);
	if (builder &&
	    ruleset_add_query(builder, arguments->query, size_bytes, &options, complaints))
		search->ruleset = ruleset_build(builder);
	if (!search->ruleset) {
		ruleset_builder_close(builder);
		return false;
	}
	search->rule = ruleset_rule(search->ruleset, 0);
	const struct query_source source = { .file = NULL };
	search->query = eql_parse(arguments->query, size_bytes, &source, search->arena, complaints);
	return search->query != NULL;
}

/* --- documents -------------------------------------------------------------------------------- */

/* What is needed only while documents are read. */
struct reader {
	struct eql_search *search;
	struct event_builder *builder;
	struct match_scratch *scratch;
	step_id *steps;
	size_t room;
	uint64_t document_count;
	uint64_t bad_count;
	uint64_t untimed_count;
	uint64_t refused_count;
	bool seen[FIELD_MAX];
};

static bool keep_hit(struct reader *reader, const struct hit *hit, const struct event *event)
{
	struct eql_search *search = reader->search;
	if (search->hit_count == reader->room) {
		const size_t room = reader->room * 2 + 256;
		struct hit *larger = realloc(search->hits, room * sizeof(*larger));
		if (!larger)
			return false;
		search->hits = larger;
		reader->room = room;
	}
	struct hit *kept = &search->hits[search->hit_count];
	*kept = *hit;
	kept->event = malloc(event->size_bytes);
	kept->steps = arena_take(search->arena, (hit->step_count + 1) * sizeof(step_id));
	if (!kept->event || !kept->steps) {
		free(kept->event);
		return false;
	}
	memcpy(kept->event, event, event->size_bytes);
	memcpy(kept->steps, reader->steps, hit->step_count * sizeof(step_id));
	json_incref(kept->tiebreaker);
	search->hit_count++;
	return true;
}

/* The time that rules order by. A sample knows no time: the order of the documents. */
static bool set_time(struct reader *reader, const json_t *document, struct event *header)
{
	const struct eql_search *search = reader->search;
	header->time_ns = UINT64_MAX;
	if (search->rule->kind == RULE_SAMPLE) {
		header->time_ns = search->hit_count;
		return true;
	}
	const json_t *value = document_find(document, timestamp_field(search));
	return value && document_value_time(value, &header->time_ns);
}

static bool search_document(struct reader *reader, const json_t *document,
			    const struct document_text *text)
{
	struct eql_search *search = reader->search;
	const char *tiebreaker_field = search->arguments->tiebreaker_field;
	event_begin(reader->builder);
	reader->refused_count +=
		document_add_to_event(document, search->fields, reader->builder, reader->seen);
	struct event *header = event_header(reader->builder);
	header->datasets = UINT32_MAX;
	header->tiebreaker = UINT64_MAX;
	header->identity = search->hit_count + 1;
	struct hit hit = { .text = *text };
	hit.has_time = set_time(reader, document, header);
	const struct event *event = event_end(reader->builder);
	hit.step_count = ruleset_match(search->ruleset, reader->scratch, event, reader->steps);
	if (hit.step_count == 0)
		return true;
	if (!hit.has_time && search->rule->kind == RULE_SEQUENCE) {
		reader->untimed_count++;
		return true;
	}
	if (tiebreaker_field)
		hit.tiebreaker = (json_t *)(uintptr_t)document_find(document, tiebreaker_field);
	return keep_hit(reader, &hit, event);
}

static bool search_file(struct reader *reader, struct document_file *file)
{
	struct document_text text;
	bool ok = true;
	while (ok && document_file_next(file, &text)) {
		json_t *document = document_parse(&text);
		reader->document_count++;
		if (document) {
			ok = search_document(reader, document, &text);
		} else {
			reader->bad_count++;
			document_file_resume(file, &text);
		}
		json_decref(document);
	}
	reader->bad_count += document_file_skipped_count(file);
	return ok;
}

static void print_warnings(const struct reader *reader)
{
	FILE *err = reader->search->err;
	const struct fields *fields = reader->search->fields;
	if (reader->bad_count)
		fprintf(err, "warn eql: %" PRIu64 " lines or documents are no JSON objects\n",
			reader->bad_count);
	if (reader->untimed_count)
		fprintf(err, "warn eql: %" PRIu64 " documents without a time in `%s` left out\n",
			reader->untimed_count, timestamp_field(reader->search));
	if (reader->refused_count)
		fprintf(err, "warn eql: %" PRIu64 " values are not of their field's type\n",
			reader->refused_count);
	for (uint16_t i = FIELD_KNOWN_COUNT; i < fields_count(fields); i++)
		if (fields_wanted(fields, i) && !reader->seen[i] && reader->document_count)
			fprintf(err, "warn eql: no document has the field `%s`\n",
				fields_name(fields, i));
}

static int search_files(struct eql_search *search, struct reader *reader)
{
	const struct eql_arguments *arguments = search->arguments;
	int code = CODE_DONE;
	search->files = arena_take(search->arena, (arguments->event_path_count + 1) *
							  sizeof(struct document_file *));
	reader->builder = event_builder_open(search->fields, &search->counters);
	reader->scratch = match_scratch_open(search->ruleset);
	reader->steps = calloc(ruleset_step_count(search->ruleset) + 1U, sizeof(step_id));
	if (!search->files || !reader->builder || !reader->scratch || !reader->steps)
		return CODE_INPUT;
	for (size_t i = 0; i < arguments->event_path_count; i++) {
		struct complaint complaint;
		struct document_file *file;
		if (!document_file_open(arguments->event_paths[i], &complaint, &file)) {
			fputs("error ", search->err);
			complaint_print(&complaint, search->err);
			putc('\n', search->err);
			code = CODE_INPUT;
			continue;
		}
		search->files[search->file_count++] = file;
		if (!search_file(reader, file))
			return CODE_INPUT;
	}
	print_warnings(reader);
	return code;
}

static int run_search(struct eql_search *search)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	if (!reader)
		return CODE_INPUT;
	reader->search = search;
	int code = search_files(search, reader);
	event_builder_close(reader->builder);
	match_scratch_close(reader->scratch);
	free(reader->steps);
	free(reader);
	if (!eql_print_results(search)) {
		fprintf(search->err, "error eql: %s\n", strerror(ENOMEM));
		code = CODE_INPUT;
	}
	return code;
}

/* --- all of it -------------------------------------------------------------------------------- */

static int run_query(struct eql_search *search)
{
	const struct eql_arguments *arguments = search->arguments;
	if (arguments->schema && !read_schema(search))
		return CODE_SCHEMA;
	set_type(search->fields, timestamp_field(search), FIELD_TYPE_DATE);
	for (size_t i = 0; arguments->schema && i < arguments->event_path_count; i++)
		learn_fields(search, arguments->event_paths[i]);
	struct complaints *complaints = calloc(1, sizeof(*complaints));
	if (!complaints)
		return CODE_INPUT;
	const bool compiled = compile(search, complaints);
	print_complaints(complaints, search->err);
	free(complaints);
	if (!compiled)
		return CODE_QUERY;
	if (arguments->explain)
		ruleset_print_program(search->ruleset, 0, search->out);
	return arguments->event_path_count ? run_search(search) : CODE_DONE;
}

int eql_command(const struct eql_arguments *arguments, FILE *out, FILE *err)
{
	struct eql_search search = {
		.arguments = arguments,
		.out = out,
		.err = err,
		.arena = arena_open(0),
		.fields = fields_open(),
	};
	int code = CODE_INPUT;
	if (search.arena && search.fields)
		code = run_query(&search);
	else
		fprintf(err, "error eql: %s\n", strerror(ENOMEM));
	for (size_t i = 0; i < search.hit_count; i++) {
		free(search.hits[i].event);
		json_decref(search.hits[i].tiebreaker);
	}
	free(search.hits);
	for (size_t i = 0; i < search.file_count; i++)
		document_file_close(search.files[i]);
	ruleset_close(search.ruleset);
	fields_close(search.fields);
	arena_close(search.arena);
	return code;
}
