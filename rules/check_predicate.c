/* Comparisons, lists and calls: which types may meet, and what the constant side becomes. */
#include "rules/check.h"

#include <string.h>

enum { NS_PER_MS = 1000000 };

/* --- a constant beside a field ---------------------------------------------------------------- */

static bool text_to_address(struct value *value)
{
	struct ip_address address;
	if (value->kind != VALUE_IS_TEXT ||
	    !ip_address_parse(value->text.bytes, value->text.size_bytes, &address))
		return false;
	*value = (struct value){ .kind = VALUE_IS_ADDRESS, .address = address };
	return true;
}

static bool to_time(struct value *value)
{
	uint64_t unix_ns;
	int64_t ns;
	if (value->kind == VALUE_IS_TEXT &&
	    time_parse_iso8601(value->text.bytes, value->text.size_bytes, &unix_ns))
		ns = (int64_t)unix_ns;
	else if (value->kind == VALUE_IS_DOUBLE && value->number >= -9.2e12 &&
		 value->number <= 9.2e12)
		ns = (int64_t)(value->number * NS_PER_MS);
	else if (value->kind != VALUE_IS_INTEGER ||
		 __builtin_mul_overflow(value->integer, NS_PER_MS, &ns))
		return false;
	*value = (struct value){ .kind = VALUE_IS_TIME, .integer = ns };
	return true;
}

/* Without a mapping to enforce it, a number that meets a keyword is its text, and a text that meets
 * a number the number it says: that is what Elasticsearch's own queries do below EQL. */
static bool bridge_number_and_text(struct checker *checker, struct value *value,
				   enum static_type wanted)
{
	if (wanted == STATIC_NUMBER && value->kind == VALUE_IS_TEXT) {
		const struct value number =
			value_parse_number(value->text.bytes, value->text.size_bytes, 0);
		if (number.kind == VALUE_IS_NULL)
			return false;
		*value = number;
		return true;
	}
	if (wanted != STATIC_TEXT || !value_is_number(value))
		return false;
	enum { NUMBER_TEXT_MAX = 48 };
	char *bytes = arena_take(checker->arena, NUMBER_TEXT_MAX);
	struct text_room room = { .bytes = bytes, .size_bytes = bytes ? NUMBER_TEXT_MAX : 0 };
	*value = value_to_text(value, &room);
	return value->kind == VALUE_IS_TEXT;
}

/* Makes a constant comparable with an operand of another type, or complains. `equality`:
 * ==, !=, in. */
static bool fit_constant(struct checker *checker, struct node *constant, enum static_type wanted,
			 bool equality)
{
	struct value *value = &constant->constant;
	if (static_type_fits(constant->type, wanted) || wanted == STATIC_ANY ||
	    wanted == STATIC_NULL)
		return true;
	struct ip_prefix prefix;
	const bool fits = (wanted == STATIC_TIME && to_time(value)) ||
			  (wanted == STATIC_ADDRESS && text_to_address(value)) ||
			  (wanted == STATIC_ADDRESS && equality && value->kind == VALUE_IS_TEXT &&
			   ip_prefix_parse(value->text.bytes, value->text.size_bytes, &prefix)) ||
			  (equality && !checker_strict(checker) &&
			   bridge_number_and_text(checker, value, wanted));
	if (!fits)
		return checker_complain(checker, constant->place,
					"found %s beside %s, expected them to be alike",
					static_type_name(constant->type), static_type_name(wanted));
	constant->type = static_type_of_value(value);
	return true;
}

/* --- comparison ------------------------------------------------------------------------------- */

static enum operation mirrored(enum operation operation)
{
	switch (operation) {
	case OPERATION_LESS:
		return OPERATION_GREATER;
	case OPERATION_LESS_EQUAL:
		return OPERATION_GREATER_EQUAL;
	case OPERATION_GREATER:
		return OPERATION_LESS;
	case OPERATION_GREATER_EQUAL:
		return OPERATION_LESS_EQUAL;
	default:
		return operation;
	}
}

static struct node *unary(struct checker *checker, enum node_kind kind, struct node *operand)
{
	struct node *node = checker_node(checker, kind, STATIC_BOOLEAN, operand->place, 1);
	if (node)
		node->operands[0] = operand;
	return node;
}

static bool is_unmapped(const struct node *node)
{
	return node->kind == NODE_FIELD && node->optional && node->type == STATIC_ANY;
}

/* `?f == ?g` with neither in the mapping is null == null: true where neither has a value. */
static struct node *compare_unmapped(struct checker *checker, const struct node *node)
{
	struct node *both = checker_node(checker, NODE_AND, STATIC_BOOLEAN, node->place, 2);
	for (size_t i = 0; both && i < 2; i++) {
		both->operands[i] = unary(checker, NODE_IS_NULL, node->operands[i]);
		if (!both->operands[i])
			return NULL;
	}
	if (both && node->operation == OPERATION_NOT_EQUAL)
		return unary(checker, NODE_NOT, both);
	return both;
}

