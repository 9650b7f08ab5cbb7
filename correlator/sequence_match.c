/* Completed matches: which of them are new, changed or gone, and when they are handed
 * over. See sequence_inside.h. */
#include "correlator/sequence_inside.h"

/* Fixed: the identity of a match is the same in every run. */
static const struct hash_seed identity_seed = { { 0xc0ac29b7c97c50ddU, 0x3f84d5b5b5470917U } };

static const struct group *group_of(const struct sequences *sequences, const struct match *match)
{
	return &sequences->groups[sequences->parts[match->part].group];
}

static const struct plan_rule *rule_of(const struct sequences *sequences, const struct match *match)
{
	return group_rule(sequences, group_of(sequences, match));
}

/* --- handing over ----------------------------------------------------------------------------- */

static void hand_over(const struct sequences *sequences, enum match_change change,
		      const struct match *match)
{
	const struct plan_rule *plan = rule_of(sequences, match);
	const struct event *events[RULE_STAGES_MAX] = { NULL };
	for (uint32_t at = match->events; at != SLOT_NONE; at = sequences->partials[at].before) {
		const struct partial *partial = &sequences->partials[at];
		events[plan->positives[partial->stage]] = part_event(sequences, partial->part);
	}
	const uint32_t key_partial = match->events; /* ends in the last positive stage */
	const struct sequence_match found = {
		.rule = plan->rule,
		.identity = match->identity,
		.event_count = plan->rule->stage_count,
		.events = events,
		.key = group_of(sequences, match)->key,
		.key_stage = plan->positives[sequences->partials[key_partial].stage],
	};
	sequences->found(sequences->context, change, &found);
}

size_t sequence_match_keys(const struct sequence_match *match, const struct event **out_event,
			   const struct event_value **out_values)
{
	const struct rule *rule = match->rule;
	*out_event = match->events[match->key_stage];
	const struct rule_key *fields = rule->stages[match->key_stage].keys;
	return join_key_values(*out_event, fields, rule->key_count, &match->key, out_values)
		       ? rule->key_count
		       : 0;
}

/* --- the order in which matches are handed over
 * --------------------------------------------------
 * A heap: what is final first comes first; then in the order of the last events, then by rule,
 * then by key. So the order is the same however the watermark moved. */

static int key_order(const struct sequences *sequences, const struct match *left,
		     const struct match *right)
{
	const struct match *sides[2] = { left, right };
	const struct event *events[2];
	const struct event_value *values[2][RULE_KEYS_MAX];
	const uint16_t key_count = rule_of(sequences, left)->rule->key_count;
	for (int i = 0; i < 2; i++) {
		const struct plan_rule *plan = rule_of(sequences, sides[i]);
		const struct partial *last = &sequences->partials[sides[i]->events];
		events[i] = part_event(sequences, last->part);
		const struct rule_stage *stage = &plan->rule->stages[plan->positives[last->stage]];
		if (!join_key_values(events[i], stage->keys, key_count,
				     &group_of(sequences, sides[i])->key, values[i]))
			return 0;
	}
	int order = 0;
	for (uint16_t i = 0; i < key_count && order == 0; i++)
		order = join_value_compare(events[0], values[0][i], events[1], values[1][i]);
	return order;
}

static bool comes_first(const struct sequences *sequences, uint32_t left, uint32_t right)
{
	const struct match *a = &sequences->matches[left];
	const struct match *b = &sequences->matches[right];
	if (a->final_ns != b->final_ns)
		return a->final_ns < b->final_ns;
	if (part_before(sequences, a->last_part, b->last_part))
		return true;
	if (part_before(sequences, b->last_part, a->last_part))
		return false;
	const uint32_t rules[2] = { group_of(sequences, a)->rule, group_of(sequences, b)->rule };
	if (rules[0] != rules[1])
		return rules[0] < rules[1];
	const int order = key_order(sequences, a, b);
	if (order != 0)
		return order < 0;
	return a->ordinal != b->ordinal ? a->ordinal < b->ordinal : a->identity < b->identity;
}

static void heap_put(struct sequences *sequences, uint32_t place, uint32_t match)
{
	sequences->heap[place] = match;
	sequences->matches[match].heap_at = place;
}

