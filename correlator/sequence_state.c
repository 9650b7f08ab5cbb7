/* The state machine of sequences, and the records that it works on. See sequence_inside.h. */
#include "correlator/sequence_inside.h"

/* Fixed, like all that goes into what is compared from run to run. */
static const struct hash_seed fingerprint_seed = { { 0xb5470917c0ac29b7U, 0x50dd3f84d5b5c97cU } };

void sequences_lose(struct sequences *sequences, uint32_t rule)
{
	sequences->evicted_counts[rule]++;
	counter_add(sequences->counters, COUNTER_sequence_events_evicted, 1);
}

/* --- parts ------------------------------------------------------------------------------------ */

bool part_before(const struct sequences *sequences, uint32_t left, uint32_t right)
{
	const struct part *a = &sequences->parts[left];
	const struct part *b = &sequences->parts[right];
	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns;
	const struct event *x = part_event(sequences, left);
	const struct event *y = part_event(sequences, right);
	if (x->tiebreaker != y->tiebreaker)
		return x->tiebreaker < y->tiebreaker;
	return x->identity < y->identity;
}

uint32_t part_make(struct sequences *sequences, uint32_t event, uint32_t group, uint64_t terms)
{
	const uint32_t at = slots_take(&sequences->part_slots);
	if (at == SLOT_NONE)
		return SLOT_NONE;
	uint32_t *first_part = event_store_note(sequences->events, event);
	sequences->parts[at] = (struct part){
		.time_ns = event_store_event(sequences->events, event)->time_ns,
		.terms = terms,
		.event = event,
		.group = group,
		.previous = SLOT_NONE,
		.next = SLOT_NONE,
		.next_of_event = *first_part,
		.first_match = SLOT_NONE,
		.state = SLOT_NONE,
	};
	*first_part = at;
	event_store_hold(sequences->events, event);
	group_hold(sequences, group);
	return at;
}

/* From the end, because most events come in order. Never in front of what is folded. */
void part_link(struct sequences *sequences, uint32_t part)
{
	struct part *parts = sequences->parts;
	struct group *group = &sequences->groups[parts[part].group];
	uint32_t after = group->last;
	while (after != SLOT_NONE && !parts[after].folded && part_before(sequences, part, after))
		after = parts[after].previous;
	const uint32_t next = after == SLOT_NONE ? group->first : parts[after].next;
	parts[part].previous = after;
	parts[part].next = next;
	parts[part].linked = true;
	group->linked_count++;
	*(after == SLOT_NONE ? &group->first : &parts[after].next) = part;
	*(next == SLOT_NONE ? &group->last : &parts[next].previous) = part;
	if (next == group->first_unfolded)
		group->first_unfolded = part;
}

void part_unlink(struct sequences *sequences, uint32_t part)
{
	struct part *parts = sequences->parts;
	if (!parts[part].linked)
		return;
	state_clear(sequences, &parts[part].state);
	parts[part].stateful = false;
	const struct part unlinked = parts[part];
	struct group *group = &sequences->groups[unlinked.group];
	if (group->first_unfolded == part)
		group->first_unfolded = unlinked.next;
	*(unlinked.previous == SLOT_NONE ? &group->first : &parts[unlinked.previous].next) =
		unlinked.next;
	*(unlinked.next == SLOT_NONE ? &group->last : &parts[unlinked.next].previous) =
		unlinked.previous;
	parts[part].linked = false;
	group->linked_count--;
}

void part_free_if_unused(struct sequences *sequences, uint32_t part)
{
	struct part *freed = &sequences->parts[part];
	if (freed->linked || freed->use_count > 0 || freed->first_match != SLOT_NONE)
		return;
	uint32_t *link = event_store_note(sequences->events, freed->event);
	while (*link != part)
		link = &sequences->parts[*link].next_of_event;
	*link = freed->next_of_event;
	event_store_release(sequences->events, freed->event);
	group_release(sequences, freed->group);
	slots_give(&sequences->part_slots, part);
}

