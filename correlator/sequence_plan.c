#include "correlator/sequence_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/arena.h"
#include "collector/base/hash.h"
#include "collector/base/log.h"

struct sequence_plan {
	struct arena *arena;
	struct plan_rule *rules;
	uint32_t rule_count;
	uint32_t step_count;
	uint32_t *first_use; /* step_count + 1 of them */
	struct plan_use *uses;
	size_t use_count;
};

/* Fixed: the identity of a match is the same in every run. */
static const struct hash_seed id_seed = { { 0x452821e638d01377U, 0xbe5466cf34e90c6cU } };

static bool same_keys(const struct rule_key *left, const struct rule_key *right, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (left[i].field != right[i].field || left[i].optional != right[i].optional)
			return false;
	return true;
}

/* The term of a step with these keys, added when it is new; TERMS_MAX = no room. */
static uint32_t term_of(struct plan_rule *plan, step_id step, const struct rule_key *keys)
{
	uint32_t term = 0;
	for (; term < plan->term_count; term++)
		if (plan->steps[term] == step &&
		    same_keys(plan->keys[term], keys, plan->rule->key_count))
			return term;
	if (term == TERMS_MAX)
		return TERMS_MAX;
	plan->steps[term] = step;
	plan->keys[term] = keys;
	plan->term_count++;
	return term;
}

/* Which terms stand where; what is left of a rule's shape once its stages are numbered. */
static void place_missing(struct plan_rule *plan)
{
	const struct rule *rule = plan->rule;
	uint16_t positives_before = 0;
	for (uint16_t stage = 0; stage < rule->stage_count; stage++) {
		if (!rule->stages[stage].missing) {
			positives_before++;
			continue;
		}
		const uint64_t bit = 1ULL << plan->stage_terms[stage];
		plan->missing_terms |= bit;
		if (positives_before == 0)
			plan->leading_terms |= bit;
		if (positives_before == plan->positive_count)
			plan->trailing_terms |= bit;
	}
	/* A trailing event within the span of the first, a leading one within the span of that. */
	const uint64_t spans = plan->trailing_terms ? 2 : 1;
	if (plan->missing_terms)
		plan->keep_missing_ns =
			plan->span_ns > UINT64_MAX / 2 ? UINT64_MAX : spans * plan->span_ns;
}

static uint64_t span_of(const struct rule *rule, uint64_t horizon_ns)
{
	if (rule->maxspan_ns)
		return rule->maxspan_ns;
	if (horizon_ns == 0)
		return UINT64_MAX;
	return rule->look_back_ns > horizon_ns ? rule->look_back_ns : horizon_ns;
}

static bool take_tables(struct arena *arena, struct plan_rule *plan)
{
	const struct rule *rule = plan->rule;
	plan->stage_terms = arena_take(arena, rule->stage_count);
	plan->positives = arena_take(arena, rule->stage_count * sizeof(*plan->positives));
	plan->keys = arena_take(arena, TERMS_MAX * sizeof(const struct rule_key *));
	plan->steps = arena_take(arena, TERMS_MAX * sizeof(*plan->steps));
	return plan->stage_terms && plan->positives && plan->keys && plan->steps;
}

/* False: more terms than a word has bits. */
static bool number_terms(struct plan_rule *plan)
{
	const struct rule *rule = plan->rule;
	for (uint16_t stage = 0; stage < rule->stage_count; stage++) {
		const uint32_t term =
			term_of(plan, rule->stages[stage].step, rule->stages[stage].keys);
		if (term == TERMS_MAX)
			return false;
		plan->stage_terms[stage] = (uint8_t)term;
		if (!rule->stages[stage].missing)
			plan->positives[plan->positive_count++] = stage;
	}
	if (rule->until_step == RULE_NO_STEP || rule->kind != RULE_SEQUENCE)
		return true;
	const uint32_t term = term_of(plan, rule->until_step, rule->until_keys);
	if (term == TERMS_MAX)
		return false;
	plan->until_terms = 1ULL << term;
	return true;
}

