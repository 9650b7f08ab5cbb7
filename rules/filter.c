/* From the checked tree to predicates. */
#include "rules/filter.h"

#include <stdlib.h>
#include <string.h>

#include "rules/check.h"
#include "rules/program_set.h"

static struct filter *new_filter(struct lowering *lowering, enum filter_kind kind,
				 struct place place, size_t operand_count)
{
	struct filter *filter = arena_take(lowering->set->arena, sizeof(*filter));
	struct filter **operands =
		filter ? arena_take(lowering->set->arena, operand_count * sizeof(struct filter *))
		       : NULL;
	if (!operands) {
		checker_complain(lowering->checker, place,
				 "the query needs more memory than it may use");
		return NULL;
	}
	filter->kind = kind;
	filter->operands = operands;
	filter->operand_count = operand_count;
	return filter;
}

static struct filter *constant(struct lowering *lowering, bool truth, struct place place)
{
	return new_filter(lowering, truth ? FILTER_TRUE : FILTER_FALSE, place, 0);
}

static struct filter *ask(struct lowering *lowering, const struct predicate *draft,
			  struct place place, bool negated)
{
	if (draft->kind != PREDICATE_SCRIPT && draft->field == FIELD_NONE)
		return constant(lowering, negated, place);
	const uint32_t number = predicate_intern(lowering, draft, place);
	if (number == UINT32_MAX)
		return NULL;
	struct filter *filter = new_filter(lowering, FILTER_PREDICATE, place, 0);
	if (filter) {
		filter->predicate = number;
		filter->negated = negated;
		filter->cost = lowering->set->predicates[number]->cost;
	}
	return filter;
}

/* --- and, or ---------------------------------------------------------------------------------- */

/* Cheapest first; equal ones stay in the order written. Few operands: insertion sort would do, but
 * a hostile chain has a hundred thousand. */
struct ranked {
	struct filter *filter;
	size_t rank;
};

static int by_cost(const void *left, const void *right)
{
	const struct ranked *one = left;
	const struct ranked *other = right;
	if (one->filter->cost != other->filter->cost)
		return one->filter->cost < other->filter->cost ? -1 : 1;
	return one->rank < other->rank ? -1 : 1;
}

static bool sort_operands(struct filter *filter)
{
	struct ranked *ranked = calloc(filter->operand_count + 1, sizeof(*ranked));
	if (!ranked)
		return false;
	for (size_t i = 0; i < filter->operand_count; i++)
		ranked[i] = (struct ranked){ filter->operands[i], i };
	qsort(ranked, filter->operand_count, sizeof(*ranked), by_cost);
	for (size_t i = 0; i < filter->operand_count; i++)
		filter->operands[i] = ranked[i].filter;
	free(ranked);
	return true;
}

/* Drops what decides nothing; one that decides all becomes the result. */
static struct filter *settle(struct filter *filter)
{
	const enum filter_kind decisive = filter->kind == FILTER_AND ? FILTER_FALSE : FILTER_TRUE;
	const enum filter_kind neutral = filter->kind == FILTER_AND ? FILTER_TRUE : FILTER_FALSE;
	size_t kept = 0;
	uint64_t cost = 0;
	for (size_t i = 0; i < filter->operand_count; i++) {
		struct filter *operand = filter->operands[i];
		if (operand->kind == decisive)
			return operand;
		if (operand->kind == neutral)
			continue;
		cost += operand->cost;
		filter->operands[kept++] = operand;
	}
	if (kept == 0) {
		filter->kind = neutral;
		filter->operand_count = 0;
		return filter;
	}
	filter->operand_count = kept;
	filter->cost = cost > UINT32_MAX ? UINT32_MAX : (uint32_t)cost;
	return kept == 1 ? filter->operands[0] : filter;
}

static struct filter *lower_logic(struct lowering *lowering, struct node *node, bool negated)
{
	const bool is_and = (node->kind == NODE_AND) != negated;
	struct filter *filter = new_filter(lowering, is_and ? FILTER_AND : FILTER_OR, node->place,
					   node->operand_count);
	bool good = filter;
	for (size_t i = 0; i < node->operand_count; i++) {
		struct filter *operand = filter_lower(lowering, node->operands[i], negated);
		good = good && operand;
		if (good)
			filter->operands[i] = operand;
	}
	if (!good)
		return NULL;
	filter = settle(filter);
	if ((filter->kind == FILTER_AND || filter->kind == FILTER_OR) && !sort_operands(filter))
		return NULL;
	return filter;
}

struct filter *filter_both(struct lowering *lowering, struct filter *left, struct filter *right)
{
	if (!left || !right)
		return NULL;
	struct filter *both = new_filter(lowering, FILTER_AND, (struct place){ 0 }, 2);
	if (!both)
		return NULL;
	both->operands[0] = left;
	both->operands[1] = right;
	return settle(both);
}

/* --- values of a field ------------------------------------------------------------------------ */

