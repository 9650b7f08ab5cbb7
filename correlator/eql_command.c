/* The query and the fields that it may name. See eql_command.h and eql_search.h. */
#include "correlator/eql_command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "correlator/eql_search.h"
#include "correlator/exit_code.h"
#include "rules/eql.h"

/* --- fields ----------------------------------------------------------------------------------- */

const char *eql_timestamp_field(const struct eql_search *search)
{
	const char *name = search->arguments->timestamp_field;
	return name ? name : "@timestamp";
}

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

/* --- all of it -------------------------------------------------------------------------------- */

static int run_search(struct eql_search *search)
{
	const int code = eql_search_files(search);
	if (eql_print_results(search))
		return code;
	fprintf(search->err, "error eql: %s\n", strerror(ENOMEM));
	return EXIT_INPUT;
}

static int run_query(struct eql_search *search)
{
	const struct eql_arguments *arguments = search->arguments;
	if (arguments->schema && !read_schema(search))
		return EXIT_CONFIGURATION;
	set_type(search->fields, eql_timestamp_field(search), FIELD_TYPE_DATE);
	for (size_t i = 0; i < arguments->event_path_count; i++) {
		if (eql_is_event_log(arguments->event_paths[i]))
			fields_want_all(search->fields); /* what is found is printed whole */
		else if (arguments->schema)
			learn_fields(search, arguments->event_paths[i]);
	}
	struct complaints *complaints = calloc(1, sizeof(*complaints));
	if (!complaints)
		return EXIT_INPUT;
	const bool compiled = compile(search, complaints);
	print_complaints(complaints, search->err);
	free(complaints);
	if (!compiled)
		return EXIT_RULES;
	if (arguments->explain)
		ruleset_print_program(search->ruleset, 0, search->out);
	return arguments->event_path_count ? run_search(search) : EXIT_DONE;
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
	int code = EXIT_INPUT;
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
