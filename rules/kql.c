/* The grammar stands above each function that parses it. */
#include "rules/kql.h"

#include <string.h>

#include "rules/expression.h"
#include "rules/field_query.h"
#include "rules/kql_literal.h"

enum { KQL_FIELDS_MAX = 4096 }; /* that the names with wildcards of one query may stand for */

struct parser {
	struct kql_text text;
	unsigned depth;
	size_t expanded_count; /* fields that names with wildcards stood for */
	struct text prefix;    /* of nested queries: "a.b." */
	struct field_queries queries;
	struct arena *arena;
};

/* Operands of an `and` or `or` while it is being read. */
struct list {
	struct expression **items;
	size_t count;
	size_t room;
};

static bool add(struct parser *parser, struct list *list, struct expression *item)
{
	if (!item)
		return false;
	if (list->count == list->room) {
		const size_t room = list->room ? 2 * list->room : 8;
		struct expression **items =
			arena_take(parser->arena, room * sizeof(struct expression *));
		if (!items) {
			kql_refuse(&parser->text, item->place, "no memory for the query");
			return false;
		}
		if (list->count)
			memcpy(items, list->items, list->count * sizeof(struct expression *));
		list->items = items;
		list->room = room;
	}
	list->items[list->count++] = item;
	return true;
}

/* --- names ------------------------------------------------------------------------------------ */

static bool glob_fits(const struct glob *glob, size_t at, const char *name)
{
	for (; at < glob->size_bytes; at++, name++) {
		if (glob->kinds[at] == GLOB_ANY_RUN) {
			for (;; name++) {
				if (glob_fits(glob, at + 1, name))
					return true;
				if (!*name)
					return false;
			}
		}
		if (*name != glob->bytes[at])
			return false;
	}
	return !*name;
}

/* `operation` OPERATION_NONE: the field is the value. */
static struct expression *compare_field(struct parser *parser, struct text name,
					enum operation operation, const struct kql_literal *value)
{
	struct field_queries *queries = &parser->queries;
	const struct text text = { value->glob.bytes, value->glob.size_bytes };
	queries->refusal[0] = '\0';
	struct expression *expression =
		operation == OPERATION_NONE
			? field_query_is(queries, name, &value->glob, false, value->place)
			: field_query_range(queries, name, operation, text, value->place);
	if (expression)
		return expression;
	return kql_refuse(&parser->text, value->place, "%s",
			  queries->refusal[0] ? queries->refusal : "no memory for the query");
}

static size_t wildcard_count(const struct glob *glob)
{
	size_t count = 0;
	for (size_t i = 0; i < glob->size_bytes; i++)
		count += glob->kinds[i] != GLOB_LITERAL;
	return count;
}

/* A name with wildcards: any of the known fields that fit. Elasticsearch leaves out those whose
 * type does not fit the value; here a value is only looked for in texts. */
static struct expression *compare_fields(struct parser *parser, const struct kql_literal *field,
					 enum operation operation, const struct kql_literal *value)
{
	enum { NAME_WILDCARDS_MAX = 3 }; /* bounds glob_fits */
	struct list list = { .count = 0 };
	const bool any_type = glob_is_star(&value->glob);
	if (any_type && glob_is_star(&field->glob) && operation == OPERATION_NONE)
		return expression_boolean(parser->arena, true, field->place);
	if (wildcard_count(&field->glob) > NAME_WILDCARDS_MAX)
		return kql_refuse(&parser->text, field->place,
				  "found a name with more than %d wildcards", NAME_WILDCARDS_MAX);
	for (uint32_t i = 0; i < FIELD_KNOWN_COUNT; i++) {
		const char *name = fields_name(parser->queries.fields, (uint16_t)i);
		if (!glob_fits(&field->glob, 0, name) ||
		    (!any_type &&
		     fields_type(parser->queries.fields, (uint16_t)i) != FIELD_TYPE_KEYWORD))
			continue;
		if (parser->expanded_count++ == KQL_FIELDS_MAX)
			return kql_refuse(&parser->text, field->place,
					  "found names that more than %d fields fit",
					  KQL_FIELDS_MAX);
		if (!add(parser, &list,
			 compare_field(parser, (struct text){ name, strlen(name) }, operation,
				       value)))
			return NULL;
	}
	if (list.count == 0) /* as a field that no event has */
		return compare_field(parser,
				     (struct text){ field->glob.bytes, field->glob.size_bytes },
				     operation, value);
	return expression_list(parser->arena, EXPRESSION_OR, list.items, list.count);
}

