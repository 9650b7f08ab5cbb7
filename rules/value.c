#include "rules/value.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NS_PER_MS = 1000000, NUMBER_TEXT_MAX = 48 };
static_assert((int)NUMBER_TEXT_MAX >= (int)IP_ADDRESS_TEXT_MAX &&
		      (int)NUMBER_TEXT_MAX >= (int)TIME_TEXT_MAX,
	      "one buffer for every text");

struct value value_of_constant(const struct constant *constant)
{
	switch (constant->type) {
	case CONSTANT_BOOLEAN:
		return value_boolean(constant->boolean);
	case CONSTANT_INTEGER:
		return value_integer(constant->integer);
	case CONSTANT_DOUBLE:
		return value_double(constant->number);
	case CONSTANT_TEXT:
		return value_text(constant->text.bytes, constant->text.size_bytes);
	case CONSTANT_NULL:
		break;
	}
	return value_null();
}

struct value value_of_event(const struct event *event, const struct event_value *value)
{
	const void *at = event_at(event, value);
	switch ((enum value_type)value->type) {
	case VALUE_TEXT: {
		const struct event_text *text = at;
		return value_text(text->bytes, text->size_bytes);
	}
	case VALUE_INTEGER:
		return value_integer(*(const int64_t *)at);
	case VALUE_DOUBLE:
		return value_double(*(const double *)at);
	case VALUE_BOOLEAN:
		return value_boolean(*(const int64_t *)at != 0);
	case VALUE_ADDRESS:
		return (struct value){ .kind = VALUE_IS_ADDRESS,
				       .address = *(const struct ip_address *)at };
	case VALUE_TIME:
		return (struct value){ .kind = VALUE_IS_TIME, .integer = *(const int64_t *)at };
	}
	return value_null();
}

static unsigned char fold(char byte)
{
	const unsigned char value = (unsigned char)byte;
	return value >= 'A' && value <= 'Z' ? value | 0x20 : value;
}

bool text_equal(const struct text *left, const struct text *right, bool insensitive)
{
	if (left->size_bytes != right->size_bytes)
		return false;
	if (!insensitive)
		return memcmp(left->bytes, right->bytes, left->size_bytes) == 0;
	for (size_t i = 0; i < left->size_bytes; i++) /* texts may hold NUL: no strncasecmp */
		if (fold(left->bytes[i]) != fold(right->bytes[i]))
			return false;
	return true;
}

int text_order(const struct text *left, const struct text *right)
{
	const size_t shorter =
		left->size_bytes < right->size_bytes ? left->size_bytes : right->size_bytes;
	const int order = memcmp(left->bytes, right->bytes, shorter);
	if (order != 0)
		return order;
	return (left->size_bytes > right->size_bytes) - (left->size_bytes < right->size_bytes);
}

/* --- comparison ------------------------------------------------------------------------------- */

/* long double holds every int64 and every double. */
static long double as_number(const struct value *value)
{
	return value->kind == VALUE_IS_INTEGER ? (long double)value->integer
					       : (long double)value->number;
}

/* Turns what stands beside a time or an address into one, where it says one. */
static struct value as_kind_of(const struct value *value, const struct value *other)
{
	struct value made = *value;
	uint64_t unix_ns;
	if (value->kind == VALUE_IS_TEXT && other->kind == VALUE_IS_ADDRESS &&
	    ip_address_parse(value->text.bytes, value->text.size_bytes, &made.address))
		made.kind = VALUE_IS_ADDRESS;
	if (other->kind != VALUE_IS_TIME)
		return made;
	if (value->kind == VALUE_IS_TEXT &&
	    time_parse_iso8601(value->text.bytes, value->text.size_bytes, &unix_ns))
		made = (struct value){ .kind = VALUE_IS_TIME, .integer = (int64_t)unix_ns };
	if (value->kind == VALUE_IS_INTEGER &&
	    !__builtin_mul_overflow(value->integer, NS_PER_MS, &made.integer))
		made.kind = VALUE_IS_TIME;
	return made;
}

/* False: they have no order. NaN has none. */
static bool order_of(const struct value *left, const struct value *right, int *out_order)
{
	if (value_is_number(left) && value_is_number(right)) {
		const long double one = as_number(left);
		const long double other = as_number(right);
		*out_order = (one > other) - (one < other);
		return !isunordered(one, other);
	}
	if (left->kind != right->kind)
		return false;
	switch (left->kind) {
	case VALUE_IS_TEXT:
		*out_order = text_order(&left->text, &right->text);
		return true;
	case VALUE_IS_ADDRESS:
		*out_order = memcmp(&left->address, &right->address, sizeof(left->address));
		return true;
	case VALUE_IS_TIME:
		*out_order = (left->integer > right->integer) - (left->integer < right->integer);
		return true;
	case VALUE_IS_BOOLEAN:
		*out_order = (int)left->boolean - (int)right->boolean;
		return true;
	default:
		return false;
	}
}

static bool holds(enum operation operation, int order)
{
	switch (operation) {
	case OPERATION_EQUAL:
		return order == 0;
	case OPERATION_NOT_EQUAL:
		return order != 0;
	case OPERATION_LESS:
		return order < 0;
	case OPERATION_LESS_EQUAL:
		return order <= 0;
	case OPERATION_GREATER:
		return order > 0;
	default:
		return order >= 0;
	}
}

