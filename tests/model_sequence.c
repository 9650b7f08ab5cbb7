#include "tests/model_sequence.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct history {
	const struct rule *rule;
	size_t count;
	struct model_event events[MODEL_EVENTS_MAX]; /* sorted */
	uint64_t span_ns;
};

static int event_order(const struct event *a, const struct event *b)
{
	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	if (a->tiebreaker != b->tiebreaker)
		return a->tiebreaker < b->tiebreaker ? -1 : 1;
	return a->identity < b->identity ? -1 : a->identity > b->identity;
}

static int by_order(const void *left, const void *right)
{
	const struct model_event *a = left;
	const struct model_event *b = right;
	return event_order(a->event, b->event);
}

/* --- keys: values compared one by one, no hashing --------------------------------------------- */

static int value_order(const struct event *a_event, const struct event_value *a,
		       const struct event *b_event, const struct event_value *b)
{
	if (!a || !b)
		return (a != NULL) - (b != NULL);
	if (a->type != b->type)
		return a->type == VALUE_INTEGER ? -1 : 1; /* numbers before text */
	if (a->type == VALUE_INTEGER) {
		const int64_t x = *(const int64_t *)event_at(a_event, a);
		const int64_t y = *(const int64_t *)event_at(b_event, b);
		return (x > y) - (x < y);
	}
	const struct event_text *x = event_at(a_event, a);
	const struct event_text *y = event_at(b_event, b);
	return strcmp(x->bytes, y->bytes);
}

static int key_order(const struct model_key *a, const struct model_key *b, size_t key_count)
{
	int order = 0;
	for (size_t i = 0; i < key_count && order == 0; i++)
		order = value_order(a->event, a->values[i], b->event, b->values[i]);
	return order;
}

/* Does the event have this key under these fields? */
static bool has_key(const struct event *event, const struct rule_key *fields, size_t key_count,
		    const struct model_key *key)
{
	for (size_t i = 0; i < key_count; i++) {
		size_t count;
		const struct event_value *values = event_find(event, fields[i].field, &count);
		bool found = count == 0 && fields[i].optional && !key->values[i];
		for (size_t j = 0; j < count && !found; j++)
			found = value_order(event, &values[j], key->event, key->values[i]) == 0;
		if (!found)
			return false;
	}
	return true;
}

/* Every combination that the event has under these fields, added to a list of distinct keys. */
static size_t add_keys(const struct event *event, const struct rule_key *fields, size_t key_count,
		       struct model_key *keys, size_t known_count)
{
	struct model_key key = { .event = event };
	size_t counts[MODEL_KEYS_MAX] = { 0 };
	const struct event_value *values[MODEL_KEYS_MAX] = { NULL };
	size_t all = 1;
	for (size_t i = 0; i < key_count; i++) {
		values[i] = event_find(event, fields[i].field, &counts[i]);
		if (counts[i] == 0 && !fields[i].optional)
			return known_count;
		all *= counts[i] ? counts[i] : 1;
	}
	for (size_t combination = 0; combination < all; combination++) {
		size_t left = combination;
		for (size_t i = 0; i < key_count; i++) {
			key.values[i] = counts[i] ? &values[i][left % counts[i]] : NULL;
			left /= counts[i] ? counts[i] : 1;
		}
		size_t same = 0;
		while (same < known_count && key_order(&keys[same], &key, key_count) != 0)
			same++;
		keys[same] = key;
		known_count += same == known_count;
	}
	return known_count;
}

static bool satisfies(const struct history *history, const struct model_event *event,
		      size_t stage_number, const struct model_key *key)
{
	const struct rule_stage *stage = &history->rule->stages[stage_number];
	return (event->steps >> stage->step & 1) &&
	       has_key(event->event, stage->keys, history->rule->key_count, key);
}

static bool is_until(const struct history *history, const struct model_event *event,
		     const struct model_key *key)
{
	const struct rule *rule = history->rule;
	return rule->until_step != RULE_NO_STEP && (event->steps >> rule->until_step & 1) &&
	       has_key(event->event, rule->until_keys, rule->key_count, key);
}

/* --- missing events --------------------------------------------------------------------------- */

/* Is there an event of any missing stage in [from, to) with begin < time < end? Its time goes to
 * *out_ns: the latest or the earliest one. */
