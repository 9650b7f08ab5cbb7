/* The nearest miss among the events of a host. See explain_parts.h.
 *
 * From every event that satisfies the first step, the steps are followed greedily, each by the
 * earliest event that fits; what stopped the chain that got furthest is the answer. The rules'
 * own search (sequence.h) is another and exact; here nothing is decided, only shown.
 */
#include <string.h>
#include <strings.h>

#include "correlator/explain_parts.h"
#include "correlator/join_key.h"
#include "rules/explain.h"

enum { VISITS_MAX = 1 << 27 }; /* events looked at: seconds */

struct chain_search {
	const struct miss_search *misses;
	struct explainer *explainer;
	const struct rule *rule;
	struct join_key keys[JOIN_KEYS_MAX]; /* of the chain's first event */
	size_t key_count;
	size_t first; /* the first stage that is no `![...]` */
	uint64_t visit_count;
};

/* --- witnesses ----------------------------------------------------------------------------------
 */

bool witness_satisfies(const struct witness *witness, step_id step)
{
	for (size_t i = 0; i < witness->step_count; i++)
		if (witness->steps[i] == step)
			return true;
	return false;
}

bool witness_is_of_process(const struct witness *witness, const char *process)
{
	const struct event_text *name = event_text(witness->event, FIELD_process_name);
	return !process || (name && strlen(process) == name->size_bytes &&
			    strncasecmp(process, name->bytes, name->size_bytes) == 0);
}

bool witness_has_category(const struct witness *witness, const char *category)
{
	size_t count;
	const struct event_value *values = event_find(witness->event, FIELD_event_category, &count);
	for (size_t i = 0; category && i < count; i++) {
		const struct event_text *text = event_at(witness->event, &values[i]);
		if (values[i].type == VALUE_TEXT && strcmp(text->bytes, category) == 0)
			return true;
	}
	return category == NULL;
}

static size_t count_misses(const struct chain_search *search, step_id step,
			   const struct witness *witness)
{
	struct miss misses[MISSES_MAX];
	const size_t count = explainer_misses(search->explainer, step, witness->event, misses);
	return count ? misses[count - 1].number : 0;
}

/* --- keys ---------------------------------------------------------------------------------------
 */

static void set_key(struct chain_search *search, const struct witness *first)
{
	const struct rule *rule = search->rule;
	bool cut;
	search->key_count = join_keys_make(first->event, rule->stages[search->first].keys,
					   rule->key_count, search->keys, &cut);
}

static bool has_key(const struct chain_search *search, const struct rule_key *fields,
		    const struct witness *witness)
{
	struct join_key keys[JOIN_KEYS_MAX];
	bool cut;
	if (search->rule->key_count == 0)
		return true;
	const size_t count =
		join_keys_make(witness->event, fields, search->rule->key_count, keys, &cut);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < search->key_count; j++)
			if (join_key_equal(&keys[i], &search->keys[j]))
				return true;
	return false;
}

/* --- one chain ----------------------------------------------------------------------------------
 */

static uint64_t chain_end_ns(const struct chain_search *search, const struct chain *chain)
{
	const uint64_t begin_ns = chain->witnesses[search->first]->event->time_ns;
	const uint64_t maxspan_ns = search->rule->maxspan_ns;
	return maxspan_ns && maxspan_ns < UINT64_MAX - begin_ns ? begin_ns + maxspan_ns
								: UINT64_MAX;
}

/* The last one before a stage; NULL: none. */
static const struct witness *witness_before(const struct chain *chain, size_t stage)
{
	for (size_t i = stage; i-- > 0;)
		if (chain->witnesses[i])
			return chain->witnesses[i];
	return NULL;
}

static const struct witness *witness_after(const struct chain *chain, size_t stage)
{
	for (size_t i = stage + 1; i < chain->length; i++)
		if (chain->witnesses[i])
			return chain->witnesses[i];
	return NULL;
}

static const struct witness *last_witness(const struct chain *chain)
{
	return witness_before(chain, chain->length);
}

static bool used(const struct chain *chain, const struct witness *witness)
{
	for (size_t i = 0; i < chain->length; i++)
		if (chain->witnesses[i] == witness)
			return true;
	return false;
}

static void note(struct chain *chain, enum chain_end end, const struct witness *near,
		 size_t miss_count, uint64_t apart_ns)
{
	const bool better = !chain->near || end > chain->end ||
			    (end == chain->end &&
			     (miss_count < chain->miss_count ||
			      (miss_count == chain->miss_count && apart_ns < chain->apart_ns)));
	if (!better)
		return;
	chain->end = end;
	chain->near = near;
	chain->miss_count = miss_count;
	chain->apart_ns = apart_ns;
}

/* Does this event take the chain one step further? If not, how near is it? */
static bool try_witness(const struct chain_search *search, struct chain *chain,
			const struct witness *witness)
{
	const struct rule_stage *stage = &search->rule->stages[chain->length];
	const char *category = explainer_category(search->explainer, stage->step);
	if (used(chain, witness) || !witness_has_category(witness, category) ||
	    !has_key(search, stage->keys, witness))
		return false;
	const uint64_t time_ns = witness->event->time_ns;
	const uint64_t last_ns = last_witness(chain)->event->time_ns;
	const uint64_t end_ns = chain_end_ns(search, chain);
	const uint64_t apart_ns = time_ns < last_ns ? last_ns - time_ns : time_ns - last_ns;
	if (!witness_satisfies(witness, stage->step))
		note(chain, CHAIN_CONDITIONS, witness, count_misses(search, stage->step, witness),
		     apart_ns);
	else if (search->rule->kind == RULE_SEQUENCE && time_ns < last_ns)
		note(chain, CHAIN_EARLY, witness, 0, apart_ns);
	else if (search->rule->kind == RULE_SEQUENCE && time_ns > end_ns)
		note(chain, CHAIN_LATE, witness, 0, time_ns - end_ns);
	else
		return true;
	return false;
}

