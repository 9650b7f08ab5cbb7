/* The sequence state: what Elasticsearch's semantics say case by case, revisions, lateness and a
 * full store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "correlator/sequence.h"
#include "tests/support_random.h"

enum { EVENTS_MAX = 32, STAGES = 8, SECOND = 1000000000, SAID_BYTES = 1024 };

static struct fields *fields;
static struct event_builder *builder;
static struct counters counters;

/* --- rules and events from text -----------------------------------------------------------------
 *
 *	rule	"A !C B, by 1, maxspan 3, until D"	letters are steps
 *	events	"A1@5 B1@6 AC2@7 B-@8"			steps, join key (- = null), second
 */

struct test_rule {
	struct rule rule;
	struct rule_stage stages[STAGES];
	struct rule_key until_key;
};

static const struct rule *read_rule(const char *text, struct test_rule *out)
{
	memset(out, 0, sizeof(*out));
	struct rule *rule = &out->rule;
	*rule = (struct rule){ .kind = RULE_SEQUENCE,
			       .id = "case",
			       .stages = out->stages,
			       .until_step = RULE_NO_STEP };
	const char *comma = strchrnul(text, ',');
	rule->key_count = strstr(comma, "by") != NULL;
	const bool optional = strstr(comma, "by ?") != NULL;
	const struct rule_key key = { FIELD_user_name, optional };
	for (bool missing = false; text < comma; text++) {
		if (*text == '!') {
			missing = true;
		} else if (*text != ' ') {
			out->stages[rule->stage_count++] = (struct rule_stage){
				.step = (step_id)(*text - 'A'), .missing = missing, .keys = { key }
			};
			missing = false;
		}
	}
	if (rule->stage_count == 1)
		rule->kind = RULE_EVENT;
	if (strstr(comma, "sample"))
		rule->kind = RULE_SAMPLE;
	const char *maxspan = strstr(comma, "maxspan ");
	if (maxspan)
		rule->maxspan_ns = strtoull(maxspan + 8, NULL, 10) * SECOND;
	const char *until = strstr(comma, "until ");
	if (until) {
		rule->until_step = (step_id)(until[6] - 'A');
		rule->until_keys = &out->until_key;
		out->until_key = key;
	}
	return rule;
}

struct test_event {
	struct event *event;
	step_id steps[8];
	size_t step_count;
};

static const char *read_event(const char *text, uint64_t identity, struct test_event *out)
{
	*out = (struct test_event){ 0 };
	for (; *text >= 'A' && *text <= 'Z'; text++)
		out->steps[out->step_count++] = (step_id)(*text - 'A');
	event_begin(builder);
	if (*text != '-')
		event_add_text(builder, FIELD_user_name, text, 1);
	struct event *header = event_header(builder);
	char *end;
	header->time_ns = strtoull(text + 2, &end, 10) * SECOND;
	header->tiebreaker = UINT64_MAX;
	header->identity = identity;
	const struct event *event = event_end(builder);
	out->event = malloc(event->size_bytes);
	memcpy(out->event, event, event->size_bytes);
	return end + strspn(end, " ");
}

/* Identities are 1, 2, ... in the order of the text. */
static size_t read_events(const char *text, struct test_event *out)
{
	size_t count = 0;
	while (*text && count < EVENTS_MAX) {
		text = read_event(text, count + 1, &out[count]);
		count++;
	}
	return count;
}

static void free_events(struct test_event *events, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(events[i].event);
}

static void add(struct sequences *sequences, const struct test_event *event)
{
	sequences_add(sequences, event->event, event->steps, event->step_count);
}

/* --- what is said, as text -------------------------------------------------------------------- */

struct said {
	char text[SAID_BYTES]; /* "1 2;+3 -;": identities by stage */
};

static void say(void *context, enum match_change change, const struct sequence_match *match)
{
	static const char *const marks[] = { "", "~", "x" };
	struct said *said = context;
	size_t at = strlen(said->text);
	at += (size_t)snprintf(said->text + at, sizeof(said->text) - at, "%s", marks[change]);
	for (size_t i = 0; i < match->event_count && at < sizeof(said->text) - 32; i++) {
		const char *space = i ? " " : "";
		if (match->events[i])
			at += (size_t)snprintf(said->text + at, sizeof(said->text) - at, "%s%d",
					       space, (int)match->events[i]->identity);
		else
			at += (size_t)snprintf(said->text + at, sizeof(said->text) - at, "%s-",
					       space);
	}
	snprintf(said->text + at, sizeof(said->text) - at, ";");
}

