#include "rules/rule_filter.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "rules/expression.h"
#include "rules/field_query.h"

enum { FILTER_DEPTH_MAX = 32, VALUE_TEXT_MAX = 64 };

struct filter_context {
	struct toml_reader *reader;
	struct field_queries queries;
	unsigned depth;
};

typedef struct expression *query_fn(struct filter_context *context, const struct toml_node *body);

static struct place place_of(const struct toml_node *node)
{
	return (struct place){ .line = node->line, .column = node->column };
}

static void *refuse(struct filter_context *context, const struct toml_node *node, const char *words)
{
	toml_refuse(context->reader, node, "filters: %s", words);
	return NULL;
}

static struct expression *checked(struct filter_context *context, const struct toml_node *node,
				  struct expression *expression)
{
	if (expression || context->reader->failed)
		return expression;
	return refuse(context, node,
		      context->queries.refusal[0] ? context->queries.refusal : "no memory");
}

/* --- values ----------------------------------------------------------------------------------- */

/* A value as text; `room` keeps a number's. False after a complaint. */
static bool value_text(struct filter_context *context, const struct toml_node *node,
		       char room[VALUE_TEXT_MAX], struct text *out_text)
{
	int size = 0;
	switch (node->kind) {
	case TOML_TEXT:
		*out_text = (struct text){ node->text, node->count };
		if (!memchr(node->text, '\0', node->count))
			return true;
		break;
	case TOML_INTEGER:
		size = snprintf(room, VALUE_TEXT_MAX, "%" PRId64, node->integer);
		break;
	case TOML_DOUBLE:
		size = snprintf(room, VALUE_TEXT_MAX, "%.17g", node->number);
		break;
	case TOML_BOOLEAN:
		size = snprintf(room, VALUE_TEXT_MAX, "%s", node->truth ? "true" : "false");
		break;
	case TOML_TABLE:
	case TOML_ARRAY:
	case TOML_TIME:
		break;
	}
	if (size > 0)
		*out_text = (struct text){ room, (size_t)size };
	else
		refuse(context, node, "expected a string, a number or a boolean");
	return size > 0;
}

/* `wild`: `*` and `?` are wildcards, and a backslash makes the next character a plain one. */
static bool make_glob(struct filter_context *context, struct text text, bool wild,
		      struct glob *out_glob)
{
	struct arena *arena = context->queries.arena;
	struct glob glob = {
		.bytes = arena_take(arena, text.size_bytes + 2),
		.kinds = arena_take(arena, text.size_bytes + 2),
	};
	if (!glob.bytes || !glob.kinds)
		return false;
	for (size_t i = 0; i < text.size_bytes; i++) {
		uint8_t kind = GLOB_LITERAL;
		if (wild && text.bytes[i] == '\\' && i + 1 < text.size_bytes)
			i++;
		else if (wild && text.bytes[i] == '*')
			kind = GLOB_ANY_RUN;
		else if (wild && text.bytes[i] == '?')
			kind = GLOB_ANY_ONE;
		glob.bytes[glob.size_bytes] = text.bytes[i];
		glob.kinds[glob.size_bytes++] = kind;
	}
	*out_glob = glob;
	return true;
}

/* --- queries ---------------------------------------------------------------------------------- */

/* The only entry of a query's body: `field = value`. */
static const struct toml_node *only_entry(struct filter_context *context,
					  const struct toml_node *body)
{
	if (body->kind == TOML_TABLE && body->count == 1)
		return body->items;
	return refuse(context, body, "expected one field");
}

/* `field = value`, or `field = { value = ..., case_insensitive = ... }` with the value under one of
 * the names that the queries have for it. */
static const struct toml_node *value_of(struct filter_context *context,
					const struct toml_node *entry, bool *out_insensitive)
{
	static const char *const names[] = { "value", "wildcard", "query" };
	*out_insensitive = false;
	if (entry->kind != TOML_TABLE)
		return entry;
	*out_insensitive = toml_read_boolean(context->reader, entry, "case_insensitive", false);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (toml_get(entry, names[i]))
			return toml_get(entry, names[i]);
	return refuse(context, entry, "expected a `value`");
}

