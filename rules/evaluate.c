/* What a checked expression is worth for one choice of its fields' values: three-valued, as scripts
 * are. Recursion is as deep as the expression, which the parser bounds. */
#include "rules/node.h"

#include <string.h>

#include "rules/regex.h"
#include "rules/wildcard.h"

/* One network at a time, because there may be many. */
static struct value evaluate_networks(const struct node *node,
				      const struct environment *environment)
{
	struct value arguments[2] = { node_evaluate(node->operands[0], environment) };
	struct value found = value_null();
	for (size_t i = 1; i < node->operand_count && !value_is_true(&found); i++) {
		arguments[1] = node_evaluate(node->operands[i], environment);
		found = node->function->evaluate(
			&(struct function_call){ .arguments = arguments, .count = 2 });
	}
	return found;
}

static struct value evaluate_call(const struct node *node, const struct environment *environment)
{
	if (node->function == function_cidr_match())
		return evaluate_networks(node, environment);
	struct value arguments[FUNCTION_ARGUMENTS_MAX] = { 0 };
	for (size_t i = 0; i < node->operand_count; i++)
		arguments[i] = node_evaluate(node->operands[i], environment);
	return node->function->evaluate(&(struct function_call){
		.arguments = arguments,
		.count = node->operand_count,
		.insensitive = node->insensitive,
		.room = environment->room,
	});
}

static struct value evaluate_in(const struct node *node, const struct environment *environment)
{
	const struct value value = node_evaluate(node->operands[0], environment);
	if (value.kind == VALUE_IS_NULL)
		return value;
	for (size_t i = 1; i < node->operand_count; i++) {
		const struct value *element = &node->operands[i]->constant;
		if (node->insensitive ? value.kind == VALUE_IS_TEXT &&
						text_equal(&value.text, &element->text, true)
				      : false)
			return value_boolean(true);
		const struct value equal = value_compare(OPERATION_EQUAL, &value, element);
		if (value_is_true(&equal))
			return value_boolean(true);
	}
	return value_boolean(false);
}

static struct value evaluate_fit(const struct node *node, const struct environment *environment)
{
	const struct value value = node_evaluate(node->operands[0], environment);
	const struct value text = value_to_text(&value, environment->room);
	if (text.kind != VALUE_IS_TEXT)
		return value_null();
	if (node->kind == NODE_LIKE)
		return value_boolean(node->wildcard &&
				     wildcard_match(node->wildcard, environment->wildcards,
						    text.text.bytes, text.text.size_bytes));
	return value_boolean(node->regex && regex_match(node->regex, environment->regexes,
							text.text.bytes, text.text.size_bytes));
}

/* false wins over null in `and`, true in `or`. */
static struct value evaluate_logic(const struct node *node, const struct environment *environment)
{
	const bool decisive = node->kind == NODE_OR;
	bool null = false;
	for (size_t i = 0; i < node->operand_count; i++) {
		const struct value value = node_evaluate(node->operands[i], environment);
		if (value.kind != VALUE_IS_BOOLEAN)
			null = true;
		else if (value.boolean == decisive)
			return value;
	}
	return null ? value_null() : value_boolean(!decisive);
}

static struct value evaluate_two(const struct node *node, const struct environment *environment)
{
	const struct value left = node_evaluate(node->operands[0], environment);
	const struct value right = node_evaluate(node->operands[1], environment);
	return node->kind == NODE_COMPARE ? value_compare(node->operation, &left, &right)
					  : value_arithmetic(node->operation, &left, &right);
}

