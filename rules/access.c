#include "rules/access.h"

#include <string.h>

#include "collector/base/hash.h"

/* Fields that many events share a value of, and roughly how many of a hundred have a given one;
 * those of nearly every event are worse than any list of others. A field that is not here is taken
 * to tell events apart well. */
static const struct {
	uint16_t field;
	uint16_t cost;
} common_fields[] = {
	{ FIELD_host_os_type, 1000 },
	{ FIELD_host_os_family, 1000 },
	{ FIELD_host_os_platform, 1000 },
	{ FIELD_event_kind, 1000 },
	{ FIELD_agent_type, 1000 },
	{ FIELD_event_outcome, 90 },
	{ FIELD_event_module, 80 },
	{ FIELD_event_provider, 60 },
	{ FIELD_event_dataset, 60 },
	{ FIELD_data_stream_dataset, 60 },
	{ FIELD_event_category, 40 },
	{ FIELD_event_type, 30 },
	{ FIELD_network_transport, 30 },
	{ FIELD_network_direction, 30 },
	{ FIELD_network_type, 30 },
	{ FIELD_network_protocol, 30 },
	{ FIELD_user_id, 30 },
	{ FIELD_user_name, 20 },
	{ FIELD_user_domain, 20 },
	{ FIELD_event_action, 10 },
	{ FIELD_event_code, 10 },
	{ FIELD_file_extension, 5 },
	{ FIELD_process_parent_name, 3 },
};

uint64_t access_cost(uint16_t field)
{
	for (size_t i = 0; i < sizeof(common_fields) / sizeof(common_fields[0]); i++)
		if (common_fields[i].field == field)
			return common_fields[i].cost;
	return 1;
}

static const struct access_set unknown;

static uint16_t keyword_field(const struct fields *fields, struct text name)
{
	const uint16_t field = fields_find(fields, name.bytes, name.size_bytes);
	return field != FIELD_NONE && fields_type(fields, field) == FIELD_TYPE_KEYWORD ? field
										       : FIELD_NONE;
}

uint16_t access_keyword_field(const struct fields *fields, const struct expression *expression)
{
	return expression->kind == EXPRESSION_FIELD ? keyword_field(fields, expression->name)
						    : FIELD_NONE;
}

/* The field is one of the constants, all of them texts. */
static struct access_set set_of_texts(const struct fields *fields, const struct expression *field,
				      struct expression *const *constants, size_t count, bool wild,
				      struct arena *arena)
{
	const uint16_t number = access_keyword_field(fields, field);
	struct access_key *keys = number == FIELD_NONE || count > ACCESS_KEYS_MAX
					  ? NULL
					  : arena_take(arena, count * sizeof(*keys));
	if (!keys)
		return unknown;
	for (size_t i = 0; i < count; i++) {
		const struct expression *constant = constants[i];
		if (constant->kind != EXPRESSION_CONSTANT ||
		    constant->constant.type != CONSTANT_TEXT)
			return unknown;
		const struct text text = constant->constant.text;
		if (wild && (memchr(text.bytes, '*', text.size_bytes) ||
			     memchr(text.bytes, '?', text.size_bytes)))
			return unknown;
		keys[i] = (struct access_key){
			.field = number,
			.folded_hash = hash_folded_text(text.bytes, text.size_bytes),
		};
	}
	return (struct access_set){
		.known = true,
		.keys = keys,
		.count = count,
		.cost = count * access_cost(number),
	};
}

static struct access_set set_of(const struct fields *fields, const struct expression *expression,
				struct arena *arena);

/* Any operand's set is a promise of the whole: the cheapest is taken. */
static struct access_set set_of_and(const struct fields *fields,
				    const struct expression *expression, struct arena *arena)
{
	struct access_set best = unknown;
	for (size_t i = 0; i < expression->operand_count; i++) {
		const struct access_set set = set_of(fields, expression->operands[i], arena);
		if (set.known && (!best.known || set.cost < best.cost))
			best = set;
	}
	return best;
}

/* All operands' sets together, if each has one. */
static struct access_set set_of_or(const struct fields *fields, const struct expression *expression,
				   struct arena *arena)
{
	struct access_set whole = { .known = true };
	struct access_key *keys = arena_take(arena, ACCESS_KEYS_MAX * sizeof(*keys));
	for (size_t i = 0; keys && i < expression->operand_count; i++) {
		const struct access_set set = set_of(fields, expression->operands[i], arena);
		if (!set.known || set.count > ACCESS_KEYS_MAX - whole.count)
			return unknown;
		if (set.count)
			memcpy(keys + whole.count, set.keys, set.count * sizeof(*keys));
		whole.count += set.count;
		whole.cost += set.cost;
	}
	whole.keys = keys;
	return keys ? whole : unknown;
}

static struct access_set set_of(const struct fields *fields, const struct expression *expression,
				struct arena *arena)
{
	struct expression *const *operands = expression->operands;
	switch (expression->kind) {
	case EXPRESSION_AND:
		return set_of_and(fields, expression, arena);
	case EXPRESSION_OR:
		return set_of_or(fields, expression, arena);
	case EXPRESSION_IN:
	case EXPRESSION_LIKE:
		return set_of_texts(fields, operands[0], operands + 1,
				    expression->operand_count - 1,
				    expression->kind == EXPRESSION_LIKE, arena);
	case EXPRESSION_COMPARE:
		if (expression->operation != OPERATION_EQUAL)
			return unknown;
		if (operands[0]->kind == EXPRESSION_FIELD)
			return set_of_texts(fields, operands[0], operands + 1, 1, false, arena);
		return set_of_texts(fields, operands[1], operands, 1, false, arena);
	case EXPRESSION_CONSTANT:
	case EXPRESSION_FIELD:
	case EXPRESSION_CALL:
	case EXPRESSION_NEGATE:
	case EXPRESSION_ARITHMETIC:
	case EXPRESSION_REGEX:
	case EXPRESSION_NOT:
		break;
	}
	return unknown;
}

static struct access_set set_of_category(const struct fields *fields, const char *category_field,
					 struct text category, struct arena *arena)
{
	const uint16_t field =
		keyword_field(fields, (struct text){ category_field, strlen(category_field) });
	struct access_key *key =
		category.bytes && field != FIELD_NONE ? arena_take(arena, sizeof(*key)) : NULL;
	if (!key)
		return unknown;
	*key = (struct access_key){
		.field = field,
		.folded_hash = hash_folded_text(category.bytes, category.size_bytes),
	};
	return (struct access_set){
		.known = true, .keys = key, .count = 1, .cost = access_cost(field)
	};
}

struct access_set access_set_find(const struct fields *fields, const char *category_field,
				  struct text category, const struct expression *condition,
				  struct arena *arena)
{
	const struct access_set by_category =
		set_of_category(fields, category_field, category, arena);
	const struct access_set by_condition = set_of(fields, condition, arena);
	if (!by_condition.known)
		return by_category;
	return by_category.known && by_category.cost <= by_condition.cost ? by_category
									  : by_condition;
}
