#include "rules/toml_reader.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool toml_refuse(struct toml_reader *reader, const struct toml_node *node, const char *format, ...)
{
	char text[COMPLAINT_TEXT_MAX];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	reader->failed = true;
	return complain(complaints_next(reader->complaints), reader->file, node ? node->line : 0,
			node ? node->column : 0, "%s", text);
}

void *toml_read_room(struct toml_reader *reader, size_t count, size_t size_bytes)
{
	size_t bytes;
	void *room = NULL;
	if (!__builtin_mul_overflow(count, size_bytes, &bytes))
		room = arena_take(reader->arena, bytes);
	if (!room)
		toml_refuse(reader, NULL, "no memory for the file's values");
	return room;
}

const struct toml_node *toml_read(struct toml_reader *reader, const struct toml_node *table,
				  const char *key, enum toml_kind kind)
{
	const struct toml_node *node = toml_get(table, key);
	if (!node || node->kind == kind)
		return node;
	toml_refuse(reader, node, "`%s`: found %s, expected %s", key, toml_kind_name(node->kind),
		    toml_kind_name(kind));
	return NULL;
}

const struct toml_node *toml_require(struct toml_reader *reader, const struct toml_node *table,
				     const char *key, enum toml_kind kind)
{
	if (!toml_get(table, key))
		toml_refuse(reader, table, "found no `%s`, expected %s", key, toml_kind_name(kind));
	return toml_read(reader, table, key, kind);
}

static const char *copy_text(struct toml_reader *reader, const struct toml_node *node)
{
	if (!node)
		return NULL;
	const char *text = arena_copy_text(reader->arena, node->text, node->count);
	if (!text)
		toml_refuse(reader, node, "no memory for the file's values");
	return text;
}

const char *toml_read_text(struct toml_reader *reader, const struct toml_node *table,
			   const char *key)
{
	return copy_text(reader, toml_read(reader, table, key, TOML_TEXT));
}

const char *toml_require_text(struct toml_reader *reader, const struct toml_node *table,
			      const char *key)
{
	return copy_text(reader, toml_require(reader, table, key, TOML_TEXT));
}

int64_t toml_read_integer(struct toml_reader *reader, const struct toml_node *table,
			  const char *key, int64_t least, int64_t most, int64_t otherwise)
{
	const struct toml_node *node = toml_read(reader, table, key, TOML_INTEGER);
	if (!node)
		return otherwise;
	if (node->integer >= least && node->integer <= most)
		return node->integer;
	toml_refuse(reader, node, "`%s`: found %" PRId64 ", expected %" PRId64 " to %" PRId64, key,
		    node->integer, least, most);
	return otherwise;
}

bool toml_read_boolean(struct toml_reader *reader, const struct toml_node *table, const char *key,
		       bool otherwise)
{
	const struct toml_node *node = toml_read(reader, table, key, TOML_BOOLEAN);
	return node ? node->truth : otherwise;
}

struct text_list toml_read_list(struct toml_reader *reader, const struct toml_node *table,
				const char *key)
{
	const struct text_list none = { .count = 0 };
	const struct toml_node *node = toml_get(table, key);
	const bool alone = node && node->kind == TOML_TEXT;
	if (!alone)
		node = toml_read(reader, table, key, TOML_ARRAY);
	if (!node)
		return none;
	const struct toml_node *items = alone ? node : node->items;
	const size_t count = alone ? 1 : node->count;
	const char **texts = toml_read_room(reader, count, sizeof(*texts));
	if (!texts)
		return none;
	for (size_t i = 0; i < count; i++) {
		if (items[i].kind != TOML_TEXT)
			toml_refuse(reader, &items[i], "`%s`: found %s, expected %s", key,
				    toml_kind_name(items[i].kind), toml_kind_name(TOML_TEXT));
		else
			texts[i] = copy_text(reader, &items[i]);
		if (!texts[i])
			return none;
	}
	return (struct text_list){ .items = texts, .count = count };
}

const struct toml_node *toml_read_tables(struct toml_reader *reader, const struct toml_node *table,
					 const char *key, size_t *out_count)
{
	*out_count = 0;
	const struct toml_node *node = toml_read(reader, table, key, TOML_ARRAY);
	if (!node)
		return NULL;
	for (size_t i = 0; i < node->count; i++)
		if (node->items[i].kind != TOML_TABLE) {
			toml_refuse(reader, &node->items[i], "`%s`: found %s, expected %s", key,
				    toml_kind_name(node->items[i].kind),
				    toml_kind_name(TOML_TABLE));
			return NULL;
		}
	*out_count = node->count;
	return node->items;
}
