/* How each kind of predicate is answered: some value of the field has to satisfy it.
 *
 * A value that came as another type than the test is for (a number in a keyword field, a text in a
 * field that nobody gave a type) is converted first, as Elasticsearch does when it indexes it. */
#include "rules/predicate.h"

#include <stdlib.h>
#include <string.h>

#include "collector/base/hash.h"
#include "rules/program_set.h"

enum {
	NS_PER_MS = 1000000,
	CHOICES_MAX = 1 << 16, /* of values of several fields in one script */
	NUMBER_TEXT_MAX = 64,
};

/* The value as the kind that a test is for; null: it cannot be one. */
static struct value converted(const struct value *value, enum value_kind wanted,
			      struct text_room *room)
{
	struct ip_address address;
	if (value->kind == wanted)
		return *value;
	switch (wanted) {
	case VALUE_IS_TEXT:
		return value_to_text(value, room);
	case VALUE_IS_INTEGER:
	case VALUE_IS_DOUBLE:
		if (value->kind == VALUE_IS_TEXT)
			return value_parse_number(value->text.bytes, value->text.size_bytes, 0);
		if (value->kind == VALUE_IS_TIME)
			return value->integer % NS_PER_MS
				       ? value_double((double)value->integer / NS_PER_MS)
				       : value_integer(value->integer / NS_PER_MS);
		return value_is_number(value) ? *value : value_null();
	case VALUE_IS_BOOLEAN:
		if (value->kind == VALUE_IS_TEXT && value->text.size_bytes == 4 &&
		    memcmp(value->text.bytes, "true", 4) == 0)
			return value_boolean(true);
		if (value->kind == VALUE_IS_TEXT && value->text.size_bytes == 5 &&
		    memcmp(value->text.bytes, "false", 5) == 0)
			return value_boolean(false);
		return value_null();
	case VALUE_IS_ADDRESS:
		if (value->kind == VALUE_IS_TEXT &&
		    ip_address_parse(value->text.bytes, value->text.size_bytes, &address))
			return (struct value){ .kind = VALUE_IS_ADDRESS, .address = address };
		return value_null();
	default:
		return *value; /* dates: value_compare converts them */
	}
}

static bool texts_have(const struct predicate *predicate, const struct event *event,
		       const struct event_value *value)
{
	if (value->type == VALUE_TEXT) {
		const struct event_text *text = event_at(event, value);
		return text_set_has(predicate->texts, text->bytes, text->size_bytes,
				    text->folded_hash);
	}
	char bytes[NUMBER_TEXT_MAX];
	struct text_room room = { .bytes = bytes, .size_bytes = sizeof(bytes) };
	const struct value raw = value_of_event(event, value);
	const struct value text = value_to_text(&raw, &room);
	return text.kind == VALUE_IS_TEXT &&
	       text_set_has(predicate->texts, text.text.bytes, text.text.size_bytes,
			    hash_folded_text(text.text.bytes, text.text.size_bytes));
}

static bool numbers_have(const struct predicate *predicate, const struct value *number)
{
	size_t low = 0;
	size_t high = predicate->value_count;
	while (low < high) {
		const size_t middle = (low + high) / 2;
		const struct value less =
			value_compare(OPERATION_LESS, &predicate->values[middle], number);
		if (value_is_true(&less))
			low = middle + 1;
		else
			high = middle;
	}
	if (low == predicate->value_count)
		return false;
	const struct value equal = value_compare(OPERATION_EQUAL, &predicate->values[low], number);
	return value_is_true(&equal);
}

static bool test_value(const struct predicate *predicate, struct program_scratch *scratch,
		       const struct event *event, const struct event_value *event_value)
{
	char bytes[NUMBER_TEXT_MAX];
	struct text_room room = { .bytes = bytes, .size_bytes = sizeof(bytes) };
	const struct value raw = value_of_event(event, event_value);
	struct value value;
	struct value result;
	switch (predicate->kind) {
	case PREDICATE_TEXTS:
		return texts_have(predicate, event, event_value);
	case PREDICATE_NUMBERS:
		value = converted(&raw, VALUE_IS_INTEGER, &room);
		return value.kind != VALUE_IS_NULL && numbers_have(predicate, &value);
	case PREDICATE_COMPARE:
		value = converted(&raw, predicate->values[0].kind, &room);
		result = value_compare(predicate->operation, &value, &predicate->values[0]);
		return value_is_true(&result);
	case PREDICATE_NETWORKS:
		value = converted(&raw, VALUE_IS_ADDRESS, &room);
		return value.kind == VALUE_IS_ADDRESS &&
		       cidr_set_find(predicate->cidr, &value.address) != CIDR_NONE;
	case PREDICATE_LIKE:
		value = converted(&raw, VALUE_IS_TEXT, &room);
		return value.kind == VALUE_IS_TEXT &&
		       wildcard_match(predicate->wildcard, scratch->wildcards, value.text.bytes,
				      value.text.size_bytes);
	case PREDICATE_REGEX:
		value = converted(&raw, VALUE_IS_TEXT, &room);
		return value.kind == VALUE_IS_TEXT &&
		       regex_match(predicate->regex, scratch->regexes, value.text.bytes,
				   value.text.size_bytes);
	case PREDICATE_EXISTS:
	case PREDICATE_SCRIPT:
		break;
	}
	return false;
}

