/* Events in, matches out: what an event means to which rules, and room for it. See
 * sequence_inside.h for the state, sequence_state.c for the machine. */
#include "correlator/sequence_inside.h"

#include <stdlib.h>
#include <string.h>

enum { VISITS_PER_STEP = 64 };

/* --- making room ------------------------------------------------------------------------------ */

static bool is_sample(const struct sequences *sequences, uint32_t group)
{
	return group_rule(sequences, &sequences->groups[group])->rule->kind == RULE_SAMPLE;
}

static void drop_partials_with(struct sequences *sequences, uint32_t *state, uint32_t part)
{
	for (uint32_t *link = state; *link != SLOT_NONE;) {
		const uint32_t partial = *link;
		if (!partial_holds(sequences, partial, part)) {
			link = &sequences->partials[partial].next;
			continue;
		}
		*link = sequences->partials[partial].next;
		partial_release(sequences, partial);
	}
}

/* To make room: what came before it in its group becomes final early, what began with it is given
 * up. Completed matches stay, and keep their events. */
static void part_forget(struct sequences *sequences, uint32_t part)
{
	struct part *forgotten = &sequences->parts[part];
	const uint32_t at = forgotten->group;
	struct group *group = &sequences->groups[at];
	sequences->evicted_counts[group->rule]++;
	forgotten->use_count++;
	group_hold(sequences, at);
	matches_flush(sequences, part);
	if (!is_sample(sequences, at) && !forgotten->folded)
		group_fold(sequences, at, 0, part);
	forgotten->folded = forgotten->forgotten = true;
	drop_partials_with(sequences, &group->base, part);
	part_unlink(sequences, part);
	forgotten->use_count--;
	part_free_if_unused(sequences, part);
	group_release(sequences, at);
}

/* Forgets the event that came first, but not `kept`. False: there is none. */
static bool forget_oldest(struct sequences *sequences, uint32_t kept)
{
	const uint32_t event = event_store_oldest(sequences->events);
	if (event == SLOT_NONE || event == kept)
		return false;
	counter_add(sequences->counters, COUNTER_sequence_events_evicted, 1);
	event_store_hold(sequences->events, event);
	event_store_unlist(sequences->events, event);
	for (uint32_t part = *event_store_note(sequences->events, event); part != SLOT_NONE;) {
		const uint32_t next = sequences->parts[part].next_of_event;
		part_forget(sequences, part);
		part = next;
	}
	event_store_release(sequences->events, event);
	return true;
}

/* So that one step of the machine finds room. */
static void keep_spare(struct sequences *sequences, uint32_t kept)
{
	while (slots_free_count(&sequences->partial_slots) < PARTIALS_SPARE ||
	       slots_free_count(&sequences->match_slots) == 0)
		if (!forget_oldest(sequences, kept))
			return;
}

/* --- what an event means ---------------------------------------------------------------------- */

static int by_rule(const void *left, const void *right)
{
	const struct plan_use *a = left;
	const struct plan_use *b = right;
	return (a->rule > b->rule) - (a->rule < b->rule);
}

/* All uses of these steps into `touched`, by rule. */
static size_t touch(struct sequences *sequences, const step_id *steps, size_t step_count)
{
	size_t count = 0;
	for (size_t i = 0; i < step_count; i++) {
		size_t use_count;
		const struct plan_use *uses =
			sequence_plan_uses(sequences->plan, steps[i], &use_count);
		for (size_t j = 0; j < use_count; j++)
			sequences->touched[count++] = uses[j];
	}
	if (step_count > 1)
		qsort(sequences->touched, count, sizeof(*sequences->touched), by_rule);
	return count;
}

/* What an event is to the groups of one rule: each of its keys, with the terms that it satisfies
 * there. */
struct meaning {
	size_t count;
	struct {
		struct join_key key;
		uint64_t terms;
	} keys[JOIN_KEYS_MAX];
};

/* False: more keys than are followed. */
static bool mean_key(struct meaning *meaning, const struct join_key *key, uint32_t term)
{
	size_t at = 0;
	while (at < meaning->count && !join_key_equal(&meaning->keys[at].key, key))
		at++;
	if (at == JOIN_KEYS_MAX)
		return false;
	if (at == meaning->count) {
		meaning->keys[at].key = *key;
		meaning->keys[at].terms = 0;
		meaning->count++;
	}
	meaning->keys[at].terms |= 1ULL << term;
	return true;
}

