#include "tests/support_documents.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NS_PER_MS = 1000000, NAME_MAX_BYTES = 512 };

enum field_type field_type_of_mapping(const char *mapping)
{
	static const struct {
		const char *mapping;
		enum field_type type;
	} types[] = {
		{ "long", FIELD_TYPE_LONG },	      { "integer", FIELD_TYPE_LONG },
		{ "short", FIELD_TYPE_LONG },	      { "byte", FIELD_TYPE_LONG },
		{ "unsigned_long", FIELD_TYPE_LONG }, { "double", FIELD_TYPE_DOUBLE },
		{ "float", FIELD_TYPE_DOUBLE },	      { "half_float", FIELD_TYPE_DOUBLE },
		{ "boolean", FIELD_TYPE_BOOLEAN },    { "ip", FIELD_TYPE_IP },
		{ "date", FIELD_TYPE_DATE },	      { "date_nanos", FIELD_TYPE_DATE },
	};
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].mapping, mapping) == 0)
			return types[i].type;
	return FIELD_TYPE_KEYWORD;
}

bool document_time(json_t *value, uint64_t *out_unix_ns)
{
	if (json_is_integer(value)) {
		*out_unix_ns = (uint64_t)json_integer_value(value) * NS_PER_MS;
		return true;
	}
	if (!json_is_string(value))
		return false;
	const char *text = json_string_value(value);
	if (*text && strspn(text, "0123456789") == strlen(text)) {
		*out_unix_ns = strtoull(text, NULL, 10) * NS_PER_MS;
		return true;
	}
	return time_parse_iso8601(text, strlen(text), out_unix_ns);
}

static enum field_type type_of_value(const json_t *value)
{
	return json_is_integer(value)	? FIELD_TYPE_LONG
	       : json_is_real(value)	? FIELD_TYPE_DOUBLE
	       : json_is_boolean(value) ? FIELD_TYPE_BOOLEAN
					: FIELD_TYPE_KEYWORD;
}

static void add_number(struct event_builder *builder, uint16_t field, enum field_type type,
		       json_t *value)
{
	char text[64];
	if (type == FIELD_TYPE_DOUBLE)
		event_add_double(builder, field, json_number_value(value));
	else if (type == FIELD_TYPE_LONG || type == FIELD_TYPE_ANY)
		json_is_integer(value)
			? event_add_integer(builder, field, json_integer_value(value))
			: event_add_double(builder, field, json_real_value(value));
	else if (json_is_integer(value))
		event_add_text(builder, field, text,
			       (size_t)snprintf(text, sizeof(text), "%lld",
						(long long)json_integer_value(value)));
	else
		event_add_text(builder, field, text,
			       (size_t)snprintf(text, sizeof(text), "%g", json_real_value(value)));
}

static void add_value(struct fields *fields, struct event_builder *builder, const char *name,
		      json_t *value)
{
	uint16_t field = fields_find(fields, name, strlen(name));
	if (field == FIELD_NONE)
		field = fields_add(fields, name, strlen(name), type_of_value(value));
	if (field == FIELD_NONE)
		return;
	fields_want(fields, field);
	const enum field_type type = fields_type(fields, field);
	uint64_t unix_ns;
	if (type == FIELD_TYPE_DATE && document_time(value, &unix_ns))
		event_add_time(builder, field, unix_ns);
	else if (json_is_string(value))
		event_add_as_field_type(builder, field, json_string_value(value),
					json_string_length(value));
	else if (json_is_boolean(value))
		type == FIELD_TYPE_BOOLEAN || type == FIELD_TYPE_ANY
			? event_add_boolean(builder, field, json_is_true(value))
			: event_add_text(builder, field, json_is_true(value) ? "true" : "false",
					 json_is_true(value) ? 4 : 5);
	else if (json_is_number(value))
		add_number(builder, field, type, value);
}

static void add_anything(struct fields *fields, struct event_builder *builder, const char *name,
			 json_t *value)
{
	size_t index;
	json_t *element;
	if (json_is_object(value))
		document_add_fields(fields, builder, name, value);
	else if (!json_is_array(value))
		add_value(fields, builder, name, value);
	else
		json_array_foreach(value, index, element)
			add_anything(fields, builder, name, element);
}