static void heap_rise(struct sequences *sequences, uint32_t place, uint32_t match)
{
	for (; place > 0; place = (place - 1) / 2) {
		const uint32_t above = sequences->heap[(place - 1) / 2];
		if (!comes_first(sequences, match, above))
			break;
		heap_put(sequences, place, above);
	}
	heap_put(sequences, place, match);
}

static void heap_sink(struct sequences *sequences, uint32_t place, uint32_t match)
{
	for (;;) {
		uint32_t below = 2 * place + 1;
		if (below >= sequences->heap_count)
			break;
		if (below + 1 < sequences->heap_count &&
		    comes_first(sequences, sequences->heap[below + 1], sequences->heap[below]))
			below++;
		if (!comes_first(sequences, sequences->heap[below], match))
			break;
		heap_put(sequences, place, sequences->heap[below]);
		place = below;
	}
	heap_put(sequences, place, match);
}

static void heap_add(struct sequences *sequences, uint32_t match)
{
	heap_rise(sequences, sequences->heap_count++, match);
}

static void heap_remove(struct sequences *sequences, uint32_t match)
{
	const uint32_t place = sequences->matches[match].heap_at;
	sequences->matches[match].heap_at = SLOT_NONE;
	const uint32_t moved = sequences->heap[--sequences->heap_count];
	if (moved == match)
		return;
	heap_sink(sequences, place, moved);
	heap_rise(sequences, sequences->matches[moved].heap_at, moved);
}

/* --- events that must be missing -------------------------------------------------------------- */

/* The latest event of these terms before a time, or SLOT_NONE. */
static uint32_t latest_before(const struct sequences *sequences, const struct group *group,
			      uint64_t terms, uint64_t time_ns)
{
	uint32_t latest = SLOT_NONE;
	for (uint32_t at = group->first; at != SLOT_NONE && terms; at = sequences->parts[at].next) {
		if (sequences->parts[at].time_ns >= time_ns)
			break;
		if (sequences->parts[at].terms & terms)
			latest = at;
	}
	return latest;
}

/* The earliest event of these terms after a time, or SLOT_NONE. */
static uint32_t earliest_after(const struct sequences *sequences, const struct group *group,
			       uint64_t terms, uint64_t time_ns)
{
	uint32_t earliest = SLOT_NONE;
	for (uint32_t at = group->last; at != SLOT_NONE && terms;
	     at = sequences->parts[at].previous) {
		if (sequences->parts[at].time_ns <= time_ns)
			break;
		if (sequences->parts[at].terms & terms)
			earliest = at;
	}
	return earliest;
}

/* Is there an event that must be missing between two neighbouring events of the match? */
static bool broken_between(const struct sequences *sequences, const struct match *match)
{
	const struct plan_rule *plan = rule_of(sequences, match);
	uint32_t after = match->events;
	uint32_t before = sequences->partials[after].before;
	for (; before != SLOT_NONE; after = before, before = sequences->partials[after].before) {
		const struct partial *left = &sequences->partials[before];
		const struct partial *right = &sequences->partials[after];
		uint64_t terms = 0;
		for (uint16_t stage = (uint16_t)(plan->positives[left->stage] + 1);
		     stage < plan->positives[right->stage]; stage++)
			terms |= 1ULL << plan->stage_terms[stage];
		if (!terms)
			continue;
		const uint32_t found = earliest_after(sequences, group_of(sequences, match), terms,
						      sequences->parts[left->part].time_ns);
		if (found != SLOT_NONE &&
		    sequences->parts[found].time_ns < sequences->parts[right->part].time_ns)
			return true;
	}
	return false;
}

/* Does what must be missing miss? Only sure when the watermark has passed final_ns. */
static bool holds(const struct sequences *sequences, const struct match *match)
{
	const struct plan_rule *plan = rule_of(sequences, match);
	const struct group *group = group_of(sequences, match);
	if (!plan->missing_terms)
		return true;
	if (broken_between(sequences, match))
		return false;
	const uint64_t first_ns = sequences->partials[match->events].first_ns;
	const uint64_t last_ns = sequences->parts[match->last_part].time_ns;
	const uint32_t leading = latest_before(sequences, group, plan->leading_terms, first_ns);
	const uint32_t trailing = earliest_after(sequences, group, plan->trailing_terms, last_ns);
	if (plan->leading_terms && leading == SLOT_NONE)
		return true;
	if (plan->trailing_terms && trailing == SLOT_NONE)
		return true;
	const uint64_t begin_ns =
		plan->leading_terms ? sequences->parts[leading].time_ns : first_ns;
	const uint64_t end_ns = plan->trailing_terms ? sequences->parts[trailing].time_ns : last_ns;
	/* With neither, this is the match itself, which is as short as it must be. */
	return end_ns - begin_ns > plan->span_ns || !(plan->leading_terms | plan->trailing_terms);
}

