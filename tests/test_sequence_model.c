/* The sequence state against a matcher without any state, on random rules, events and orders of
 * arrival. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "correlator/sequence.h"
#include "tests/model_sequence.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { TRIALS = 1500 };
#else
enum { TRIALS = 15000 };
#endif

enum {
	RULES = 4,
	STEPS = 5,
	EVENTS = 18,
	VERSIONS = 2,
	SECOND = 1000000000,
	FIRST_SECOND = 100,
	STANDING_MAX = 4096,
};

static uint64_t random_state;

static uint32_t below(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return limit ? (uint32_t)(random_state >> 33) % limit : 0;
}

static bool one_in(uint32_t count)
{
	return below(count) == 0;
}

/* --- one trial: rules, and events in up to two versions each ---------------------------------- */

struct standing {
	uint64_t identity;
	uint32_t rule;
	uint64_t events[MODEL_STAGES_MAX]; /* identity and version; 0 = missing */
};

struct trial {
	struct rule rules[RULES];
	struct rule_stage stages[RULES][MODEL_STAGES_MAX];
	struct rule_key until_keys[RULES][RULE_KEYS_MAX];
	uint32_t rule_count;
	uint32_t event_count;
	struct model_event events[EVENTS][VERSIONS];
	uint32_t version_count[EVENTS];
	struct sequence_settings settings;

	/* what the engine said: the matches that stand, in the order in which they came */
	struct standing standing[STANDING_MAX];
	size_t standing_count;
	size_t changed_count;
	const char *fault;
};

static struct fields *fields;
static struct event_builder *builder;
static struct counters counters;
static uint64_t comparison_count;

static const uint16_t key_fields[] = { FIELD_process_pid, FIELD_process_parent_pid,
				       FIELD_user_name };

static void random_keys(struct rule_key *keys, uint16_t key_count, bool optional)
{
	for (uint16_t i = 0; i < key_count; i++)
		keys[i] = (struct rule_key){ .field = key_fields[below(3)], .optional = optional };
}

static void random_stages(struct trial *trial, struct rule *rule, bool by_stage)
{
	struct rule_stage *stages = trial->stages[rule->index];
	const bool optional = one_in(4);
	for (uint16_t i = 0; i < rule->stage_count; i++) {
		stages[i] = (struct rule_stage){ .step = below(STEPS) };
		random_keys(stages[i].keys, rule->key_count, optional);
		if (i > 0 && !by_stage)
			memcpy(stages[i].keys, stages[0].keys, sizeof(stages[0].keys));
		if (i > 0 && one_in(4)) /* with runs */
			stages[i] = stages[i - 1];
	}
}

static void random_sequence(struct trial *trial, struct rule *rule)
{
	struct rule_stage *stages = trial->stages[rule->index];
	if (one_in(2))
		rule->maxspan_ns = (uint64_t)(1 + below(10)) * SECOND;
	if (rule->maxspan_ns && one_in(2)) {
		bool positive = false;
		for (uint16_t i = 0; i < rule->stage_count; i++) {
			stages[i].missing = one_in(3);
			positive |= !stages[i].missing;
		}
		if (!positive)
			stages[below(rule->stage_count)].missing = false;
	}
	if (one_in(3)) {
		rule->until_step = below(STEPS);
		random_keys(trial->until_keys[rule->index], rule->key_count, one_in(3));
		rule->until_keys = trial->until_keys[rule->index];
	}
}

static void random_rule(struct trial *trial, uint32_t index)
{
	static const char *const ids[RULES] = { "first", "second", "third", "fourth" };
	struct rule *rule = &trial->rules[index];
	const uint32_t kind = below(8);
	*rule = (struct rule){
		.index = index,
		.id = ids[index],
		.kind = kind == 0   ? RULE_EVENT
			: kind == 1 ? RULE_SAMPLE
				    : RULE_SEQUENCE,
		.stages = trial->stages[index],
		.stage_count = kind == 0 ? 1 : (uint16_t)(2 + below(3)),
		.key_count = kind == 0 ? 0 : (uint16_t)below(3),
		.until_step = RULE_NO_STEP,
		.look_back_ns = (uint64_t)below(10) * SECOND,
	};
	random_stages(trial, rule, one_in(3));
	if (rule->kind == RULE_SEQUENCE)
		random_sequence(trial, rule);
}

