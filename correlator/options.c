#include "correlator/options.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MS_NS	  UINT64_C(1000000)
#define SECOND_NS UINT64_C(1000000000)

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit durations[] = {
	{ "ns", 1 },
	{ "us", 1000 },
	{ "ms", MS_NS },
	{ "s", SECOND_NS },
	{ "m", 60 * SECOND_NS },
	{ "h", 3600 * SECOND_NS },
	{ "d", 86400 * SECOND_NS },
};

static const struct unit sizes[] = {
	{ "B", 1 },
	{ "KB", UINT64_C(1) << 10 },
	{ "MB", UINT64_C(1) << 20 },
	{ "GB", UINT64_C(1) << 30 },
};

/* A whole number and one of the units; no sign, no space, no overflow. */
static bool parse_with_unit(const char *text, const struct unit *units, size_t unit_count,
			    uint64_t *out_value)
{
	if (*text < '0' || *text > '9')
		return false;
	char *end = NULL;
	const uint64_t number = strtoull(text, &end, 10);
	for (size_t i = 0; i < unit_count; i++) {
		if (strcmp(end, units[i].name) != 0)
			continue;
		if (number > UINT64_MAX / units[i].factor)
			return false;
		*out_value = number * units[i].factor;
		return true;
	}
	return false;
}

bool duration_parse(const char *text, uint64_t *out_ns)
{
	return parse_with_unit(text, durations, ROWS(durations), out_ns);
}

bool size_parse(const char *text, uint64_t *out_bytes)
{
	return parse_with_unit(text, sizes, ROWS(sizes), out_bytes);
}

static bool count_parse(const char *text, uint64_t *out_count)
{
	static const struct unit none[] = { { "", 1 } };
	return parse_with_unit(text, none, 1, out_count);
}

static bool percent_parse(const char *text, double *out_percent)
{
	char *end = NULL;
	const double number = strtod(text, &end);
	if (end == text || strcmp(end, "%") != 0 || !(number >= 0 && number <= 100))
		return false;
	*out_percent = number;
	return true;
}

/* --- did you mean ----------------------------------------------------------------------------- */

enum { NAME_MAX_BYTES = 48 };

/* Levenshtein distance over one row. */
static size_t edit_distance(const char *left, const char *right)
{
	const size_t right_size = strlen(right);
	size_t row[NAME_MAX_BYTES + 1];
	if (right_size > NAME_MAX_BYTES || strlen(left) > NAME_MAX_BYTES)
		return NAME_MAX_BYTES;
	for (size_t i = 0; i <= right_size; i++)
		row[i] = i;
	for (size_t i = 0; left[i]; i++) {
		size_t diagonal = row[0];
		row[0] = i + 1;
		for (size_t j = 0; j < right_size; j++) {
			const size_t above = row[j + 1];
			size_t best = diagonal + (left[i] != right[j]);
			if (above + 1 < best)
				best = above + 1;
			if (row[j] + 1 < best)
				best = row[j] + 1;
			row[j + 1] = best;
			diagonal = above;
		}
	}
	return row[right_size];
}

const char *nearest_name(const char *word, const char *const *names, size_t count)
{
	const char *nearest = NULL;
	size_t least = strlen(word) / 3 + 2; /* farther than this is another word */
	for (size_t i = 0; i < count; i++) {
		const size_t distance = names[i] ? edit_distance(word, names[i]) : least;
		if (distance < least) {
			least = distance;
			nearest = names[i];
		}
	}
	return nearest;
}

/* Always -1, like take_option. */
static int refuse_unknown(const struct option *options, size_t count, const char *name,
			  size_t name_bytes, struct complaint *complaint)
{
	enum { ROWS_MAX = 64 };
	char word[NAME_MAX_BYTES + 1];
	snprintf(word, sizeof(word), "%.*s",
		 (int)(name_bytes < NAME_MAX_BYTES ? name_bytes : NAME_MAX_BYTES), name);
	const char *names[ROWS_MAX];
	size_t name_count = 0;
	for (size_t i = 0; i < count && name_count < ROWS_MAX; i++)
		if (options[i].name)
			names[name_count++] = options[i].name;
	const char *near = nearest_name(word, names, name_count);
	if (near)
		complain(complaint, NULL, 0, 0, "unknown option --%s; did you mean --%s?", word,
			 near);
	else
		complain(complaint, NULL, 0, 0, "unknown option --%s; see --help", word);
	return -1;
}