static struct expression *compare(struct parser *parser, const struct kql_literal *field,
				  enum operation operation, const struct kql_literal *value)
{
	if (value->glob.size_bytes == 4 && !value->quoted &&
	    memcmp(value->glob.bytes, "null", 4) == 0)
		return kql_refuse(&parser->text, value->place,
				  "found `null`, expected a value; `not %.64s:*` says that it is "
				  "absent",
				  field->glob.bytes);
	if (glob_has_wildcard(&field->glob))
		return compare_fields(parser, field, operation, value);
	return compare_field(parser, (struct text){ field->glob.bytes, field->glob.size_bytes },
			     operation, value);
}

/* --- the grammar ------------------------------------------------------------------------------ */

static bool descend(struct parser *parser)
{
	if (parser->depth++ < EXPRESSION_DEPTH_MAX)
		return true;
	kql_refuse(&parser->text, kql_place(&parser->text),
		   "found more than %d levels of parentheses and `not`", EXPRESSION_DEPTH_MAX);
	return false;
}

static void expect_byte(struct parser *parser, char byte, const char *also)
{
	char words[KQL_WORDS_MAX];
	if (!kql_take_byte(&parser->text, byte))
		kql_refuse(&parser->text, kql_place(&parser->text), "found %s, expected %s or `%c`",
			   kql_found(&parser->text, words), also, byte);
}

/* Both the query and a list of values are `or` of `and` of `not`; they differ in what stands at the
 * bottom. `field` is the list's, NULL in a query. */
static struct expression *parse_or(struct parser *parser, const struct kql_literal *field);
static struct expression *parse_expression(struct parser *parser);

/* value = "(" or ")" | literal */
static struct expression *parse_value(struct parser *parser, const struct kql_literal *field)
{
	struct kql_literal value;
	if (!kql_take_literal(&parser->text, &value))
		return NULL;
	return compare(parser, field, OPERATION_NONE, &value);
}

/* not = "not" not | "(" or ")" | value or expression */
static struct expression *parse_not(struct parser *parser, const struct kql_literal *field)
{
	struct expression *expression = NULL;
	if (!descend(parser))
		return NULL;
	if (kql_take_keyword(&parser->text, "not")) {
		expression = expression_not(parser->arena, parse_not(parser, field));
	} else if (kql_take_byte(&parser->text, '(')) {
		expression = parse_or(parser, field);
		expect_byte(parser, ')', "`and`, `or`");
	} else {
		expression = field ? parse_value(parser, field) : parse_expression(parser);
	}
	parser->depth--;
	return expression;
}

/* and = not ("and" not)* */
static struct expression *parse_and(struct parser *parser, const struct kql_literal *field)
{
	struct list list = { .count = 0 };
	do {
		if (!add(parser, &list, parse_not(parser, field)))
			return NULL;
	} while (kql_take_keyword(&parser->text, "and"));
	return expression_list(parser->arena, EXPRESSION_AND, list.items, list.count);
}

/* or = and ("or" and)* */
static struct expression *parse_or(struct parser *parser, const struct kql_literal *field)
{
	struct list list = { .count = 0 };
	do {
		if (!add(parser, &list, parse_and(parser, field)))
			return NULL;
	} while (kql_take_keyword(&parser->text, "or"));
	return expression_list(parser->arena, EXPRESSION_OR, list.items, list.count);
}

/* nested = field ":" "{" or "}": the names inside continue the field's */
static struct expression *parse_nested(struct parser *parser, const struct kql_literal *field)
{
	const struct text outer = parser->prefix;
	const size_t size = field->glob.size_bytes + 1;
	char *prefix = arena_take(parser->arena, size + 1);
	if (!prefix)
		return kql_refuse(&parser->text, field->place, "no memory for the query");
	if (size > FIELD_NAME_MAX)
		return kql_refuse(&parser->text, field->place, "found a name of more than %d bytes",
				  FIELD_NAME_MAX);
	memcpy(prefix, field->glob.bytes, size - 1);
	prefix[size - 1] = '.';
	parser->prefix = (struct text){ prefix, size };
	struct expression *expression = parse_or(parser, NULL);
	expect_byte(parser, '}', "`and`, `or`");
	parser->prefix = outer;
	return expression;
}

