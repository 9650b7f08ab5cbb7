/* Command lines into arguments. Declared in mapping.h.
 *
 * Source: "Parsing C command-line arguments", Microsoft C++ documentation: 2n backslashes before a
 * quote are n backslashes and a delimiter, 2n+1 are n and a literal quote; two quotes inside a
 * quoted part are one. As Elastic's pipelines do it, so that process.args are equal.
 */
#include <string.h>

#include "collector/input/mapping.h"

enum { ARGUMENTS_MAX = 256, ARGUMENT_BYTES_MAX = 32 * 1024 };

static bool is_blank(char character)
{
	return character == ' ' || character == '\t';
}

/* Appends `count` copies; what does not fit is cut. */
static size_t put(char *out, size_t used, char character, size_t count)
{
	for (; count > 0 && used < ARGUMENT_BYTES_MAX; count--)
		out[used++] = character;
	return used;
}

/* The next argument of [*at, end) into `out`; moves *at past it. */
static size_t next_argument(const char **at, const char *end, char *out)
{
	size_t used = 0;
	size_t backslashes = 0;
	bool quoted = false;
	const char *in = *at;
	for (; in < end && (quoted || !is_blank(*in)); in++) {
		if (*in == '\\') {
			backslashes++;
			continue;
		}
		if (*in != '"') {
			used = put(out, used, '\\', backslashes);
			used = put(out, used, *in, 1);
		} else {
			used = put(out, used, '\\', backslashes / 2);
			if (backslashes % 2) {
				used = put(out, used, '"', 1);
			} else {
				if (quoted && in + 1 < end && in[1] == '"') {
					used = put(out, used, '"', 1);
					in++;
				}
				quoted = !quoted;
			}
		}
		backslashes = 0;
	}
	used = put(out, used, '\\', backslashes);
	*at = in;
	return used;
}

void map_arguments(struct mapping *mapping, uint16_t args_field, uint16_t count_field,
		   const struct raw_value *line, enum argument_rule rule)
{
	if (!line || (!event_wants(mapping->builder, args_field) &&
		      !event_wants(mapping->builder, count_field)))
		return;
	char argument[ARGUMENT_BYTES_MAX];
	const char *at = line->text;
	const char *const end = at + line->size_bytes;
	int64_t count = 0;
	for (;;) {
		while (at < end && is_blank(*at))
			at++;
		if (at == end || count == ARGUMENTS_MAX)
			break;
		count++;
		if (rule == ARGUMENTS_WINDOWS) {
			const size_t size_bytes = next_argument(&at, end, argument);
			event_add_text(mapping->builder, args_field, argument, size_bytes);
			continue;
		}
		const char *space = memchr(at, ' ', (size_t)(end - at));
		const char *const stop = space ? space : end;
		event_add_text(mapping->builder, args_field, at, (size_t)(stop - at));
		at = stop;
	}
	event_add_integer(mapping->builder, count_field, count);
}
