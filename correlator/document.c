#include "correlator/document.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* At least READ_BYTES are left free at the end of a file: they are the padding. */
enum { READ_BYTES = 1 << 20, NS_PER_MS = 1000000 };

static_assert((int)READ_BYTES >= (int)DOCUMENT_PADDING, "room behind the last text");

/* --- files ------------------------------------------------------------------------------------ */

struct document_file {
	char *bytes;
	size_t size_bytes;
	size_t at;
	uint32_t line;
	bool by_line; /* no document is longer than its line */
	uint64_t skipped_count;
};

/* Inflates on the way when it is gzip. False with errno. */
static bool read_all(gzFile stream, struct document_file *file)
{
	size_t room_bytes = 0;
	for (;;) {
		if (room_bytes - file->size_bytes < READ_BYTES) {
			room_bytes = room_bytes * 2 + READ_BYTES;
			char *larger = realloc(file->bytes, room_bytes);
			if (!larger)
				return false;
			file->bytes = larger;
		}
		const int got = gzread(stream, file->bytes + file->size_bytes, READ_BYTES);
		if (got == 0)
			return true;
		if (got < 0 || file->size_bytes > DOCUMENT_FILE_MAX) {
			errno = got < 0 ? EIO : EFBIG;
			return false;
		}
		file->size_bytes += (size_t)got;
	}
}

bool document_file_open(const char *path, struct complaint *complaint,
			struct document_file **out_file)
{
	struct document_file *file = calloc(1, sizeof(*file));
	errno = 0;
	gzFile stream = file ? gzopen(path, "rb") : NULL;
	bool ok = stream && read_all(stream, file);
	if (!ok)
		complain(complaint, path, 0, 0, "cannot be read: %s", strerror(errno));
	/* A cut or damaged gzip stream shows at the close. */
	if (stream && gzclose_r(stream) != Z_OK && ok)
		ok = complain(complaint, path, 0, 0, "the gzip stream is cut or damaged");
	if (!ok) {
		document_file_close(file);
		return false;
	}
	file->line = 1;
	*out_file = file;
	return true;
}

struct document_file *document_file_over(const char *bytes, size_t size_bytes)
{
	struct document_file *file = calloc(1, sizeof(*file));
	if (!file)
		return NULL;
	file->bytes = malloc(size_bytes ? size_bytes : 1);
	if (!file->bytes) {
		free(file);
		return NULL;
	}
	memcpy(file->bytes, bytes, size_bytes);
	file->size_bytes = size_bytes;
	file->line = 1;
	return file;
}

void document_file_close(struct document_file *file)
{
	if (!file)
		return;
	free(file->bytes);
	free(file);
}

uint64_t document_file_skipped_count(const struct document_file *file)
{
	return file->skipped_count;
}

/* Where the object that begins at `at` ends: after its closing bracket, or at the end. */
static size_t object_end(const char *bytes, size_t size_bytes, size_t at)
{
	size_t depth = 0;
	bool quoted = false;
	for (; at < size_bytes; at++) {
		const char byte = bytes[at];
		if (quoted) {
			at += byte == '\\';
			quoted = byte != '"';
		} else if (byte == '"') {
			quoted = true;
		} else if (byte == '{' || byte == '[') {
			depth++;
		} else if ((byte == '}' || byte == ']') && --depth == 0) {
			return at + 1;
		}
	}
	return size_bytes;
}

static uint32_t count_lines(const char *bytes, size_t size_bytes)
{
	uint32_t count = 0;
	const char *const end = bytes + size_bytes;
	while ((bytes = memchr(bytes, '\n', (size_t)(end - bytes)))) {
		count++;
		bytes++;
	}
	return count;
}

static size_t line_end(const struct document_file *file, size_t at)
{
	const char *newline = memchr(file->bytes + at, '\n', file->size_bytes - at);
	return newline ? (size_t)(newline - file->bytes) : file->size_bytes;
}

void document_file_resume(struct document_file *file, const struct document_text *bad)
{
	file->by_line = true;
	file->at = line_end(file, (size_t)(bad->bytes - file->bytes));
	file->line = bad->line;
}

