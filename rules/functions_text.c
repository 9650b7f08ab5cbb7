/* The functions on text. Positions and lengths count UTF-16 units, as Elasticsearch does: a
 * character beyond the basic plane counts as two, and a position inside one means its start. */
#include "rules/functions.h"

#include <string.h>

static bool is_continuation(char byte)
{
	return ((unsigned char)byte & 0xc0) == 0x80;
}

/* UTF-16 units of the character that starts with this byte. */
static int64_t units_of(char byte)
{
	return is_continuation(byte) ? 0 : (unsigned char)byte >= 0xf0 ? 2 : 1;
}

static int64_t count_units(const char *bytes, size_t size_bytes)
{
	int64_t units = 0;
	for (size_t i = 0; i < size_bytes; i++)
		units += units_of(bytes[i]);
	return units;
}

/* The byte where unit number `position` starts, at most the end. */
static size_t byte_at(const struct text *text, int64_t position)
{
	size_t at = 0;
	int64_t units = 0;
	while (at < text->size_bytes && units + units_of(text->bytes[at]) <= position) {
		units += units_of(text->bytes[at]);
		for (at++; at < text->size_bytes && is_continuation(text->bytes[at]);)
			at++;
	}
	return at;
}

/* The first of `part` in `text` at or after byte `from`, or SIZE_MAX. */
static size_t find(const struct text *text, const struct text *part, size_t from, bool insensitive)
{
	if (part->size_bytes > text->size_bytes)
		return SIZE_MAX;
	if (!insensitive) {
		if (from > text->size_bytes)
			return SIZE_MAX;
		const char *found = memmem(text->bytes + from, text->size_bytes - from, part->bytes,
					   part->size_bytes);
		return found ? (size_t)(found - text->bytes) : SIZE_MAX;
	}
	for (size_t at = from; at <= text->size_bytes - part->size_bytes; at++) {
		const struct text here = { text->bytes + at, part->size_bytes };
		if (text_equal(&here, part, true))
			return at;
	}
	return SIZE_MAX;
}

/* The last one at or after byte `from`, or SIZE_MAX. */
static size_t find_last(const struct text *text, const struct text *part, size_t from,
			bool insensitive)
{
	if (part->size_bytes > text->size_bytes)
		return SIZE_MAX;
	for (size_t at = text->size_bytes - part->size_bytes + 1; at-- > from;) {
		const struct text here = { text->bytes + at, part->size_bytes };
		if (text_equal(&here, part, insensitive))
			return at;
	}
	return SIZE_MAX;
}

/* The first two arguments as texts; false: one is none, so the result is null. */
static bool two_texts(const struct function_call *call)
{
	return call->arguments[0].kind == VALUE_IS_TEXT && call->arguments[1].kind == VALUE_IS_TEXT;
}

struct value function_length_evaluate(const struct function_call *call)
{
	const struct value *text = &call->arguments[0];
	if (text->kind != VALUE_IS_TEXT)
		return value_null();
	return value_integer(count_units(text->text.bytes, text->text.size_bytes));
}

struct value function_starts_with_evaluate(const struct function_call *call)
{
	if (!two_texts(call))
		return value_null();
	struct text start = call->arguments[0].text;
	const struct text *part = &call->arguments[1].text;
	if (start.size_bytes < part->size_bytes)
		return value_boolean(false);
	start.size_bytes = part->size_bytes;
	return value_boolean(text_equal(&start, part, call->insensitive));
}

struct value function_ends_with_evaluate(const struct function_call *call)
{
	if (!two_texts(call))
		return value_null();
	struct text end = call->arguments[0].text;
	const struct text *part = &call->arguments[1].text;
	if (end.size_bytes < part->size_bytes)
		return value_boolean(false);
	end.bytes += end.size_bytes - part->size_bytes;
	end.size_bytes = part->size_bytes;
	return value_boolean(text_equal(&end, part, call->insensitive));
}