/* From the `use_count` uses of one rule. */
static void find_meaning(const struct sequences *sequences, const struct event *event,
			 const struct plan_use *uses, size_t use_count, struct meaning *meaning)
{
	const struct plan_rule *rule = sequence_plan_rule(sequences->plan, uses->rule);
	meaning->count = 0;
	if (rule->rule->kind == RULE_EVENT) {
		/* Each event is a group of its own: there is no order to keep. */
		mean_key(meaning, &(struct join_key){ { event->identity, 0 } }, uses->term);
		return;
	}
	for (size_t i = 0; i < use_count; i++) {
		struct join_key keys[JOIN_KEYS_MAX];
		bool cut = false;
		const size_t count = join_keys_make(event, rule->keys[uses[i].term],
						    rule->rule->key_count, keys, &cut);
		for (size_t j = 0; j < count; j++)
			cut |= !mean_key(meaning, &keys[j], uses[i].term);
		if (cut)
			counter_add(sequences->counters, COUNTER_sequence_keys_cut, 1);
	}
}

/* --- adding ----------------------------------------------------------------------------------- */

/* Something has changed at the part `from`, and at `through`; one may be SLOT_NONE. */
static void rerun(struct sequences *sequences, uint32_t group, uint32_t from, uint32_t through)
{
	if (is_sample(sequences, group)) {
		sample_rerun(sequences, group);
		return;
	}
	if (from == SLOT_NONE)
		from = through;
	if (through == SLOT_NONE)
		through = from;
	if (from != SLOT_NONE && part_before(sequences, through, from))
		group_rerun(sequences, group, through, from);
	else if (from != SLOT_NONE)
		group_rerun(sequences, group, from, through);
}

/* The part after an unlinked one, where what came after it has changed; the last one, which has to
 * know the state after it, when there is none. SLOT_NONE: all is folded. */
static uint32_t after_unlinked(const struct sequences *sequences, uint32_t group, uint32_t next)
{
	if (next != SLOT_NONE)
		return next;
	const uint32_t last = sequences->groups[group].last;
	return last == SLOT_NONE || sequences->parts[last].folded ? SLOT_NONE : last;
}

static void wants_visit(struct sequences *sequences, uint32_t group, uint32_t part)
{
	const uint64_t span_ns = group_rule(sequences, &sequences->groups[group])->span_ns;
	uint64_t at_ns = sequences->parts[part].time_ns;
	at_ns += at_ns < UINT64_MAX;
	if (is_sample(sequences, group))
		at_ns = span_ns < UINT64_MAX - at_ns ? at_ns + span_ns : UINT64_MAX;
	group_wants_visit(sequences, group, at_ns);
}

static uint32_t make_group(struct sequences *sequences, uint32_t rule, const struct join_key *key,
			   uint32_t event)
{
	uint32_t group;
	while ((group = group_find(sequences, rule, key, true)) == SLOT_NONE)
		if (!forget_oldest(sequences, event))
			return SLOT_NONE;
	return group;
}

static void drop_waiting(struct sequences *sequences, uint32_t group, uint32_t part)
{
	if (!is_sample(sequences, group)) {
		matches_drop_waiting(sequences, part);
		return;
	}
	for (part = sequences->groups[group].first; part != SLOT_NONE;
	     part = sequences->parts[part].next)
		matches_drop_waiting(sequences, part);
}

/* A full sample group gives its latest event up. */
static void limit_sample(struct sequences *sequences, uint32_t at)
{
	const struct group *group = &sequences->groups[at];
	const uint32_t last = group->last;
	if (!is_sample(sequences, at) || group->linked_count <= SAMPLE_EVENTS_MAX)
		return;
	sequences_lose(sequences, group->rule);
	drop_waiting(sequences, at, last);
	matches_withdraw(sequences, last, 0);
	part_unlink(sequences, last);
	part_free_if_unused(sequences, last);
}

static void add_part(struct sequences *sequences, uint32_t group, uint32_t event, uint64_t terms)
{
	uint32_t part;
	while ((part = part_make(sequences, event, group, terms)) == SLOT_NONE)
		if (!forget_oldest(sequences, event)) {
			sequences_lose(sequences, sequences->groups[group].rule);
			return;
		}
	part_link(sequences, part);
	sequences->parts[part].kept = true;
	wants_visit(sequences, group, part);
	limit_sample(sequences, group);
	rerun(sequences, group, part, part);
}

