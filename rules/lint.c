#include "rules/lint.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "collector/base/address.h"

struct lint {
	struct rule_draft *draft;
	struct arena *arena;
};

static bool is_text(const struct expression *expression)
{
	return expression->kind == EXPRESSION_CONSTANT &&
	       expression->constant.type == CONSTANT_TEXT;
}

static void lint_wildcard(const struct lint *lint, const struct expression *constant,
			  const char *operator, const char * instead)
{
	if (!is_text(constant))
		return;
	const struct text text = constant->constant.text;
	const char *star = memchr(text.bytes, '*', text.size_bytes);
	const char *wildcard = star ? star : memchr(text.bytes, '?', text.size_bytes);
	if (wildcard)
		rule_draft_lint(lint->draft, lint->arena, constant->place.line,
				constant->place.column,
				"`%c` in \"%.80s\" is taken literally by `%s`; `%s` has wildcards",
				*wildcard, text.bytes, operator, instead);
}

static void lint_compare(const struct lint *lint, const struct expression *compare)
{
	const bool equal = compare->operation == OPERATION_EQUAL;
	if (!equal && compare->operation != OPERATION_NOT_EQUAL)
		return;
	for (size_t i = 0; i < compare->operand_count; i++)
		if (compare->operands[1 - i]->kind != EXPRESSION_CONSTANT)
			lint_wildcard(lint, compare->operands[i], equal ? "==" : "!=", ":");
}

static void lint_in(const struct lint *lint, const struct expression *in)
{
	for (size_t i = 1; i < in->operand_count; i++)
		lint_wildcard(lint, in->operands[i], in->insensitive ? "in~" : "in", "like");
}

/* --- networks --------------------------------------------------------------------------------- */

struct network {
	struct ip_prefix prefix;
	const struct expression *constant;
};

/* Wider networks before those inside them. */
static int by_address(const void *left, const void *right)
{
	const struct network *a = left;
	const struct network *b = right;
	const int order = memcmp(&a->prefix.address, &b->prefix.address, sizeof(a->prefix.address));
	return order ? order : a->prefix.bits - b->prefix.bits;
}

static void lint_networks(const struct lint *lint, const struct expression *call)
{
	struct network *networks = malloc(call->operand_count * sizeof(*networks));
	size_t count = 0;
	for (size_t i = 1; networks && i < call->operand_count; i++) {
		const struct expression *constant = call->operands[i];
		networks[count].constant = constant;
		if (is_text(constant) &&
		    ip_prefix_parse(constant->constant.text.bytes,
				    constant->constant.text.size_bytes, &networks[count].prefix))
			count++;
	}
	if (count)
		qsort(networks, count, sizeof(*networks), by_address);
	/* sorted so, a network stands right behind the wider one, or behind others inside it */
	for (size_t i = 1, outer = 0; i < count; i++) {
		const struct network *wide = &networks[outer];
		const struct network *narrow = &networks[i];
		if (!ip_prefix_contains(&wide->prefix, &narrow->prefix.address)) {
			outer = i;
			continue;
		}
		rule_draft_lint(lint->draft, lint->arena, narrow->constant->place.line,
				narrow->constant->place.column,
				"network %.48s lies inside %.48s of the same cidrMatch",
				narrow->constant->constant.text.bytes,
				wide->constant->constant.text.bytes);
	}
	free(networks);
}

/* --- walking ---------------------------------------------------------------------------------- */

static bool is_cidr_match(const struct expression *expression)
{
	return expression->kind == EXPRESSION_CALL && expression->operand_count > 1 &&
	       expression->name.size_bytes == strlen("cidrMatch") &&
	       strncasecmp(expression->name.bytes, "cidrMatch", expression->name.size_bytes) == 0;
}

static void lint_expression(const struct lint *lint, const struct expression *expression)
{
	if (expression->kind == EXPRESSION_COMPARE)
		lint_compare(lint, expression);
	if (expression->kind == EXPRESSION_IN)
		lint_in(lint, expression);
	if (is_cidr_match(expression))
		lint_networks(lint, expression);
	for (size_t i = 0; i < expression->operand_count; i++)
		lint_expression(lint, expression->operands[i]);
}

void lint_query(struct rule_draft *draft, struct arena *arena, const struct query_ast *query)
{
	const struct lint lint = { draft, arena };
	for (size_t i = 0; i < query->term_count; i++)
		if (i == 0 || query->terms[i].condition != query->terms[i - 1].condition)
			lint_expression(&lint, query->terms[i].condition);
	if (query->until)
		lint_expression(&lint, query->until->condition);
}

void lint_program(struct rule_draft *draft, struct arena *arena, const struct query_term *term,
		  const struct program *program)
{
	const enum program_constant constant = program_constant(program);
	const bool any = term->condition->kind == EXPRESSION_CONSTANT;
	if (constant == PROGRAM_ALWAYS_FALSE)
		rule_draft_lint(draft, arena, term->place.line, term->place.column,
				"the condition is false for every event");
	else if (constant == PROGRAM_ALWAYS_TRUE && !any) /* `any where true` is meant */
		rule_draft_lint(draft, arena, term->place.line, term->place.column,
				"the condition is true for every event");
}