static struct sequences *open_sequences(const struct rule *rule, bool settle, struct said *said)
{
	const struct sequence_settings settings = { .settle = settle,
						    .store_bytes = (size_t)256 * 1024,
						    .max_keys = 256 };
	said->text[0] = '\0';
	struct sequences *sequences =
		sequences_open_rules(&rule, 1, &settings, say, said, &counters);
	assert_non_null(sequences);
	return sequences;
}

/* --- cases ------------------------------------------------------------------------------------ */

static const struct {
	const char *name;
	const char *rule;
	const char *events;
	const char *said;
} cases[] = {
	{ "two in order", "A B", "A1@1 B1@2", "1 2;" },
	{ "not in the other order", "A B", "B1@1 A1@2", "" },
	{ "not in the other order although of one time", "A B", "B1@1 A1@1", "" },
	{ "of one time in the order of identity", "A B", "A1@1 B1@1", "1 2;" },
	{ "the latest start wins", "A B", "A1@1 A1@2 B1@3", "2 3;" },
	{ "a match uses its start up", "A B", "A1@1 B1@2 B1@3", "1 2;" },
	{ "a new start does not disturb the second stage", "A B C", "A1@1 B1@2 A1@3 C1@4",
	  "1 2 4;" },
	{ "a later second stage takes over", "A B C", "A1@1 B1@2 A1@3 B1@4 C1@5", "3 4 5;" },
	{ "one event ends one and starts another", "A A", "A1@1 A1@2 A1@3", "1 2;2 3;" },
	{ "an event is never twice in one match", "A A", "A1@1", "" },
	{ "runs overlap", "A A A", "A1@1 A1@2 A1@3 A1@4", "1 2 3;2 3 4;" },
	{ "keys do not mix", "A B, by", "A1@1 B2@2 B1@3", "1 3;" },
	{ "keys are compared exactly", "A B, by", "Aa@1 BA@2", "" },
	{ "null in a mandatory key takes no part", "A B, by", "A-@1 B-@2", "" },
	{ "null joins null where the key is optional", "A B, by ?", "A-@1 B1@2 B-@3", "1 3;" },
	{ "maxspan is inclusive", "A B, maxspan 3", "A1@1 B1@4", "1 2;" },
	{ "maxspan excludes", "A B, maxspan 3", "A1@1 B1@5", "" },
	{ "too late uses the start up", "A B C, maxspan 3", "A1@1 B1@5 B1@6 C1@6", "" },
	{ "until ends", "A B, until C", "A1@1 C1@2 B1@3", "" },
	{ "until of another key does not", "A B, by, until C", "A1@1 C2@2 B1@3", "1 3;" },
	{ "until with the last event still matches", "A B, until C", "A1@1 BC1@2", "1 2;" },
	{ "until with the first event kills it", "A B, until C", "AC1@1 B1@2", "" },
	{ "missing in between", "A !C B, maxspan 9", "A1@1 B1@3", "1 - 2;" },
	{ "there in between", "A !C B, maxspan 9", "A1@1 C1@2 B1@3", "" },
	{ "at the very time does not count", "A !C B, maxspan 9", "A1@1 C1@1 C1@3 B1@3", "1 - 4;" },
	{ "of another key does not count", "A !C B, by, maxspan 9", "A1@1 C2@2 B1@3", "1 - 3;" },
	{ "what must miss does not stop the machine", "A A !C A, maxspan 9",
	  "A1@1 A1@2 C1@3 A1@4 A1@5", "2 4 - 5;" },
	{ "missing before", "!C A B, maxspan 3", "A1@5 B1@6", "- 1 2;" },
	{ "there before, within the span", "!C A B, maxspan 3", "C1@3 A1@5 B1@6", "" },
	{ "there before, out of the span", "!C A B, maxspan 3", "C1@2 A1@5 B1@6", "- 2 3;" },
	{ "missing after", "A B !C, maxspan 3", "A1@1 B1@2 C1@9", "1 2 -;" },
	{ "there after, within the span of the first", "A B !C, maxspan 3", "A1@1 B1@2 C1@4", "" },
	{ "there after, out of it", "A B !C, maxspan 3", "A1@1 B1@2 C1@5", "1 2 -;" },
	{ "before and after, one is not there", "!C A !D, maxspan 5", "C1@2 A1@3", "- 2 -;" },
	{ "before and after, both near", "!C A !D, maxspan 5", "C1@2 A1@3 D1@7", "" },
	{ "before and after, both but far apart", "!C A !D, maxspan 5", "C1@2 A1@3 D1@8",
	  "- 2 -;" },
	{ "one step", "A", "A1@1 B1@2 A1@3", "1;3;" },
	{ "sample in any order", "A B, by, sample", "B1@1 A1@2", "2 1;" },
	{ "sample takes distinct events", "A B, by, sample", "AB1@1", "" },
	{ "sample once per key", "A B, by, sample", "B1@1 A1@2 A1@3 B2@4 A2@5", "2 1;5 4;" },
	{ "sample tries again", "A B, by, sample", "AB1@1 A1@2", "2 1;" },
};

