/* The half of toml.h that needs no toml++: guards in front of it, and ways to look at the tree. */
#include "rules/toml.h"

#include <string.h>

/* --- guards --------------------------------------------------------------------------------------
 *
 * toml++ limits the nesting of values but not the length of dotted keys, whose tables nest just as
 * deep, and it looks headers and dotted keys up in lists whose length is their number. So both are
 * counted first. The scan knows strings and comments, nothing else; where it and toml++ could
 * disagree, the file is not TOML, and toml++ stops there too.
 */

struct scan {
	const char *at;
	const char *end;
	uint32_t line;
	uint32_t key_dots; /* since the last separator */
	uint32_t headers;  /* headers and key dots so far */
};

static bool starts_with(const struct scan *scan, const char *text, size_t size_bytes)
{
	return (size_t)(scan->end - scan->at) >= size_bytes &&
	       memcmp(scan->at, text, size_bytes) == 0;
}

/* Past a string that starts here; past the end of the file when it does not end. */
static void skip_string(struct scan *scan)
{
	const char quote = *scan->at;
	const char triple[3] = { quote, quote, quote };
	const bool multiline = starts_with(scan, triple, 3);
	const size_t delimiter_bytes = multiline ? 3 : 1;
	for (scan->at += delimiter_bytes; scan->at < scan->end; scan->at++) {
		if (*scan->at == '\n' && !multiline)
			return; /* not TOML */
		if (*scan->at == '\n')
			scan->line++;
		if (*scan->at == '\\' && quote == '"' && scan->end - scan->at > 1 &&
		    scan->at[1] != '\n') {
			scan->at++;
			continue;
		}
		if (!starts_with(scan, triple, delimiter_bytes))
			continue;
		scan->at += delimiter_bytes;
		/* """text""""" ends in two quotes that belong to the text */
		for (int i = 0; multiline && i < 2 && starts_with(scan, &quote, 1); i++)
			scan->at++;
		return;
	}
}

static void skip_comment(struct scan *scan)
{
	const char *newline = memchr(scan->at, '\n', (size_t)(scan->end - scan->at));
	scan->at = newline ? newline : scan->end;
}

static bool scan_byte(struct scan *scan)
{
	switch (*scan->at++) {
	case '\n':
		scan->line++;
		scan->key_dots = 0;
		return true;
	case '[':
		scan->headers++;
		scan->key_dots = 0;
		break;
	case '.':
		scan->headers++;
		scan->key_dots++;
		break;
	case '=':
	case ',':
	case '{':
	case '}':
	case ']':
		scan->key_dots = 0;
		return true;
	default:
		return true;
	}
	return scan->key_dots <= TOML_KEY_DOTS_MAX && scan->headers <= TOML_HEADERS_MAX;
}

/* Refuses what would hurt toml++; called by toml_parse alone. */
bool toml_scan(const char *file, const char *text, size_t size_bytes, struct complaint *complaint);
bool toml_scan(const char *file, const char *text, size_t size_bytes, struct complaint *complaint)
{
	if (size_bytes > TOML_SIZE_MAX)
		return complain(complaint, file, 0, 0, "found %zu bytes, expected at most %d",
				size_bytes, TOML_SIZE_MAX);
	struct scan scan = { .at = text, .end = text + size_bytes, .line = 1 };
	while (scan.at < scan.end) {
		if (*scan.at == '"' || *scan.at == '\'')
			skip_string(&scan);
		else if (*scan.at == '#')
			skip_comment(&scan);
		else if (!scan_byte(&scan))
			return complain(complaint, file, scan.line, 0,
					"found a key of more than %d dots or more than %d headers "
					"and dots",
					TOML_KEY_DOTS_MAX, TOML_HEADERS_MAX);
	}
	return true;
}

/* --- looking ---------------------------------------------------------------------------------- */

