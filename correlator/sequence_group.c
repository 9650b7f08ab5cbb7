/* The events of one rule and key: in order, folded when they are final, run through the machine
 * when they change. See sequence_inside.h. */
#include "correlator/sequence_inside.h"

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

/* Keeps the state after a part, if it is the last or no other is near. *state is
 * copied or taken. */
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