static void every_case_says_what_elasticsearch_says_in_200_orders(void **state)
{
	(void)state;
	struct support_random random = support_random_open();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct test_rule rule;
		struct test_event events[EVENTS_MAX];
		struct said said;
		read_rule(cases[i].rule, &rule);
		const size_t count = read_events(cases[i].events, events);
		for (int order = 0; order < 200; order++) {
			struct sequences *sequences = open_sequences(&rule.rule, true, &said);
			for (size_t j = 0; j < count; j++)
				add(sequences, &events[j]);
			sequences_finish(sequences);
			sequences_close(sequences);
			if (strcmp(said.text, cases[i].said) != 0)
				fail_msg("%s: said \"%s\"", cases[i].name, said.text);
			for (size_t j = count; j > 1; j--) {
				const size_t other = support_random_below(&random, (uint32_t)j);
				const struct test_event swapped = events[j - 1];
				events[j - 1] = events[other];
				events[other] = swapped;
			}
		}
		free_events(events, count);
	}
}

/* --- eager ------------------------------------------------------------------------------------ */

/* Lines of (what arrives, what is said): an event with a number before it is a revision. */
static const struct {
	const char *name;
	const char *rule;
	const char *arrivals; /* "2:B1@5": the event with identity 2 */
	const char *said;     /* ~ changed, x withdrawn */
} eager_cases[] = {
	{ "at once", "A B", "1:A1@1 2:B1@2", "1 2;" },
	{ "a late start completes it", "A B", "2:B1@2 1:A1@1", "1 2;" },
	{ "a later start changes it", "A B", "1:A1@1 3:B1@3 2:A1@2", "1 3;~2 3;" },
	{ "until withdraws it", "A B, until C", "1:A1@1 3:B1@3 2:C1@2", "1 3;x1 3;" },
	{ "the same again says nothing", "A B", "1:A1@1 2:B1@2 2:B1@2 1:A1@1", "1 2;" },
	{ "a revised event changes it", "A B", "1:A1@1 2:B1@3 2:B1@2", "1 2;~1 2;" },
	{ "revised to another key", "A B, by", "1:A1@1 2:B1@3 2:B2@3", "1 2;x1 2;" },
	{ "revised to its key", "A B, by", "1:A1@1 2:B2@3 2:B1@3", "1 2;" },
	{ "revised to before the start", "A B", "1:A1@2 2:B1@3 2:B1@1", "1 2;x1 2;" },
	{ "forgotten", "A B", "1:A1@1 2:B1@2 1:1@1", "1 2;x1 2;" },
	{ "forgotten, then another start", "A B", "1:A1@1 2:A1@2 3:B1@3 2:1@2", "2 3;~1 3;" },
	{ "one step, revised", "A", "1:A1@1 1:A2@1", "1;~1;" },
	{ "one step, forgotten", "A", "1:A1@1 1:1@1", "1;x1;" },
	{ "missing waits", "A !C B, maxspan 9", "1:A1@1 2:B1@3", "" },
};

static void late_and_revised_events_change_what_was_said(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(eager_cases) / sizeof(eager_cases[0]); i++) {
		struct test_rule rule;
		struct said said;
		struct sequences *sequences =
			open_sequences(read_rule(eager_cases[i].rule, &rule), false, &said);
		for (const char *text = eager_cases[i].arrivals; *text;) {
			struct test_event event;
			text = read_event(text + 2, (uint64_t)(*text - '0'), &event);
			add(sequences, &event);
			free(event.event);
		}
		if (strcmp(said.text, eager_cases[i].said) != 0)
			fail_msg("%s: said \"%s\"", eager_cases[i].name, said.text);
		sequences_close(sequences);
	}
}

