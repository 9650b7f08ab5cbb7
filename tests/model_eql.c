#include "tests/model_eql.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "collector/event.h"

/* One value of each field is looked at at a time; index = count means null (no value). */
struct binding {
	const struct model_event *event;
	size_t chosen[MODEL_FIELDS_MAX];
};

static struct model_value null_value(void)
{
	return (struct model_value){ .type = MODEL_NULL };
}

static struct model_value boolean_value(bool truth)
{
	return (struct model_value){ .type = MODEL_BOOLEAN, .boolean = truth };
}

static struct model_value integer_value(int64_t integer)
{
	return (struct model_value){ .type = MODEL_INTEGER, .integer = integer };
}

static struct model_value text_value(const char *text)
{
	struct model_value value = { .type = MODEL_TEXT };
	snprintf(value.text, sizeof(value.text), "%s", text);
	return value;
}

static bool is_true(struct model_value value)
{
	return value.type == MODEL_BOOLEAN && value.boolean;
}

static bool is_number(struct model_value value)
{
	return value.type == MODEL_INTEGER || value.type == MODEL_DOUBLE;
}

static double number_of(struct model_value value)
{
	return value.type == MODEL_INTEGER ? (double)value.integer : value.number;
}

static size_t field_index(const struct model_event *event, const char *name)
{
	for (size_t i = 0; i < event->field_count; i++)
		if (strcmp(event->fields[i].name, name) == 0)
			return i;
	return event->field_count;
}

/* --- strings ---------------------------------------------------------------------------------- */

static char lower(char byte)
{
	if (byte >= 'A' && byte <= 'Z')
		byte = (char)(byte + 32);
	return byte;
}

static bool same_text(const char *left, const char *right, bool insensitive)
{
	for (; *left && *right; left++, right++)
		if (insensitive ? lower(*left) != lower(*right) : *left != *right)
			return false;
	return *left == *right;
}

static size_t character_bytes(const char *text)
{
	size_t size = 1;
	while (((unsigned char)text[size] & 0xc0) == 0x80)
		size++;
	return size;
}

static bool fits(const char *pattern, const char *text, bool insensitive)
{
	if (*pattern == '\0')
		return *text == '\0';
	if (*pattern == '*')
		return fits(pattern + 1, text, insensitive) ||
		       (*text && fits(pattern, text + 1, insensitive));
	if (*text == '\0')
		return false;
	if (*pattern == '?')
		return ((unsigned char)*text & 0xc0) != 0x80 &&
		       fits(pattern + 1, text + character_bytes(text), insensitive);
	const bool same = insensitive ? lower(*pattern) == lower(*text) : *pattern == *text;
	return same && fits(pattern + 1, text + 1, insensitive);
}

/* A text as an array of UTF-16 units. */
struct units {
	size_t count;
	uint16_t items[MODEL_TEXT_MAX];
};

static struct units units_of(const char *text)
{
	struct units units = { 0 };
	while (*text) {
		const unsigned char first = (unsigned char)*text;
		const size_t size = character_bytes(text);
		uint32_t point = size == 1 ? first : first & (0x7fU >> size);
		for (size_t i = 1; i < size; i++)
			point = point << 6 | ((unsigned char)text[i] & 0x3f);
		text += size;
		if (point >= 0x10000) {
			units.items[units.count++] = (uint16_t)(0xd800 + ((point - 0x10000) >> 10));
			point = 0xdc00 + ((point - 0x10000) & 0x3ff);
		}
		units.items[units.count++] = (uint16_t)point;
	}
	return units;
}

static struct model_value text_of_units(const uint16_t *items, size_t count)
{
	struct model_value value = { .type = MODEL_TEXT };
	char *out = value.text;
	for (size_t i = 0; i < count; i++) {
		uint32_t point = items[i];
		if (point >= 0xd800 && point < 0xdc00 && i + 1 < count)
			point = 0x10000 + ((point & 0x3ff) << 10) + (items[++i] & 0x3ffU);
		if (point < 0x80) {
			*out++ = (char)point;
		} else if (point < 0x800) {
			*out++ = (char)(0xc0 | point >> 6);
			*out++ = (char)(0x80 | (point & 0x3f));
		} else if (point < 0x10000) {
			*out++ = (char)(0xe0 | point >> 12);
			*out++ = (char)(0x80 | (point >> 6 & 0x3f));
			*out++ = (char)(0x80 | (point & 0x3f));
		} else {
			*out++ = (char)(0xf0 | point >> 18);
			*out++ = (char)(0x80 | (point >> 12 & 0x3f));
			*out++ = (char)(0x80 | (point >> 6 & 0x3f));
			*out++ = (char)(0x80 | (point & 0x3f));
		}
	}
	return value;
}