/* Nothing can come before it any more. */
void part_fold(struct sequences *sequences, uint32_t part)
{
	struct part *folded = &sequences->parts[part];
	struct group *group = &sequences->groups[folded->group];
	folded->folded = true;
	if (group->first_unfolded == part)
		group->first_unfolded = folded->next;
	matches_forget_settled(sequences, part);
	if (!(folded->terms & group_rule(sequences, group)->missing_terms))
		part_unlink(sequences, part);
	part_free_if_unused(sequences, part);
}

/* --- partials --------------------------------------------------------------------------------- */

static uint64_t fingerprint_of(const struct sequences *sequences, uint32_t before, uint32_t part)
{
	const struct hash_seed *seed = &fingerprint_seed;
	const uint32_t event = sequences->parts[part].event;
	uint64_t fingerprint =
		before == SLOT_NONE ? seed->words[0] : sequences->partials[before].fingerprint;
	fingerprint = hash_word(seed, fingerprint, part_event(sequences, part)->identity);
	return hash_word(seed, fingerprint, *event_store_revision(sequences->events, event));
}

static uint32_t partial_make(struct sequences *sequences, uint32_t before, uint32_t part,
			     uint16_t stage)
{
	const uint32_t at = slots_take(&sequences->partial_slots);
	if (at == SLOT_NONE)
		return SLOT_NONE;
	sequences->partials[at] = (struct partial){
		.first_ns = before == SLOT_NONE ? sequences->parts[part].time_ns
						: sequences->partials[before].first_ns,
		.fingerprint = fingerprint_of(sequences, before, part),
		.part = part,
		.before = before,
		.next = SLOT_NONE,
		.use_count = 1,
		.stage = stage,
	};
	sequences->parts[part].use_count++;
	return at;
}

uint32_t partial_grow(struct sequences *sequences, uint32_t before, uint32_t part, uint16_t stage)
{
	const uint32_t grown = partial_make(sequences, before, part, stage);
	if (grown != SLOT_NONE)
		return grown;
	sequences_lose(sequences, sequences->groups[sequences->parts[part].group].rule);
	if (before != SLOT_NONE)
		partial_release(sequences, before);
	return SLOT_NONE;
}

void partial_release(struct sequences *sequences, uint32_t partial)
{
	while (partial != SLOT_NONE && --sequences->partials[partial].use_count == 0) {
		const struct partial freed = sequences->partials[partial];
		slots_give(&sequences->partial_slots, partial);
		sequences->parts[freed.part].use_count--;
		part_free_if_unused(sequences, freed.part);
		partial = freed.before;
	}
}

bool partial_holds(const struct sequences *sequences, uint32_t partial, uint32_t part)
{
	for (; partial != SLOT_NONE; partial = sequences->partials[partial].before)
		if (sequences->partials[partial].part == part)
			return true;
	return false;
}

/* --- the machine ------------------------------------------------------------------------------ */

void state_clear(struct sequences *sequences, uint32_t *state)
{
	while (*state != SLOT_NONE) {
		const uint32_t partial = *state;
		*state = sequences->partials[partial].next;
		partial_release(sequences, partial);
	}
}

/* Copies the ends only: what they grew from is shared. */
static void state_copy(struct sequences *sequences, uint32_t from, uint32_t *to)
{
	uint32_t *link = to;
	for (; from != SLOT_NONE; from = sequences->partials[from].next) {
		const struct partial *copied = &sequences->partials[from];
		const uint32_t copy =
			partial_make(sequences, copied->before, copied->part, copied->stage);
		if (copy == SLOT_NONE) {
			sequences_lose(
				sequences,
				sequences->groups[sequences->parts[copied->part].group].rule);
			continue;
		}
		if (copied->before != SLOT_NONE)
			sequences->partials[copied->before].use_count++;
		sequences->partials[copy].fingerprint = copied->fingerprint;
		*link = copy;
		link = &sequences->partials[copy].next;
	}
	*link = SLOT_NONE;
}

static bool state_equal(const struct sequences *sequences, uint32_t left, uint32_t right)
{
	const struct partial *partials = sequences->partials;
	for (; left != SLOT_NONE && right != SLOT_NONE;
	     left = partials[left].next, right = partials[right].next)
		if (partials[left].stage != partials[right].stage ||
		    partials[left].fingerprint != partials[right].fingerprint)
			return false;
	return left == right;
}

