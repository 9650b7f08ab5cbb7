/* Program sets, compiling a term into a decision graph, and what may be asked of a program. */
#include "rules/program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/check.h"
#include "rules/program_set.h"

struct program_set *program_set_open(struct fields *fields, struct arena *arena)
{
	struct program_set *set = calloc(1, sizeof(*set));
	if (!set)
		return NULL;
	set->fields = fields;
	set->arena = arena;
	set->wildcard_work_left = WILDCARD_WORK_MAX;
	return set;
}

void program_set_close(struct program_set *set)
{
	if (!set)
		return;
	for (struct owned *owned = set->owned; owned; owned = owned->next) {
		cidr_set_close(owned->cidr);
		regex_close(owned->regex);
	}
	program_scratch_close(set->folding);
	free(set->predicates);
	free(set->buckets);
	free(set);
}

/* --- the decision graph ----------------------------------------------------------------------- */

struct emitter {
	struct decision *decisions;
	uint32_t count;
};

static size_t count_decisions(const struct filter *filter)
{
	size_t count = filter->kind == FILTER_PREDICATE;
	for (size_t i = 0; i < filter->operand_count; i++)
		count += count_decisions(filter->operands[i]);
	return count;
}

/* From the last question to the first, so that where to go on is always known. Returns where the
 * filter begins. */
static uint32_t emit(struct emitter *emitter, const struct filter *filter, uint32_t when_true,
		     uint32_t when_false)
{
	switch (filter->kind) {
	case FILTER_TRUE:
		return when_true;
	case FILTER_FALSE:
		return when_false;
	case FILTER_PREDICATE:
		emitter->decisions[emitter->count] = (struct decision){
			.predicate = filter->predicate,
			.next = { filter->negated ? when_true : when_false,
				  filter->negated ? when_false : when_true },
		};
		return emitter->count++;
	case FILTER_AND:
		for (size_t i = filter->operand_count; i-- > 0;)
			when_true = emit(emitter, filter->operands[i], when_true, when_false);
		return when_true;
	case FILTER_OR:
		for (size_t i = filter->operand_count; i-- > 0;)
			when_false = emit(emitter, filter->operands[i], when_true, when_false);
		return when_false;
	}
	return when_false;
}

static uint32_t turned(uint32_t at, uint32_t count)
{
	return at < count ? count - 1 - at : at;
}

/* Turns the order round: the first question becomes decision 0. */
static void turn(struct emitter *emitter)
{
	const uint32_t count = emitter->count;
	for (uint32_t i = 0; i < count / 2; i++) {
		const struct decision swap = emitter->decisions[i];
		emitter->decisions[i] = emitter->decisions[count - 1 - i];
		emitter->decisions[count - 1 - i] = swap;
	}
	for (uint32_t i = 0; i < count; i++)
		for (int answer = 0; answer < 2; answer++)
			emitter->decisions[i].next[answer] =
				turned(emitter->decisions[i].next[answer], count);
}

static uint32_t hash_decisions(const struct decision *decisions, uint32_t count)
{
	uint32_t hash = 2166136261U ^ count;
	for (uint32_t i = 0; i < count; i++) {
		hash = (hash ^ decisions[i].predicate) * 16777619U;
		hash = (hash ^ decisions[i].next[0]) * 16777619U;
		hash = (hash ^ decisions[i].next[1]) * 16777619U;
	}
	return hash ^ hash >> 15;
}

static struct program *build(struct program_set *set, const struct filter *filter)
{
	struct program *program = arena_take(set->arena, sizeof(*program));
	struct emitter emitter = {
		.decisions =
			arena_take(set->arena, count_decisions(filter) * sizeof(struct decision)),
	};
	if (!program || !emitter.decisions)
		return NULL;
	const uint32_t first = emit(&emitter, filter, DECISION_TRUE, DECISION_FALSE);
	turn(&emitter);
	program->set = set;
	program->decisions = emitter.decisions;
	program->decision_count = emitter.count;
	program->first = turned(first, emitter.count);
	program->cost = filter->cost;
	program->hash = hash_decisions(emitter.decisions, emitter.count) ^ program->first;
	return filter_find_facts(filter, set, &program->facts) ? program : NULL;
}

/* --- compiling -------------------------------------------------------------------------------- */

/* category field == the category's name */
static struct filter *lower_category(struct lowering *lowering, const struct query_term *term)
{
	const struct query_options *options = lowering->checker->options;
	const char *name =
		options && options->category_field ? options->category_field : "event.category";
	struct expression field = { .kind = EXPRESSION_FIELD,
				    .name = { name, strlen(name) },
				    .place = term->place };
	struct expression text = {
		.kind = EXPRESSION_CONSTANT,
		.constant = { .type = CONSTANT_TEXT, .text = term->category },
		.place = term->place,
	};
	struct expression *operands[] = { &field, &text };
	const struct expression compare = { .kind = EXPRESSION_COMPARE,
					    .operation = OPERATION_EQUAL,
					    .place = term->place,
					    .operands = operands,
					    .operand_count = 2 };
	struct node *node = node_check_condition(lowering->checker, &compare);
	return node ? filter_lower(lowering, node, false) : NULL;
}

static struct checker checker_for(struct program_set *set, const struct query_options *options,
				  const struct query_source *source, struct complaints *complaints)
{
	return (struct checker){
		.fields = set->fields,
		.arena = set->arena,
		.options = options,
		.file = source ? source->file : NULL,
		.complaints = complaints,
	};
}