static uint16_t lower_unit(uint16_t unit)
{
	return unit >= 'A' && unit <= 'Z' ? (uint16_t)(unit + 32) : unit;
}

static bool units_at(const struct units *text, size_t at, const struct units *part,
		     bool insensitive)
{
	if (at + part->count > text->count)
		return false;
	for (size_t i = 0; i < part->count; i++) {
		const uint16_t one = text->items[at + i];
		const uint16_t other = part->items[i];
		if (insensitive ? lower_unit(one) != lower_unit(other) : one != other)
			return false;
	}
	return true;
}

static long find_units(const struct units *text, const struct units *part, size_t from,
		       bool insensitive)
{
	for (size_t at = from; at <= text->count; at++)
		if (units_at(text, at, part, insensitive))
			return (long)at;
	return -1;
}

/* --- functions -------------------------------------------------------------------------------- */

static struct model_value as_text(struct model_value value)
{
	char text[64];
	switch (value.type) {
	case MODEL_NULL:
	case MODEL_TEXT:
		return value;
	case MODEL_BOOLEAN:
		return text_value(value.boolean ? "true" : "false");
	case MODEL_INTEGER:
		snprintf(text, sizeof(text), "%lld", (long long)value.integer);
		return text_value(text);
	case MODEL_DOUBLE: /* the tests use halves below a million only */
		snprintf(text, sizeof(text), "%.1f", value.number);
		return text_value(text);
	case MODEL_ADDRESS:
		ip_address_format(&value.address, text);
		return text_value(text);
	case MODEL_TIME:
		time_format_iso8601((uint64_t)value.integer, 3, text);
		return text_value(text);
	}
	return null_value();
}

static struct model_value substring(const struct model_value *arguments)
{
	const struct units text = units_of(arguments[0].text);
	const int64_t count = (int64_t)text.count;
	int64_t from = arguments[1].type == MODEL_NULL ? 0 : arguments[1].integer;
	int64_t to = arguments[2].type == MODEL_NULL ? count : arguments[2].integer;
	from = from < 0 ? from + count : from;
	to = to < 0 ? to + count : to;
	from = from < 0 ? 0 : from > count ? count : from;
	to = to < 0 ? 0 : to > count ? count : to;
	return text_of_units(text.items + from, to > from ? (size_t)(to - from) : 0);
}

static struct model_value between(const struct model_value *arguments, bool insensitive)
{
	const struct units text = units_of(arguments[0].text);
	const struct units left = units_of(arguments[1].text);
	const struct units right = units_of(arguments[2].text);
	const long start = find_units(&text, &left, 0, insensitive);
	if (start < 0)
		return null_value();
	const size_t from = (size_t)start + left.count;
	long end = find_units(&text, &right, from, insensitive);
	for (size_t at = from; is_true(arguments[3]) && at <= text.count; at++)
		if (units_at(&text, at, &right, insensitive))
			end = (long)at;
	return end < 0 ? null_value() : text_of_units(text.items + from, (size_t)end - from);
}

static bool in_network(const struct ip_address *address, const char *network)
{
	char text[64];
	snprintf(text, sizeof(text), "%s", network);
	char *slash = strchr(text, '/');
	*slash = '\0';
	struct ip_address base;
	if (!ip_address_parse(text, strlen(text), &base) ||
	    ip_address_is_v4(&base) != ip_address_is_v4(address))
		return false;
	const int bits = (int)strtol(slash + 1, NULL, 10) + (ip_address_is_v4(&base) ? 96 : 0);
	for (int bit = 0; bit < bits; bit++)
		if (((base.bytes[bit / 8] ^ address->bytes[bit / 8]) >> (7 - bit % 8) & 1) != 0)
			return false;
	return true;
}