static struct expression *is_value(struct filter_context *context, const struct toml_node *entry,
				   const struct toml_node *value, bool wild, bool insensitive,
				   const char *suffix)
{
	char room[VALUE_TEXT_MAX];
	struct text text;
	struct glob glob;
	if (!value_text(context, value, room, &text))
		return NULL;
	if (!make_glob(context, text, wild, &glob))
		return checked(context, value, NULL);
	if (*suffix) {
		glob.bytes[glob.size_bytes] = *suffix;
		glob.kinds[glob.size_bytes++] = GLOB_ANY_RUN;
	}
	const struct text name = { entry->key, strlen(entry->key) };
	context->queries.refusal[0] = '\0';
	return checked(
		context, value,
		field_query_is(&context->queries, name, &glob, insensitive, place_of(value)));
}

static struct expression *one_value(struct filter_context *context, const struct toml_node *body,
				    bool wild, const char *suffix)
{
	bool insensitive;
	const struct toml_node *entry = only_entry(context, body);
	const struct toml_node *value = entry ? value_of(context, entry, &insensitive) : NULL;
	return value ? is_value(context, entry, value, wild, insensitive, suffix) : NULL;
}

static struct expression *query_wildcard(struct filter_context *context,
					 const struct toml_node *body)
{
	return one_value(context, body, true, "");
}

static struct expression *query_term(struct filter_context *context, const struct toml_node *body)
{
	return one_value(context, body, false, "");
}

static struct expression *query_prefix(struct filter_context *context, const struct toml_node *body)
{
	return one_value(context, body, false, "*");
}

static struct expression *query_terms(struct filter_context *context, const struct toml_node *body)
{
	const struct toml_node *entry = only_entry(context, body);
	if (!entry)
		return NULL;
	if (entry->kind != TOML_ARRAY || entry->count == 0)
		return refuse(context, entry, "expected a list of values");
	struct expression **operands =
		arena_take(context->queries.arena, entry->count * sizeof(struct expression *));
	for (size_t i = 0; operands && i < entry->count; i++) {
		operands[i] = is_value(context, entry, &entry->items[i], false, false, "");
		if (!operands[i])
			return NULL;
	}
	return checked(context, entry,
		       operands ? expression_list(context->queries.arena, EXPRESSION_OR, operands,
						  entry->count)
				: NULL);
}

static struct expression *query_exists(struct filter_context *context, const struct toml_node *body)
{
	const struct toml_node *field = toml_require(context->reader, body, "field", TOML_TEXT);
	if (!field)
		return NULL;
	const struct text name = { field->text, field->count };
	return checked(context, field,
		       field_query_exists(&context->queries, name, place_of(field)));
}

static struct expression *query_match_all(struct filter_context *context,
					  const struct toml_node *body)
{
	return checked(context, body,
		       expression_boolean(context->queries.arena, true, place_of(body)));
}

static struct expression *query_range(struct filter_context *context, const struct toml_node *body)
{
	static const struct {
		const char *name;
		enum operation operation;
	} bounds[] = {
		{ "gte", OPERATION_GREATER_EQUAL },
		{ "gt", OPERATION_GREATER },
		{ "lte", OPERATION_LESS_EQUAL },
		{ "lt", OPERATION_LESS },
	};
	enum { BOUND_COUNT = sizeof(bounds) / sizeof(bounds[0]) };
	struct expression *operands[BOUND_COUNT];
	size_t count = 0;
	const struct toml_node *entry = only_entry(context, body);
	for (size_t i = 0; entry && i < BOUND_COUNT; i++) {
		char room[VALUE_TEXT_MAX];
		struct text text;
		const struct toml_node *value = toml_get(entry, bounds[i].name);
		if (!value)
			continue;
		if (!value_text(context, value, room, &text))
			return NULL;
		const struct text name = { entry->key, strlen(entry->key) };
		const struct text kept = {
			arena_copy_text(context->queries.arena, text.bytes, text.size_bytes),
			text.size_bytes,
		};
		context->queries.refusal[0] = '\0';
		operands[count++] =
			kept.bytes ? field_query_range(&context->queries, name, bounds[i].operation,
						       kept, place_of(value))
				   : NULL;
		if (!checked(context, value, operands[count - 1]))
			return NULL;
	}
	if (!entry)
		return NULL;
	if (count == 0)
		return refuse(context, entry, "expected `gte`, `gt`, `lte` or `lt`");
	return checked(context, entry,
		       expression_list(context->queries.arena, EXPRESSION_AND, operands, count));
}

static struct expression *read_query(struct filter_context *context, const struct toml_node *query);