const struct program *program_compile(struct program_set *set, const struct query_term *term,
				      const struct query_options *options,
				      const struct query_source *source,
				      struct complaints *complaints)
{
	struct checker checker = checker_for(set, options, source, complaints);
	struct lowering lowering = { .set = set, .checker = &checker };
	struct filter *category = term->category.bytes ? lower_category(&lowering, term) : NULL;
	struct node *node = node_check_condition(&checker, term->condition);
	struct filter *filter = node ? filter_lower(&lowering, node, false) : NULL;
	if (term->category.bytes)
		filter = filter_both(&lowering, category, filter);
	if (!filter)
		return NULL;
	struct program *program = build(set, filter);
	if (!program)
		checker_complain(&checker, term->place,
				 "the query needs more memory than it may use");
	return program;
}

/* --- join keys -------------------------------------------------------------------------------- */

static bool resolve_term_keys(struct checker *checker, const struct query_term *term, size_t count,
			      struct rule_key *out_keys)
{
	bool good = true;
	for (size_t i = 0; i < count; i++) {
		const struct query_key *key = &term->keys[i];
		out_keys[i] = (struct rule_key){ .field = FIELD_NONE, .optional = key->optional };
		good = checker_find_field(checker, &key->name, key->optional, key->place,
					  &out_keys[i].field) &&
		       good;
	}
	return good;
}

/* Keys that are joined have to be of one type; an untyped field can be of any. */
static bool check_key_types(struct checker *checker, const struct query_key *first,
			    const struct rule_key *first_keys, const struct query_term *term,
			    const struct rule_key *keys, size_t count)
{
	bool good = true;
	for (size_t i = 0; i < count; i++) {
		const enum static_type one =
			static_type_of_field(checker->fields, first_keys[i].field);
		const enum static_type other = static_type_of_field(checker->fields, keys[i].field);
		if (one == other || one == STATIC_ANY || other == STATIC_ANY)
			continue;
		good = checker_complain(checker, term->keys[i].place,
					"found the join key `%s`, %s, which cannot equal `%s`, %s",
					term->keys[i].name.bytes, static_type_name(other),
					first[i].name.bytes, static_type_name(one));
	}
	return good;
}

bool program_resolve_keys(struct program_set *set, const struct query_ast *query,
			  const struct query_options *options, const struct query_source *source,
			  struct complaints *complaints, struct rule_key *out_keys)
{
	struct checker checker = checker_for(set, options, source, complaints);
	const size_t count = query->key_count;
	const struct query_key *first = query->terms[0].keys;
	bool good = true;
	for (size_t i = 0; i < query->term_count; i++) {
		const struct query_term *term = &query->terms[i];
		struct rule_key *keys = out_keys + i * count;
		/* A repeated term has the same keys, and the same complaints. */
		if (i > 0 && term->keys == query->terms[i - 1].keys) {
			memcpy(keys, keys - count, count * sizeof(*keys));
			continue;
		}
		good = resolve_term_keys(&checker, term, count, keys) &&
		       check_key_types(&checker, first, out_keys, term, keys, count) && good;
	}
	if (!query->until)
		return good;
	struct rule_key *keys = out_keys + query->term_count * count;
	return resolve_term_keys(&checker, query->until, count, keys) &&
	       check_key_types(&checker, first, out_keys, query->until, keys, count) && good;
}

/* --- asking ----------------------------------------------------------------------------------- */

bool program_equal(const struct program *left, const struct program *right)
{
	return left == right ||
	       (left->set == right->set && left->hash == right->hash &&
		left->first == right->first && left->decision_count == right->decision_count &&
		memcmp(left->decisions, right->decisions,
		       left->decision_count * sizeof(struct decision)) == 0);
}

uint32_t program_hash(const struct program *program)
{
	return program->hash;
}

enum program_constant program_constant(const struct program *program)
{
	return program->first == DECISION_TRUE	  ? PROGRAM_ALWAYS_TRUE
	       : program->first == DECISION_FALSE ? PROGRAM_ALWAYS_FALSE
						  : PROGRAM_DEPENDS;
}

const struct conjunct *program_conjuncts(const struct program *program, size_t *out_count)
{
	*out_count = program->facts.conjunct_count;
	return program->facts.conjuncts;
}

const uint16_t *program_required_fields(const struct program *program, size_t *out_count)
{
	*out_count = program->facts.required_field_count;
	return program->facts.required_fields;
}

const uint16_t *program_fields(const struct program *program, size_t *out_count)
{
	*out_count = program->facts.field_count;
	return program->facts.fields;
}

uint32_t program_cost(const struct program *program)
{
	return program->cost;
}

static void print_target(uint32_t target, FILE *stream)
{
	if (target == DECISION_TRUE)
		fputs("yes", stream);
	else if (target == DECISION_FALSE)
		fputs("no", stream);
	else
		fprintf(stream, "%u", target);
}

void program_print(const struct program *program, FILE *stream)
{
	if (program->decision_count == 0 || program->first >= program->decision_count) {
		fprintf(stream, "always %s\n", program->first == DECISION_TRUE ? "yes" : "no");
		return;
	}
	for (uint32_t i = 0; i < program->decision_count; i++) {
		const struct decision *decision = &program->decisions[i];
		fprintf(stream, "%4u  true: ", i);
		print_target(decision->next[1], stream);
		fputs("  false: ", stream);
		print_target(decision->next[0], stream);
		fprintf(stream, "  %s\n", program->set->predicates[decision->predicate]->key);
	}
}