static struct model_value arithmetic(const char *name, struct model_value left,
				     struct model_value right)
{
	if (!is_number(left) || !is_number(right))
		return null_value();
	const bool whole = left.type == MODEL_INTEGER && right.type == MODEL_INTEGER;
	const double one = number_of(left);
	const double other = number_of(right);
	double result;
	if (*name == 'a')
		result = one + other;
	else if (*name == 's')
		result = one - other;
	else if (strcmp(name, "multiply") == 0)
		result = one * other;
	else if (other == 0)
		return null_value();
	else if (*name == 'd')
		result = whole ? trunc(one / other) : one / other;
	else
		result = fmod(one, other);
	if (whole) /* the tests' numbers are small */
		return integer_value((int64_t)result);
	return (struct model_value){ .type = MODEL_DOUBLE, .number = result };
}

static struct model_value evaluate(const struct expression *expression,
				   const struct binding *binding);

static struct model_value concat(const struct expression *expression, const struct binding *binding)
{
	struct model_value all = text_value("");
	for (size_t i = 0; i < expression->operand_count; i++) {
		const struct model_value part = as_text(evaluate(expression->operands[i], binding));
		if (part.type == MODEL_NULL)
			return part;
		const size_t size = strlen(all.text);
		snprintf(all.text + size, sizeof(all.text) - size, "%s", part.text);
	}
	return all;
}

static struct model_value number(const struct model_value *arguments)
{
	char *end;
	const char *text = arguments[0].text;
	const int base = arguments[1].type == MODEL_NULL ? 0 : (int)arguments[1].integer;
	const bool hexadecimal = text[0] == '0' && (text[1] | 32) == 'x';
	if (*text == '\0' || *text == ' ')
		return null_value();
	const int64_t integer = strtoll(text, &end, base ? base : hexadecimal ? 16 : 10);
	if (*end == '\0')
		return integer_value(integer);
	if (base == 16 || hexadecimal || strspn(text, "-0123456789.") != strlen(text))
		return null_value();
	const double value = strtod(text, &end);
	return *end ? null_value() : (struct model_value){ .type = MODEL_DOUBLE, .number = value };
}

static struct model_value call(const struct expression *expression, const struct binding *binding)
{
	const char *name = expression->name.bytes;
	const bool insensitive = expression->insensitive;
	struct model_value arguments[4] = { 0 };
	for (size_t i = 0; i < expression->operand_count && i < 4; i++)
		arguments[i] = evaluate(expression->operands[i], binding);
	if (strcasecmp(name, "concat") == 0)
		return concat(expression, binding);
	if (strcasecmp(name, "string") == 0)
		return as_text(arguments[0]);
	if (arguments[0].type == MODEL_NULL)
		return null_value();
	if (strcasecmp(name, "cidrMatch") == 0) {
		for (size_t i = 1; i < expression->operand_count; i++)
			if (in_network(&arguments[0].address,
				       expression->operands[i]->constant.text.bytes))
				return boolean_value(true);
		return boolean_value(false);
	}
	if (strcasecmp(name, "substring") == 0)
		return substring(arguments);
	if (strcasecmp(name, "number") == 0)
		return number(arguments);
	if (strcasecmp(name, "length") == 0)
		return integer_value((int64_t)units_of(arguments[0].text).count);
	if (arguments[1].type == MODEL_NULL)
		return null_value();
	if (is_number(arguments[0]))
		return arithmetic(name, arguments[0], arguments[1]);
	if (strcasecmp(name, "between") == 0)
		return arguments[2].type == MODEL_NULL ? null_value()
						       : between(arguments, insensitive);
	const struct units text = units_of(arguments[0].text);
	const struct units part = units_of(arguments[1].text);
	if (strcasecmp(name, "startsWith") == 0)
		return boolean_value(units_at(&text, 0, &part, insensitive));
	if (strcasecmp(name, "endsWith") == 0)
		return boolean_value(part.count <= text.count &&
				     units_at(&text, text.count - part.count, &part, insensitive));
	size_t from = arguments[2].integer > 0 ? (size_t)arguments[2].integer : 0;
	from = from > text.count ? text.count : from; /* as Java does for the empty string */
	const long found = find_units(&text, &part, from, insensitive);
	if (strcasecmp(name, "stringContains") == 0)
		return boolean_value(found >= 0);
	return found < 0 ? null_value() : integer_value(found); /* indexOf */
}

/* --- expressions, three-valued ---------------------------------------------------------------- */