struct value value_compare(enum operation operation, const struct value *left,
			   const struct value *right)
{
	const struct value one = as_kind_of(left, right);
	const struct value other = as_kind_of(right, left);
	int order;
	if (one.kind == VALUE_IS_NULL || other.kind == VALUE_IS_NULL)
		return value_null();
	if (order_of(&one, &other, &order))
		return value_boolean(holds(operation, order));
	/* Different kinds are certainly not equal, and neither is more than the other. */
	if (operation == OPERATION_EQUAL || operation == OPERATION_NOT_EQUAL)
		return value_boolean(operation == OPERATION_NOT_EQUAL);
	return value_null();
}

/* --- arithmetic ------------------------------------------------------------------------------- */

static struct value integer_arithmetic(enum operation operation, int64_t left, int64_t right)
{
	int64_t result = 0;
	bool bad;
	switch (operation) {
	case OPERATION_ADD:
		bad = __builtin_add_overflow(left, right, &result);
		break;
	case OPERATION_SUBTRACT:
		bad = __builtin_sub_overflow(left, right, &result);
		break;
	case OPERATION_MULTIPLY:
		bad = __builtin_mul_overflow(left, right, &result);
		break;
	default:
		bad = right == 0 || (left == INT64_MIN && right == -1);
		if (!bad)
			result = operation == OPERATION_DIVIDE ? left / right : left % right;
		break;
	}
	return bad ? value_null() : value_integer(result);
}

static double double_arithmetic(enum operation operation, double left, double right)
{
	switch (operation) {
	case OPERATION_ADD:
		return left + right;
	case OPERATION_SUBTRACT:
		return left - right;
	case OPERATION_MULTIPLY:
		return left * right;
	case OPERATION_DIVIDE:
		return left / right;
	default:
		return fmod(left, right);
	}
}

struct value value_arithmetic(enum operation operation, const struct value *left,
			      const struct value *right)
{
	if (!value_is_number(left) || !value_is_number(right))
		return value_null();
	if (left->kind == VALUE_IS_INTEGER && right->kind == VALUE_IS_INTEGER)
		return integer_arithmetic(operation, left->integer, right->integer);
	const double result =
		double_arithmetic(operation, (double)as_number(left), (double)as_number(right));
	return isfinite(result) ? value_double(result) : value_null();
}

struct value value_negate(const struct value *operand)
{
	if (operand->kind == VALUE_IS_DOUBLE)
		return value_double(-operand->number);
	const struct value zero = value_integer(0);
	return value_arithmetic(OPERATION_SUBTRACT, &zero, operand);
}

/* --- text ------------------------------------------------------------------------------------- */

/* The shortest digits that read back as the same number, in Java's clothes: "1.0", "1.5E10". */
static int print_double(double number, char out_text[NUMBER_TEXT_MAX])
{
	int digits = 1;
	do
		snprintf(out_text, NUMBER_TEXT_MAX, "%.*e", digits - 1, number);
	while (strtod(out_text, NULL) != number && ++digits < 18);
	const int exponent = (int)strtol(strchr(out_text, 'e') + 1, NULL, 10);
	if (number == 0 || (exponent >= -3 && exponent < 7)) {
		const int places = digits - 1 - exponent;
		return snprintf(out_text, NUMBER_TEXT_MAX, "%.*f", places < 1 ? 1 : places, number);
	}
	char mantissa[NUMBER_TEXT_MAX];
	snprintf(mantissa, sizeof(mantissa), "%.*e", digits < 2 ? 1 : digits - 1, number);
	*strchr(mantissa, 'e') = '\0';
	return snprintf(out_text, NUMBER_TEXT_MAX, "%.30sE%d", mantissa, exponent);
}

struct value value_to_text(const struct value *value, struct text_room *room)
{
	char text[NUMBER_TEXT_MAX];
	int size = 0;
	switch (value->kind) {
	case VALUE_IS_NULL:
	case VALUE_IS_TEXT:
		return *value;
	case VALUE_IS_BOOLEAN:
		return value->boolean ? value_text("true", 4) : value_text("false", 5);
	case VALUE_IS_INTEGER:
		size = snprintf(text, sizeof(text), "%lld", (long long)value->integer);
		break;
	case VALUE_IS_DOUBLE:
		size = print_double(value->number, text);
		break;
	case VALUE_IS_ADDRESS:
		size = (int)ip_address_format(&value->address, text);
		break;
	case VALUE_IS_TIME:
		size = (int)time_format_iso8601((uint64_t)value->integer, 3, text);
		break;
	}
	if ((size_t)size > room->size_bytes - room->used_bytes)
		return value_null();
	char *made = room->bytes + room->used_bytes;
	memcpy(made, text, (size_t)size);
	room->used_bytes += (size_t)size;
	return value_text(made, (size_t)size);
}

struct value value_parse_number(const char *text, size_t size_bytes, int base)
{
	char copy[64];
	if (size_bytes == 0 || size_bytes >= sizeof(copy) || memchr(text, '\0', size_bytes))
		return value_null();
	memcpy(copy, text, size_bytes);
	copy[size_bytes] = '\0';
	const char *digits = copy + (copy[0] == '-' || copy[0] == '+');
	const bool hexadecimal = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
	if (base == 0)
		base = hexadecimal ? 16 : 10;
	char *end;
	errno = 0;
	const int64_t integer = strtoll(copy, &end, base);
	const bool starts_well = (digits[0] >= '0' && digits[0] <= '9') || base > 10;
	if (starts_well && end == copy + size_bytes && errno == 0 && copy[0] != ' ')
		return value_integer(integer);
	if (base != 10 || hexadecimal || (digits[0] != '.' && (digits[0] < '0' || digits[0] > '9')))
		return value_null();
	const double number = strtod(copy, &end);
	return end == copy + size_bytes && isfinite(number) ? value_double(number) : value_null();
}
