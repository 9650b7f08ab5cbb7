/* functions.h: EQL's functions, one row each in functions.def. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "rules/value.h"

enum { FUNCTION_ARGUMENTS_MAX = 32 }; /* but for networks, which are not counted */

enum function_result {
	FUNCTION_RESULT_BOOLEAN,
	FUNCTION_RESULT_INTEGER,
	FUNCTION_RESULT_NUMBER, /* whole or not */
	FUNCTION_RESULT_TEXT,
};

struct function_call {
	const struct value *arguments; /* those left out are null */
	size_t count;
	bool insensitive;
	struct text_room *room;
};

typedef struct value function_fn(const struct function_call *call);

struct function {
	const char *name;
	const char *parameters; /* see functions.def */
	bool has_tilde;
	enum function_result result;
	const char *help;
	function_fn *evaluate;
};

/* The function of that name, in any case, or NULL. */
const struct function *function_find(const struct text *name);

const struct function *function_cidr_match(void);

/* The letter of the parameter at `index`, or 0 when the function takes no so many. */
char function_parameter(const struct function *function, size_t index);

/* The smallest and largest number of arguments; SIZE_MAX = any. */
size_t function_arguments_min(const struct function *function);
size_t function_arguments_max(const struct function *function);

/* The name that a misspelt one may have meant, or NULL. */
const char *function_suggest(const struct text *name);

/* Every function prototype. */
#define FUNCTION(identifier, ...) function_fn function_##identifier##_evaluate;
#include "rules/functions.def"
#undef FUNCTION