/* All (AND) or one (OR) of a clause's queries: a list of them, or a single one. */
static struct expression *read_clause(struct filter_context *context,
				      const struct toml_node *clause, enum expression_kind kind)
{
	const bool alone = clause->kind == TOML_TABLE;
	const struct toml_node *items = alone ? clause : clause->items;
	const size_t count = alone ? 1 : clause->count;
	if (!alone && clause->kind != TOML_ARRAY)
		return refuse(context, clause, "expected a query or a list of queries");
	if (count == 0)
		return query_match_all(context, clause);
	struct expression **operands =
		arena_take(context->queries.arena, count * sizeof(struct expression *));
	for (size_t i = 0; operands && i < count; i++) {
		operands[i] = read_query(context, &items[i]);
		if (!operands[i])
			return NULL;
	}
	return checked(context, clause,
		       operands ? expression_list(context->queries.arena, kind, operands, count)
				: NULL);
}

/* must and filter: all of them; must_not: none; should: at least one, but only where nothing else
 * must hold, or where minimum_should_match says so. */
static struct expression *query_bool(struct filter_context *context, const struct toml_node *body)
{
	struct arena *arena = context->queries.arena;
	struct expression *operands[4];
	size_t count = 0;
	const struct toml_node *must = toml_get(body, "must");
	const struct toml_node *filter = toml_get(body, "filter");
	const struct toml_node *must_not = toml_get(body, "must_not");
	const struct toml_node *should = toml_get(body, "should");
	const int64_t least = toml_read_integer(context->reader, body, "minimum_should_match", 0, 1,
						must || filter ? 0 : 1);
	if (must)
		operands[count++] = read_clause(context, must, EXPRESSION_AND);
	if (filter)
		operands[count++] = read_clause(context, filter, EXPRESSION_AND);
	if (must_not && (must_not->kind != TOML_ARRAY || must_not->count))
		operands[count++] =
			expression_not(arena, read_clause(context, must_not, EXPRESSION_OR));
	if (should && (should->kind != TOML_ARRAY || should->count) && least)
		operands[count++] = read_clause(context, should, EXPRESSION_OR);
	if (context->reader->failed)
		return NULL;
	if (count == 0)
		return query_match_all(context, body);
	return checked(context, body, expression_list(arena, EXPRESSION_AND, operands, count));
}

static const struct {
	const char *name;
	query_fn *read;
} queries[] = {
	{ "wildcard", query_wildcard },	  { "term", query_term },     { "match", query_term },
	{ "match_phrase", query_term },	  { "prefix", query_prefix }, { "terms", query_terms },
	{ "exists", query_exists },	  { "range", query_range },   { "bool", query_bool },
	{ "match_all", query_match_all },
};

/* The first query that a table holds. */
static struct expression *read_query(struct filter_context *context, const struct toml_node *query)
{
	struct expression *expression = NULL;
	if (context->depth >= FILTER_DEPTH_MAX)
		return refuse(context, query, "found queries nested too deep");
	context->depth++;
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		const struct toml_node *body = toml_get(query, queries[i].name);
		if (!body)
			continue;
		expression = queries[i].read(context, body);
		context->depth--;
		return expression;
	}
	return refuse(context, query, "found a query of a kind that is not known");
}

/* One filter: its query stands under `query`, or in the filter itself as older files have it. */
static struct expression *read_filter(struct filter_context *context,
				      const struct toml_node *filter)
{
	const struct toml_node *meta = toml_read(context->reader, filter, "meta", TOML_TABLE);
	const struct toml_node *query = toml_read(context->reader, filter, "query", TOML_TABLE);
	if (toml_read_boolean(context->reader, meta, "disabled", false))
		return query_match_all(context, filter);
	struct expression *expression = read_query(context, query ? query : filter);
	if (!toml_read_boolean(context->reader, meta, "negate", false))
		return expression;
	return checked(context, filter, expression_not(context->queries.arena, expression));
}

const struct expression *rule_filters_read(struct toml_reader *reader,
					   const struct toml_node *filters,
					   const struct fields *fields, struct arena *arena)
{
	struct filter_context context = {
		.reader = reader,
		.queries = { .fields = fields, .arena = arena },
	};
	if (!filters || filters->count == 0)
		return NULL;
	struct expression **operands =
		arena_take(arena, filters->count * sizeof(struct expression *));
	if (!operands)
		return refuse(&context, filters, "no memory");
	for (size_t i = 0; i < filters->count; i++) {
		if (filters->items[i].kind != TOML_TABLE)
			return refuse(&context, &filters->items[i], "expected a table");
		operands[i] = read_filter(&context, &filters->items[i]);
		if (!operands[i])
			return NULL;
	}
	return checked(&context, filters,
		       expression_list(arena, EXPRESSION_AND, operands, filters->count));
}