static void missing_events_are_decided_by_the_watermark(void **state)
{
	(void)state;
	struct test_rule rule;
	struct test_event events[EVENTS_MAX];
	struct said said;
	struct sequences *sequences =
		open_sequences(read_rule("A B !C, maxspan 3", &rule), false, &said);
	const size_t count = read_events("A1@1 B1@2 A1@4 B1@5 C1@7", events);
	add(sequences, &events[0]);
	add(sequences, &events[1]);
	sequences_advance(sequences, 4ULL * SECOND);
	assert_string_equal(said.text, ""); /* one at second 4 may still come */
	add(sequences, &events[2]);
	add(sequences, &events[3]);
	sequences_advance(sequences, 4ULL * SECOND + 1);
	assert_string_equal(said.text, "1 2 -;");
	add(sequences, &events[4]);
	sequences_finish(sequences);
	assert_string_equal(said.text, "1 2 -;");
	sequences_close(sequences);
	free_events(events, count);
}

static void event_behind_the_watermark_is_counted_and_only_told_by_rules_of_one_step(void **state)
{
	(void)state;
	struct test_rule rules[2];
	const struct rule *const both[2] = { read_rule("A B", &rules[0]),
					     read_rule("A", &rules[1]) };
	rules[1].rule.index = 1;
	struct test_event events[EVENTS_MAX];
	struct said said = { "" };
	const struct sequence_settings settings = { .store_bytes = 65536 };
	const uint64_t late_before = counter_read(&counters, COUNTER_sequence_events_late);
	struct sequences *sequences =
		sequences_open_rules(both, 2, &settings, say, &said, &counters);
	const size_t count = read_events("A1@1 B1@9", events);
	sequences_advance(sequences, 5ULL * SECOND);
	add(sequences, &events[0]);
	add(sequences, &events[1]);
	assert_string_equal(said.text, "1;");
	assert_int_equal(counter_read(&counters, COUNTER_sequence_events_late) - late_before, 1);
	sequences_close(sequences);
	free_events(events, count);
}

static void keep_identity(void *context, enum match_change change,
			  const struct sequence_match *match)
{
	(void)change;
	*(uint64_t *)context = match->identity;
}

static void identity_of_a_match_is_equal_in_every_run(void **state)
{
	(void)state;
	struct test_rule rule;
	const struct rule *const rules[1] = { read_rule("A B, by", &rule) };
	struct test_event events[EVENTS_MAX];
	const size_t count = read_events("A1@1 B1@2", events);
	for (uint64_t run = 0; run < 2; run++) {
		uint64_t identity = 0;
		const struct sequence_settings settings = { .store_bytes = 65536,
							    .seed = { { run, 2 * run } } };
		struct sequences *sequences = sequences_open_rules(
			rules, 1, &settings, keep_identity, &identity, &counters);
		add(sequences, &events[run]);
		add(sequences, &events[1 - run]);
		sequences_close(sequences);
		/* Alert ids are made of it: it must not change from version to version either. */
		assert_int_equal(identity, 0x576ac932e8c8c3fc);
	}
	free_events(events, count);
}

/* --- full ------------------------------------------------------------------------------------- */

static void full_store_forgets_the_oldest_and_counts_per_rule(void **state)
{
	(void)state;
	struct test_rule rule;
	struct said said = { "" };
	read_rule("A B, by", &rule);
	const struct rule *const rules[1] = { &rule.rule };
	const struct sequence_settings settings = { .store_bytes = 8192, .max_keys = 3 };
	const uint64_t evicted_before = counter_read(&counters, COUNTER_sequence_events_evicted);
	struct sequences *sequences =
		sequences_open_rules(rules, 1, &settings, say, &said, &counters);
	struct test_event events[EVENTS_MAX];
	const size_t count = read_events("A1@1 A2@2 A3@3 A4@4 B2@5 B1@6 B4@7", events);
	for (size_t i = 0; i < count; i++)
		add(sequences, &events[i]);
	/* key 1 went to make room for 4, 3 for 1 */
	assert_string_equal(said.text, "2 5;4 7;");
	assert_true(sequences_evicted_count(sequences, 0) >= 1);
	assert_true(counter_read(&counters, COUNTER_sequence_events_evicted) > evicted_before);
	sequences_close(sequences);
	free_events(events, count);
}

static void completed_match_is_not_lost_in_a_full_store(void **state)
{
	(void)state;
	struct test_rule rule;
	struct said said = { "" };
	read_rule("A", &rule);
	const struct rule *const rules[1] = { &rule.rule };
	const struct sequence_settings settings = { .store_bytes = 8192,
						    .max_keys = 2,
						    .settle = 1 };
	struct sequences *sequences =
		sequences_open_rules(rules, 1, &settings, say, &said, &counters);
	struct test_event events[EVENTS_MAX];
	const size_t count = read_events("A1@1 A1@2 A1@3 A1@4", events);
	for (size_t i = 0; i < count; i++)
		add(sequences, &events[i]);
	sequences_finish(sequences);
	assert_string_equal(said.text, "1;2;3;4;");
	sequences_close(sequences);
	free_events(events, count);
}