/* `x == null` asks whether there is a value; anything else beside null is null. */
static struct node *compare_null(struct checker *checker, struct node *node)
{
	const enum operation operation = node->operation;
	if (operation == OPERATION_EQUAL || operation == OPERATION_NOT_EQUAL) {
		struct node *test =
			checker_fold(checker, unary(checker, NODE_IS_NULL, node->operands[0]));
		if (!test || operation == OPERATION_EQUAL)
			return test;
		return checker_fold(checker, unary(checker, NODE_NOT, test));
	}
	struct node *null = checker_node(checker, NODE_CONSTANT, STATIC_NULL, node->place, 0);
	if (null)
		null->constant = value_null();
	return null;
}

/* `condition == true` is the condition; as in Elasticsearch, so that it stays a filter. */
static struct node *compare_boolean(struct checker *checker, struct node *node)
{
	const bool as_is =
		node->operands[1]->constant.boolean == (node->operation == OPERATION_EQUAL);
	return as_is ? node->operands[0] : unary(checker, NODE_NOT, node->operands[0]);
}

static bool orders(enum operation operation)
{
	return operation != OPERATION_EQUAL && operation != OPERATION_NOT_EQUAL;
}

static struct node *finish_compare(struct checker *checker, struct node *node)
{
	struct node *left = node->operands[0];
	struct node *right = node->operands[1];
	if (right->constant.kind == VALUE_IS_NULL)
		return compare_null(checker, node);
	if (!fit_constant(checker, right, left->type, !orders(node->operation)))
		return NULL;
	if (orders(node->operation) &&
	    (left->type == STATIC_BOOLEAN || right->constant.kind == VALUE_IS_BOOLEAN)) {
		checker_complain(checker, node->place,
				 "found a boolean that is to be less or more than another");
		return NULL;
	}
	if (left->type == STATIC_BOOLEAN && left->kind != NODE_FIELD && !node_is_constant(left) &&
	    right->constant.kind == VALUE_IS_BOOLEAN)
		return compare_boolean(checker, node);
	return checker_fold(checker, node);
}

struct node *check_compare(struct checker *checker, const struct expression *expression)
{
	struct node *node = checker_operands(checker, NODE_COMPARE, STATIC_BOOLEAN, expression);
	if (!node)
		return NULL;
	if (node_is_constant(node->operands[0]) &&
	    (!node_is_constant(node->operands[1]) ||
	     node->operands[0]->constant.kind == VALUE_IS_NULL)) {
		struct node *left = node->operands[0];
		node->operands[0] = node->operands[1];
		node->operands[1] = left;
		node->operation = mirrored(node->operation);
	}
	if (node_is_constant(node->operands[1]))
		return finish_compare(checker, node);
	if (!orders(node->operation) && is_unmapped(node->operands[0]) &&
	    is_unmapped(node->operands[1]))
		return compare_unmapped(checker, node);
	checker_complain(checker, node->place,
			 "found a comparison of two fields, expected a constant on one side");
	return NULL;
}

/* --- in, like, regex -------------------------------------------------------------------------- */

static bool check_element(struct checker *checker, struct node *node, struct node *element)
{
	if (!node_is_constant(element))
		return checker_complain(checker, element->place,
					"found something that is not constant in a list, expected "
					"constants");
	if (element->constant.kind == VALUE_IS_NULL)
		return true;
	if (node->kind != NODE_IN || node->insensitive)
		return element->constant.kind == VALUE_IS_TEXT ||
		       checker_complain(checker, element->place, "found %s, expected a string",
					static_type_name(element->type));
	return fit_constant(checker, element, node->operands[0]->type, true);
}

/* Nulls in a list equal nothing, so they are left out. */
static void drop_nulls(struct node *node)
{
	size_t kept = 1;
	for (size_t i = 1; i < node->operand_count; i++)
		if (node->operands[i]->constant.kind != VALUE_IS_NULL)
			node->operands[kept++] = node->operands[i];
	node->operand_count = kept;
}

struct node *check_list(struct checker *checker, const struct expression *expression)
{
	const enum node_kind kind = expression->kind == EXPRESSION_IN	  ? NODE_IN
				    : expression->kind == EXPRESSION_LIKE ? NODE_LIKE
									  : NODE_REGEX;
	struct node *node = checker_operands(checker, kind, STATIC_BOOLEAN, expression);
	if (!node)
		return NULL;
	const struct node *value = node->operands[0];
	bool good = true;
	if ((kind != NODE_IN || node->insensitive) && !static_type_fits(value->type, STATIC_TEXT))
		good = checker_complain(checker, value->place,
					"found %s on the left of a string test, expected a string",
					static_type_name(value->type));
	for (size_t i = 1; i < node->operand_count; i++)
		good = check_element(checker, node, node->operands[i]) && good;
	if (!good)
		return NULL;
	drop_nulls(node);
	/* Matching texts needs what the compiler makes; only null is folded here. */
	if (kind == NODE_IN || (node_is_constant(value) && value->constant.kind == VALUE_IS_NULL))
		return checker_fold(checker, node);
	return node;
}