static void add_random_values(uint16_t field)
{
	static const char *const names[] = { "a", "b", "A" };
	const uint32_t count = one_in(5) ? 0 : one_in(5) ? 2 : 1;
	for (uint32_t i = 0; i < count; i++) {
		if (field == FIELD_user_name)
			event_add_text(builder, field, names[below(3)], 1);
		else
			event_add_integer(builder, field, 1 + below(2));
	}
}

static struct model_event random_event(uint32_t number, uint32_t version)
{
	event_begin(builder);
	for (size_t i = 0; i < 3; i++)
		add_random_values(key_fields[i]);
	struct event *header = event_header(builder);
	header->time_ns = (uint64_t)(FIRST_SECOND + below(18)) * SECOND;
	header->tiebreaker = one_in(3) ? UINT64_MAX : below(2);
	header->identity = number + 1;
	header->received_ns = version; /* told apart by this */
	const struct event *event = event_end(builder);
	struct event *copy = malloc(event->size_bytes);
	memcpy(copy, event, event->size_bytes);
	uint64_t steps = 0;
	for (int i = 0; i < STEPS; i++)
		steps |= (uint64_t)one_in(2) << i;
	return (struct model_event){ copy, steps };
}

/* A near miss of an event: the same but for one thing. */
static struct model_event revised_event(const struct model_event *before, uint32_t number)
{
	struct model_event after = random_event(number, 1);
	struct event *header = (struct event *)(uintptr_t)after.event;
	if (one_in(2))
		header->time_ns = before->event->time_ns;
	if (one_in(2))
		after.steps = before->steps;
	if (one_in(6))
		after.steps = 0;
	return after;
}

static void random_trial(struct trial *trial)
{
	memset(trial, 0, sizeof(*trial));
	trial->rule_count = 1 + below(RULES);
	for (uint32_t i = 0; i < trial->rule_count; i++)
		random_rule(trial, i);
	trial->event_count = 1 + below(EVENTS);
	for (uint32_t i = 0; i < trial->event_count; i++) {
		trial->events[i][0] = random_event(i, 0);
		trial->version_count[i] = 1;
		if (one_in(4)) {
			trial->events[i][1] = revised_event(&trial->events[i][0], i);
			trial->version_count[i] = 2;
		}
	}
	trial->settings = (struct sequence_settings){
		.horizon_ns = one_in(2) ? 0 : (uint64_t)(1 + below(9)) * SECOND,
		.store_bytes = (size_t)256 * 1024,
		.max_keys = 512,
		.samples_per_key = 1 + below(2),
	};
}

static void close_trial(struct trial *trial)
{
	for (uint32_t i = 0; i < trial->event_count; i++)
		for (uint32_t j = 0; j < trial->version_count[i]; j++)
			free((void *)(uintptr_t)trial->events[i][j].event);
}

/* --- what the engine says --------------------------------------------------------------------- */

static uint64_t name_of(const struct event *event)
{
	return event ? event->identity * VERSIONS + event->received_ns : 0;
}

static void found_match(void *context, enum match_change change, const struct sequence_match *match)
{
	struct trial *trial = context;
	struct standing said = { .identity = match->identity, .rule = match->rule->index };
	for (size_t i = 0; i < match->event_count; i++)
		said.events[i] = name_of(match->events[i]);
	size_t at = 0;
	while (at < trial->standing_count && (trial->standing[at].identity != said.identity))
		at++;
	const bool known = at < trial->standing_count;
	if (known != (change != MATCH_NEW))
		trial->fault = "new but known, or known but not new";
	if (known && trial->settings.settle)
		trial->fault = "said twice";
	if (change == MATCH_CHANGED) {
		trial->changed_count++;
		if (memcmp(trial->standing[at].events, said.events, sizeof(said.events)) == 0)
			trial->fault = "changed but the same";
		trial->standing[at] = said;
	} else if (change == MATCH_WITHDRAWN && known) {
		trial->standing[at] = trial->standing[--trial->standing_count];
	} else if (trial->standing_count < STANDING_MAX) {
		trial->standing[trial->standing_count++] = said;
	}
}