/* --- scripts ---------------------------------------------------------------------------------- */

/* The values of one field of a script, and which one is chosen. */
struct choice {
	const struct event_value *first; /* NULL: none, so null */
	size_t count;
	size_t chosen;
};

/* The next choice of all fields' values, the last field turning fastest; false: all were had. */
static bool choose_next(struct choice *choices, size_t count)
{
	for (size_t i = count; i-- > 0;) {
		if (++choices[i].chosen < choices[i].count)
			return true;
		choices[i].chosen = 0;
	}
	return false;
}

/* True if the expression is true for any combination of one value per field. */
static bool test_script(const struct predicate *predicate, struct program_scratch *scratch,
			const struct event *event)
{
	struct choice choices[SCRIPT_FIELDS_MAX] = { 0 };
	struct value values[SCRIPT_FIELDS_MAX];
	const size_t count = predicate->script_field_count;
	for (size_t i = 0; i < count; i++)
		choices[i].first =
			event_find(event, predicate->script_fields[i], &choices[i].count);
	const struct environment environment = {
		.fields = values,
		.room = &scratch->room,
		.wildcards = scratch->wildcards,
		.regexes = scratch->regexes,
	};
	size_t tried = 0;
	do {
		for (size_t i = 0; i < count; i++)
			values[i] = choices[i].first
					    ? value_of_event(event,
							     choices[i].first + choices[i].chosen)
					    : value_null();
		scratch->room.used_bytes = 0;
		const struct value result = node_evaluate(predicate->script, &environment);
		if (value_is_true(&result))
			return true;
	} while (++tried < CHOICES_MAX && choose_next(choices, count));
	return false;
}

bool predicate_test(const struct predicate *predicate, struct program_scratch *scratch,
		    const struct event *event)
{
	if (predicate->kind == PREDICATE_SCRIPT)
		return test_script(predicate, scratch, event);
	size_t count;
	const struct event_value *values = event_find(event, predicate->field, &count);
	if (!values || predicate->kind == PREDICATE_EXISTS)
		return values;
	for (size_t i = 0; i < count; i++)
		if (test_value(predicate, scratch, event, &values[i]))
			return true;
	return false;
}

/* --- printing --------------------------------------------------------------------------------- */

static void print_values(const struct predicate *predicate, FILE *stream)
{
	fputs(" (", stream);
	for (size_t i = 0; i < predicate->value_count; i++) {
		fputs(i ? ", " : "", stream);
		value_print(&predicate->values[i], stream);
	}
	fputc(')', stream);
}

static void print_networks(const struct predicate *predicate, FILE *stream)
{
	fputs(" in networks (", stream);
	for (size_t i = 0; i < predicate->network_count; i++) {
		char text[IP_ADDRESS_TEXT_MAX];
		const struct ip_prefix *network = &predicate->networks[i];
		const bool v4 = ip_address_is_v4(&network->address) && network->bits >= 96;
		ip_address_format(&network->address, text);
		fprintf(stream, "%s%s/%d", i ? ", " : "", text,
			v4 ? network->bits - 96 : network->bits);
	}
	fputc(')', stream);
}

void predicate_print(const struct predicate *predicate, const struct fields *fields, FILE *stream)
{
	static const char *const operations[] = { "",	"+",  "-", "*",	 "/", "%",
						  "==", "!=", "<", "<=", ">", ">=" };
	const char *tilde = predicate->insensitive ? "~" : "";
	if (predicate->kind != PREDICATE_SCRIPT)
		field_print(fields, predicate->field, stream);
	switch (predicate->kind) {
	case PREDICATE_EXISTS:
		fputs(" exists", stream);
		return;
	case PREDICATE_TEXTS:
	case PREDICATE_NUMBERS:
		fprintf(stream, " in%s", tilde);
		print_values(predicate, stream);
		return;
	case PREDICATE_LIKE:
		fprintf(stream, " like%s", tilde);
		print_values(predicate, stream);
		return;
	case PREDICATE_REGEX:
		fprintf(stream, " regex%s", tilde);
		print_values(predicate, stream);
		return;
	case PREDICATE_COMPARE:
		fprintf(stream, " %s ", operations[predicate->operation]);
		value_print(&predicate->values[0], stream);
		return;
	case PREDICATE_NETWORKS:
		print_networks(predicate, stream);
		return;
	case PREDICATE_SCRIPT:
		fputs("script ", stream);
		node_print(predicate->script, fields, stream);
		return;
	}
}
