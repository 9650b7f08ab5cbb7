/* The grammar of expressions, loosest first; each rule stands above its function.
 *
 * Source: Elasticsearch's EqlBase.g4 and its docs. Chains of `and` and `or` become one node with
 * many operands, so that the tree is as deep as the parentheses and no deeper.
 */
#include "rules/eql_parser.h"

#include <stdlib.h>
#include <string.h>

static struct expression *node(struct parser *parser, enum expression_kind kind, struct place place)
{
	struct expression *expression = parser_room(parser, sizeof(*expression));
	if (expression) {
		expression->kind = kind;
		expression->place = place;
	}
	return expression;
}

static bool push_operand(struct parser *parser, struct expression *operand)
{
	if (!operand)
		return false;
	if (parser->operand_count == parser->operand_room) {
		const size_t room = parser->operand_room ? 2 * parser->operand_room : 64;
		void *larger = realloc(parser->operands, room * sizeof(struct expression *));
		if (!larger)
			return parser_complain(parser, operand->place,
					       "the query needs more memory than it may use");
		parser->operands = larger;
		parser->operand_room = room;
	}
	parser->operands[parser->operand_count++] = operand;
	return true;
}

/* Gives `expression` the operands pushed since `first`. */
static struct expression *take_operands(struct parser *parser, struct expression *expression,
					size_t first)
{
	if (!expression)
		return NULL;
	expression->operand_count = parser->operand_count - first;
	const size_t size_bytes = expression->operand_count * sizeof(struct expression *);
	expression->operands = parser_room(parser, size_bytes);
	if (!expression->operands)
		return NULL;
	if (size_bytes > 0)
		memcpy(expression->operands, parser->operands + first, size_bytes);
	parser->operand_count = first;
	return expression;
}

static struct expression *unary(struct parser *parser, enum expression_kind kind,
				struct place place, struct expression *operand)
{
	const size_t first = parser->operand_count;
	if (!push_operand(parser, operand))
		return NULL;
	return take_operands(parser, node(parser, kind, place), first);
}

static struct expression *binary(struct parser *parser, enum expression_kind kind,
				 enum operation operation, struct place place,
				 struct expression *left, struct expression *right)
{
	const size_t first = parser->operand_count;
	if (!push_operand(parser, left) || !push_operand(parser, right))
		return NULL;
	struct expression *expression = take_operands(parser, node(parser, kind, place), first);
	if (expression)
		expression->operation = operation;
	return expression;
}

/* Every rule that can contain itself passes here. */
static bool go_deeper(struct parser *parser)
{
	if (parser->depth++ < EXPRESSION_DEPTH_MAX)
		return true;
	return parser_complain(parser, parser->token.place,
			       "found an expression nested more than %d deep",
			       EXPRESSION_DEPTH_MAX);
}

/* field := ['?'] part ('.' part)* ; part := name | quoted name */
bool parser_field(struct parser *parser, struct text *out_name, bool *out_optional)
{
	enum { NAME_MAX_BYTES = 1024 }; /* the field registry refuses shorter ones already */
	char name[NAME_MAX_BYTES];
	size_t size = 0;
	const struct place place = parser->token.place;
	*out_optional = parser_accept(parser, TOKEN_OPTIONAL);
	do {
		const struct token part = parser->token;
		if (part.kind != TOKEN_NAME && part.kind != TOKEN_NAME_QUOTED)
			return parser_refuse(parser, *out_optional && size == 0
							     ? "a field name behind `?`"
							     : "a field name (reserved words need "
							       "back-quotes)");
		if (size + part.text.size_bytes + 1 >= NAME_MAX_BYTES)
			return parser_complain(parser, place,
					       "found a field name that is too long");
		parser_take(parser);
		if (size > 0)
			name[size++] = '.';
		memcpy(name + size, part.text.bytes, part.text.size_bytes);
		size += part.text.size_bytes;
	} while (parser_accept(parser, TOKEN_DOT));
	const struct lexer *lexer = &parser->lexer;
	if (parser->token.kind == TOKEN_BRACKET_OPEN && lexer->at < lexer->end &&
	    *lexer->at >= '0' && *lexer->at <= '9')
		return parser_complain(parser, parser->token.place,
				       "found an array index, which EQL does not have: a test "
				       "holds when any value of a list satisfies it");
	out_name->bytes = arena_copy_text(parser->arena, name, size);
	out_name->size_bytes = size;
	if (!out_name->bytes)
		return parser_complain(parser, place,
				       "the query needs more memory than it may use");
	return true;
}