struct value function_string_contains_evaluate(const struct function_call *call)
{
	if (!two_texts(call))
		return value_null();
	return value_boolean(find(&call->arguments[0].text, &call->arguments[1].text, 0,
				  call->insensitive) != SIZE_MAX);
}

struct value function_index_of_evaluate(const struct function_call *call)
{
	const struct value *start = &call->arguments[2];
	if (!two_texts(call) || (start->kind != VALUE_IS_NULL && start->kind != VALUE_IS_INTEGER))
		return value_null();
	const struct text *text = &call->arguments[0].text;
	const size_t from = start->kind == VALUE_IS_NULL || start->integer < 0
				    ? 0
				    : byte_at(text, start->integer);
	const size_t found = find(text, &call->arguments[1].text, from, call->insensitive);
	return found == SIZE_MAX ? value_null() : value_integer(count_units(text->bytes, found));
}

/* A slice's end: counted from the end when negative, and inside the text. */
static int64_t clip(int64_t position, int64_t units)
{
	if (position < 0)
		position = position < -units ? 0 : position + units;
	return position > units ? units : position;
}

struct value function_substring_evaluate(const struct function_call *call)
{
	const struct value *text = &call->arguments[0];
	const struct value *start = &call->arguments[1];
	const struct value *end = &call->arguments[2];
	if (text->kind != VALUE_IS_TEXT ||
	    (start->kind != VALUE_IS_NULL && start->kind != VALUE_IS_INTEGER) ||
	    (end->kind != VALUE_IS_NULL && end->kind != VALUE_IS_INTEGER))
		return value_null();
	const int64_t units = count_units(text->text.bytes, text->text.size_bytes);
	const int64_t from = start->kind == VALUE_IS_NULL ? 0 : clip(start->integer, units);
	const int64_t to = end->kind == VALUE_IS_NULL ? units : clip(end->integer, units);
	const size_t from_byte = byte_at(&text->text, from);
	const size_t to_byte = byte_at(&text->text, to);
	return value_text(text->text.bytes + from_byte,
			  to_byte > from_byte ? to_byte - from_byte : 0);
}

struct value function_between_evaluate(const struct function_call *call)
{
	if (!two_texts(call) || call->arguments[2].kind != VALUE_IS_TEXT)
		return value_null();
	const struct text *text = &call->arguments[0].text;
	const struct text *left = &call->arguments[1].text;
	const struct text *right = &call->arguments[2].text;
	const size_t start = find(text, left, 0, call->insensitive);
	if (start == SIZE_MAX)
		return value_null();
	const size_t from = start + left->size_bytes;
	const size_t to = value_is_true(&call->arguments[3])
				  ? find_last(text, right, from, call->insensitive)
				  : find(text, right, from, call->insensitive);
	return to == SIZE_MAX ? value_null() : value_text(text->bytes + from, to - from);
}

struct value function_concat_evaluate(const struct function_call *call)
{
	struct text_room *room = call->room;
	const size_t start = room->used_bytes;
	for (size_t i = 0; i < call->count; i++) {
		const struct value text = value_to_text(&call->arguments[i], room);
		const bool in_place =
			text.kind == VALUE_IS_TEXT &&
			text.text.bytes + text.text.size_bytes == room->bytes + room->used_bytes &&
			call->arguments[i].kind != VALUE_IS_TEXT &&
			call->arguments[i].kind != VALUE_IS_BOOLEAN;
		if (text.kind == VALUE_IS_NULL ||
		    (!in_place && text.text.size_bytes > room->size_bytes - room->used_bytes)) {
			room->used_bytes = start;
			return value_null();
		}
		if (in_place)
			continue;
		memcpy(room->bytes + room->used_bytes, text.text.bytes, text.text.size_bytes);
		room->used_bytes += text.text.size_bytes;
	}
	return value_text(room->bytes + start, room->used_bytes - start);
}