void document_add_fields(struct fields *fields, struct event_builder *builder, const char *prefix,
			 json_t *object)
{
	const char *key;
	json_t *value;
	json_object_foreach(object, key, value)
	{
		char name[NAME_MAX_BYTES];
		snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "." : "", key);
		add_anything(fields, builder, name, value);
	}
}

/* "a.b" in an object that may write it nested or dotted. */
static json_t *find(json_t *object, const char *name)
{
	json_t *direct = json_object_get(object, name);
	if (direct)
		return direct;
	const char *dot = strchr(name, '.');
	if (!dot)
		return NULL;
	char head[NAME_MAX_BYTES];
	snprintf(head, sizeof(head), "%.*s", (int)(dot - name), name);
	return find(json_object_get(object, head), dot + 1);
}

static const char *text_of(json_t *file, const char *key)
{
	const char *text = json_string_value(json_object_get(file, key));
	return text ? text : "";
}

static void set_types(struct fields *fields, json_t *types)
{
	const char *name;
	json_t *type;
	json_object_foreach(types, name, type)
	{
		const enum field_type ours = field_type_of_mapping(json_string_value(type));
		const uint16_t field = fields_add(fields, name, strlen(name), ours);
		fields_set_type(fields, field, ours);
		fields_want(fields, field);
	}
}

static struct event *build(struct documents *documents, struct event_builder *builder,
			   json_t *document, size_t index)
{
	event_begin(builder);
	document_add_fields(documents->fields, builder, "", document);
	struct event *header = event_header(builder);
	header->identity = index + 1;
	header->tiebreaker = UINT64_MAX;
	uint64_t unix_ns;
	if (document_time(find(document, text_of(documents->file, "timestamp_field")), &unix_ns))
		header->time_ns = unix_ns;
	json_t *tiebreaker = find(document, text_of(documents->file, "tiebreaker_field"));
	if (json_is_integer(tiebreaker))
		header->tiebreaker = (uint64_t)json_integer_value(tiebreaker);
	const struct event *event = event_end(builder);
	struct event *copy = malloc(event->size_bytes);
	memcpy(copy, event, event->size_bytes);
	return copy;
}

static const char *id_text(json_t *id)
{
	char text[64];
	if (json_is_integer(id))
		snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(id));
	else
		snprintf(text, sizeof(text), "%s", json_is_string(id) ? json_string_value(id) : "");
	return strdup(text);
}

struct documents *documents_open(const char *path)
{
	json_error_t error;
	struct documents *documents = calloc(1, sizeof(*documents));
	documents->file = json_load_file(path, 0, &error);
	if (!documents->file) {
		printf("%s: %s\n", path, error.text);
		free(documents);
		return NULL;
	}
	documents->fields = fields_open();
	documents->category_field = strdup(text_of(documents->file, "event_category_field"));
	set_types(documents->fields, json_object_get(documents->file, "types"));
	json_t *list = json_object_get(documents->file, "events");
	documents->events = calloc(json_array_size(list) + 1, sizeof(struct event *));
	documents->ids = calloc(json_array_size(list) + 1, sizeof(*documents->ids));
	struct counters counters = { 0 };
	struct event_builder *builder = event_builder_open(documents->fields, &counters);
	json_t *document;
	json_array_foreach(list, documents->count, document)
	{
		documents->events[documents->count] =
			build(documents, builder, document, documents->count);
		documents->ids[documents->count] =
			id_text(find(document, text_of(documents->file, "id_field")));
	}
	event_builder_close(builder);
	return documents;
}

void documents_close(struct documents *documents)
{
	if (!documents)
		return;
	for (size_t i = 0; i < documents->count; i++) {
		free(documents->events[i]);
		free((char *)(uintptr_t)documents->ids[i]);
	}
	free(documents->events);
	free(documents->ids);
	free(documents->category_field);
	fields_close(documents->fields);
	json_decref(documents->file);
	free(documents);
}