/* --- parsing ---------------------------------------------------------------------------------- */

static bool add_text(struct option_texts *texts, const char *text)
{
	if (texts->count == OPTION_TEXTS_MAX)
		return false;
	if (!texts->items)
		texts->items = calloc(OPTION_TEXTS_MAX, sizeof(*texts->items));
	if (!texts->items)
		return false;
	texts->items[texts->count++] = text;
	return true;
}

static bool in_range(const struct option *option, uint64_t value)
{
	return option->maximum == 0 || (value >= option->minimum && value <= option->maximum);
}

static const char *expectation(enum option_kind kind)
{
	switch (kind) {
	case OPTION_DURATION:
		return "a duration with its unit, such as 15m, 30s or 200ms";
	case OPTION_SIZE:
		return "a size with its unit, such as 256B or 64MB";
	case OPTION_COUNT:
		return "a whole number";
	case OPTION_PERCENT:
		return "a percentage, such as 0.5%";
	default:
		return "a value";
	}
}

/* "15m": the number in the largest unit that it is a multiple of. */
static void print_limit(enum option_kind kind, uint64_t number, char *out_text, size_t size_bytes)
{
	const struct unit *units = kind == OPTION_DURATION ? durations : sizes;
	size_t i = kind == OPTION_DURATION ? ROWS(durations)
		   : kind == OPTION_SIZE   ? ROWS(sizes)
					   : 0;
	while (i > 0 && (number == 0 || number % units[i - 1].factor != 0))
		i--;
	snprintf(out_text, size_bytes, "%" PRIu64 "%s", i ? number / units[i - 1].factor : number,
		 i ? units[i - 1].name : "");
}

static bool refuse_range(const struct option *option, const char *text, struct complaint *complaint)
{
	char minimum[32];
	char maximum[32];
	print_limit(option->kind, option->minimum, minimum, sizeof(minimum));
	print_limit(option->kind, option->maximum, maximum, sizeof(maximum));
	return complain(complaint, NULL, 0, 0, "--%s %s: out of range, %s to %s", option->name,
			text, minimum, maximum);
}

static bool set_value(const struct option *option, void *target, const char *text,
		      struct complaint *complaint)
{
	void *const place = (char *)target + option->offset;
	uint64_t number = 0;
	double percent = 0;
	bool good = true;
	switch (option->kind) {
	case OPTION_FLAG:
		*(bool *)place = true;
		return true;
	case OPTION_TEXT:
		*(const char **)place = text;
		return true;
	case OPTION_TEXTS:
		if (add_text(place, text))
			return true;
		return complain(complaint, NULL, 0, 0, "--%s: more than %d values", option->name,
				OPTION_TEXTS_MAX);
	case OPTION_PERCENT:
		good = percent_parse(text, &percent);
		if (good)
			*(double *)place = percent;
		break;
	case OPTION_DURATION:
		good = duration_parse(text, &number);
		break;
	case OPTION_SIZE:
		good = size_parse(text, &number);
		break;
	case OPTION_COUNT:
		good = count_parse(text, &number);
		break;
	}
	if (!good)
		return complain(complaint, NULL, 0, 0, "--%s %s: expected %s", option->name, text,
				expectation(option->kind));
	if (option->kind == OPTION_PERCENT)
		return true;
	if (!in_range(option, number))
		return refuse_range(option, text, complaint);
	*(uint64_t *)place = number;
	return true;
}