/* --- calls ------------------------------------------------------------------------------------ */

static bool argument_fits(char parameter, enum static_type type)
{
	switch (parameter) {
	case 's':
		return static_type_fits(type, STATIC_TEXT);
	case 'n':
		return static_type_fits(type, STATIC_NUMBER);
	case 'b':
		return static_type_fits(type, STATIC_BOOLEAN);
	case 'a':
		return static_type_fits(type, STATIC_ADDRESS);
	default:
		return true;
	}
}

static const char *parameter_name(char parameter)
{
	return parameter == 's'	  ? "a string"
	       : parameter == 'n' ? "a number"
	       : parameter == 'b' ? "a boolean"
				  : "an IP address";
}

static bool check_argument_count(struct checker *checker, const struct function *function,
				 const struct node *node)
{
	const size_t least = function_arguments_min(function);
	size_t most = function_arguments_max(function);
	if (most == SIZE_MAX && function != function_cidr_match())
		most = FUNCTION_ARGUMENTS_MAX;
	if (node->operand_count >= least && node->operand_count <= most)
		return true;
	char expected[48];
	if (least == most)
		snprintf(expected, sizeof(expected), "%zu", least);
	else if (most == SIZE_MAX)
		snprintf(expected, sizeof(expected), "at least %zu", least);
	else
		snprintf(expected, sizeof(expected), "%zu to %zu", least, most);
	return checker_complain(checker, node->place, "found %zu argument%s of %s, expected %s",
				node->operand_count, node->operand_count == 1 ? "" : "s",
				function->name, expected);
}

/* Networks are constants: a set is made of them. */
static bool check_networks(struct checker *checker, struct node *node)
{
	bool good = true;
	if (node_is_constant(node->operands[0]) &&
	    node->operands[0]->constant.kind == VALUE_IS_TEXT &&
	    !text_to_address(&node->operands[0]->constant))
		good = checker_complain(checker, node->operands[0]->place,
					"found a text that is no IP address");
	for (size_t i = 1; i < node->operand_count; i++) {
		const struct node *network = node->operands[i];
		struct ip_prefix prefix;
		const struct text *text = &network->constant.text;
		if (!node_is_constant(network))
			good = checker_complain(checker, network->place,
						"found a network that is not constant");
		else if (network->constant.kind == VALUE_IS_TEXT &&
			 !ip_prefix_parse(text->bytes, text->size_bytes, &prefix))
			good = checker_complain(checker, network->place,
						"found `%.64s`, expected a network such as "
						"10.0.0.0/8 or 2001:db8::/32",
						text->bytes);
	}
	return good;
}

static bool check_arguments(struct checker *checker, const struct function *function,
			    struct node *node)
{
	if (!check_argument_count(checker, function, node))
		return false;
	bool good = true;
	for (size_t i = 0; i < node->operand_count; i++) {
		const struct node *argument = node->operands[i];
		const char parameter = function_parameter(function, i);
		const bool text_address = parameter == 'a' && node_is_constant(argument) &&
					  argument->type == STATIC_TEXT;
		if (text_address || argument_fits(parameter, argument->type))
			continue;
		good = checker_complain(checker, argument->place,
					"found %s as argument %zu of %s, expected %s",
					static_type_name(argument->type), i + 1, function->name,
					parameter_name(parameter));
	}
	return good && (function != function_cidr_match() || check_networks(checker, node));
}

static const struct function *find_function(struct checker *checker,
					    const struct expression *expression)
{
	const struct function *function = function_find(&expression->name);
	if (function && (!expression->insensitive || function->has_tilde))
		return function;
	const char *meant = function ? NULL : function_suggest(&expression->name);
	checker_complain(checker, expression->place, "found the %s `%.64s%s`%s%s%s",
			 function ? "function without a `~` form" : "unknown function",
			 expression->name.bytes, expression->insensitive ? "~" : "",
			 meant ? ", did you mean `" : "", meant ? meant : "", meant ? "`?" : "");
	return NULL;
}

struct node *check_call(struct checker *checker, const struct expression *expression)
{
	static const enum static_type types[] = {
		[FUNCTION_RESULT_BOOLEAN] = STATIC_BOOLEAN,
		[FUNCTION_RESULT_INTEGER] = STATIC_NUMBER,
		[FUNCTION_RESULT_NUMBER] = STATIC_NUMBER,
		[FUNCTION_RESULT_TEXT] = STATIC_TEXT,
	};
	const struct function *function = find_function(checker, expression);
	struct node *node = checker_operands(
		checker, NODE_CALL, function ? types[function->result] : STATIC_NULL, expression);
	if (!function || !node || !check_arguments(checker, function, node))
		return NULL;
	node->function = function;
	return checker_fold(checker, node);
}