/* Grows the partial of the stage before by `part`, if it may; that partial is consumed either way.
 * SLOT_NONE: nothing came of it. */
static uint32_t take_further(struct sequences *sequences, const struct plan_rule *rule,
			     uint32_t *before, uint32_t part, uint16_t stage)
{
	if (stage == 0)
		return partial_grow(sequences, SLOT_NONE, part, 0);
	if (*before == SLOT_NONE ||
	    !part_before(sequences, sequences->partials[*before].part, part))
		return SLOT_NONE;
	const uint32_t taken = *before;
	*before = SLOT_NONE;
	const uint64_t first_ns = sequences->partials[taken].first_ns;
	if (sequences->parts[part].time_ns - first_ns <= rule->span_ns)
		return partial_grow(sequences, taken, part, stage);
	partial_release(sequences, taken);
	return SLOT_NONE;
}

/* The partials of a state, by stage. */
struct pending {
	uint32_t partials[RULE_STAGES_MAX];
};

static void pending_load(const struct sequences *sequences, uint32_t state, uint16_t stage_count,
			 struct pending *pending)
{
	for (uint16_t stage = 0; stage < stage_count; stage++)
		pending->partials[stage] = SLOT_NONE;
	for (uint32_t at = state; at != SLOT_NONE; at = sequences->partials[at].next)
		pending->partials[sequences->partials[at].stage] = at;
}

static uint32_t pending_store(struct sequences *sequences, uint16_t stage_count,
			      const struct pending *pending)
{
	uint32_t state = SLOT_NONE;
	for (uint16_t stage = 0; stage < stage_count; stage++) {
		const uint32_t partial = pending->partials[stage];
		if (partial == SLOT_NONE)
			continue;
		sequences->partials[partial].next = state;
		state = partial;
	}
	return state;
}

uint32_t state_step(struct sequences *sequences, uint32_t *state, uint32_t part)
{
	const struct plan_rule *rule =
		group_rule(sequences, &sequences->groups[sequences->parts[part].group]);
	const uint64_t terms = sequences->parts[part].terms;
	const uint16_t stage_count = rule->positive_count;
	uint32_t completed = SLOT_NONE;
	struct pending pending;
	pending_load(sequences, *state, stage_count, &pending);

	/* Last to first: the event may take several partials further, but none twice. */
	for (uint16_t stage = stage_count; stage-- > 0;) {
		const uint8_t term = rule->stage_terms[rule->positives[stage]];
		if (!(terms >> term & 1))
			continue;
		uint32_t *before = stage ? &pending.partials[stage - 1] : NULL;
		const uint32_t grown = take_further(sequences, rule, before, part, stage);
		if (grown == SLOT_NONE)
			continue;
		if (stage + 1 == stage_count) {
			completed = grown;
			continue;
		}
		if (pending.partials[stage] != SLOT_NONE)
			partial_release(sequences, pending.partials[stage]);
		pending.partials[stage] = grown;
	}
	*state = pending_store(sequences, stage_count, &pending);
	if (terms & rule->until_terms)
		state_clear(sequences, state);
	return completed;
}

/* --- groups ----------------------------------------------------------------------------------- */

struct group_key {
	uint32_t rule;
	struct join_key key;
};

bool group_key_equal(const void *records, uint32_t slot, const void *key)
{
	const struct group *group = (const struct group *)records + slot;
	const struct group_key *wanted = key;
	return group->rule == wanted->rule && join_key_equal(&group->key, &wanted->key);
}

static uint64_t group_hash(const struct sequences *sequences, uint32_t rule,
			   const struct join_key *key)
{
	const struct hash_seed *seed = &sequences->settings.seed;
	const uint64_t hash = hash_word(seed, seed->words[0], key->words[0]);
	return hash_word(seed, hash, key->words[1] ^ rule);
}