struct value node_evaluate(const struct node *node, const struct environment *environment)
{
	struct value value;
	switch (node->kind) {
	case NODE_CONSTANT:
		return node->constant;
	case NODE_FIELD:
		return environment->fields[node->slot];
	case NODE_CALL:
		return evaluate_call(node, environment);
	case NODE_COMPARE:
	case NODE_ARITHMETIC:
		return evaluate_two(node, environment);
	case NODE_NEGATE:
		value = node_evaluate(node->operands[0], environment);
		return value_negate(&value);
	case NODE_IS_NULL:
		value = node_evaluate(node->operands[0], environment);
		return value_boolean(value.kind == VALUE_IS_NULL);
	case NODE_NOT:
		value = node_evaluate(node->operands[0], environment);
		return value.kind == VALUE_IS_BOOLEAN ? value_boolean(!value.boolean)
						      : value_null();
	case NODE_IN:
		return evaluate_in(node, environment);
	case NODE_LIKE:
	case NODE_REGEX:
		return evaluate_fit(node, environment);
	case NODE_AND:
	case NODE_OR:
		return evaluate_logic(node, environment);
	}
	return value_null();
}

/* --- printing --------------------------------------------------------------------------------- */

static void print_text(const struct text *text, FILE *stream)
{
	fputc('"', stream);
	for (size_t i = 0; i < text->size_bytes; i++) {
		const unsigned char byte = (unsigned char)text->bytes[i];
		if (byte == '"' || byte == '\\')
			fprintf(stream, "\\%c", byte);
		else if (byte < ' ' || byte == 0x7f)
			fprintf(stream, "\\u%04x", byte);
		else if (byte == 0xc2 && i + 1 < text->size_bytes &&
			 ((unsigned char)text->bytes[i + 1] & 0xe0U) == 0x80U) /* C1 controls */
			fprintf(stream, "\\u%04x", (unsigned char)text->bytes[++i]);
		else
			fputc(byte, stream);
	}
	fputc('"', stream);
}

void value_print(const struct value *value, FILE *stream)
{
	char bytes[64];
	struct text_room room = { .bytes = bytes, .size_bytes = sizeof(bytes) };
	char time[TIME_TEXT_MAX];
	struct value text;
	switch (value->kind) {
	case VALUE_IS_NULL:
		fputs("null", stream);
		return;
	case VALUE_IS_TEXT:
		print_text(&value->text, stream);
		return;
	case VALUE_IS_TIME:
		if (value->integer < 0) {
			fprintf(stream, "%lldns", (long long)value->integer);
			return;
		}
		time_format_iso8601((uint64_t)value->integer, 9, time);
		fputs(time, stream);
		return;
	default:
		text = value_to_text(value, &room);
		fprintf(stream, "%.*s", (int)text.text.size_bytes, text.text.bytes);
		return;
	}
}

void field_print(const struct fields *fields, uint16_t field, FILE *stream)
{
	const char *name = field == FIELD_NONE ? "" : fields_name(fields, field);
	const bool plain = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					"0123456789_.@") == strlen(name);
	if (!plain)
		fputc('`', stream);
	for (; *name; name++)
		fprintf(stream, *name == '`' ? "``" : "%c", *name);
	if (!plain)
		fputc('`', stream);
}

static const char *operator_name(const struct node *node)
{
	static const char *const operations[] = { "",	"+",  "-", "*",	 "/", "%",
						  "==", "!=", "<", "<=", ">", ">=" };
	static const char *const kinds[] = {
		[NODE_NEGATE] = "-",  [NODE_IS_NULL] = "is-null", [NODE_IN] = "in",
		[NODE_LIKE] = "like", [NODE_REGEX] = "regex",	  [NODE_NOT] = "not",
		[NODE_AND] = "and",   [NODE_OR] = "or",
	};
	if (node->kind == NODE_CALL)
		return node->function->name;
	if (node->kind == NODE_COMPARE || node->kind == NODE_ARITHMETIC)
		return operations[node->operation];
	return kinds[node->kind];
}

void node_print(const struct node *node, const struct fields *fields, FILE *stream)
{
	if (node->kind == NODE_CONSTANT) {
		value_print(&node->constant, stream);
		return;
	}
	if (node->kind == NODE_FIELD) {
		field_print(fields, node->field, stream);
		return;
	}
	fprintf(stream, "%s%s(", operator_name(node), node->insensitive ? "~" : "");
	for (size_t i = 0; i < node->operand_count; i++) {
		fputs(i ? ", " : "", stream);
		node_print(node->operands[i], fields, stream);
	}
	fputc(')', stream);
}