static int by_value(const void *left, const void *right)
{
	const struct value *one = left;
	const struct value *other = right;
	if (one->kind == VALUE_IS_TEXT && other->kind == VALUE_IS_TEXT)
		return text_order(&one->text, &other->text);
	if (one->kind != other->kind && !(value_is_number(one) && value_is_number(other)))
		return one->kind < other->kind ? -1 : 1;
	const struct value less = value_compare(OPERATION_LESS, one, other);
	const struct value more = value_compare(OPERATION_GREATER, one, other);
	return (int)value_is_true(&more) - (int)value_is_true(&less);
}

static size_t sort_unique(struct value *values, size_t count)
{
	if (count == 0)
		return 0;
	qsort(values, count, sizeof(*values), by_value);
	size_t kept = 1;
	for (size_t i = 1; i < count; i++)
		if (by_value(&values[kept - 1], &values[i]) != 0)
			values[kept++] = values[i];
	return kept;
}

/* The constants of a list that are of one sort, sorted; NULL with *out_count 0 if
 * there are none. */
typedef bool value_sort_fn(const struct value *value);

static struct value *pick(struct lowering *lowering, const struct node *node, value_sort_fn *wanted,
			  size_t *out_count)
{
	size_t count = 0;
	for (size_t i = 1; i < node->operand_count; i++)
		count += wanted(&node->operands[i]->constant);
	*out_count = 0;
	struct value *values =
		count ? arena_take(lowering->set->arena, count * sizeof(*values)) : NULL;
	for (size_t i = 1; values && i < node->operand_count; i++)
		if (wanted(&node->operands[i]->constant))
			values[(*out_count)++] = node->operands[i]->constant;
	if (values)
		*out_count = sort_unique(values, *out_count);
	return values;
}

static bool is_text(const struct value *value)
{
	return value->kind == VALUE_IS_TEXT;
}

static bool is_plain(const struct value *value)
{
	return value->kind == VALUE_IS_TEXT && !wildcard_has_wildcards(&value->text);
}

static bool is_pattern(const struct value *value)
{
	return value->kind == VALUE_IS_TEXT && wildcard_has_wildcards(&value->text);
}

static bool is_other(const struct value *value)
{
	return value->kind == VALUE_IS_BOOLEAN || value->kind == VALUE_IS_TIME;
}

/* The parts of a list, `or`ed. */
struct parts {
	struct lowering *lowering;
	struct filter *filter; /* OR with room; NULL after a complaint */
	struct place place;
	bool negated;
};

static void add_part(struct parts *parts, const struct predicate *draft)
{
	if (!parts->filter)
		return;
	struct filter *part = ask(parts->lowering, draft, parts->place, parts->negated);
	if (part)
		parts->filter->operands[parts->filter->operand_count++] = part;
	else
		parts->filter = NULL;
}

static struct parts parts_open(struct lowering *lowering, const struct node *node, bool negated)
{
	struct parts parts = {
		.lowering = lowering,
		.place = node->place,
		.negated = negated,
		.filter = new_filter(lowering, negated ? FILTER_AND : FILTER_OR, node->place,
				     node->operand_count + 4),
	};
	if (parts.filter)
		parts.filter->operand_count = 0;
	return parts;
}

/* Networks of a list: of cidrMatch, or addresses (and networks) that an address is to equal. */
static int by_network(const void *left, const void *right)
{
	return memcmp(left, right, sizeof(struct ip_prefix));
}

static void add_networks(struct parts *parts, const struct node *node, bool all_texts)
{
	struct predicate draft = { .kind = PREDICATE_NETWORKS, .field = node->operands[0]->field };
	struct ip_prefix *networks =
		arena_take(parts->lowering->set->arena, node->operand_count * sizeof(*networks));
	size_t count = 0;
	for (size_t i = 1; networks && i < node->operand_count; i++) {
		const struct value *value = &node->operands[i]->constant;
		if (value->kind == VALUE_IS_ADDRESS)
			networks[count++] = (struct ip_prefix){ value->address, 128 };
		else if (all_texts && value->kind == VALUE_IS_TEXT)
			count += ip_prefix_parse(value->text.bytes, value->text.size_bytes,
						 &networks[count]);
	}
	if (count == 0)
		return;
	qsort(networks, count, sizeof(*networks), by_network);
	size_t kept = 1;
	for (size_t i = 1; i < count; i++)
		if (by_network(&networks[kept - 1], &networks[i]) != 0)
			networks[kept++] = networks[i];
	draft.networks = networks;
	draft.network_count = kept;
	add_part(parts, &draft);
}

static void add_values(struct parts *parts, const struct node *node, enum predicate_kind kind,
		       value_sort_fn *wanted, bool insensitive)
{
	struct predicate draft = { .kind = kind,
				   .field = node->operands[0]->field,
				   .insensitive = insensitive };
	draft.values = pick(parts->lowering, node, wanted, &draft.value_count);
	if (draft.value_count > 0)
		add_part(parts, &draft);
}