/* The part that `event` has in `group`, or SLOT_NONE. */
static uint32_t find_part(const struct sequences *sequences, uint32_t event, uint32_t group)
{
	if (event == SLOT_NONE)
		return SLOT_NONE;
	uint32_t part = *event_store_note(sequences->events, event);
	while (part != SLOT_NONE && sequences->parts[part].group != group)
		part = sequences->parts[part].next_of_event;
	return part;
}

static void move_to_event(struct sequences *sequences, uint32_t part, uint32_t event)
{
	struct part *moved = &sequences->parts[part];
	uint32_t *link = event_store_note(sequences->events, moved->event);
	while (*link != part)
		link = &sequences->parts[*link].next_of_event;
	*link = moved->next_of_event;
	event_store_hold(sequences->events, event);
	event_store_release(sequences->events, moved->event);
	uint32_t *first_part = event_store_note(sequences->events, event);
	moved->next_of_event = *first_part;
	*first_part = part;
	moved->event = event;
	moved->time_ns = event_store_event(sequences->events, event)->time_ns;
}

/* The event was replaced by another version, which has a part in the same group. */
static void revise_part(struct sequences *sequences, uint32_t part, uint32_t event, uint64_t terms)
{
	const uint32_t group = sequences->parts[part].group;
	sequences->parts[part].kept = true;
	if (sequences->parts[part].folded)
		return;
	if (sequences->parts[part].event == event && sequences->parts[part].terms == terms)
		return;
	drop_waiting(sequences, group, part);
	const uint32_t next = sequences->parts[part].next;
	part_unlink(sequences, part);
	const uint32_t after = after_unlinked(sequences, group, next);
	if (sequences->parts[part].event != event)
		move_to_event(sequences, part, event);
	sequences->parts[part].terms = terms;
	part_link(sequences, part);
	wants_visit(sequences, group, part);
	rerun(sequences, group, part, after);
}

static void remove_part(struct sequences *sequences, uint32_t part)
{
	const uint32_t group = sequences->parts[part].group;
	if (sequences->parts[part].folded)
		return;
	group_hold(sequences, group);
	sequences->parts[part].use_count++;
	drop_waiting(sequences, group, part);
	matches_withdraw(sequences, part, 0);
	const uint32_t next = sequences->parts[part].next;
	part_unlink(sequences, part);
	const uint32_t after = after_unlinked(sequences, group, next);
	rerun(sequences, group, after, after);
	sequences->parts[part].use_count--;
	part_free_if_unused(sequences, part);
	group_release(sequences, group);
}

/* Gives `event` its parts in the groups of one rule, where the version before it, `before`, may
 * have some. */
static void apply_meaning(struct sequences *sequences, uint32_t rule, const struct meaning *meaning,
			  uint32_t event, uint32_t before)
{
	for (size_t i = 0; i < meaning->count; i++) {
		const uint32_t group = make_group(sequences, rule, &meaning->keys[i].key, event);
		if (group == SLOT_NONE) {
			sequences_lose(sequences, rule);
			continue;
		}
		group_hold(sequences, group);
		const uint32_t part = find_part(sequences, before, group);
		if (part != SLOT_NONE)
			revise_part(sequences, part, event, meaning->keys[i].terms);
		else
			add_part(sequences, group, event, meaning->keys[i].terms);
		group_release(sequences, group);
	}
}

/* Removes what the version before had and this one has not. */
static void remove_unkept(struct sequences *sequences, uint32_t event)
{
	for (uint32_t part = *event_store_note(sequences->events, event); part != SLOT_NONE;) {
		const uint32_t next = sequences->parts[part].next_of_event;
		if (!sequences->parts[part].kept)
			remove_part(sequences, part);
		part = next;
	}
}

static void clear_kept(struct sequences *sequences, uint32_t event)
{
	for (uint32_t part = *event_store_note(sequences->events, event); part != SLOT_NONE;
	     part = sequences->parts[part].next_of_event)
		sequences->parts[part].kept = false;
}

/* An event that nothing can wait for any more. A rule of one step needs no order: it is told at
 * once. */