/* --- comparing -------------------------------------------------------------------------------- */

static bool same_events(const struct standing *said, const struct model_match *match)
{
	if (said->rule != match->rule->index)
		return false;
	for (size_t i = 0; i < MODEL_STAGES_MAX; i++)
		if (said->events[i] != name_of(match->events[i]))
			return false;
	return true;
}

static bool waits(const struct rule *rule)
{
	for (uint16_t stage = 0; stage < rule->stage_count; stage++)
		if (rule->stages[stage].missing)
			return true;
	return false;
}

/* As sets: each of the model's matches takes one of the engine's. */
static bool same_set(const struct trial *trial, const struct model_result *model, bool eager_only)
{
	bool taken[STANDING_MAX] = { false };
	size_t count = 0;
	for (size_t i = 0; i < trial->standing_count; i++)
		count += !eager_only || !waits(&trial->rules[trial->standing[i].rule]);
	if (count != model->count)
		return false;
	for (size_t i = 0; i < model->count; i++) {
		size_t at = 0;
		while (at < trial->standing_count &&
		       (taken[at] || !same_events(&trial->standing[at], &model->matches[i])))
			at++;
		if (at == trial->standing_count)
			return false;
		taken[at] = true;
	}
	return true;
}

static bool same_list(const struct trial *trial, const struct model_result *model)
{
	if (trial->standing_count != model->count)
		return false;
	for (size_t i = 0; i < model->count; i++)
		if (!same_events(&trial->standing[i], &model->matches[i]))
			return false;
	return true;
}

/* `eager_only`: without the rules whose matches wait for the watermark. */
static void run_model(const struct trial *trial, const struct model_event *events, size_t count,
		      bool eager_only, struct model_result *model)
{
	model->count = 0;
	for (uint32_t i = 0; i < trial->rule_count; i++) {
		if (eager_only && waits(&trial->rules[i]))
			continue;
		model_sequence_run(&trial->rules[i], events, count, trial->settings.horizon_ns,
				   trial->settings.samples_per_key, model);
		comparison_count++;
	}
}

/* --- one run: everything arrives in some order ------------------------------------------------ */

struct arrival {
	uint32_t number;
	uint32_t version;
};

/* Every version of every event, versions in order, now and then one twice. */
static size_t random_arrivals(const struct trial *trial, struct arrival *out)
{
	size_t count = 0;
	for (uint32_t i = 0; i < trial->event_count; i++)
		out[count++] = (struct arrival){ i, 0 };
	for (size_t i = count; i > 1; i--) {
		const size_t other = below((uint32_t)i);
		const struct arrival swapped = out[i - 1];
		out[i - 1] = out[other];
		out[other] = swapped;
	}
	for (uint32_t i = 0; i < trial->event_count; i++) {
		const uint32_t extra = trial->version_count[i] - 1U + one_in(6);
		for (uint32_t j = 0; j < extra; j++) {
			size_t at = 0;
			for (size_t k = 0; k < count; k++)
				if (out[k].number == i)
					at = k;
			at += 1 + below((uint32_t)(count - at));
			memmove(out + at + 1, out + at, (count - at) * sizeof(*out));
			const uint32_t last = trial->version_count[i] - 1;
			out[at] = (struct arrival){ i, last };
			count++;
		}
	}
	return count;
}

/* The latest time that the watermark may have before the arrival `next`: no event that is still to
 * come is older, nor the version before it. */
static uint64_t safe_watermark(const struct trial *trial, const struct arrival *arrivals,
			       size_t next, size_t count)
{
	uint64_t safe_ns = (uint64_t)(FIRST_SECOND + 60) * SECOND;
	for (size_t i = next; i < count; i++)
		for (uint32_t version = 0; version < trial->version_count[arrivals[i].number];
		     version++) {
			const struct event *event =
				trial->events[arrivals[i].number][version].event;
			if (event->time_ns < safe_ns)
				safe_ns = event->time_ns;
		}
	return safe_ns;
}