/* field in (...), and field == constant as a list of one. */
static struct filter *lower_in(struct lowering *lowering, const struct node *node, bool negated)
{
	struct parts parts = parts_open(lowering, node, negated);
	const bool address = node->operands[0]->type == STATIC_ADDRESS;
	if (!address)
		add_values(&parts, node, PREDICATE_TEXTS, is_text, node->insensitive);
	add_values(&parts, node, PREDICATE_NUMBERS, value_is_number, false);
	add_networks(&parts, node, address);
	size_t count;
	struct value *others = pick(lowering, node, is_other, &count);
	for (size_t i = 0; i < count; i++)
		add_part(&parts, &(struct predicate){ .kind = PREDICATE_COMPARE,
						      .operation = OPERATION_EQUAL,
						      .field = node->operands[0]->field,
						      .values = &others[i],
						      .value_count = 1 });
	return parts.filter ? settle(parts.filter) : NULL;
}

static bool is_only_stars(const struct value *value)
{
	return value->kind == VALUE_IS_TEXT && value->text.size_bytes > 0 &&
	       strspn(value->text.bytes, "*") == value->text.size_bytes;
}

static struct filter *lower_like(struct lowering *lowering, const struct node *node, bool negated)
{
	struct parts parts = parts_open(lowering, node, negated);
	for (size_t i = 1; i < node->operand_count; i++)
		if (is_only_stars(&node->operands[i]->constant))
			return ask(lowering,
				   &(struct predicate){ .kind = PREDICATE_EXISTS,
							.field = node->operands[0]->field },
				   node->place, negated);
	add_values(&parts, node, PREDICATE_TEXTS, is_plain, node->insensitive);
	add_values(&parts, node, PREDICATE_LIKE, is_pattern, node->insensitive);
	return parts.filter ? settle(parts.filter) : NULL;
}

static struct filter *lower_regex(struct lowering *lowering, const struct node *node, bool negated)
{
	struct parts parts = parts_open(lowering, node, negated);
	add_values(&parts, node, PREDICATE_REGEX, is_text, node->insensitive);
	return parts.filter ? settle(parts.filter) : NULL;
}

static struct filter *lower_networks(struct lowering *lowering, const struct node *node,
				     bool negated)
{
	struct parts parts = parts_open(lowering, node, negated);
	add_networks(&parts, node, true);
	return parts.filter ? settle(parts.filter) : NULL;
}

static struct filter *lower_compare(struct lowering *lowering, struct node *node, bool negated)
{
	if (node->operation == OPERATION_EQUAL)
		return lower_in(lowering, node, negated);
	if (node->operation == OPERATION_NOT_EQUAL)
		return lower_in(lowering, node, !negated);
	return ask(lowering,
		   &(struct predicate){ .kind = PREDICATE_COMPARE,
					.operation = node->operation,
					.field = node->operands[0]->field,
					.values = &node->operands[1]->constant,
					.value_count = 1 },
		   node->place, negated);
}

/* --- scripts ---------------------------------------------------------------------------------- */

/* The scratch that conditions without fields are asked with. */
static struct program_scratch *folding_scratch(struct program_set *set)
{
	if (set->folding && set->folding_position_count == set->position_count)
		return set->folding;
	program_scratch_close(set->folding);
	set->folding = program_scratch_open(set);
	set->folding_position_count = set->position_count;
	return set->folding;
}

/* Asked once and for all when it reads no field. */
static struct filter *lower_script(struct lowering *lowering, struct node *node, bool negated)
{
	struct filter *filter =
		ask(lowering, &(struct predicate){ .kind = PREDICATE_SCRIPT, .script = node },
		    node->place, negated);
	const struct predicate *predicate =
		filter ? lowering->set->predicates[filter->predicate] : NULL;
	if (!predicate || predicate->script_field_count > 0)
		return filter;
	struct program_scratch *scratch = folding_scratch(lowering->set);
	if (!scratch)
		return filter;
	static const struct event empty;
	const bool truth = predicate_test(predicate, scratch, &empty);
	return constant(lowering, truth != negated, node->place);
}

struct filter *filter_lower(struct lowering *lowering, struct node *node, bool negated)
{
	const bool on_field = node->operand_count > 0 && node->operands[0]->kind == NODE_FIELD;
	switch (node->kind) {
	case NODE_CONSTANT:
		return constant(lowering, value_is_true(&node->constant) != negated, node->place);
	case NODE_NOT:
		return filter_lower(lowering, node->operands[0], !negated);
	case NODE_AND:
	case NODE_OR:
		return lower_logic(lowering, node, negated);
	default:
		break;
	}
	if (!on_field)
		return lower_script(lowering, node, negated);
	switch (node->kind) {
	case NODE_COMPARE:
		return lower_compare(lowering, node, negated);
	case NODE_IS_NULL:
		return ask(lowering,
			   &(struct predicate){ .kind = PREDICATE_EXISTS,
						.field = node->operands[0]->field },
			   node->place, !negated);
	case NODE_IN:
		return lower_in(lowering, node, negated);
	case NODE_LIKE:
		return lower_like(lowering, node, negated);
	case NODE_REGEX:
		return lower_regex(lowering, node, negated);
	case NODE_CALL:
		if (node->function == function_cidr_match())
			return lower_networks(lowering, node, negated);
		return lower_script(lowering, node, negated);
	default:
		return lower_script(lowering, node, negated);
	}
}