/* A text beside an address or a date says one; a number beside a date is milliseconds. */
static struct model_value alike(struct model_value value, struct model_value other)
{
	uint64_t unix_ns;
	struct ip_address address;
	if (value.type == MODEL_TEXT && other.type == MODEL_ADDRESS &&
	    ip_address_parse(value.text, strlen(value.text), &address))
		return (struct model_value){ .type = MODEL_ADDRESS, .address = address };
	if (value.type == MODEL_TEXT && other.type == MODEL_TIME &&
	    time_parse_iso8601(value.text, strlen(value.text), &unix_ns))
		return (struct model_value){ .type = MODEL_TIME, .integer = (int64_t)unix_ns };
	if (value.type == MODEL_INTEGER && other.type == MODEL_TIME)
		return (struct model_value){ .type = MODEL_TIME,
					     .integer = value.integer * 1000000 };
	return value;
}

static int order(struct model_value left, struct model_value right)
{
	double difference = 0;
	if (is_number(left))
		difference = number_of(left) - number_of(right);
	else if (left.type == MODEL_TEXT)
		difference = (double)strcmp(left.text, right.text);
	else if (left.type == MODEL_ADDRESS)
		difference = (double)memcmp(&left.address, &right.address, 16);
	else if (left.type == MODEL_TIME)
		difference = (double)(left.integer - right.integer);
	else if (left.type == MODEL_BOOLEAN)
		difference = left.boolean - right.boolean;
	return (difference > 0) - (difference < 0);
}

static struct model_value compare(enum operation operation, struct model_value left,
				  struct model_value right)
{
	if (left.type == MODEL_NULL || right.type == MODEL_NULL)
		return null_value();
	const int sign = order(alike(left, right), alike(right, left));
	switch (operation) {
	case OPERATION_EQUAL:
		return boolean_value(sign == 0);
	case OPERATION_NOT_EQUAL:
		return boolean_value(sign != 0);
	case OPERATION_LESS:
		return boolean_value(sign < 0);
	case OPERATION_LESS_EQUAL:
		return boolean_value(sign <= 0);
	case OPERATION_GREATER:
		return boolean_value(sign > 0);
	default:
		return boolean_value(sign >= 0);
	}
}

static struct model_value constant(const struct constant *constant)
{
	switch (constant->type) {
	case CONSTANT_BOOLEAN:
		return boolean_value(constant->boolean);
	case CONSTANT_INTEGER:
		return integer_value(constant->integer);
	case CONSTANT_DOUBLE:
		return (struct model_value){ .type = MODEL_DOUBLE, .number = constant->number };
	case CONSTANT_TEXT:
		return text_value(constant->text.bytes);
	case CONSTANT_NULL:
		break;
	}
	return null_value();
}

static bool is_null_literal(const struct expression *expression)
{
	return expression->kind == EXPRESSION_CONSTANT &&
	       expression->constant.type == CONSTANT_NULL;
}

static struct model_value evaluate_list(const struct expression *expression,
					const struct binding *binding)
{
	const struct model_value value = evaluate(expression->operands[0], binding);
	if (value.type == MODEL_NULL)
		return value;
	bool found = false;
	for (size_t i = 1; i < expression->operand_count; i++) {
		const struct model_value element = evaluate(expression->operands[i], binding);
		if (expression->kind == EXPRESSION_LIKE)
			found |= fits(element.text, value.text, expression->insensitive);
		else if (expression->insensitive)
			found |= same_text(element.text, value.text, true);
		else
			found |= is_true(compare(OPERATION_EQUAL, value, element));
	}
	return boolean_value(found);
}

static struct model_value evaluate_logic(const struct expression *expression,
					 const struct binding *binding)
{
	bool null = false;
	const bool decisive = expression->kind == EXPRESSION_OR;
	for (size_t i = 0; i < expression->operand_count; i++) {
		const struct model_value value = evaluate(expression->operands[i], binding);
		if (value.type == MODEL_BOOLEAN && value.boolean == decisive)
			return value;
		null |= value.type == MODEL_NULL;
	}
	return null ? null_value() : boolean_value(!decisive);
}

static struct model_value evaluate_compare(const struct expression *expression,
					   const struct binding *binding)
{
	const struct expression *left = expression->operands[0];
	const struct expression *right = expression->operands[1];
	const enum operation operation = expression->operation;
	if ((is_null_literal(left) || is_null_literal(right)) &&
	    (operation == OPERATION_EQUAL || operation == OPERATION_NOT_EQUAL)) {
		const struct model_value value =
			evaluate(is_null_literal(right) ? left : right, binding);
		return boolean_value((value.type == MODEL_NULL) == (operation == OPERATION_EQUAL));
	}
	return compare(operation, evaluate(left, binding), evaluate(right, binding));
}