/* call := name ['~'] '(' [expression (',' expression)*] ')' */
static struct expression *call(struct parser *parser, const struct token *name)
{
	struct expression *expression = node(parser, EXPRESSION_CALL, name->place);
	if (!expression)
		return NULL;
	expression->name = name->text;
	expression->insensitive = name->kind == TOKEN_NAME_TILDE;
	const size_t first = parser->operand_count;
	if (!parser_expect(parser, TOKEN_PARENTHESIS_OPEN))
		return NULL;
	if (parser->token.kind != TOKEN_PARENTHESIS_CLOSE) {
		do {
			if (!push_operand(parser, parser_expression(parser)))
				return NULL;
		} while (parser_accept(parser, TOKEN_COMMA));
	}
	if (!parser_expect(parser, TOKEN_PARENTHESIS_CLOSE))
		return NULL;
	return take_operands(parser, expression, first);
}

static struct expression *field_or_call(struct parser *parser)
{
	const struct token first = parser->token;
	if (first.kind == TOKEN_NAME_TILDE) {
		parser_take(parser);
		return call(parser, &first);
	}
	struct expression *field = node(parser, EXPRESSION_FIELD, first.place);
	if (!field || !parser_field(parser, &field->name, &field->optional))
		return NULL;
	const bool single =
		first.kind == TOKEN_NAME && first.text.size_bytes == field->name.size_bytes;
	if (single && parser->token.kind == TOKEN_PARENTHESIS_OPEN)
		return call(parser, &first);
	if (parser->token.kind == TOKEN_OF) {
		parser_complain(parser, parser->token.place,
				"found `%s of`, but process relationships are not supported",
				field->name.bytes);
		return NULL;
	}
	return field;
}

static struct expression *constant(struct parser *parser)
{
	const struct token token = parser_take(parser);
	struct expression *expression = node(parser, EXPRESSION_CONSTANT, token.place);
	if (!expression)
		return NULL;
	struct constant *value = &expression->constant;
	switch (token.kind) {
	case TOKEN_TEXT:
		*value = (struct constant){ .type = CONSTANT_TEXT, .text = token.text };
		break;
	case TOKEN_INTEGER:
		*value = (struct constant){ .type = CONSTANT_INTEGER, .integer = token.integer };
		break;
	case TOKEN_DECIMAL:
		*value = (struct constant){ .type = CONSTANT_DOUBLE, .number = token.number };
		break;
	case TOKEN_TRUE:
	case TOKEN_FALSE:
		*value = (struct constant){ .type = CONSTANT_BOOLEAN,
					    .boolean = token.kind == TOKEN_TRUE };
		break;
	default: /* TOKEN_NULL, and value is that already */
		break;
	}
	return expression;
}

/* primary := constant | call | field | '(' expression ')' */
static struct expression *primary(struct parser *parser)
{
	switch (parser->token.kind) {
	case TOKEN_TEXT:
	case TOKEN_INTEGER:
	case TOKEN_DECIMAL:
	case TOKEN_TRUE:
	case TOKEN_FALSE:
	case TOKEN_NULL:
		return constant(parser);
	case TOKEN_NAME:
	case TOKEN_NAME_QUOTED:
	case TOKEN_NAME_TILDE:
	case TOKEN_OPTIONAL:
		return field_or_call(parser);
	case TOKEN_PARENTHESIS_OPEN: {
		parser_take(parser);
		struct expression *inner = parser_expression(parser);
		return inner && parser_expect(parser, TOKEN_PARENTHESIS_CLOSE) ? inner : NULL;
	}
	default:
		parser_refuse(parser, "a value: a field, a function, a constant or `(`");
		return NULL;
	}
}

