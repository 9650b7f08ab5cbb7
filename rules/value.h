/* value.h: what an expression is worth for one event, and the arithmetic of such values.
 *
 * Shared by constant folding and by scripts (conditions on functions and arithmetic). Null is "no
 * value", and most operations on it are null again. No state; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/address.h"
#include "collector/event.h"
#include "rules/ast.h"

enum value_kind {
	VALUE_IS_NULL,
	VALUE_IS_BOOLEAN,
	VALUE_IS_INTEGER,
	VALUE_IS_DOUBLE,
	VALUE_IS_TEXT,
	VALUE_IS_ADDRESS,
	VALUE_IS_TIME, /* integer = Unix nanoseconds */
};

struct value {
	enum value_kind kind;
	union {
		bool boolean;
		int64_t integer;
		double number;
		struct text text; /* borrowed */
		struct ip_address address;
	};
};

/* Where functions put texts that they make: a block that is given out from the front. A text that
 * does not fit is null. */
struct text_room {
	char *bytes;
	size_t size_bytes;
	size_t used_bytes;
};

static inline struct value value_null(void)
{
	return (struct value){ .kind = VALUE_IS_NULL };
}

static inline struct value value_boolean(bool truth)
{
	return (struct value){ .kind = VALUE_IS_BOOLEAN, .boolean = truth };
}

static inline struct value value_integer(int64_t integer)
{
	return (struct value){ .kind = VALUE_IS_INTEGER, .integer = integer };
}

static inline struct value value_double(double number)
{
	return (struct value){ .kind = VALUE_IS_DOUBLE, .number = number };
}

static inline struct value value_text(const char *bytes, size_t size_bytes)
{
	return (struct value){ .kind = VALUE_IS_TEXT, .text = { bytes, size_bytes } };
}

static inline bool value_is_number(const struct value *value)
{
	return value->kind == VALUE_IS_INTEGER || value->kind == VALUE_IS_DOUBLE;
}

static inline bool value_is_true(const struct value *value)
{
	return value->kind == VALUE_IS_BOOLEAN && value->boolean;
}

struct value value_of_constant(const struct constant *constant);

/* Borrowed from the event. */
struct value value_of_event(const struct event *event, const struct event_value *value);

/* A boolean, or null when a side is null or the two cannot be compared. Numbers compare
 * by value, texts by bytes, addresses and times also with texts that say one, times
 * also with milliseconds. */
struct value value_compare(enum operation operation, const struct value *left,
			   const struct value *right);

/* Null on overflow and on division by zero. */
struct value value_arithmetic(enum operation operation, const struct value *left,
			      const struct value *right);
struct value value_negate(const struct value *operand);

/* As text: what string() and concat() make of it; "1.5", "true", "10.0.0.1". Texts are returned as
 * they are. */
struct value value_to_text(const struct value *value, struct text_room *room);

/* "12", "-1.5e3", "0x1f" as a number, whole; null when it is none. Base 0 takes decimal and 0x. */
struct value value_parse_number(const char *text, size_t size_bytes, int base);

/* ASCII letters folded. */
bool text_equal(const struct text *left, const struct text *right, bool insensitive);

/* Bytes, then length. */
int text_order(const struct text *left, const struct text *right);
