/* From the parser's tree to a checked one: names, types, constants. See node.h. */
#include "rules/node.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "rules/check.h"
#include "rules/suggest.h"

enum { CHECK_DEPTH_MAX = 4 * EXPRESSION_DEPTH_MAX }; /* for trees from other parsers */

bool checker_complain(struct checker *checker, struct place place, const char *format, ...)
{
	char sentence[COMPLAINT_TEXT_MAX];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	return complain(complaints_next(checker->complaints), checker->file, place.line,
			place.column, "%s", sentence);
}

struct node *checker_node(struct checker *checker, enum node_kind kind, enum static_type type,
			  struct place place, size_t operand_count)
{
	struct node *node = arena_take(checker->arena, sizeof(*node));
	struct node **operands =
		node ? arena_take(checker->arena, operand_count * sizeof(struct node *)) : NULL;
	if (!operands) {
		checker_complain(checker, place, "the query needs more memory than it may use");
		return NULL;
	}
	node->kind = kind;
	node->type = type;
	node->place = place;
	node->operands = operands;
	node->operand_count = operand_count;
	return node;
}

const char *static_type_name(enum static_type type)
{
	static const char *const names[] = {
		[STATIC_NULL] = "null",
		[STATIC_BOOLEAN] = "a boolean",
		[STATIC_NUMBER] = "a number",
		[STATIC_TEXT] = "a string",
		[STATIC_ADDRESS] = "an IP address",
		[STATIC_TIME] = "a date",
		[STATIC_ANY] = "a field without a type",
	};
	return names[type];
}

enum static_type static_type_of_field(const struct fields *fields, uint16_t field)
{
	static const enum static_type types[] = {
		[FIELD_TYPE_KEYWORD] = STATIC_TEXT,  [FIELD_TYPE_LONG] = STATIC_NUMBER,
		[FIELD_TYPE_DOUBLE] = STATIC_NUMBER, [FIELD_TYPE_BOOLEAN] = STATIC_BOOLEAN,
		[FIELD_TYPE_IP] = STATIC_ADDRESS,    [FIELD_TYPE_DATE] = STATIC_TIME,
		[FIELD_TYPE_ANY] = STATIC_ANY,
	};
	return field == FIELD_NONE ? STATIC_ANY : types[fields_type(fields, field)];
}

enum static_type static_type_of_value(const struct value *value)
{
	static const enum static_type types[] = {
		[VALUE_IS_NULL] = STATIC_NULL,	    [VALUE_IS_BOOLEAN] = STATIC_BOOLEAN,
		[VALUE_IS_INTEGER] = STATIC_NUMBER, [VALUE_IS_DOUBLE] = STATIC_NUMBER,
		[VALUE_IS_TEXT] = STATIC_TEXT,	    [VALUE_IS_ADDRESS] = STATIC_ADDRESS,
		[VALUE_IS_TIME] = STATIC_TIME,
	};
	return types[value->kind];
}

bool static_type_fits(enum static_type type, enum static_type wanted)
{
	return type == wanted || type == STATIC_ANY || type == STATIC_NULL;
}

bool checker_strict(const struct checker *checker)
{
	return checker->options && checker->options->strict_fields;
}

/* --- fields ----------------------------------------------------------------------------------- */

bool checker_find_field(struct checker *checker, const struct text *name, bool optional,
			struct place place, uint16_t *out_field)
{
	uint16_t field = fields_find(checker->fields, name->bytes, name->size_bytes);
	if (field == FIELD_NONE && checker_strict(checker) && !optional) {
		struct suggestion suggestion = suggestion_for(name);
		for (uint16_t i = 0; i < fields_count(checker->fields); i++)
			suggestion_consider(&suggestion, fields_name(checker->fields, i));
		return checker_complain(checker, place, "found the unknown field `%s`%s%s%s",
					name->bytes, suggestion.best ? ", did you mean `" : "",
					suggestion.best ? suggestion.best : "",
					suggestion.best ? "`?" : "");
	}
	if (field == FIELD_NONE && !checker_strict(checker)) {
		field = fields_add(checker->fields, name->bytes, name->size_bytes, FIELD_TYPE_ANY);
		if (field == FIELD_NONE)
			return checker_complain(checker, place,
						"found the field `%.64s`, but there is no room for "
						"another field, or its name is too long",
						name->bytes);
	}
	if (field != FIELD_NONE)
		fields_want(checker->fields, field);
	*out_field = field;
	return true;
}

