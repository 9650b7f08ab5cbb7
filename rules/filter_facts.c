/* What an index, a pushdown and a check for dead rules may know of a filter. */
#include <stdlib.h>
#include <string.h>

#include "rules/filter.h"
#include "rules/program_set.h"

/* A set of field numbers. */
struct field_set {
	uint64_t words[(FIELD_MAX + 63) / 64];
};

static void field_set_add(struct field_set *set, uint16_t field)
{
	if (field < FIELD_MAX)
		set->words[field / 64] |= 1ULL << (field % 64);
}

static const uint16_t *field_set_list(const struct field_set *set, struct arena *arena,
				      size_t *out_count)
{
	size_t count = 0;
	for (size_t i = 0; i < sizeof(set->words) / sizeof(set->words[0]); i++)
		count += (size_t)__builtin_popcountll(set->words[i]);
	uint16_t *list = arena_take(arena, count * sizeof(*list));
	*out_count = 0;
	for (uint16_t field = 0; list && field < FIELD_MAX; field++)
		if (set->words[field / 64] >> (field % 64) & 1)
			list[(*out_count)++] = field;
	return list;
}

/* --- required fields -------------------------------------------------------------------------- */

/* The fields without which the expression is null. */
static void require_script(const struct node *node, struct field_set *out)
{
	switch (node->kind) {
	case NODE_FIELD:
		field_set_add(out, node->field);
		return;
	case NODE_CALL:
		for (size_t i = 0; i < node->operand_count; i++)
			if (i < function_arguments_min(node->function))
				require_script(node->operands[i], out);
		return;
	case NODE_ARITHMETIC:
	case NODE_NEGATE:
	case NODE_COMPARE:
	case NODE_IN:
	case NODE_LIKE:
	case NODE_REGEX:
		for (size_t i = 0; i < node->operand_count; i++)
			require_script(node->operands[i], out);
		return;
	default:
		return; /* is-null and logic may make something of null */
	}
}

static void require(const struct filter *filter, const struct program_set *set,
		    struct field_set *out)
{
	const struct predicate *predicate = set->predicates[filter->predicate];
	if (filter->kind == FILTER_PREDICATE && !filter->negated) {
		if (predicate->kind == PREDICATE_SCRIPT)
			require_script(predicate->script, out);
		else
			field_set_add(out, predicate->field);
	}
	for (size_t i = 0; filter->kind == FILTER_AND && i < filter->operand_count; i++)
		require(filter->operands[i], set, out);
	if (filter->kind != FILTER_OR)
		return;
	/* Only what every alternative needs. */
	struct field_set *common = NULL;
	struct field_set *one = malloc(sizeof(*one));
	for (size_t i = 0; one && i < filter->operand_count; i++) {
		memset(one, 0, sizeof(*one));
		require(filter->operands[i], set, one);
		if (!common) {
			common = one;
			one = malloc(sizeof(*one));
			continue;
		}
		for (size_t j = 0; j < sizeof(one->words) / sizeof(one->words[0]); j++)
			common->words[j] &= one->words[j];
	}
	for (size_t j = 0; common && one && j < sizeof(one->words) / sizeof(one->words[0]); j++)
		out->words[j] |= common->words[j];
	free(common);
	free(one);
}

static void read_fields(const struct filter *filter, const struct program_set *set,
			struct field_set *out)
{
	for (size_t i = 0; i < filter->operand_count; i++)
		read_fields(filter->operands[i], set, out);
	if (filter->kind != FILTER_PREDICATE)
		return;
	const struct predicate *predicate = set->predicates[filter->predicate];
	if (predicate->kind != PREDICATE_SCRIPT)
		field_set_add(out, predicate->field);
	for (size_t i = 0; i < predicate->script_field_count; i++)
		field_set_add(out, predicate->script_fields[i]);
}

/* --- conjuncts -------------------------------------------------------------------------------- */

static bool conjunct_texts(const struct predicate *predicate, struct arena *arena,
			   struct conjunct *out)
{
	struct text *texts = arena_take(arena, predicate->value_count * sizeof(*texts));
	for (size_t i = 0; texts && i < predicate->value_count; i++)
		texts[i] = predicate->values[i].text;
	out->kind = CONJUNCT_TEXTS;
	out->insensitive = predicate->insensitive;
	out->count = predicate->value_count;
	out->texts = texts;
	return texts;
}

static bool conjunct_integers(const struct predicate *predicate, struct arena *arena,
			      struct conjunct *out)
{
	int64_t *integers = arena_take(arena, predicate->value_count * sizeof(*integers));
	for (size_t i = 0; integers && i < predicate->value_count; i++) {
		if (predicate->values[i].kind != VALUE_IS_INTEGER)
			return false;
		integers[i] = predicate->values[i].integer;
	}
	out->kind = CONJUNCT_INTEGERS;
	out->count = predicate->value_count;
	out->integers = integers;
	return integers;
}

/* False: nothing that can be told. */
static bool conjunct_of(const struct filter *filter, const struct program_set *set,
			struct conjunct *out)
{
	const struct predicate *predicate = set->predicates[filter->predicate];
	*out = (struct conjunct){ .field = predicate->field, .negated = filter->negated };
	switch (predicate->kind) {
	case PREDICATE_EXISTS:
		out->kind = CONJUNCT_EXISTS;
		return true;
	case PREDICATE_TEXTS:
		return conjunct_texts(predicate, set->arena, out);
	case PREDICATE_NUMBERS:
		return conjunct_integers(predicate, set->arena, out);
	case PREDICATE_NETWORKS:
		out->kind = CONJUNCT_NETWORKS;
		out->count = predicate->network_count;
		out->networks = predicate->networks;
		return true;
	default:
		return false;
	}
}

static size_t count_conjuncts(const struct filter *filter)
{
	size_t count = filter->kind == FILTER_PREDICATE;
	for (size_t i = 0; filter->kind == FILTER_AND && i < filter->operand_count; i++)
		count += count_conjuncts(filter->operands[i]);
	return count;
}

static void collect_conjuncts(const struct filter *filter, const struct program_set *set,
			      struct conjunct *list, size_t *count)
{
	if (filter->kind == FILTER_PREDICATE)
		*count += conjunct_of(filter, set, &list[*count]);
	for (size_t i = 0; filter->kind == FILTER_AND && i < filter->operand_count; i++)
		collect_conjuncts(filter->operands[i], set, list, count);
}

bool filter_find_facts(const struct filter *filter, struct program_set *set,
		       struct filter_facts *out_facts)
{
	struct field_set fields = { 0 };
	struct field_set required = { 0 };
	struct conjunct *conjuncts =
		arena_take(set->arena, count_conjuncts(filter) * sizeof(*conjuncts));
	if (!conjuncts)
		return false;
	if (set->predicate_count > 0) {
		read_fields(filter, set, &fields);
		require(filter, set, &required);
		collect_conjuncts(filter, set, conjuncts, &out_facts->conjunct_count);
	}
	out_facts->conjuncts = conjuncts;
	out_facts->fields = field_set_list(&fields, set->arena, &out_facts->field_count);
	out_facts->required_fields =
		field_set_list(&required, set->arena, &out_facts->required_field_count);
	return out_facts->fields && out_facts->required_fields;
}
