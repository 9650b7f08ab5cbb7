/* model_eql.h: what a condition means, as plainly as it can be said: walks the parser's tree for
 * one event at a time, with no folding, no sharing, no automata. The rules' programs are compared
 * with it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/address.h"
#include "rules/ast.h"

enum model_type {
	MODEL_NULL,
	MODEL_BOOLEAN,
	MODEL_INTEGER,
	MODEL_DOUBLE,
	MODEL_TEXT,
	MODEL_ADDRESS,
	MODEL_TIME
};

enum { MODEL_TEXT_MAX = 512, MODEL_VALUES_MAX = 3, MODEL_FIELDS_MAX = 16 };

struct model_value {
	enum model_type type;
	bool boolean;
	int64_t integer; /* also nanoseconds */
	double number;
	struct ip_address address;
	char text[MODEL_TEXT_MAX]; /* NUL-terminated UTF-8 */
};

struct model_field {
	const char *name;
	size_t count;
	struct model_value values[MODEL_VALUES_MAX];
};

struct model_event {
	size_t field_count;
	struct model_field fields[MODEL_FIELDS_MAX];
};

bool model_eql_matches(const struct expression *condition, const struct model_event *event);
