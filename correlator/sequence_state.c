/* The state machine of sequences, and the records that it works on. See sequence_inside.h.
 *
 * As in Elasticsearch's EQL: of each stage there is at most one partial match per key. An event
 * goes through the stages from last to first. Where it satisfies one, the partial of the stage
 * before grows by it, if that is not too long for maxspan, and takes the place of the one that was
 * there; of the first stage it begins a new one. At the last stage the match is complete. Then, if
 * it satisfies `until`, all partials end. Events that must be missing have no part in this: a
 * complete match is held against them afterwards (sequence_match.c).
 */
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
void state_copy(struct sequences *sequences, uint32_t from, uint32_t *to)
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

bool state_equal(const struct sequences *sequences, uint32_t left, uint32_t right)
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
