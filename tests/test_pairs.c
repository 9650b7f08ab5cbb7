/* Real captures and the Windows logs of the same minutes: whose flow is it? Compared with the truth
 * that was worked out from the same files with other tools. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/hard.h"
#include "tests/support_pairs.h"
#include "tests/support_shared.h"

enum { PAIRS_MAX = 64, NAME_ROOM = 256 };

struct pair {
	char name[NAME_ROOM];
	char path[4096];
	struct pair_facts facts;
	struct truth truth;
};

static struct fields *fields;
static struct pair pairs[PAIRS_MAX];
static size_t pair_count;

static int compare_pairs(const void *left, const void *right)
{
	return strcmp(((const struct pair *)left)->name, ((const struct pair *)right)->name);
}

static int load_all(void **state)
{
	(void)state;
	fields = fields_open();
	correlator_want_fields(fields);
	const char *root = shared_path("data/pairs");
	DIR *stream = root ? opendir(root) : NULL;
	if (!stream)
		return 0;
	for (struct dirent *entry; (entry = readdir(stream)) && pair_count < PAIRS_MAX;) {
		struct pair *pair = &pairs[pair_count];
		if (entry->d_name[0] == '.')
			continue;
		snprintf(pair->name, sizeof(pair->name), "%s", entry->d_name);
		snprintf(pair->path, sizeof(pair->path), "%s/%s", root, entry->d_name);
		pair_count++;
	}
	closedir(stream);
	qsort(pairs, pair_count, sizeof(pairs[0]), compare_pairs);
	for (size_t i = 0; i < pair_count; i++) {
		char path[4200];
		snprintf(path, sizeof(path), "%s/flows.tsv", pairs[i].path);
		if (!pair_load(pairs[i].path, fields, &pairs[i].facts) ||
		    !truth_load(path, &pairs[i].truth))
			return -1;
	}
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < pair_count; i++) {
		pair_close(&pairs[i].facts);
		truth_close(&pairs[i].truth);
	}
	fields_close(fields);
	return 0;
}

static void print_heading(void)
{
	printf("%-66s %6s %6s %6s %6s %6s %10s %10s\n", "pair", "ends", "right", "missed", "wrong",
	       "extra", "shared", "no guid");
}

static void print_score(const char *name, const struct score *score)
{
	char shared[24];
	char without[24];
	snprintf(shared, sizeof(shared), "%u/%u", score->shared_right, score->shared);
	snprintf(without, sizeof(without), "%u/%u", score->without_guid_right, score->without_guid);
	printf("%-66s %6u %6u %6u %6u %6u %10s %10s\n", name, score->expected, score->right,
	       score->missed, score->wrong, score->extra, shared, without);
}

static void add_score(struct score *total, const struct score *score)
{
	const unsigned *from = (const unsigned *)(const void *)score;
	unsigned *to = (unsigned *)(void *)total;
	for (size_t i = 0; i < sizeof(*score) / sizeof(unsigned); i++)
		to[i] += from[i];
}

static struct score run_all(const struct pair_options *options, bool print)
{
	struct score total = { 0 };
	if (print)
		print_heading();
	for (size_t i = 0; i < pair_count; i++) {
		struct score score = { 0 };
		struct owners owners;
		pair_run(&pairs[i].facts, options, &owners);
		score_add(&score, &owners, &pairs[i].truth, print);
		owners_close(&owners);
		if (print)
			print_score(pairs[i].name, &score);
		add_score(&total, &score);
	}
	if (print)
		print_score("total", &total);
	return total;
}

static void every_end_that_the_truth_knows_is_given_to_its_process(void **state)
{
	(void)state;
	if (pair_count == 0)
		skip();
	const struct score total = run_all(&(struct pair_options){ 0 }, true);
	assert_int_equal(total.missed, 0);
	assert_int_equal(total.wrong, 0);
	assert_int_equal(total.extra, 0);
	assert_int_equal(total.right, total.expected);
	assert_int_equal(total.shared_right, total.shared);
}

static bool same_end(const struct owner_row *left, const struct owner_row *right, int end)
{
	return left->ends[end].method == right->ends[end].method &&
	       left->ends[end].confidence == right->ends[end].confidence &&
	       left->ends[end].candidate_count == right->ends[end].candidate_count &&
	       left->ends[end].pid == right->ends[end].pid &&
	       strcmp(left->ends[end].entity_id, right->ends[end].entity_id) == 0 &&
	       memcmp(left->ends[end].runners_up, right->ends[end].runners_up,
		      sizeof(left->ends[end].runners_up)) == 0;
}

/* The same of every end, whatever the order of arrival. */
static void assert_same_owners(const struct owners *left, const struct owners *right,
			       const char *name)
{
	assert_int_equal(left->count, right->count);
	for (size_t i = 0; i < left->count; i++) {
		const struct owner_row *a = &left->rows[i];
		const struct owner_row *b = &right->rows[i];
		if (same_end(a, b, 0) && same_end(a, b, 1) && a->status == b->status)
			continue;
		for (int end = 0; end < 2; end++)
			printf("%s flow %zu end %d: %s (%.4f, %u) against %s (%.4f, %u)\n", name, i,
			       end, a->ends[end].entity_id, a->ends[end].confidence,
			       a->ends[end].candidate_count, b->ends[end].entity_id,
			       b->ends[end].confidence, b->ends[end].candidate_count);
		fail();
	}
}

