/* Samples: events of one key that together satisfy every term, in any order.
 *
 * Elasticsearch looks at all documents of a search at once and takes, for each term in turn, the
 * first document that no other term of the sample has taken. A stream has no end, so time is cut
 * into windows, per key: one begins with the first event that is in none, and is as long as the
 * rule looks back. In each window the answer is Elasticsearch's. That makes it a function of the
 * set of events, like everything here. See sequence_inside.h.
 */
#include "correlator/sequence_inside.h"

enum {
	SAMPLES_PER_KEY_DEFAULT = 1,
	SAMPLE_TRIES_MAX = 16 * SAMPLE_EVENTS_MAX, /* looked at for one sample: backtracking ends */
};

/* The parts of a window, and which of them each stage has taken. */
struct draw {
	const struct sequences *sequences;
	const struct plan_rule *rule;
	uint32_t begin;
	uint32_t end;	      /* the part after the last one, or SLOT_NONE */
	uint32_t tried_count; /* for this sample */
	uint32_t chosen[RULE_STAGES_MAX];
};

static bool is_chosen(const struct draw *draw, uint16_t stage_count, uint32_t part)
{
	for (uint16_t stage = 0; stage < stage_count; stage++)
		if (draw->chosen[stage] == part)
			return true;
	return false;
}

/* The next part from `part` on that `stage` may take, or SLOT_NONE. */
static uint32_t next_choice(struct draw *draw, uint16_t stage, uint32_t part)
{
	const struct part *parts = draw->sequences->parts;
	const uint8_t term = draw->rule->stage_terms[stage];
	for (; part != draw->end; part = parts[part].next) {
		if (draw->tried_count++ == SAMPLE_TRIES_MAX)
			break;
		if ((parts[part].terms >> term & 1) && !is_chosen(draw, stage, part))
			return part;
	}
	return SLOT_NONE;
}

/* Fills chosen[] from `stage` on, trying `part` and what follows it first; backtracks. */
static bool draw_from(struct draw *draw, uint16_t stage, uint32_t part)
{
	const struct part *parts = draw->sequences->parts;
	for (;;) {
		const uint32_t choice = next_choice(draw, stage, part);
		if (choice != SLOT_NONE) {
			draw->chosen[stage++] = choice;
			if (stage == draw->rule->positive_count)
				return true;
			part = draw->begin;
			continue;
		}
		if (stage == 0 || draw->tried_count >= SAMPLE_TRIES_MAX)
			return false;
		part = parts[draw->chosen[--stage]].next;
	}
}

/* The sample after the one in chosen[]. */
static bool draw_again(struct draw *draw)
{
	const uint16_t last = (uint16_t)(draw->rule->positive_count - 1);
	draw->tried_count = 0;
	return draw_from(draw, last, draw->sequences->parts[draw->chosen[last]].next);
}

static uint32_t chain_of(struct sequences *sequences, const struct draw *draw)
{
	uint32_t events = SLOT_NONE;
	for (uint16_t stage = 0; stage < draw->rule->positive_count; stage++) {
		events = partial_grow(sequences, events, draw->chosen[stage], stage);
		if (events == SLOT_NONE)
			return SLOT_NONE;
	}
	return events;
}

static bool is_complete(const struct draw *draw)
{
	uint64_t missing = 0;
	for (uint16_t stage = 0; stage < draw->rule->positive_count; stage++)
		missing |= 1ULL << draw->rule->stage_terms[stage];
	for (uint32_t part = draw->begin; part != draw->end && missing;
	     part = draw->sequences->parts[part].next)
		missing &= ~draw->sequences->parts[part].terms;
	return missing == 0;
}

static void rerun_window(struct sequences *sequences, struct draw *draw)
{
	const uint32_t per_key = sequences->settings.samples_per_key
					 ? sequences->settings.samples_per_key
					 : SAMPLES_PER_KEY_DEFAULT;
	uint32_t count = 0;
	bool found = is_complete(draw) && draw_from(draw, 0, draw->begin);
	for (; found && count < per_key; count++) {
		match_update(sequences, draw->begin, count, chain_of(sequences, draw));
		found = draw_again(draw);
	}
	matches_withdraw(sequences, draw->begin, count);
	for (uint32_t part = sequences->parts[draw->begin].next; part != draw->end;
	     part = sequences->parts[part].next)
		matches_withdraw(sequences, part, 0);
}

/* The part after the window that begins with this one. */
static uint32_t window_end(const struct sequences *sequences, uint32_t begin, uint64_t span_ns)
{
	const struct part *parts = sequences->parts;
	uint32_t part = begin;
	while (part != SLOT_NONE && parts[part].time_ns - parts[begin].time_ns <= span_ns)
		part = parts[part].next;
	return part;
}

void sample_rerun(struct sequences *sequences, uint32_t at)
{
	const struct plan_rule *rule = group_rule(sequences, &sequences->groups[at]);
	group_hold(sequences, at);
	for (uint32_t part = sequences->groups[at].first; part != SLOT_NONE;) {
		struct draw draw = {
			.sequences = sequences,
			.rule = rule,
			.begin = part,
			.end = window_end(sequences, part, rule->span_ns),
		};
		rerun_window(sequences, &draw);
		part = draw.end;
	}
	group_release(sequences, at);
}

void sample_visit(struct sequences *sequences, uint32_t at)
{
	const struct group *group = &sequences->groups[at];
	const uint64_t span_ns = group_rule(sequences, group)->span_ns;
	const uint64_t now_ns = sequences->watermark_ns;
	group_hold(sequences, at);
	while (group->first != SLOT_NONE && span_ns < now_ns &&
	       sequences->parts[group->first].time_ns < now_ns - span_ns) {
		const uint32_t end = window_end(sequences, group->first, span_ns);
		while (group->first != end)
			part_fold(sequences, group->first);
	}
	if (group->first != SLOT_NONE && span_ns < UINT64_MAX - 1 &&
	    sequences->parts[group->first].time_ns < UINT64_MAX - 1 - span_ns)
		group_wants_visit(sequences, at,
				  sequences->parts[group->first].time_ns + span_ns + 1);
	group_release(sequences, at);
}