uint32_t group_find(struct sequences *sequences, uint32_t rule, const struct join_key *key,
		    bool make)
{
	const uint64_t hash = group_hash(sequences, rule, key);
	const struct group_key wanted = { rule, *key };
	const uint32_t known = table_find(sequences->groups_by_key, hash, &wanted);
	if (known != TABLE_NONE || !make)
		return known;
	const uint32_t at = slots_take(&sequences->group_slots);
	if (at == SLOT_NONE)
		return SLOT_NONE;
	if (!table_insert(sequences->groups_by_key, hash, at)) {
		slots_give(&sequences->group_slots, at);
		return SLOT_NONE;
	}
	sequences->groups[at] = (struct group){
		.key = *key,
		.visit_ns = UINT64_MAX,
		.rule = rule,
		.first = SLOT_NONE,
		.last = SLOT_NONE,
		.first_unfolded = SLOT_NONE,
		.base = SLOT_NONE,
	};
	return at;
}

void group_hold(struct sequences *sequences, uint32_t group)
{
	sequences->groups[group].hold_count++;
}

void group_release(struct sequences *sequences, uint32_t at)
{
	const struct group *group = &sequences->groups[at];
	if (--sequences->groups[at].hold_count > 0)
		return;
	timer_wheel_cancel(sequences->visits, at);
	table_remove(sequences->groups_by_key, group_hash(sequences, group->rule, &group->key), at);
	slots_give(&sequences->group_slots, at);
}

void group_wants_visit(struct sequences *sequences, uint32_t group, uint64_t at_ns)
{
	if (at_ns >= sequences->groups[group].visit_ns)
		return;
	sequences->groups[group].visit_ns = at_ns;
	timer_wheel_set(sequences->visits, group, at_ns);
}

/* Steps a state over parts that have not changed. Returns how many. */
static uint16_t step_over(struct sequences *sequences, uint32_t *state, uint32_t from, uint32_t to)
{
	uint16_t distance = 0;
	for (uint32_t part = from; part != to; part = sequences->parts[part].next, distance++)
		partial_release(sequences, state_step(sequences, state, part));
	return distance;
}

/* The state before a part, for the caller to clear, and its distance from the one it was made of.
 * A state that is farther than it needs to be is taken along instead of copied. */
static uint32_t state_before(struct sequences *sequences, uint32_t part, uint16_t *out_distance)
{
	struct part *parts = sequences->parts;
	const struct group *group = &sequences->groups[parts[part].group];
	uint32_t from = parts[part].previous;
	while (from != SLOT_NONE && !parts[from].folded && !parts[from].stateful)
		from = parts[from].previous;
	uint32_t state;
	if (from == SLOT_NONE || parts[from].folded) {
		state_copy(sequences, group->base, &state);
		*out_distance = step_over(sequences, &state, group->first_unfolded, part);
		return state;
	}
	const uint16_t spacing = group_rule(sequences, group)->positive_count;
	if (parts[from].next == part && parts[from].distance + 1 < spacing) {
		state = parts[from].state;
		*out_distance = parts[from].distance;
		parts[from].state = SLOT_NONE;
		parts[from].stateful = false;
		return state;
	}
	state_copy(sequences, parts[from].state, &state);
	*out_distance = step_over(sequences, &state, parts[from].next, part);
	return state;
}

/* Keeps the state after a part, if it is the last or no other is near. *state is copied or taken.
 */
static void keep_state(struct sequences *sequences, uint32_t part, uint32_t *state,
		       uint16_t *distance)
{
	struct part *kept = &sequences->parts[part];
	const struct group *group = &sequences->groups[kept->group];
	const uint16_t spacing = group_rule(sequences, group)->positive_count;
	state_clear(sequences, &kept->state);
	kept->distance = *distance;
	kept->stateful = kept->next == SLOT_NONE || *distance + 1 >= spacing;
	if (kept->next == SLOT_NONE) {
		kept->state = *state;
		*state = SLOT_NONE;
	} else if (kept->stateful) {
		state_copy(sequences, *state, &kept->state);
		*distance = 0;
	}
}

void group_rerun(struct sequences *sequences, uint32_t at, uint32_t from, uint32_t through)
{
	struct part *parts = sequences->parts;
	uint16_t distance;
	bool passed = false;
	group_hold(sequences, at);
	uint32_t state = state_before(sequences, from, &distance);
	for (uint32_t part = from; part != SLOT_NONE; part = parts[part].next) {
		match_update(sequences, part, 0, state_step(sequences, &state, part));
		distance++;
		passed |= part == through;
		if (passed && parts[part].stateful &&
		    state_equal(sequences, state, parts[part].state))
			break;
		keep_state(sequences, part, &state, &distance);
	}
	state_clear(sequences, &state);
	group_release(sequences, at);
}