static void sample_that_waits_for_one_term_stays_bounded(void **state)
{
	(void)state;
	enum { PLENTY = 5000 };
	struct test_rule rule;
	struct said said = { "" };
	struct test_event event;
	const struct rule *const rules[1] = { read_rule("A B, by, sample", &rule) };
	const struct sequence_settings settings = { .store_bytes = (size_t)16 << 20, .settle = 1 };
	struct sequences *sequences =
		sequences_open_rules(rules, 1, &settings, say, &said, &counters);
	for (uint64_t i = 1; i <= PLENTY; i++) {
		read_event("A1@2", i, &event);
		add(sequences, &event);
		free(event.event);
	}
	read_event("B1@1", PLENTY + 1, &event);
	add(sequences, &event);
	free(event.event);
	sequences_finish(sequences);
	assert_string_equal(said.text, "1 5001;");
	assert_true(sequences_evicted_count(sequences, 0) > PLENTY - 4200);
	sequences_close(sequences);
}

static void ignore_match(void *context, enum match_change change,
			 const struct sequence_match *match)
{
	(void)context;
	(void)change;
	for (size_t i = 0; i < match->event_count; i++)
		if (match->events[i])
			assert_true(match->events[i]->identity > 0);
}

static void tiny_store_survives_anything(void **state)
{
	(void)state;
	static const char *const texts[] = { "A B C, by",
					     "A !B C, by, maxspan 5",
					     "A A A, by ?",
					     "A B, by, until C",
					     "A B, by, sample",
					     "A",
					     "!C A B !D, by, maxspan 4" };
	enum { RULES = sizeof(texts) / sizeof(texts[0]) };
	struct support_random random = support_random_open();
	for (int trial = 0; trial < 60; trial++) {
		struct test_rule rules[RULES];
		const struct rule *all[RULES];
		for (uint32_t i = 0; i < RULES; i++) {
			all[i] = read_rule(texts[i], &rules[i]);
			rules[i].rule.index = i;
		}
		const struct sequence_settings settings = {
			.store_bytes = (size_t)8192 * (1 + support_random_below(&random, 3)),
			.max_keys = 1 + support_random_below(&random, 12),
			.settle = (int)support_random_below(&random, 2),
			.horizon_ns = support_random_below(&random, 2) * 20ULL * SECOND,
			.samples_per_key = 1 + support_random_below(&random, 3),
		};
		struct sequences *sequences =
			sequences_open_rules(all, RULES, &settings, ignore_match, NULL, &counters);
		assert_non_null(sequences);
		for (uint32_t i = 0; i < 400; i++) {
			char text[32];
			size_t at = 0;
			for (int step = 0; step < 4; step++)
				if (support_random_below(&random, 2))
					text[at++] = (char)('A' + step);
			snprintf(text + at, sizeof(text) - at, "%c@%u",
				 "123-"[support_random_below(&random, 4)],
				 i / 4 + support_random_below(&random, 12));
			struct test_event event;
			read_event(text, 1 + support_random_below(&random, 200), &event);
			add(sequences, &event);
			free(event.event);
			if (support_random_below(&random, 20) == 0)
				sequences_advance(sequences, i / 4 * (uint64_t)SECOND);
		}
		sequences_finish(sequences);
		sequences_close(sequences);
	}
}

int main(void)
{
	fields = fields_open();
	fields_want_all(fields);
	builder = event_builder_open(fields, &counters);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_says_what_elasticsearch_says_in_200_orders),
		cmocka_unit_test(late_and_revised_events_change_what_was_said),
		cmocka_unit_test(missing_events_are_decided_by_the_watermark),
		cmocka_unit_test(
			event_behind_the_watermark_is_counted_and_only_told_by_rules_of_one_step),
		cmocka_unit_test(identity_of_a_match_is_equal_in_every_run),
		cmocka_unit_test(full_store_forgets_the_oldest_and_counts_per_rule),
		cmocka_unit_test(completed_match_is_not_lost_in_a_full_store),
		cmocka_unit_test(sample_that_waits_for_one_term_stays_bounded),
		cmocka_unit_test(tiny_store_survives_anything),
	};
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);
	event_builder_close(builder);
	fields_close(fields);
	return failed;
}