static const struct witness *find_next(struct chain_search *search, struct chain *chain)
{
	const struct miss_search *misses = search->misses;
	chain->near = NULL;
	chain->end = CHAIN_NO_DATA;
	search->visit_count += misses->witness_count;
	for (size_t i = 0; i < misses->witness_count; i++)
		if (try_witness(search, chain, &misses->witnesses[i]))
			return &misses->witnesses[i];
	return NULL;
}

/* The first event between two that satisfies what must not be there. */
static const struct witness *find_forbidden(const struct chain_search *search, step_id step,
					    const struct rule_key *keys, uint64_t begin_ns,
					    uint64_t end_ns)
{
	const struct miss_search *misses = search->misses;
	for (size_t i = 0; i < misses->witness_count; i++) {
		const struct witness *witness = &misses->witnesses[i];
		if (witness->event->time_ns > begin_ns && witness->event->time_ns < end_ns &&
		    witness_satisfies(witness, step) && has_key(search, keys, witness))
			return witness;
	}
	return NULL;
}

/* A complete chain that is no alert: an event of `![...]` or `until` came in between. */
static void check_forbidden(const struct chain_search *search, struct chain *chain)
{
	const struct rule *rule = search->rule;
	const struct witness *found = NULL;
	const uint64_t last_ns = last_witness(chain)->event->time_ns;
	for (size_t i = 0; i < rule->stage_count && !found; i++) {
		if (!rule->stages[i].missing)
			continue;
		const struct witness *before = witness_before(chain, i);
		const struct witness *after = witness_after(chain, i);
		const uint64_t earliest_ns =
			last_ns > rule->maxspan_ns ? last_ns - rule->maxspan_ns : 0;
		found = find_forbidden(search, rule->stages[i].step, rule->stages[i].keys,
				       before ? before->event->time_ns : earliest_ns,
				       after ? after->event->time_ns : chain_end_ns(search, chain));
		chain->stage = i;
	}
	if (!found && rule->until_step != RULE_NO_STEP) {
		found = find_forbidden(search, rule->until_step, rule->until_keys,
				       chain->witnesses[search->first]->event->time_ns, last_ns);
		chain->stage = RULE_STAGES_MAX;
	}
	chain->end = found ? CHAIN_FORBIDDEN : CHAIN_COMPLETE;
	chain->near = found;
}

static void follow(struct chain_search *search, const struct witness *first, struct chain *chain)
{
	const struct rule *rule = search->rule;
	*chain = (struct chain){ .length = search->first + 1 };
	chain->witnesses[search->first] = first;
	set_key(search, first);
	while (chain->length < rule->stage_count) {
		const struct witness *next = NULL;
		chain->stage = chain->length;
		if (!rule->stages[chain->length].missing) {
			next = find_next(search, chain);
			if (!next)
				return;
		}
		chain->witnesses[chain->length++] = next;
	}
	check_forbidden(search, chain);
}

/* --- the nearest --------------------------------------------------------------------------------
 */

static bool is_in_alert(const struct miss_search *misses, const struct witness *witness)
{
	for (size_t i = 0; i < misses->alert_count; i++)
		for (size_t j = 0; j < misses->alerts[i].event_count; j++)
			if (misses->alerts[i].events[j] == witness->event->identity)
				return true;
	return false;
}

static bool is_nearer(const struct chain *left, const struct chain *right)
{
	if ((left->end == CHAIN_COMPLETE) != (right->end == CHAIN_COMPLETE))
		return right->end == CHAIN_COMPLETE;
	if (left->length != right->length)
		return left->length > right->length;
	if (left->end != right->end)
		return left->end > right->end;
	return left->miss_count < right->miss_count;
}

/* No event satisfies the first step: the one that misses the fewest of its conditions. */
static bool nearest_start(const struct chain_search *search, struct chain *chain)
{
	const struct miss_search *misses = search->misses;
	const step_id step = search->rule->stages[search->first].step;
	const char *category = explainer_category(search->explainer, step);
	*chain = (struct chain){ .stage = search->first };
	for (size_t i = 0; i < misses->witness_count; i++) {
		const struct witness *witness = &misses->witnesses[i];
		if (witness_is_of_process(witness, misses->arguments->process) &&
		    witness_has_category(witness, category) && !is_in_alert(misses, witness) &&
		    !witness_satisfies(witness, step))
			note(chain, CHAIN_CONDITIONS, witness, count_misses(search, step, witness),
			     0);
	}
	return chain->near != NULL;
}

bool chain_find_nearest(const struct miss_search *misses, struct explainer *explainer,
			struct chain *out_chain)
{
	struct chain_search search = { .misses = misses,
				       .explainer = explainer,
				       .rule = misses->rule };
	struct chain chain;
	bool any = false;
	while (search.rule->stages[search.first].missing &&
	       search.first + 1 < search.rule->stage_count)
		search.first++;
	for (size_t i = 0; i < misses->witness_count; i++) {
		const struct witness *first = &misses->witnesses[i];
		if (!witness_satisfies(first, search.rule->stages[search.first].step) ||
		    !witness_is_of_process(first, misses->arguments->process) ||
		    is_in_alert(misses, first))
			continue;
		if (search.visit_count > VISITS_MAX) {
			out_chain->cut = true;
			break;
		}
		follow(&search, first, &chain);
		if (!any || is_nearer(&chain, out_chain))
			*out_chain = chain;
		any = true;
	}
	return any || nearest_start(&search, out_chain);
}