static void add(struct sequences *sequences, const struct model_event *event)
{
	step_id steps[STEPS];
	size_t count = 0;
	for (step_id i = 0; i < STEPS; i++)
		if (event->steps >> i & 1)
			steps[count++] = i;
	sequences_add(sequences, event->event, steps, count);
}

/* The versions that have arrived last, of `count` arrivals. */
static size_t present(const struct trial *trial, const struct arrival *arrivals, size_t count,
		      struct model_event *out)
{
	size_t present_count = 0;
	for (uint32_t i = 0; i < trial->event_count; i++) {
		const struct model_event *latest = NULL;
		for (size_t j = 0; j < count; j++)
			if (arrivals[j].number == i)
				latest = &trial->events[i][arrivals[j].version];
		if (latest)
			out[present_count++] = *latest;
	}
	return present_count;
}

static void run(struct trial *trial, struct model_result *model)
{
	struct arrival arrivals[4 * EVENTS];
	struct model_event events[EVENTS];
	const size_t count = random_arrivals(trial, arrivals);
	const struct rule *rules[RULES] = { NULL };
	for (uint32_t i = 0; i < trial->rule_count; i++)
		rules[i] = &trial->rules[i];
	trial->standing_count = 0;
	struct sequences *sequences = sequences_open_rules(
		rules, trial->rule_count, &trial->settings, found_match, trial, &counters);
	assert_non_null(sequences);
	for (size_t i = 0; i < count && !trial->fault; i++) {
		add(sequences, &trial->events[arrivals[i].number][arrivals[i].version]);
		if (one_in(3))
			sequences_advance(sequences, safe_watermark(trial, arrivals, i + 1, count));
		if (trial->settings.settle)
			continue;
		run_model(trial, events, present(trial, arrivals, i + 1, events), true, model);
		if (!same_set(trial, model, true))
			trial->fault = "differs from the model on the way";
	}
	sequences_finish(sequences);
	run_model(trial, events, present(trial, arrivals, count, events), false, model);
	model_sequence_sort(model);
	const bool same =
		trial->settings.settle ? same_list(trial, model) : same_set(trial, model, false);
	if (!same && !trial->fault)
		trial->fault = "differs from the model at the end";
	for (uint32_t i = 0; i < trial->rule_count; i++)
		if (sequences_evicted_count(sequences, i))
			trial->fault = "evicted";
	sequences_close(sequences);
}

static void engine_agrees_with_the_model_in_every_order_of_arrival(void **state)
{
	(void)state;
	static struct trial trial;
	static struct model_result model;
	const char *chosen = getenv("PROCSPAN_SEED");
	uint64_t seed = chosen ? strtoull(chosen, NULL, 0) : (uint64_t)time(NULL);
	printf("seed %llu (PROCSPAN_SEED)\n", (unsigned long long)seed);
	size_t match_count = 0;
	size_t changed_count = 0;
	for (int i = 0; i < TRIALS; i++, seed++) {
		random_state = seed * 0x9e3779b97f4a7c15U + 1;
		for (int j = 0; j < 10; j++)
			below(2);
		random_trial(&trial);
		for (int settle = 0; settle < 2 && !trial.fault; settle++) {
			trial.settings.settle = settle;
			for (int order = 0; order < 2 && !trial.fault; order++)
				run(&trial, &model);
			match_count += model.count;
		}
		changed_count += trial.changed_count;
		if (trial.fault)
			fail_msg("PROCSPAN_SEED=%llu: %s (settle %d: said %zu, model %zu)",
				 (unsigned long long)seed, trial.fault, trial.settings.settle,
				 trial.standing_count, model.count);
		close_trial(&trial);
	}
	printf("%llu comparisons, %zu matches, %zu changed\n", (unsigned long long)comparison_count,
	       match_count, changed_count);
	assert_true(match_count > 0);
}

int main(void)
{
	fields = fields_open();
	fields_want_all(fields);
	builder = event_builder_open(fields, &counters);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(engine_agrees_with_the_model_in_every_order_of_arrival),
	};
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);
	event_builder_close(builder);
	fields_close(fields);
	return failed;
}