static void any_order_of_arrival_gives_the_same_owners(void **state)
{
	(void)state;
	if (pair_count == 0)
		skip();
	enum { SEEDS = HARD(8, 2) };
	for (size_t i = 0; i < pair_count; i++) {
		struct owners straight;
		pair_run(&pairs[i].facts, &(struct pair_options){ 0 }, &straight);
		for (uint64_t seed = 1; seed <= SEEDS; seed++) {
			const struct pair_options options = { .shuffle_seed = seed };
			struct owners shuffled;
			pair_run(&pairs[i].facts, &options, &shuffled);
			assert_same_owners(&straight, &shuffled, pairs[i].name);
			owners_close(&shuffled);
		}
		owners_close(&straight);
	}
}

static void without_connection_events_nothing_is_surely_wrong(void **state)
{
	(void)state;
	if (pair_count == 0)
		skip();
	const struct score total =
		run_all(&(struct pair_options){ .without_connections = true }, true);
	for (int i = 0; i < ATTRIBUTION_COUNT; i++)
		printf("  %-10s %u right\n",
		       (const char *[]){ "tuple", "port", "dns", "lifetime" }[i],
		       total.by_method[i]);
	assert_int_equal(total.wrong_sure, 0);
}

/* --- clocks ----------------------------------------------------------------------------------- */

#define SECOND_NS INT64_C(1000000000)

struct clock_fault {
	const char *name;
	int64_t zone_ns;
	double drift_ppm;
	int64_t step_ns; /* in the middle of the labels */
	uint64_t first_label_ns;
	uint64_t middle_label_ns;
};

static int64_t move_label(void *context, const struct event *event)
{
	const struct clock_fault *fault = context;
	int64_t by_ns = fault->zone_ns;
	const double since = (double)(int64_t)(event->host_time_ns - fault->first_label_ns);
	by_ns += (int64_t)(since * fault->drift_ppm / 1e6);
	if (event->host_time_ns >= fault->middle_label_ns)
		by_ns += fault->step_ns;
	return by_ns;
}

static void find_middle(const struct pair_facts *facts, struct clock_fault *fault)
{
	uint64_t first_ns = UINT64_MAX;
	uint64_t last_ns = 0;
	for (size_t i = 0; i < facts->event_count; i++) {
		if (facts->events[i]->role != EVENT_CONNECTION)
			continue;
		const uint64_t label_ns = facts->events[i]->host_time_ns;
		first_ns = label_ns < first_ns ? label_ns : first_ns;
		last_ns = label_ns > last_ns ? label_ns : last_ns;
	}
	fault->first_label_ns = first_ns;
	fault->middle_label_ns = first_ns / 2 + last_ns / 2;
}

static void wrong_clocks_change_no_owner(void **state)
{
	(void)state;
	if (pair_count == 0)
		skip();
	struct clock_fault faults[] = {
		{ .name = "14 hours east", .zone_ns = 50400 * SECOND_NS },
		{ .name = "14 hours west", .zone_ns = -50400 * SECOND_NS },
		{ .name = "a quarter of an hour", .zone_ns = 900 * SECOND_NS },
		{ .name = "drift of 100 ppm", .drift_ppm = 100 },
		{ .name = "a step of 40 s", .step_ns = 40 * SECOND_NS },
	};
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct score total = { 0 };
		for (size_t j = 0; j < pair_count; j++) {
			find_middle(&pairs[j].facts, &faults[i]);
			struct score score = { 0 };
			struct owners owners;
			const struct pair_options options = { .move_label = move_label,
							      .context = &faults[i] };
			pair_run(&pairs[j].facts, &options, &owners);
			score_add(&score, &owners, &pairs[j].truth, true);
			owners_close(&owners);
			add_score(&total, &score);
		}
		print_score(faults[i].name, &total);
		assert_int_equal(total.missed + total.wrong + total.extra, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_end_that_the_truth_knows_is_given_to_its_process),
		cmocka_unit_test(any_order_of_arrival_gives_the_same_owners),
		cmocka_unit_test(without_connection_events_nothing_is_surely_wrong),
		cmocka_unit_test(wrong_clocks_change_no_owner),
	};
	return cmocka_run_group_tests(tests, load_all, close_all);
}