static bool find_missing(const struct history *history, const struct model_key *key, size_t from,
			 size_t to, uint64_t begin_ns, uint64_t end_ns, bool latest,
			 uint64_t *out_ns)
{
	bool found = false;
	for (size_t i = 0; i < history->count; i++) {
		const uint64_t time_ns = history->events[i].event->time_ns;
		for (size_t stage = from; stage < to; stage++) {
			if (!satisfies(history, &history->events[i], stage, key))
				continue;
			if (time_ns <= begin_ns || time_ns >= end_ns || (found && !latest))
				continue;
			*out_ns = time_ns;
			found = true;
		}
	}
	return found;
}

static bool is_accepted(const struct history *history, const struct model_key *key,
			const struct model_match *match, size_t *positives, size_t positive_count)
{
	const size_t stage_count = history->rule->stage_count;
	const struct event *first = match->events[positives[0]];
	const struct event *last = match->events[positives[positive_count - 1]];
	uint64_t leading_ns = 0;
	uint64_t trailing_ns = 0;
	for (size_t i = 0; i + 1 < positive_count; i++)
		if (find_missing(history, key, positives[i] + 1, positives[i + 1],
				 match->events[positives[i]]->time_ns,
				 match->events[positives[i + 1]]->time_ns, true, &leading_ns))
			return false;
	const bool asks_leading = positives[0] > 0;
	const bool asks_trailing = positives[positive_count - 1] + 1 < stage_count;
	const bool leading = asks_leading && find_missing(history, key, 0, positives[0], 0,
							  first->time_ns, true, &leading_ns);
	const bool trailing =
		asks_trailing &&
		find_missing(history, key, positives[positive_count - 1] + 1, stage_count,
			     last->time_ns, UINT64_MAX, false, &trailing_ns);
	const uint64_t span_ns = history->rule->maxspan_ns;
	if (asks_leading && asks_trailing)
		return !leading || !trailing || trailing_ns - leading_ns > span_ns;
	if (leading)
		return last->time_ns - leading_ns > span_ns;
	if (trailing)
		return trailing_ns - first->time_ns > span_ns;
	return true;
}

/* --- the machine ------------------------------------------------------------------------------ */

struct pending {
	bool there;
	const struct event *events[MODEL_STAGES_MAX]; /* by positive stage */
};

static void emit(const struct history *history, const struct model_key *key,
		 const struct pending *pending, size_t *positives, size_t positive_count,
		 struct model_result *result)
{
	struct model_match match = { .rule = history->rule, .key = *key };
	for (size_t i = 0; i < positive_count; i++)
		match.events[positives[i]] = pending->events[i];
	match.last = pending->events[positive_count - 1];
	match.final_ns = match.last->time_ns;
	if (positives[positive_count - 1] + 1U < history->rule->stage_count)
		match.final_ns = pending->events[0]->time_ns + history->rule->maxspan_ns;
	if (is_accepted(history, key, &match, positives, positive_count))
		result->matches[result->count++] = match;
}

static void run_key(const struct history *history, const struct model_key *key,
		    struct model_result *result)
{
	const struct rule *rule = history->rule;
	struct pending pending[MODEL_STAGES_MAX] = { 0 };
	size_t positives[MODEL_STAGES_MAX];
	size_t n = 0;
	for (size_t i = 0; i < rule->stage_count; i++)
		if (!rule->stages[i].missing)
			positives[n++] = i;
	for (size_t e = 0; e < history->count; e++) {
		const struct model_event *event = &history->events[e];
		for (size_t i = n; i-- > 0;) {
			struct pending grown = { .there = true };
			if (!satisfies(history, event, positives[i], key))
				continue;
			if (i > 0) {
				if (!pending[i - 1].there)
					continue;
				grown = pending[i - 1];
				pending[i - 1].there = false;
				if (event->event->time_ns - grown.events[0]->time_ns >
				    history->span_ns)
					continue;
			}
			grown.events[i] = event->event;
			if (i == n - 1)
				emit(history, key, &grown, positives, n, result);
			else
				pending[i] = grown;
		}
		if (is_until(history, event, key))
			memset(pending, 0, sizeof(pending));
	}
}

/* --- samples ---------------------------------------------------------------------------------- */