/* "<=" | ">=" | "<" | ">" */
static enum operation take_range(struct parser *parser)
{
	kql_skip_spaces(&parser->text);
	if (!kql_at_byte(&parser->text, '<') && !kql_at_byte(&parser->text, '>'))
		return OPERATION_NONE;
	const bool less = *parser->text.at++ == '<';
	const bool equal = kql_at_byte(&parser->text, '=');
	parser->text.at += equal;
	kql_skip_spaces(&parser->text);
	if (less)
		return equal ? OPERATION_LESS_EQUAL : OPERATION_LESS;
	return equal ? OPERATION_GREATER_EQUAL : OPERATION_GREATER;
}

/* A field's whole name: what stands here continues the nested queries around it. */
static bool read_field(struct parser *parser, struct kql_literal *out_field)
{
	struct kql_literal field;
	if (!kql_take_literal(&parser->text, &field))
		return false;
	const size_t prefix_bytes = parser->prefix.size_bytes;
	const size_t size = prefix_bytes + field.glob.size_bytes;
	if (size > FIELD_NAME_MAX) {
		kql_refuse(&parser->text, field.place, "found a name of more than %d bytes",
			   FIELD_NAME_MAX);
		return false;
	}
	struct glob whole = {
		.bytes = arena_take(parser->arena, size + 1),
		.kinds = arena_take(parser->arena, size + 1),
		.size_bytes = size,
	};
	if (!whole.bytes || !whole.kinds) {
		kql_refuse(&parser->text, field.place, "no memory for the query");
		return false;
	}
	if (prefix_bytes)
		memcpy(whole.bytes, parser->prefix.bytes, prefix_bytes);
	memcpy(whole.bytes + prefix_bytes, field.glob.bytes, field.glob.size_bytes);
	memcpy(whole.kinds + prefix_bytes, field.glob.kinds, field.glob.size_bytes);
	field.glob = whole;
	*out_field = field;
	return true;
}

/* expression = nested | field ("<=" | ">=" | "<" | ">") literal | field ":" values */
static struct expression *parse_expression(struct parser *parser)
{
	struct kql_literal field;
	struct kql_literal value;
	if (!read_field(parser, &field))
		return NULL;
	const enum operation operation = take_range(parser);
	if (operation != OPERATION_NONE)
		return kql_take_literal(&parser->text, &value)
			       ? compare(parser, &field, operation, &value)
			       : NULL;
	if (!kql_take_byte(&parser->text, ':'))
		return kql_refuse(&parser->text, field.place,
				  "found a value without a field, expected `field:value`");
	if (kql_take_byte(&parser->text, '{'))
		return parse_nested(parser, &field);
	if (!kql_take_byte(&parser->text, '('))
		return parse_value(parser, &field);
	struct expression *values = parse_or(parser, &field);
	expect_byte(parser, ')', "`and`, `or`");
	return values;
}

const struct expression *kql_parse(const char *text, size_t size_bytes,
				   const struct query_source *source, const struct fields *fields,
				   struct arena *arena, struct complaints *complaints)
{
	char words[KQL_WORDS_MAX];
	struct parser parser = {
		.queries = { .fields = fields, .arena = arena },
		.arena = arena,
	};
	if (!kql_text_open(&parser.text, text, size_bytes, source, arena, complaints))
		return NULL;
	struct expression *query = parse_or(&parser, NULL);
	kql_skip_spaces(&parser.text);
	if (parser.text.at < parser.text.end)
		kql_refuse(&parser.text, kql_place(&parser.text),
			   "found %s, expected `and`, `or` or the end",
			   kql_found(&parser.text, words));
	else if (!query)
		kql_refuse(&parser.text, kql_place(&parser.text), "no memory for the query");
	return parser.text.failed ? NULL : query;
}
