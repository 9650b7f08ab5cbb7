#include "tests/support_tree.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct printer {
	char *out;
	size_t size_bytes;
	size_t used;
};

__attribute__((format(printf, 2, 3))) static void put(struct printer *printer, const char *format,
						      ...)
{
	va_list arguments;
	va_start(arguments, format);
	const int size = vsnprintf(printer->out + printer->used,
				   printer->size_bytes - printer->used, format, arguments);
	va_end(arguments);
	printer->used += size > 0 ? (size_t)size : 0;
	if (printer->used >= printer->size_bytes)
		printer->used = printer->size_bytes - 1;
}

static void put_constant(struct printer *printer, const struct constant *constant)
{
	switch (constant->type) {
	case CONSTANT_NULL:
		put(printer, "null");
		break;
	case CONSTANT_BOOLEAN:
		put(printer, constant->boolean ? "true" : "false");
		break;
	case CONSTANT_INTEGER:
		put(printer, "%" PRId64, constant->integer);
		break;
	case CONSTANT_DOUBLE:
		put(printer, "%g", constant->number);
		break;
	case CONSTANT_TEXT:
		put(printer, "\"%.*s\"", (int)constant->text.size_bytes, constant->text.bytes);
		break;
	}
}

static const char *operator_of(const struct expression *expression)
{
	static const char *const operations[] = {
		"?", "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=",
	};
	static const char *const kinds[] = {
		[EXPRESSION_NEGATE] = "-",    [EXPRESSION_IN] = "in",	[EXPRESSION_LIKE] = "like",
		[EXPRESSION_REGEX] = "regex", [EXPRESSION_NOT] = "not", [EXPRESSION_AND] = "and",
		[EXPRESSION_OR] = "or",
	};
	if (expression->kind == EXPRESSION_CALL)
		return expression->name.bytes;
	if (expression->operation != OPERATION_NONE)
		return operations[expression->operation];
	return kinds[expression->kind];
}

static void put_tree(struct printer *printer, const struct expression *expression)
{
	if (expression->kind == EXPRESSION_CONSTANT) {
		put_constant(printer, &expression->constant);
		return;
	}
	if (expression->kind == EXPRESSION_FIELD) {
		put(printer, "%.*s", (int)expression->name.size_bytes, expression->name.bytes);
		return;
	}
	put(printer, "(%s%s", operator_of(expression), expression->insensitive ? "~" : "");
	for (size_t i = 0; i < expression->operand_count; i++) {
		put(printer, " ");
		put_tree(printer, expression->operands[i]);
	}
	put(printer, ")");
}

void tree_print(const struct expression *expression, char *out, size_t size_bytes)
{
	struct printer printer = { .out = out, .size_bytes = size_bytes };
	put_tree(&printer, expression);
}