/* Is `part` to be folded, when all before `before_ns` is, or all up to `through`? */
static bool is_over(const struct sequences *sequences, uint32_t part, uint64_t before_ns,
		    uint32_t through)
{
	if (through == SLOT_NONE)
		return sequences->parts[part].time_ns < before_ns;
	return !part_before(sequences, through, part);
}

void group_fold(struct sequences *sequences, uint32_t at, uint64_t before_ns, uint32_t through)
{
	struct group *group = &sequences->groups[at];
	if (group->first_unfolded == SLOT_NONE)
		return;
	group_hold(sequences, at);
	for (uint32_t part = group->first_unfolded;
	     part != SLOT_NONE && is_over(sequences, part, before_ns, through);) {
		struct part *folded = &sequences->parts[part];
		const uint32_t next = folded->next;
		if (folded->stateful) {
			state_clear(sequences, &group->base);
			group->base = folded->state;
			folded->state = SLOT_NONE;
			folded->stateful = false;
		} else {
			partial_release(sequences, state_step(sequences, &group->base, part));
		}
		part_fold(sequences, part);
		part = next;
	}
	group_release(sequences, at);
}

/* Drops the partials of a state that began too long ago to be completed. Returns when the next one
 * will have. */
static uint64_t state_expire(struct sequences *sequences, uint32_t *state, uint64_t span_ns)
{
	const uint64_t now_ns = sequences->watermark_ns;
	uint64_t next_ns = UINT64_MAX;
	for (uint32_t *link = state; *link != SLOT_NONE;) {
		const uint32_t at = *link;
		const uint64_t first_ns = sequences->partials[at].first_ns;
		if (span_ns < now_ns && first_ns < now_ns - span_ns) {
			*link = sequences->partials[at].next;
			partial_release(sequences, at);
			continue;
		}
		if (span_ns < UINT64_MAX - first_ns && first_ns + span_ns + 1 < next_ns)
			next_ns = first_ns + span_ns + 1;
		link = &sequences->partials[at].next;
	}
	return next_ns;
}

/* Drops folded parts that are too old to be missed. Returns when the next one will be. */
static uint64_t group_forget_missing(struct sequences *sequences, uint32_t at, uint64_t keep_ns)
{
	struct group *group = &sequences->groups[at];
	const uint64_t now_ns = sequences->watermark_ns;
	while (group->first != SLOT_NONE && sequences->parts[group->first].folded) {
		const uint32_t part = group->first;
		const uint64_t time_ns = sequences->parts[part].time_ns;
		if (keep_ns >= now_ns || time_ns >= now_ns - keep_ns)
			return keep_ns < UINT64_MAX - time_ns ? time_ns + keep_ns + 1 : UINT64_MAX;
		part_unlink(sequences, part);
		part_free_if_unused(sequences, part);
	}
	return UINT64_MAX;
}

void group_visit(struct sequences *sequences, uint32_t at)
{
	struct group *group = &sequences->groups[at];
	const struct plan_rule *rule = group_rule(sequences, group);
	group->visit_ns = UINT64_MAX;
	if (rule->rule->kind == RULE_SAMPLE) {
		sample_visit(sequences, at);
		return;
	}
	group_hold(sequences, at);
	group_fold(sequences, at, sequences->watermark_ns, SLOT_NONE);
	const uint64_t expiry_ns = state_expire(sequences, &group->base, rule->span_ns);
	group_wants_visit(sequences, at, expiry_ns);
	group_wants_visit(sequences, at,
			  group_forget_missing(sequences, at, rule->keep_missing_ns));
	if (group->first_unfolded != SLOT_NONE &&
	    sequences->parts[group->first_unfolded].time_ns < UINT64_MAX)
		group_wants_visit(sequences, at,
				  sequences->parts[group->first_unfolded].time_ns + 1);
	group_release(sequences, at);
}