const struct toml_node *toml_get(const struct toml_node *table, const char *key)
{
	if (!table || table->kind != TOML_TABLE)
		return NULL;
	size_t low = 0;
	size_t high = table->count;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const int order = strcmp(key, table->items[middle].key);
		if (order == 0)
			return &table->items[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

const char *toml_kind_name(enum toml_kind kind)
{
	static const char *const names[] = {
		[TOML_TABLE] = "a table",	[TOML_ARRAY] = "an array",
		[TOML_TEXT] = "a string",	[TOML_INTEGER] = "an integer",
		[TOML_DOUBLE] = "a number",	[TOML_BOOLEAN] = "a boolean",
		[TOML_TIME] = "a date or time",
	};
	return names[kind];
}

/* --- locating --------------------------------------------------------------------------------- */

/* Where a walk through the file has got to. */
struct walk {
	const char *at;
	const char *end;
	uint32_t line;
	uint32_t column;
};

static void step(struct walk *walk)
{
	if (walk->at == walk->end)
		return;
	walk->column++;
	if (*walk->at++ != '\n')
		return;
	walk->line++;
	walk->column = 1;
}

static void step_over(struct walk *walk, size_t count)
{
	for (size_t i = 0; i < count; i++)
		step(walk);
}

static bool is_space(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static size_t utf8_bytes_of(uint32_t code_point)
{
	return code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
}

/* Past an escape: how many bytes of the value it stands for. */
static size_t step_over_escape(struct walk *walk)
{
	step(walk);
	if (walk->at == walk->end)
		return 0;
	const char kind = *walk->at;
	const size_t digits = kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
	if (digits) {
		step(walk);
		uint32_t code_point = 0;
		for (size_t i = 0; i < digits && walk->at < walk->end; i++, step(walk)) {
			const char digit = *walk->at;
			code_point =
				code_point * 16 +
				(uint32_t)(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
		}
		return utf8_bytes_of(code_point);
	}
	if (!is_space(kind)) {
		step(walk);
		return 1;
	}
	while (walk->at < walk->end && is_space(*walk->at))
		step(walk); /* a backslash at the end of a line joins it with the next */
	return 0;
}

/* At the place that toml++ names; it counts columns in code points. */
static struct walk walk_to(const struct toml_node *node, const char *text, size_t size_bytes)
{
	struct walk walk = { text, text + size_bytes, 1, 1 };
	while (walk.at < walk.end && walk.line < node->line)
		step(&walk);
	for (uint32_t column = 1; walk.at < walk.end && column < node->column; column++) {
		step(&walk);
		while (walk.at < walk.end && ((unsigned char)*walk.at & 0xc0) == 0x80)
			step(&walk);
	}
	return walk;
}

/* Past the opening quotes, and the line break that may follow three of them. Returns the quote. */
static char step_over_opening(struct walk *walk)
{
	const char quote = *walk->at;
	const bool multiline =
		walk->end - walk->at >= 3 && walk->at[1] == quote && walk->at[2] == quote;
	step_over(walk, multiline ? 3 : 1);
	if (multiline && walk->at < walk->end && *walk->at == '\r')
		step(walk);
	if (multiline && walk->at < walk->end && *walk->at == '\n')
		step(walk);
	return quote;
}

void toml_locate(const struct toml_node *node, const char *file_text, size_t file_size_bytes,
		 size_t offset, uint32_t *out_line, uint32_t *out_column)
{
	*out_line = node->line;
	*out_column = node->column;
	struct walk walk = walk_to(node, file_text, file_size_bytes);
	if (walk.at == walk.end || (*walk.at != '"' && *walk.at != '\''))
		return;
	const bool escapes = step_over_opening(&walk) == '"';
	for (size_t passed = 0; passed < offset && walk.at < walk.end;) {
		if (*walk.at == '\\' && escapes) {
			passed += step_over_escape(&walk);
			continue;
		}
		step(&walk);
		passed++;
	}
	*out_line = walk.line;
	*out_column = walk.column;
}