/* False without memory. A rule that is not run keeps term_count 0. */
static bool plan_rule(struct arena *arena, struct plan_rule *plan, const struct rule *rule,
		      uint64_t horizon_ns)
{
	plan->rule = rule;
	if (rule->kind == RULE_NOT_RUN || rule->stage_count == 0)
		return true;
	if (!take_tables(arena, plan))
		return false;
	const char *id = rule->id ? rule->id : "";
	plan->id_hash = hash_bytes(&id_seed, id, strlen(id));
	plan->span_ns = span_of(rule, horizon_ns);
	if (!number_terms(plan) || plan->positive_count == 0) {
		log_warnx("rule %s: more than %d different terms, it is not run", id, TERMS_MAX);
		plan->term_count = 0;
		plan->until_terms = 0;
		return true;
	}
	place_missing(plan);
	return true;
}

/* Counting sort of all (rule, term) by step; within a step they stay ascending by rule. */
static bool index_uses(struct sequence_plan *plan)
{
	for (uint32_t r = 0; r < plan->rule_count; r++)
		for (uint32_t t = 0; t < plan->rules[r].term_count; t++, plan->use_count++)
			if (plan->rules[r].steps[t] >= plan->step_count)
				plan->step_count = plan->rules[r].steps[t] + 1;
	const size_t ends_bytes = (plan->step_count + 1) * sizeof(uint32_t);
	plan->first_use = arena_take(plan->arena, ends_bytes);
	uint32_t *next = arena_take(plan->arena, ends_bytes);
	plan->uses = arena_take(plan->arena, (plan->use_count + 1) * sizeof(*plan->uses));
	if (!plan->first_use || !next || !plan->uses)
		return false;
	for (uint32_t r = 0; r < plan->rule_count; r++)
		for (uint32_t t = 0; t < plan->rules[r].term_count; t++)
			plan->first_use[plan->rules[r].steps[t] + 1]++;
	for (uint32_t s = 1; s <= plan->step_count; s++)
		plan->first_use[s] += plan->first_use[s - 1];
	memcpy(next, plan->first_use, ends_bytes);
	for (uint32_t r = 0; r < plan->rule_count; r++)
		for (uint32_t t = 0; t < plan->rules[r].term_count; t++)
			plan->uses[next[plan->rules[r].steps[t]]++] = (struct plan_use){ r, t };
	return true;
}

struct sequence_plan *sequence_plan_open(const struct rule *const *rules, size_t rule_count,
					 uint64_t horizon_ns)
{
	struct sequence_plan *plan = calloc(1, sizeof(*plan));
	if (!plan)
		return NULL;
	plan->arena = arena_open(0);
	if (plan->arena)
		plan->rules = arena_take(plan->arena, (rule_count + 1) * sizeof(*plan->rules));
	if (!plan->rules)
		goto failed;
	plan->rule_count = (uint32_t)rule_count;
	for (size_t i = 0; i < rule_count; i++)
		if (!plan_rule(plan->arena, &plan->rules[i], rules[i], horizon_ns))
			goto failed;
	if (!index_uses(plan))
		goto failed;
	return plan;
failed:
	sequence_plan_close(plan);
	errno = ENOMEM;
	return NULL;
}

void sequence_plan_close(struct sequence_plan *plan)
{
	if (!plan)
		return;
	arena_close(plan->arena);
	free(plan);
}

uint32_t sequence_plan_rule_count(const struct sequence_plan *plan)
{
	return plan->rule_count;
}

const struct plan_rule *sequence_plan_rule(const struct sequence_plan *plan, uint32_t index)
{
	return &plan->rules[index];
}

const struct plan_use *sequence_plan_uses(const struct sequence_plan *plan, step_id step,
					  size_t *out_count)
{
	*out_count = 0;
	if (step >= plan->step_count)
		return NULL;
	*out_count = plan->first_use[step + 1] - plan->first_use[step];
	return &plan->uses[plan->first_use[step]];
}

size_t sequence_plan_use_count(const struct sequence_plan *plan)
{
	return plan->use_count;
}

size_t sequence_plan_bytes(const struct sequence_plan *plan)
{
	return sizeof(*plan) + arena_used_bytes(plan->arena);
}