/* texts := string | '(' string (',' string)* ')' */
static bool push_texts(struct parser *parser, const char *operator_text)
{
	const bool list = parser_accept(parser, TOKEN_PARENTHESIS_OPEN);
	do {
		if (parser->token.kind != TOKEN_TEXT) {
			char found[TOKEN_DESCRIPTION_MAX];
			token_describe(&parser->token, found);
			return parser->token.kind != TOKEN_BAD &&
			       parser_complain(parser, parser->token.place,
					       "found %s behind %s, expected a string%s", found,
					       operator_text, list ? "" : " or a list of strings");
		}
		if (!push_operand(parser, constant(parser)))
			return false;
	} while (list && parser_accept(parser, TOKEN_COMMA));
	return !list || parser_expect(parser, TOKEN_PARENTHESIS_CLOSE);
}

/* `in` is followed by a list of expressions. */
static bool push_list(struct parser *parser)
{
	if (!parser_expect(parser, TOKEN_PARENTHESIS_OPEN))
		return false;
	do {
		if (!push_operand(parser, parser_expression(parser)))
			return false;
	} while (parser_accept(parser, TOKEN_COMMA));
	return parser_expect(parser, TOKEN_PARENTHESIS_CLOSE);
}

static enum expression_kind predicate_kind(enum token_kind kind)
{
	switch (kind) {
	case TOKEN_IN:
	case TOKEN_IN_INSENSITIVE:
		return EXPRESSION_IN;
	case TOKEN_COLON:
	case TOKEN_LIKE:
	case TOKEN_LIKE_INSENSITIVE:
		return EXPRESSION_LIKE;
	case TOKEN_REGEX:
	case TOKEN_REGEX_INSENSITIVE:
		return EXPRESSION_REGEX;
	default:
		return EXPRESSION_CONSTANT; /* none */
	}
}

/* predicate := primary [['not'] ('in' | 'in~') list | (':' | 'like' | 'like~' | 'regex' | 'regex~')
 * texts] */
static struct expression *predicate(struct parser *parser)
{
	struct expression *value = primary(parser);
	if (!value)
		return NULL;
	const bool negated = parser_accept(parser, TOKEN_NOT);
	const struct token operator_token = parser->token;
	const enum expression_kind kind = predicate_kind(operator_token.kind);
	if (negated && kind != EXPRESSION_IN) {
		parser_refuse(parser, "`in` or `in~` behind `not`");
		return NULL;
	}
	if (kind == EXPRESSION_CONSTANT)
		return value;
	parser_take(parser);
	const size_t first = parser->operand_count;
	if (!push_operand(parser, value) ||
	    !(kind == EXPRESSION_IN ? push_list(parser)
				    : push_texts(parser, token_kind_name(operator_token.kind))))
		return NULL;
	struct expression *expression =
		take_operands(parser, node(parser, kind, operator_token.place), first);
	if (!expression)
		return NULL;
	expression->insensitive = operator_token.kind == TOKEN_COLON ||
				  operator_token.kind == TOKEN_IN_INSENSITIVE ||
				  operator_token.kind == TOKEN_LIKE_INSENSITIVE ||
				  operator_token.kind == TOKEN_REGEX_INSENSITIVE;
	return negated ? unary(parser, EXPRESSION_NOT, operator_token.place, expression)
		       : expression;
}

/* sign := ('-' | '+') sign | predicate */
static struct expression *sign(struct parser *parser)
{
	const struct token token = parser->token;
	if (token.kind != TOKEN_MINUS && token.kind != TOKEN_PLUS)
		return predicate(parser);
	parser_take(parser);
	if (!go_deeper(parser))
		return NULL;
	struct expression *operand = sign(parser);
	parser->depth--;
	if (!operand || token.kind == TOKEN_PLUS)
		return operand;
	return unary(parser, EXPRESSION_NEGATE, token.place, operand);
}

