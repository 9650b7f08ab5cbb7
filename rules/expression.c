#include "rules/expression.h"

#include <string.h>

static struct expression *make(struct arena *arena, enum expression_kind kind, struct place place,
			       size_t operand_count)
{
	struct expression *expression = arena_take(arena, sizeof(*expression));
	if (!expression)
		return NULL;
	expression->kind = kind;
	expression->place = place;
	expression->operand_count = operand_count;
	if (operand_count == 0)
		return expression;
	expression->operands = arena_take(arena, operand_count * sizeof(struct expression *));
	return expression->operands ? expression : NULL;
}

static struct expression *make_constant(struct arena *arena, struct constant constant,
					struct place place)
{
	struct expression *expression = make(arena, EXPRESSION_CONSTANT, place, 0);
	if (expression)
		expression->constant = constant;
	return expression;
}

struct expression *expression_field(struct arena *arena, struct text name, struct place place)
{
	struct expression *expression = make(arena, EXPRESSION_FIELD, place, 0);
	if (expression)
		expression->name = name;
	return expression;
}

struct expression *expression_null(struct arena *arena, struct place place)
{
	return make_constant(arena, (struct constant){ .type = CONSTANT_NULL }, place);
}

struct expression *expression_boolean(struct arena *arena, bool truth, struct place place)
{
	return make_constant(arena, (struct constant){ .type = CONSTANT_BOOLEAN, .boolean = truth },
			     place);
}

struct expression *expression_integer(struct arena *arena, int64_t integer, struct place place)
{
	return make_constant(
		arena, (struct constant){ .type = CONSTANT_INTEGER, .integer = integer }, place);
}

struct expression *expression_double(struct arena *arena, double number, struct place place)
{
	return make_constant(arena, (struct constant){ .type = CONSTANT_DOUBLE, .number = number },
			     place);
}

struct expression *expression_text(struct arena *arena, struct text text, struct place place)
{
	return make_constant(arena, (struct constant){ .type = CONSTANT_TEXT, .text = text },
			     place);
}

static struct expression *make_pair(struct arena *arena, enum expression_kind kind,
				    struct expression *left, struct expression *right)
{
	struct expression *expression = left && right ? make(arena, kind, left->place, 2) : NULL;
	if (!expression)
		return NULL;
	expression->operands[0] = left;
	expression->operands[1] = right;
	return expression;
}

struct expression *expression_compare(struct arena *arena, enum operation operation,
				      struct expression *left, struct expression *right)
{
	struct expression *expression = make_pair(arena, EXPRESSION_COMPARE, left, right);
	if (expression)
		expression->operation = operation;
	return expression;
}

struct expression *expression_test(struct arena *arena, enum expression_kind kind, bool insensitive,
				   struct expression *field, struct expression *constant)
{
	struct expression *expression = make_pair(arena, kind, field, constant);
	if (expression)
		expression->insensitive = insensitive;
	return expression;
}

struct expression *expression_call(struct arena *arena, const char *name, bool insensitive,
				   struct expression *field, struct expression *constant)
{
	struct expression *expression =
		expression_test(arena, EXPRESSION_CALL, insensitive, field, constant);
	if (expression)
		expression->name = (struct text){ name, strlen(name) };
	return expression;
}

struct expression *expression_not(struct arena *arena, struct expression *operand)
{
	struct expression *expression =
		operand ? make(arena, EXPRESSION_NOT, operand->place, 1) : NULL;
	if (expression)
		expression->operands[0] = operand;
	return expression;
}

struct expression *expression_list(struct arena *arena, enum expression_kind kind,
				   struct expression *const *operands, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!operands[i])
			return NULL;
	if (count == 1)
		return operands[0];
	struct expression *expression = make(arena, kind, operands[0]->place, count);
	if (expression)
		memcpy(expression->operands, operands, count * sizeof(struct expression *));
	return expression;
}

/* --- globs ------------------------------------------------------------------------------------ */

bool glob_has_wildcard(const struct glob *glob)
{
	for (size_t i = 0; i < glob->size_bytes; i++)
		if (glob->kinds[i] != GLOB_LITERAL)
			return true;
	return false;
}

bool glob_is_star(const struct glob *glob)
{
	for (size_t i = 0; i < glob->size_bytes; i++)
		if (glob->kinds[i] != GLOB_ANY_RUN)
			return false;
	return glob->size_bytes > 0;
}

/* LIKE has no escape for its wildcards. */
static bool has_literal_wildcard(const struct glob *glob)
{
	for (size_t i = 0; i < glob->size_bytes; i++)
		if (glob->kinds[i] == GLOB_LITERAL &&
		    (glob->bytes[i] == '*' || glob->bytes[i] == '?'))
			return true;
	return false;
}

/* In Elasticsearch's (Lucene's) syntax, whose operators are all escaped. */
static struct expression *regex_of(struct arena *arena, const struct glob *glob, struct place place)
{
	char *pattern = arena_take(arena, 2 * glob->size_bytes + 1);
	if (!pattern)
		return NULL;
	size_t size = 0;
	for (size_t i = 0; i < glob->size_bytes; i++) {
		if (glob->kinds[i] == GLOB_LITERAL &&
		    strchr(".?+*|{}[]()\"\\#@&<>~^$-", glob->bytes[i]))
			pattern[size++] = '\\';
		if (glob->kinds[i] != GLOB_LITERAL)
			pattern[size++] = '.';
		if (glob->kinds[i] != GLOB_ANY_ONE)
			pattern[size++] = glob->bytes[i];
	}
	return expression_text(arena, (struct text){ pattern, size }, place);
}

struct expression *expression_glob(struct arena *arena, struct expression *field,
				   const struct glob *glob, bool insensitive)
{
	if (!field)
		return NULL;
	const struct text text = { glob->bytes, glob->size_bytes };
	struct expression *constant = expression_text(arena, text, field->place);
	if (!glob_has_wildcard(glob))
		return insensitive ? expression_test(arena, EXPRESSION_IN, true, field, constant)
				   : expression_compare(arena, OPERATION_EQUAL, field, constant);
	if (!has_literal_wildcard(glob))
		return expression_test(arena, EXPRESSION_LIKE, insensitive, field, constant);
	return expression_test(arena, EXPRESSION_REGEX, insensitive, field,
			       regex_of(arena, glob, field->place));
}