/* Every choice of distinct events in [begin, end), in lexical order, until enough are found. */
static void draw(const struct history *history, const struct model_key *key, size_t begin,
		 size_t end, size_t stage, struct model_match *match, size_t *left,
		 struct model_result *result)
{
	if (stage == history->rule->stage_count) {
		match->last = match->events[0];
		for (size_t i = 0; i < stage; i++)
			if (event_order(match->events[i], match->last) > 0)
				match->last = match->events[i];
		result->matches[result->count++] = *match;
		match->ordinal++;
		(*left)--;
		return;
	}
	for (size_t e = begin; e < end && *left; e++) {
		bool taken = false;
		for (size_t i = 0; i < stage; i++)
			taken |= match->events[i] == history->events[e].event;
		if (taken || !satisfies(history, &history->events[e], stage, key))
			continue;
		match->events[stage] = history->events[e].event;
		draw(history, key, begin, end, stage + 1, match, left, result);
	}
}

static bool takes_part(const struct history *history, const struct model_event *event,
		       const struct model_key *key)
{
	for (size_t stage = 0; stage < history->rule->stage_count; stage++)
		if (satisfies(history, event, stage, key))
			return true;
	return false;
}

static void run_sample(const struct history *history, const struct model_key *key,
		       size_t samples_per_key, struct model_result *result)
{
	for (size_t begin = 0; begin < history->count;) {
		if (!takes_part(history, &history->events[begin], key)) {
			begin++;
			continue;
		}
		const uint64_t begin_ns = history->events[begin].event->time_ns;
		size_t end = begin;
		while (end < history->count &&
		       history->events[end].event->time_ns - begin_ns <= history->span_ns)
			end++;
		struct model_match match = { .rule = history->rule, .key = *key };
		match.final_ns = history->span_ns > UINT64_MAX - 1 - begin_ns
					 ? UINT64_MAX - 1
					 : begin_ns + history->span_ns;
		size_t left = samples_per_key;
		draw(history, key, begin, end, 0, &match, &left, result);
		begin = end;
	}
}

/* --- all together ----------------------------------------------------------------------------- */

static uint64_t span_of(const struct rule *rule, uint64_t horizon_ns)
{
	if (rule->maxspan_ns)
		return rule->maxspan_ns;
	if (horizon_ns == 0)
		return UINT64_MAX;
	return rule->look_back_ns > horizon_ns ? rule->look_back_ns : horizon_ns;
}

void model_sequence_run(const struct rule *rule, const struct model_event *events, size_t count,
			uint64_t horizon_ns, size_t samples_per_key, struct model_result *result)
{
	struct history history = { .rule = rule,
				   .count = count,
				   .span_ns = span_of(rule, horizon_ns) };
	memcpy(history.events, events, count * sizeof(*events));
	qsort(history.events, count, sizeof(*events), by_order);
	if (rule->kind == RULE_EVENT) {
		for (size_t i = 0; i < count; i++)
			if (history.events[i].steps >> rule->stages[0].step & 1)
				result->matches[result->count++] = (struct model_match){
					.rule = rule,
					.events = { history.events[i].event },
					.last = history.events[i].event,
					.final_ns = history.events[i].event->time_ns,
				};
		return;
	}
	struct model_key keys[4 * MODEL_EVENTS_MAX * MODEL_STAGES_MAX];
	size_t key_count = 0;
	for (size_t i = 0; i < count; i++)
		for (size_t stage = 0; stage < rule->stage_count; stage++)
			if (history.events[i].steps >> rule->stages[stage].step & 1)
				key_count =
					add_keys(history.events[i].event, rule->stages[stage].keys,
						 rule->key_count, keys, key_count);
	for (size_t i = 0; i < key_count; i++)
		if (rule->kind == RULE_SAMPLE)
			run_sample(&history, &keys[i], samples_per_key, result);
		else
			run_key(&history, &keys[i], result);
}

static int by_final(const void *left, const void *right)
{
	const struct model_match *a = left;
	const struct model_match *b = right;
	if (a->final_ns != b->final_ns)
		return a->final_ns < b->final_ns ? -1 : 1;
	int order = event_order(a->last, b->last);
	if (order == 0)
		order = (a->rule->index > b->rule->index) - (a->rule->index < b->rule->index);
	if (order == 0)
		order = key_order(&a->key, &b->key, a->rule->key_count);
	if (order == 0)
		order = (a->ordinal > b->ordinal) - (a->ordinal < b->ordinal);
	return order;
}

void model_sequence_sort(struct model_result *result)
{
	qsort(result->matches, result->count, sizeof(result->matches[0]), by_final);
}