static void add_late(struct sequences *sequences, const struct event *event, size_t touched_count)
{
	counter_add(sequences->counters, COUNTER_sequence_events_late, 1);
	for (size_t i = 0; i < touched_count; i++) {
		const struct plan_rule *rule =
			sequence_plan_rule(sequences->plan, sequences->touched[i].rule);
		if (rule->rule->kind != RULE_EVENT)
			continue;
		const struct join_key key = { { event->identity, 0 } };
		const struct sequence_match match = {
			.rule = rule->rule,
			.identity = match_identity(rule, &key, event->identity, 0),
			.event_count = 1,
			.events = &event,
			.key = key,
		};
		sequences->found(sequences->context, MATCH_NEW, &match);
	}
}

/* A copy that is listed and held, or SLOT_NONE. */
static uint32_t put_event(struct sequences *sequences, const struct event *event)
{
	uint32_t copy;
	while ((copy = event_store_put(sequences->events, event)) == SLOT_NONE)
		if (!forget_oldest(sequences, SLOT_NONE)) {
			counter_add(sequences->counters, COUNTER_sequence_events_evicted, 1);
			return SLOT_NONE;
		}
	return copy;
}

static bool same_bytes(const struct event *left, const struct event *right)
{
	return left->size_bytes == right->size_bytes && memcmp(left, right, left->size_bytes) == 0;
}

/* `event` (SLOT_NONE = none) takes the place of `before` (SLOT_NONE = none; both may be one). */
static void apply(struct sequences *sequences, uint32_t event, uint32_t before,
		  size_t touched_count)
{
	const struct plan_use *touched = sequences->touched;
	for (size_t i = 0; i < touched_count && event != SLOT_NONE;) {
		size_t end = i + 1;
		while (end < touched_count && touched[end].rule == touched[i].rule)
			end++;
		struct meaning meaning;
		find_meaning(sequences, event_store_event(sequences->events, event), &touched[i],
			     end - i, &meaning);
		keep_spare(sequences, event);
		apply_meaning(sequences, touched[i].rule, &meaning, event, before);
		i = end;
	}
	if (before != SLOT_NONE)
		remove_unkept(sequences, before);
	if (event != SLOT_NONE)
		clear_kept(sequences, event);
}

void sequences_add(struct sequences *sequences, const struct event *event, const step_id *steps,
		   size_t step_count)
{
	const size_t touched_count = touch(sequences, steps, step_count);
	const uint32_t before = event_store_find(sequences->events, event->identity);
	if (before == SLOT_NONE && touched_count == 0)
		return;
	if (before != SLOT_NONE &&
	    (event->time_ns < sequences->watermark_ns ||
	     event_store_event(sequences->events, before)->time_ns < sequences->watermark_ns)) {
		counter_add(sequences->counters, COUNTER_sequence_events_late, 1);
		return;
	}
	if (event->time_ns < sequences->watermark_ns) {
		add_late(sequences, event, touched_count);
		return;
	}
	uint32_t copy = SLOT_NONE;
	if (before != SLOT_NONE) {
		event_store_hold(sequences->events, before);
		if (touched_count &&
		    same_bytes(event_store_event(sequences->events, before), event))
			copy = before;
		else
			event_store_unlist(sequences->events, before);
	}
	if (copy == before && copy != SLOT_NONE)
		event_store_hold(sequences->events, copy);
	else if (touched_count)
		copy = put_event(sequences, event);
	if (copy != SLOT_NONE && before != SLOT_NONE && copy != before)
		*event_store_revision(sequences->events, copy) =
			*event_store_revision(sequences->events, before) + 1;
	apply(sequences, copy, before, touched_count);
	if (copy != SLOT_NONE)
		event_store_release(sequences->events, copy);
	if (before != SLOT_NONE)
		event_store_release(sequences->events, before);
}

/* --- time ------------------------------------------------------------------------------------- */

void sequences_advance(struct sequences *sequences, uint64_t watermark_ns)
{
	if (watermark_ns <= sequences->watermark_ns)
		return;
	sequences->watermark_ns = watermark_ns;
	matches_settle(sequences);
	uint32_t due[VISITS_PER_STEP];
	size_t count;
	do {
		count = timer_wheel_advance(sequences->visits, watermark_ns, due, VISITS_PER_STEP);
		for (size_t i = 0; i < count; i++)
			group_visit(sequences, due[i]);
	} while (count == VISITS_PER_STEP || timer_wheel_behind(sequences->visits));
}

void sequences_finish(struct sequences *sequences)
{
	sequences_advance(sequences, UINT64_MAX);
}