static const struct option *find_option(const struct option *options, size_t count,
					const char *name, size_t size_bytes)
{
	for (size_t i = 0; i < count; i++)
		if (options[i].name && strncmp(options[i].name, name, size_bytes) == 0 &&
		    options[i].name[size_bytes] == '\0')
			return &options[i];
	return NULL;
}

/* The positional row that still has room: a single text once, then a list. */
static const struct option *find_positional(const struct option *options, size_t count,
					    const void *target)
{
	for (size_t i = 0; i < count; i++) {
		const void *place = (const char *)target + options[i].offset;
		if (options[i].name)
			continue;
		if (options[i].kind == OPTION_TEXTS || *(const char *const *)place == NULL)
			return &options[i];
	}
	return NULL;
}

static bool begins_option(const char *word)
{
	return strncmp(word, "--", 2) == 0;
}

static bool take_positional(const struct option *options, size_t count, void *target,
			    const char *word, struct complaint *complaint)
{
	const struct option *positional = find_positional(options, count, target);
	if (!positional)
		return complain(complaint, NULL, 0, 0, "unexpected argument %s; see --help", word);
	return set_value(positional, target, word, complaint);
}

/* The words behind a list's option, up to the next option. Returns how many, or -1: refused. */
static int take_list(const struct option *option, void *target, int word_count, char *const *words,
		     struct complaint *complaint)
{
	int taken = 0;
	for (; taken < word_count && !begins_option(words[taken]); taken++)
		if (!set_value(option, target, words[taken], complaint))
			return -1;
	return taken;
}

/* The option at words[0] and its values. Returns how many words, or -1: refused. */
static int take_option(const struct option *options, size_t count, void *target, int word_count,
		       char *const *words, struct complaint *complaint)
{
	const char *name = words[0] + 2;
	const size_t name_bytes = strcspn(name, "=");
	const char *value = name[name_bytes] ? name + name_bytes + 1 : NULL;
	const struct option *option = find_option(options, count, name, name_bytes);
	if (!option)
		return refuse_unknown(options, count, name, name_bytes, complaint);
	if (option->kind == OPTION_FLAG) {
		if (value) {
			complain(complaint, NULL, 0, 0, "--%s takes no value", option->name);
			return -1;
		}
		return set_value(option, target, "", complaint) ? 1 : -1;
	}
	if (value)
		return set_value(option, target, value, complaint) ? 1 : -1;
	if (word_count < 2 || begins_option(words[1])) {
		complain(complaint, NULL, 0, 0, "--%s: missing %s", option->name, option->argument);
		return -1;
	}
	if (option->kind != OPTION_TEXTS)
		return set_value(option, target, words[1], complaint) ? 2 : -1;
	const int taken = take_list(option, target, word_count - 1, words + 1, complaint);
	return taken < 0 ? -1 : 1 + taken;
}

bool options_parse(const struct option *options, size_t count, void *target, int argument_count,
		   char *const *arguments, struct complaint *complaint)
{
	for (int i = 0; i < argument_count;) {
		int taken = 1;
		if (begins_option(arguments[i]))
			taken = take_option(options, count, target, argument_count - i,
					    arguments + i, complaint);
		else if (!take_positional(options, count, target, arguments[i], complaint))
			return false;
		if (taken < 0)
			return false;
		i += taken;
	}
	return true;
}

void options_release(const struct option *options, size_t count, void *target)
{
	for (size_t i = 0; i < count; i++) {
		if (options[i].kind != OPTION_TEXTS)
			continue;
		struct option_texts *texts = (void *)((char *)target + options[i].offset);
		free(texts->items);
		*texts = (struct option_texts){ NULL, 0 };
	}
}

void options_print(const struct option *options, size_t count, FILE *stream)
{
	for (size_t i = 0; i < count; i++) {
		char left[64];
		snprintf(left, sizeof(left), "%s%s%s%s", options[i].name ? "--" : "",
			 options[i].name ? options[i].name : "",
			 options[i].name && options[i].argument ? " " : "",
			 options[i].argument ? options[i].argument : "");
		fprintf(stream, "  %-26s %s\n", left, options[i].help);
	}
}