/* --- new, changed, gone ----------------------------------------------------------------------- */

/* Less than UINT64_MAX, so that every match is final at the end of time. */
static uint64_t sum_limited(uint64_t left, uint64_t right)
{
	uint64_t sum;
	return __builtin_add_overflow(left, right, &sum) || sum == UINT64_MAX ? UINT64_MAX - 1
									      : sum;
}

uint64_t match_identity(const struct plan_rule *rule, const struct join_key *key,
			uint64_t event_identity, uint32_t ordinal)
{
	const struct hash_seed *seed = &identity_seed;
	uint64_t identity = hash_word(seed, seed->words[0], rule->id_hash);
	identity = hash_word(seed, identity, key->words[0]);
	identity = hash_word(seed, identity, key->words[1]);
	identity = hash_word(seed, identity, event_identity);
	return ordinal ? hash_word(seed, identity, ordinal) : identity;
}

/* Everything about a match that follows from its events. */
static void describe(const struct sequences *sequences, struct match *match)
{
	const struct plan_rule *plan = rule_of(sequences, match);
	const struct group *group = group_of(sequences, match);
	match->last_part = sequences->partials[match->events].part;
	match->fingerprint = sequences->partials[match->events].fingerprint;
	for (uint32_t at = match->events; at != SLOT_NONE; at = sequences->partials[at].before)
		if (part_before(sequences, match->last_part, sequences->partials[at].part))
			match->last_part = sequences->partials[at].part;
	match->identity = match_identity(
		plan, &group->key, part_event(sequences, match->part)->identity, match->ordinal);
	match->final_ns = sum_limited(sequences->parts[match->last_part].time_ns, 0);
	const uint64_t first_ns = sequences->partials[match->events].first_ns;
	if (plan->trailing_terms)
		match->final_ns = sum_limited(first_ns, plan->span_ns);
	if (plan->rule->kind == RULE_SAMPLE)
		match->final_ns = sum_limited(sequences->parts[match->part].time_ns, plan->span_ns);
}

static bool waits(const struct sequences *sequences, const struct match *match)
{
	return sequences->settings.settle || rule_of(sequences, match)->missing_terms != 0;
}

/* The link that leads to the part's `ordinal`th match, or to where it would be. */
static uint32_t *link_of(struct sequences *sequences, uint32_t part, uint32_t ordinal)
{
	uint32_t *link = &sequences->parts[part].first_match;
	while (*link != SLOT_NONE && sequences->matches[*link].ordinal < ordinal)
		link = &sequences->matches[*link].next;
	return link;
}

static void match_free(struct sequences *sequences, uint32_t *link)
{
	const uint32_t at = *link;
	const uint32_t part = sequences->matches[at].part;
	*link = sequences->matches[at].next;
	if (sequences->matches[at].heap_at != SLOT_NONE)
		heap_remove(sequences, at);
	sequences->parts[part].use_count++;
	partial_release(sequences, sequences->matches[at].events);
	slots_give(&sequences->match_slots, at);
	sequences->parts[part].use_count--;
	part_free_if_unused(sequences, part);
}

static void match_make(struct sequences *sequences, uint32_t *link, uint32_t part, uint32_t ordinal,
		       uint32_t events)
{
	const uint32_t at = slots_take(&sequences->match_slots);
	if (at == SLOT_NONE) {
		sequences_lose(sequences, sequences->groups[sequences->parts[part].group].rule);
		partial_release(sequences, events);
		return;
	}
	struct match *match = &sequences->matches[at];
	*match = (struct match){
		.events = events,
		.part = part,
		.next = *link,
		.ordinal = ordinal,
		.heap_at = SLOT_NONE,
	};
	*link = at;
	describe(sequences, match);
	if (waits(sequences, match))
		heap_add(sequences, at);
	else
		hand_over(sequences, MATCH_NEW, match);
}

