/* The table of functions, and those on numbers, addresses and anything. Text: functions_text.c. */
#include "rules/functions.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "rules/suggest.h"

static const struct function functions[] = {
#define FUNCTION(identifier, name, parameters, tilde, result, help)                                \
	{                                                                                          \
		name,  parameters,                                                                 \
		tilde, FUNCTION_RESULT_##result,                                                   \
		help,  function_##identifier##_evaluate                                            \
	},
#include "rules/functions.def"
#undef FUNCTION
};

enum {
#define FUNCTION(identifier, ...) FUNCTION_##identifier,
#include "rules/functions.def"
#undef FUNCTION
	FUNCTION_COUNT
};

const struct function *function_find(const struct text *name)
{
	for (size_t i = 0; i < FUNCTION_COUNT; i++)
		if (strlen(functions[i].name) == name->size_bytes &&
		    strncasecmp(functions[i].name, name->bytes, name->size_bytes) == 0)
			return &functions[i];
	return NULL;
}

const struct function *function_cidr_match(void)
{
	return &functions[FUNCTION_cidr_match];
}

const char *function_suggest(const struct text *name)
{
	struct suggestion suggestion = suggestion_for(name);
	for (size_t i = 0; i < FUNCTION_COUNT; i++)
		suggestion_consider(&suggestion, functions[i].name);
	return suggestion.best;
}

char function_parameter(const struct function *function, size_t index)
{
	size_t at = 0;
	for (const char *letter = function->parameters; *letter; letter++) {
		if (*letter == '+')
			return letter[-1];
		if (*letter != '|' && at++ == index)
			return *letter;
	}
	return 0;
}

size_t function_arguments_min(const struct function *function)
{
	return strcspn(function->parameters, "|+");
}

size_t function_arguments_max(const struct function *function)
{
	if (strchr(function->parameters, '+'))
		return SIZE_MAX;
	return strlen(function->parameters) - (strchr(function->parameters, '|') != NULL);
}

static struct value calculate(const struct function_call *call, enum operation operation)
{
	return value_arithmetic(operation, &call->arguments[0], &call->arguments[1]);
}

struct value function_add_evaluate(const struct function_call *call)
{
	return calculate(call, OPERATION_ADD);
}

struct value function_subtract_evaluate(const struct function_call *call)
{
	return calculate(call, OPERATION_SUBTRACT);
}

struct value function_multiply_evaluate(const struct function_call *call)
{
	return calculate(call, OPERATION_MULTIPLY);
}

struct value function_divide_evaluate(const struct function_call *call)
{
	return calculate(call, OPERATION_DIVIDE);
}

struct value function_modulo_evaluate(const struct function_call *call)
{
	return calculate(call, OPERATION_MODULO);
}

struct value function_string_evaluate(const struct function_call *call)
{
	return value_to_text(&call->arguments[0], call->room);
}

struct value function_number_evaluate(const struct function_call *call)
{
	const struct value *text = &call->arguments[0];
	const struct value *base = &call->arguments[1];
	if (value_is_number(text))
		return *text;
	if (text->kind != VALUE_IS_TEXT)
		return value_null();
	if (base->kind == VALUE_IS_NULL)
		return value_parse_number(text->text.bytes, text->text.size_bytes, 0);
	if (base->kind != VALUE_IS_INTEGER || base->integer < 2 || base->integer > 36)
		return value_null();
	return value_parse_number(text->text.bytes, text->text.size_bytes, (int)base->integer);
}

/* Inside other expressions only: as a condition it becomes a set of networks. */
struct value function_cidr_match_evaluate(const struct function_call *call)
{
	struct ip_address address;
	const struct value *value = &call->arguments[0];
	if (value->kind == VALUE_IS_ADDRESS)
		address = value->address;
	else if (value->kind != VALUE_IS_TEXT ||
		 !ip_address_parse(value->text.bytes, value->text.size_bytes, &address))
		return value_null();
	for (size_t i = 1; i < call->count; i++) {
		const struct value *network = &call->arguments[i];
		struct ip_prefix prefix;
		if (network->kind == VALUE_IS_TEXT &&
		    ip_prefix_parse(network->text.bytes, network->text.size_bytes, &prefix) &&
		    ip_address_is_v4(&prefix.address) == ip_address_is_v4(&address) &&
		    ip_prefix_contains(&prefix, &address))
			return value_boolean(true);
	}
	return value_boolean(false);
}