bool document_file_next(struct document_file *file, struct document_text *out_text)
{
	while (file->at < file->size_bytes) {
		const char *begin = file->bytes + file->at;
		if (*begin == '{') {
			const size_t limit =
				file->by_line ? line_end(file, file->at) : file->size_bytes;
			const size_t end = object_end(file->bytes, limit, file->at);
			*out_text = (struct document_text){ begin, end - file->at, file->line };
			file->line += count_lines(begin, out_text->size_bytes);
			file->at = end;
			return true;
		}
		if (strchr(" \t\r\n,[]\xef\xbb\xbf", *begin) && *begin != '\0') {
			file->line += *begin == '\n';
			file->at++;
			continue;
		}
		file->at = line_end(file, file->at);
		file->skipped_count++;
	}
	return false;
}

/* --- values ----------------------------------------------------------------------------------- */

json_t *document_parse(const struct document_text *text)
{
	json_t *json = json_loadb(text->bytes, text->size_bytes, JSON_ALLOW_NUL, NULL);
	if (!json) /* an integer beyond 64 bits? */
		json = json_loadb(text->bytes, text->size_bytes,
				  JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
	if (json_is_object(json))
		return json;
	json_decref(json);
	return NULL;
}

struct walk {
	document_value_fn *visit;
	void *context;
	char path[DOCUMENT_NAME_MAX];
};

static void walk_value(struct walk *walk, size_t path_bytes, json_t *value)
{
	if (json_is_object(value)) {
		const char *name;
		json_t *member;
		json_object_foreach(value, name, member)
		{
			const size_t dot = path_bytes > 0;
			const size_t name_bytes = strlen(name);
			if (path_bytes + dot + name_bytes >= sizeof(walk->path))
				continue;
			walk->path[path_bytes] = '.';
			memcpy(walk->path + path_bytes + dot, name, name_bytes);
			walk_value(walk, path_bytes + dot + name_bytes, member);
		}
	} else if (json_is_array(value)) {
		size_t i;
		json_t *element;
		json_array_foreach(value, i, element) walk_value(walk, path_bytes, element);
	} else if (value && !json_is_null(value)) {
		walk->path[path_bytes] = '\0';
		walk->visit(walk->context, walk->path, path_bytes, value);
	}
}

void document_each_value(const json_t *document, document_value_fn *visit, void *context)
{
	struct walk walk = { .visit = visit, .context = context };
	json_t *root = json_incref((json_t *)(uintptr_t)document);
	walk_value(&walk, 0, root);
	json_decref(root);
}

struct search {
	const char *path;
	const json_t *found;
};

static void find_value(void *context, const char *path, size_t path_bytes, const json_t *value)
{
	struct search *search = context;
	(void)path_bytes;
	if (!search->found && strcmp(path, search->path) == 0)
		search->found = value;
}

const json_t *document_find(const json_t *document, const char *path)
{
	struct search search = { .path = path };
	const json_t *plain = json_object_get(document, path);
	if (plain && !json_is_object(plain) && !json_is_array(plain))
		return json_is_null(plain) ? NULL : plain;
	document_each_value(document, find_value, &search);
	return search.found;
}

/* "1516116808349" or "1516116808349.25": milliseconds. */
static bool parse_milliseconds(const char *text, uint64_t *out_unix_ns)
{
	uint64_t ns = 0;
	uint64_t unit_ns = NS_PER_MS;
	bool fraction = false;
	if (*text < '0' || *text > '9')
		return false;
	for (; *text; text++) {
		if (*text == '.' && !fraction) {
			fraction = true;
			continue;
		}
		if (*text < '0' || *text > '9')
			return false;
		const uint64_t digit = (uint64_t)(*text - '0');
		if (fraction) {
			unit_ns /= 10;
			ns += digit * unit_ns;
		} else if (__builtin_mul_overflow(ns, 10, &ns) ||
			   __builtin_add_overflow(ns, digit * NS_PER_MS, &ns)) {
			return false;
		}
	}
	*out_unix_ns = ns;
	return true;
}

bool document_value_time(const json_t *value, uint64_t *out_unix_ns)
{
	if (json_is_string(value)) {
		const char *text = json_string_value(value);
		return time_parse_iso8601(text, json_string_length(value), out_unix_ns) ||
		       parse_milliseconds(text, out_unix_ns);
	}
	if (json_is_integer(value)) {
		const json_int_t ms = json_integer_value(value);
		if (ms < 0 || (uint64_t)ms > UINT64_MAX / NS_PER_MS)
			return false;
		*out_unix_ns = (uint64_t)ms * NS_PER_MS;
		return true;
	}
	const double ms = json_is_real(value) ? json_real_value(value) : -1;
	if (!(ms >= 0) || ms >= (double)UINT64_MAX / NS_PER_MS)
		return false;
	const uint64_t whole_ms = (uint64_t)ms;
	*out_unix_ns = whole_ms * NS_PER_MS + (uint64_t)((ms - (double)whole_ms) * NS_PER_MS);
	return true;
}

/* --- events ----------------------------------------------------------------------------------- */

struct conversion {
	const struct fields *fields;
	struct event_builder *builder;
	bool *seen; /* by field */
	uint64_t refused_count;
};

/* As it came. */
static void add_untyped(struct event_builder *builder, uint16_t field, const json_t *value)
{
	if (json_is_string(value))
		event_add_text(builder, field, json_string_value(value), json_string_length(value));
	else if (json_is_integer(value))
		event_add_integer(builder, field, json_integer_value(value));
	else if (json_is_real(value))
		event_add_double(builder, field, json_real_value(value));
	else
		event_add_boolean(builder, field, json_is_true(value));
}

/* What a keyword field holds of a number or a boolean: its text. */
static size_t value_text(const json_t *value, char *out, size_t size_bytes)
{
	if (json_is_integer(value))
		return (size_t)snprintf(out, size_bytes, "%" JSON_INTEGER_FORMAT,
					json_integer_value(value));
	if (json_is_real(value))
		return (size_t)snprintf(out, size_bytes, "%.17g", json_real_value(value));
	return (size_t)snprintf(out, size_bytes, "%s", json_is_true(value) ? "true" : "false");
}

static bool add_number(struct event_builder *builder, uint16_t field, enum field_type type,
		       const json_t *value)
{
	const double number = json_number_value(value);
	if (type == FIELD_TYPE_DOUBLE)
		event_add_double(builder, field, number);
	else if (json_is_integer(value))
		event_add_integer(builder, field, json_integer_value(value));
	else if (fabs(number) < 0x1p63)
		event_add_integer(builder, field, (int64_t)number); /* cut, as Elasticsearch does */
	else
		return false;
	return true;
}

/* False: a value that Elasticsearch would not take for a field of this type. */
static bool add_typed(struct event_builder *builder, uint16_t field, enum field_type type,
		      const json_t *value)
{
	uint64_t unix_ns;
	char text[32];
	if (type == FIELD_TYPE_DATE) {
		if (!document_value_time(value, &unix_ns))
			return false;
		event_add_time(builder, field, unix_ns);
		return true;
	}
	if (json_is_string(value))
		return event_add_as_field_type(builder, field, json_string_value(value),
					       json_string_length(value));
	if (type == FIELD_TYPE_BOOLEAN && json_is_boolean(value)) {
		event_add_boolean(builder, field, json_is_true(value));
		return true;
	}
	if ((type == FIELD_TYPE_LONG || type == FIELD_TYPE_DOUBLE) && json_is_number(value))
		return add_number(builder, field, type, value);
	if (type != FIELD_TYPE_KEYWORD)
		return false;
	event_add_text(builder, field, text, value_text(value, text, sizeof(text)));
	return true;
}

static void add_value(void *context, const char *path, size_t path_bytes, const json_t *value)
{
	struct conversion *conversion = context;
	const uint16_t field = fields_find(conversion->fields, path, path_bytes);
	if (field == FIELD_NONE || !event_wants(conversion->builder, field))
		return;
	const enum field_type type = fields_type(conversion->fields, field);
	conversion->seen[field] = true;
	if (type == FIELD_TYPE_ANY)
		add_untyped(conversion->builder, field, value);
	else if (!add_typed(conversion->builder, field, type, value))
		conversion->refused_count++;
}

uint64_t document_add_to_event(const json_t *document, const struct fields *fields,
			       struct event_builder *builder, bool *seen)
{
	struct conversion conversion = { .fields = fields, .builder = builder, .seen = seen };
	document_each_value(document, add_value, &conversion);
	return conversion.refused_count;
}