static struct node *check_field(struct checker *checker, const struct expression *expression)
{
	uint16_t field = FIELD_NONE;
	if (!checker_find_field(checker, &expression->name, expression->optional, expression->place,
				&field))
		return NULL;
	struct node *node =
		checker_node(checker, NODE_FIELD, static_type_of_field(checker->fields, field),
			     expression->place, 0);
	if (node) {
		node->field = field;
		node->optional = expression->optional;
	}
	return node;
}

/* --- folding ---------------------------------------------------------------------------------- */

/* A node whose operands are all constant becomes a constant. */
struct node *checker_fold(struct checker *checker, struct node *node)
{
	if (!node || node->kind == NODE_FIELD)
		return node;
	for (size_t i = 0; i < node->operand_count; i++)
		if (!node_is_constant(node->operands[i]))
			return node;
	enum { FOLDED_TEXT_MAX = EVENT_TEXT_MAX };
	char bytes[FOLDED_TEXT_MAX];
	struct text_room room = { .bytes = bytes, .size_bytes = sizeof(bytes) };
	const struct environment environment = { .room = &room };
	struct value value = node_evaluate(node, &environment);
	if (value.kind == VALUE_IS_TEXT) {
		value.text.bytes =
			arena_copy_text(checker->arena, value.text.bytes, value.text.size_bytes);
		if (!value.text.bytes)
			return NULL;
	}
	struct node *folded =
		checker_node(checker, NODE_CONSTANT, static_type_of_value(&value), node->place, 0);
	if (folded)
		folded->constant = value;
	return folded;
}

static struct node *check_constant(struct checker *checker, const struct expression *expression)
{
	struct value value = value_of_constant(&expression->constant);
	if (value.kind == VALUE_IS_TEXT) {
		value.text.bytes =
			arena_copy_text(checker->arena, value.text.bytes, value.text.size_bytes);
		if (!value.text.bytes)
			return NULL;
	}
	struct node *node = checker_node(checker, NODE_CONSTANT, static_type_of_value(&value),
					 expression->place, 0);
	if (node)
		node->constant = value;
	return node;
}

/* --- operators -------------------------------------------------------------------------------- */

/* Checks every operand before it gives up, so that each one's errors are told. */
struct node *checker_operands(struct checker *checker, enum node_kind kind, enum static_type type,
			      const struct expression *expression)
{
	struct node *node =
		checker_node(checker, kind, type, expression->place, expression->operand_count);
	bool good = node != NULL;
	for (size_t i = 0; i < expression->operand_count; i++) {
		struct node *operand = node_check(checker, expression->operands[i]);
		good = good && operand;
		if (good)
			node->operands[i] = operand;
	}
	if (!good)
		return NULL;
	node->operation = expression->operation;
	node->insensitive = expression->insensitive;
	return node;
}

static struct node *check_arithmetic(struct checker *checker, const struct expression *expression)
{
	const bool negate = expression->kind == EXPRESSION_NEGATE;
	struct node *node = checker_operands(checker, negate ? NODE_NEGATE : NODE_ARITHMETIC,
					     STATIC_NUMBER, expression);
	for (size_t i = 0; node && i < node->operand_count; i++) {
		if (static_type_fits(node->operands[i]->type, STATIC_NUMBER))
			continue;
		checker_complain(checker, node->operands[i]->place, "found %s, expected a number",
				 static_type_name(node->operands[i]->type));
		return NULL;
	}
	return checker_fold(checker, node);
}