/* Were some of its events forgotten to make room? Then what the machine says now proves nothing. */
static bool is_beyond_proof(const struct sequences *sequences, const struct match *match)
{
	for (uint32_t at = match->events; at != SLOT_NONE; at = sequences->partials[at].before)
		if (sequences->parts[sequences->partials[at].part].forgotten)
			return true;
	return false;
}

static void match_replace(struct sequences *sequences, uint32_t at, uint32_t events)
{
	struct match *match = &sequences->matches[at];
	struct match changed = *match;
	changed.events = events;
	describe(sequences, &changed);
	if (changed.fingerprint == match->fingerprint && changed.final_ns == match->final_ns) {
		partial_release(sequences, events);
		return;
	}
	const bool waiting = match->heap_at != SLOT_NONE;
	const bool same_events = changed.fingerprint == match->fingerprint;
	if (waiting)
		heap_remove(sequences, at);
	const uint32_t before = match->events;
	changed.heap_at = SLOT_NONE;
	*match = changed;
	partial_release(sequences, before);
	if (waiting)
		heap_add(sequences, at);
	else if (!same_events)
		hand_over(sequences, MATCH_CHANGED, match);
}

static void match_withdraw(struct sequences *sequences, uint32_t *link)
{
	const struct match *match = &sequences->matches[*link];
	if (match->heap_at == SLOT_NONE)
		hand_over(sequences, MATCH_WITHDRAWN, match);
	match_free(sequences, link);
}

void match_update(struct sequences *sequences, uint32_t part, uint32_t ordinal, uint32_t events)
{
	uint32_t *link = link_of(sequences, part, ordinal);
	const uint32_t known = *link;
	const bool is_known = known != SLOT_NONE && sequences->matches[known].ordinal == ordinal;
	if (is_known && is_beyond_proof(sequences, &sequences->matches[known]))
		partial_release(sequences, events);
	else if (is_known && events != SLOT_NONE)
		match_replace(sequences, known, events);
	else if (is_known)
		match_withdraw(sequences, link);
	else if (events != SLOT_NONE)
		match_make(sequences, link, part, ordinal, events);
}

void matches_withdraw(struct sequences *sequences, uint32_t part, uint32_t ordinal)
{
	for (uint32_t *link = link_of(sequences, part, ordinal); *link != SLOT_NONE;)
		match_withdraw(sequences, link);
}

void matches_forget_settled(struct sequences *sequences, uint32_t part)
{
	for (uint32_t *link = &sequences->parts[part].first_match; *link != SLOT_NONE;) {
		const struct match *match = &sequences->matches[*link];
		if (match->heap_at == SLOT_NONE)
			match_free(sequences, link);
		else
			link = &sequences->matches[*link].next;
	}
}

void matches_drop_waiting(struct sequences *sequences, uint32_t part)
{
	for (uint32_t *link = &sequences->parts[part].first_match; *link != SLOT_NONE;) {
		const struct match *match = &sequences->matches[*link];
		if (match->heap_at != SLOT_NONE)
			match_free(sequences, link);
		else
			link = &sequences->matches[*link].next;
	}
}

void matches_flush(struct sequences *sequences, uint32_t part)
{
	for (uint32_t at = sequences->parts[part].first_match; at != SLOT_NONE;
	     at = sequences->matches[at].next) {
		const struct match *match = &sequences->matches[at];
		if (match->heap_at == SLOT_NONE)
			continue;
		heap_remove(sequences, at);
		if (!rule_of(sequences, match)->missing_terms)
			hand_over(sequences, MATCH_NEW, match);
	}
	matches_forget_settled(sequences, part);
}

void matches_settle(struct sequences *sequences)
{
	while (sequences->heap_count > 0) {
		const uint32_t at = sequences->heap[0];
		const struct match *match = &sequences->matches[at];
		const uint32_t part = match->part;
		if (match->final_ns >= sequences->watermark_ns)
			break;
		const bool found = holds(sequences, match);
		heap_remove(sequences, at);
		if (found)
			hand_over(sequences, MATCH_NEW, match);
		if (!sequences->parts[part].folded && found)
			continue; /* a later run of the machine will ask for it */
		match_free(sequences, link_of(sequences, part, match->ordinal));
	}
}