static enum operation operation_of(enum token_kind kind)
{
	switch (kind) {
	case TOKEN_PLUS:
		return OPERATION_ADD;
	case TOKEN_MINUS:
		return OPERATION_SUBTRACT;
	case TOKEN_STAR:
		return OPERATION_MULTIPLY;
	case TOKEN_SLASH:
		return OPERATION_DIVIDE;
	case TOKEN_PERCENT:
		return OPERATION_MODULO;
	case TOKEN_EQUAL:
		return OPERATION_EQUAL;
	case TOKEN_NOT_EQUAL:
		return OPERATION_NOT_EQUAL;
	case TOKEN_LESS:
		return OPERATION_LESS;
	case TOKEN_LESS_EQUAL:
		return OPERATION_LESS_EQUAL;
	case TOKEN_GREATER:
		return OPERATION_GREATER;
	case TOKEN_GREATER_EQUAL:
		return OPERATION_GREATER_EQUAL;
	default:
		return OPERATION_NONE;
	}
}

typedef struct expression *parse_fn(struct parser *parser);

/* operand (operator operand)*, from the left, for the operations first..last. The tree grows with
 * every operator, so they count as depth. */
static struct expression *chain(struct parser *parser, parse_fn *operand, enum operation first,
				enum operation last)
{
	const size_t depth = parser->depth;
	struct expression *left = operand(parser);
	while (left) {
		const struct token token = parser->token;
		const enum operation operation = operation_of(token.kind);
		if (operation < first || operation > last)
			break;
		parser_take(parser);
		if (!go_deeper(parser))
			return NULL;
		left = binary(parser, EXPRESSION_ARITHMETIC, operation, token.place, left,
			      operand(parser));
	}
	parser->depth = depth;
	return left;
}

/* product := sign (('*' | '/' | '%') sign)* */
static struct expression *product(struct parser *parser)
{
	return chain(parser, sign, OPERATION_MULTIPLY, OPERATION_MODULO);
}

/* sum := product (('+' | '-') product)* */
static struct expression *sum(struct parser *parser)
{
	return chain(parser, product, OPERATION_ADD, OPERATION_SUBTRACT);
}

/* comparison := sum [('==' | '!=' | '<' | '<=' | '>' | '>=') sum]; comparisons do not chain */
static struct expression *comparison(struct parser *parser)
{
	struct expression *left = sum(parser);
	const struct token token = parser->token;
	if (!left || operation_of(token.kind) < OPERATION_EQUAL) {
		if (left && token.kind == TOKEN_ASSIGN) {
			parser_refuse(parser, "`==`");
			return NULL;
		}
		return left;
	}
	parser_take(parser);
	struct expression *right = sum(parser);
	if (right && operation_of(parser->token.kind) >= OPERATION_EQUAL) {
		parser_refuse(parser, "`and`, `or` or the end, because comparisons do not chain");
		return NULL;
	}
	return binary(parser, EXPRESSION_COMPARE, operation_of(token.kind), token.place, left,
		      right);
}

/* negation := 'not' negation | comparison */
static struct expression *negation(struct parser *parser)
{
	const struct place place = parser->token.place;
	if (!parser_accept(parser, TOKEN_NOT))
		return comparison(parser);
	if (!go_deeper(parser))
		return NULL;
	struct expression *operand = negation(parser);
	parser->depth--;
	return operand ? unary(parser, EXPRESSION_NOT, place, operand) : NULL;
}

/* operand (word operand)* as one node */
static struct expression *flat_chain(struct parser *parser, parse_fn *operand, enum token_kind word,
				     enum expression_kind kind)
{
	const size_t first = parser->operand_count;
	struct expression *left = operand(parser);
	if (!left || parser->token.kind != word)
		return left;
	const struct place place = parser->token.place;
	if (!push_operand(parser, left))
		return NULL;
	while (parser_accept(parser, word))
		if (!push_operand(parser, operand(parser)))
			return NULL;
	return take_operands(parser, node(parser, kind, place), first);
}

/* conjunction := negation ('and' negation)* */
static struct expression *conjunction(struct parser *parser)
{
	return flat_chain(parser, negation, TOKEN_AND, EXPRESSION_AND);
}

/* expression := conjunction ('or' conjunction)* */
struct expression *parser_expression(struct parser *parser)
{
	if (!go_deeper(parser))
		return NULL;
	struct expression *expression = flat_chain(parser, conjunction, TOKEN_OR, EXPRESSION_OR);
	parser->depth--;
	return expression;
}