/* Turns the operand into a condition: a bare boolean field is one. */
static struct node *as_condition(struct checker *checker, struct node *node)
{
	if (node->kind == NODE_FIELD &&
	    (node->type == STATIC_BOOLEAN || node->type == STATIC_ANY)) {
		struct node *compare =
			checker_node(checker, NODE_COMPARE, STATIC_BOOLEAN, node->place, 2);
		struct node *truth =
			checker_node(checker, NODE_CONSTANT, STATIC_BOOLEAN, node->place, 0);
		if (!compare || !truth)
			return NULL;
		truth->constant = value_boolean(true);
		compare->operation = OPERATION_EQUAL;
		compare->operands[0] = node;
		compare->operands[1] = truth;
		return compare;
	}
	if (node->type == STATIC_BOOLEAN || node->type == STATIC_NULL)
		return node;
	checker_complain(checker, node->place, "found %s, expected a condition",
			 static_type_name(node->type));
	return NULL;
}

static bool is_boolean_constant(const struct node *node, bool truth)
{
	return node_is_constant(node) && node->constant.kind == VALUE_IS_BOOLEAN &&
	       node->constant.boolean == truth;
}

/* `false and x` is false, `true or x` is true, whatever x; `true and x` is x. */
static struct node *simplify_logic(struct checker *checker, struct node *node)
{
	const bool is_and = node->kind == NODE_AND;
	size_t kept = 0;
	for (size_t i = 0; i < node->operand_count; i++) {
		if (is_boolean_constant(node->operands[i], !is_and))
			return node->operands[i];
		if (!is_boolean_constant(node->operands[i], is_and))
			node->operands[kept++] = node->operands[i];
	}
	if (kept == 0)
		return node->operands[0];
	node->operand_count = kept;
	return kept == 1 ? node->operands[0] : checker_fold(checker, node);
}

static struct node *check_logic(struct checker *checker, const struct expression *expression)
{
	const enum node_kind kind = expression->kind == EXPRESSION_NOT	 ? NODE_NOT
				    : expression->kind == EXPRESSION_AND ? NODE_AND
									 : NODE_OR;
	struct node *node = checker_operands(checker, kind, STATIC_BOOLEAN, expression);
	bool good = node != NULL;
	for (size_t i = 0; node && i < node->operand_count; i++) {
		struct node *condition = as_condition(checker, node->operands[i]);
		good = good && condition;
		if (condition)
			node->operands[i] = condition;
	}
	if (!good)
		return NULL;
	return kind == NODE_NOT ? checker_fold(checker, node) : simplify_logic(checker, node);
}

/* --- all of it -------------------------------------------------------------------------------- */

static struct node *check(struct checker *checker, const struct expression *expression)
{
	switch (expression->kind) {
	case EXPRESSION_CONSTANT:
		return check_constant(checker, expression);
	case EXPRESSION_FIELD:
		return check_field(checker, expression);
	case EXPRESSION_CALL:
		return check_call(checker, expression);
	case EXPRESSION_NEGATE:
	case EXPRESSION_ARITHMETIC:
		return check_arithmetic(checker, expression);
	case EXPRESSION_COMPARE:
		return check_compare(checker, expression);
	case EXPRESSION_IN:
	case EXPRESSION_LIKE:
	case EXPRESSION_REGEX:
		return check_list(checker, expression);
	case EXPRESSION_NOT:
	case EXPRESSION_AND:
	case EXPRESSION_OR:
		return check_logic(checker, expression);
	}
	return NULL;
}

struct node *node_check(struct checker *checker, const struct expression *expression)
{
	if (checker->depth == CHECK_DEPTH_MAX) {
		checker_complain(checker, expression->place,
				 "found an expression nested more than %d deep", CHECK_DEPTH_MAX);
		return NULL;
	}
	checker->depth++;
	struct node *node = check(checker, expression);
	checker->depth--;
	return node;
}

struct node *node_check_condition(struct checker *checker, const struct expression *expression)
{
	struct node *node = node_check(checker, expression);
	return node ? as_condition(checker, node) : NULL;
}