static struct model_value evaluate_field(const struct expression *expression,
					 const struct binding *binding)
{
	const struct model_event *event = binding->event;
	const size_t index = field_index(event, expression->name.bytes);
	if (index == event->field_count || event->fields[index].count == 0)
		return null_value();
	return event->fields[index].values[binding->chosen[index]];
}

static struct model_value evaluate(const struct expression *expression,
				   const struct binding *binding)
{
	static const char *const names[] = {
		"", "add", "subtract", "multiply", "divide", "modulo"
	};
	struct model_value value;
	switch (expression->kind) {
	case EXPRESSION_CONSTANT:
		return constant(&expression->constant);
	case EXPRESSION_FIELD:
		return evaluate_field(expression, binding);
	case EXPRESSION_CALL:
		return call(expression, binding);
	case EXPRESSION_NEGATE:
		return arithmetic("subtract", integer_value(0),
				  evaluate(expression->operands[0], binding));
	case EXPRESSION_ARITHMETIC:
		return arithmetic(names[expression->operation],
				  evaluate(expression->operands[0], binding),
				  evaluate(expression->operands[1], binding));
	case EXPRESSION_COMPARE:
		return evaluate_compare(expression, binding);
	case EXPRESSION_IN:
	case EXPRESSION_LIKE:
		return evaluate_list(expression, binding);
	case EXPRESSION_NOT:
		value = evaluate(expression->operands[0], binding);
		return value.type == MODEL_NULL ? value : boolean_value(!value.boolean);
	case EXPRESSION_AND:
	case EXPRESSION_OR:
		return evaluate_logic(expression, binding);
	case EXPRESSION_REGEX:
		break;
	}
	return null_value();
}

/* --- filters, two-valued ---------------------------------------------------------------------- */

/* True if the atom is true for some choice of one value per field. */
static bool some_choice(const struct expression *expression, const struct model_event *event)
{
	struct binding binding = { .event = event };
	for (;;) {
		if (is_true(evaluate(expression, &binding)))
			return true;
		size_t i = 0;
		for (; i < event->field_count; i++) {
			if (++binding.chosen[i] < event->fields[i].count)
				break;
			binding.chosen[i] = 0;
		}
		if (i == event->field_count)
			return false;
	}
}

static bool is_field(const struct expression *expression)
{
	return expression->kind == EXPRESSION_FIELD;
}

static bool is_condition(const struct expression *expression)
{
	return expression->kind == EXPRESSION_COMPARE || expression->kind == EXPRESSION_NOT ||
	       expression->kind == EXPRESSION_AND || expression->kind == EXPRESSION_OR ||
	       expression->kind == EXPRESSION_IN || expression->kind == EXPRESSION_LIKE;
}

/* `field != constant` is the negation of a term; `condition == true` the condition. */
static bool filter_compare(const struct expression *expression, const struct model_event *event)
{
	const struct expression *left = expression->operands[0];
	const struct expression *right = expression->operands[1];
	const bool differs = expression->operation == OPERATION_NOT_EQUAL;
	if (differs && (is_field(left) || is_field(right))) {
		struct expression equal = *expression;
		equal.operation = OPERATION_EQUAL;
		return !some_choice(&equal, event);
	}
	if (is_condition(left) && right->kind == EXPRESSION_CONSTANT &&
	    right->constant.type == CONSTANT_BOOLEAN)
		return model_eql_matches(left, event) == (right->constant.boolean != differs);
	return some_choice(expression, event);
}

bool model_eql_matches(const struct expression *condition, const struct model_event *event)
{
	switch (condition->kind) {
	case EXPRESSION_NOT:
		return !model_eql_matches(condition->operands[0], event);
	case EXPRESSION_AND:
		for (size_t i = 0; i < condition->operand_count; i++)
			if (!model_eql_matches(condition->operands[i], event))
				return false;
		return true;
	case EXPRESSION_OR:
		for (size_t i = 0; i < condition->operand_count; i++)
			if (model_eql_matches(condition->operands[i], event))
				return true;
		return false;
	case EXPRESSION_COMPARE:
		return filter_compare(condition, event);
	default:
		return some_choice(condition, event);
	}
}
