/* procspan bench rules: what matching costs per event, already parsed: the seed rule alone, which
 * is what the others are compared with, the loaded rules together, and the ten dearest of them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "correlator/bench.h"
#include "correlator/bench_events.h"
#include "correlator/bench_seed.h"
#include "rules/rule_paths.h"

enum { DEAREST = 10, STAGE_BYTES = 96, AHEAD = 4, HEAD_BYTES = 512 };

/* Each rule alone costs a compilation too: all of them get this many rows' time in all. */
enum { PRICING_ROWS = 12 };

struct price {
	char name[STAGE_BYTES];
	double event_ns;
};

struct rules_bench {
	struct bench *bench;
	struct fields *fields;
	struct ruleset_builder *builder; /* while loading */
	const struct bench_events *events;
	const struct ruleset *ruleset; /* while measuring */
	struct match_scratch *scratch;
	step_id *steps;
	size_t rule_count;
	uint64_t pricing_end_ns;
	struct price dearest[DEAREST + 1];
	size_t price_count;
};

/* --- measuring ------------------------------------------------------------------------------ */

/* The head of an event, where its values are listed, as whoever reads a ring does. */
static void prefetch(const struct bench_events *events, size_t at)
{
	const char *head = (const char *)events->items[at < events->count ? at : 0];
	for (size_t line = 0; line < HEAD_BYTES; line += 64)
		__builtin_prefetch(head + line);
}

static void match_all(void *context)
{
	const struct rules_bench *self = context;
	uint64_t satisfied = 0;
	for (size_t i = 0; i < self->events->count; i++) {
		prefetch(self->events, i + AHEAD);
		satisfied += ruleset_match(self->ruleset, self->scratch, self->events->items[i],
					   self->steps);
	}
	bench_keep(satisfied);
}

/* Nanoseconds per event; negative: no memory. */
static double match_ns(struct rules_bench *self, const struct bench *bench,
		       const struct ruleset *ruleset)
{
	double event_ns = -1;
	self->ruleset = ruleset;
	self->scratch = match_scratch_open(ruleset);
	self->steps = calloc(ruleset_step_count(ruleset) + 1, sizeof(*self->steps));
	if (self->scratch && self->steps)
		event_ns = bench_best_ns(bench, CLOCK_THREAD_CPUTIME_ID, match_all, self) /
			   (double)self->events->count;
	free(self->steps);
	match_scratch_close(self->scratch);
	return event_ns;
}

static bool set_row(struct rules_bench *self, const struct ruleset *ruleset, const char *stage)
{
	const struct bench_row row = { .stage = stage,
				       .unit = "event",
				       .ns = match_ns(self, self->bench, ruleset) };
	if (row.ns < 0)
		return false;
	bench_row(self->bench, &row);
	return true;
}

/* --- every rule of the set ------------------------------------------------------------------ */

/* A rule's text is a file where the operator named some, else a query. */
static bool each_rule(struct rules_bench *self, rule_file_fn *visit)
{
	const struct bench *bench = self->bench;
	struct complaints complaints = { .count = 0 };
	char query[BENCH_QUERY_BYTES];
	char name[STAGE_BYTES];
	for (size_t i = 0; i < bench->rule_count; i++) {
		rule_paths_each(bench->rules[i], &complaints, visit, self);
		if (self->rule_count > 0)
			continue;
		fprintf(stderr, "procspan bench: %s: no rules\n", bench->rules[i]);
		errno = ENOENT;
		return false;
	}
	for (unsigned i = 0; bench->rule_count == 0 && i < BENCH_MADE_RULES; i++) {
		bench_make_query(i, query);
		snprintf(name, sizeof(name), "made rule %u", i);
		visit(self, name, query, strlen(query));
	}
	return true;
}

static void add_rule(const struct rules_bench *self, struct ruleset_builder *builder,
		     const char *name, const char *text, size_t size_bytes)
{
	struct complaints complaints = { .count = 0 }; /* `check rules` is for those */
	if (self->bench->rule_count > 0)
		ruleset_add_text(builder, name, text, size_bytes, &complaints);
	else
		ruleset_add_query(builder, text, size_bytes, NULL, &complaints);
}

static bool load_rule(void *context, const char *name, const char *text, size_t size_bytes)
{
	struct rules_bench *self = context;
	self->rule_count++;
	add_rule(self, self->builder, name, text, size_bytes);
	return true;
}

static struct ruleset *build(struct ruleset_builder *builder)
{
	struct ruleset *ruleset = ruleset_build(builder);
	if (!ruleset)
		ruleset_builder_close(builder);
	return ruleset;
}

static struct ruleset *load_rules(struct rules_bench *self)
{
	self->builder = ruleset_builder_open(self->fields);
	if (!self->builder)
		return NULL;
	if (each_rule(self, load_rule))
		return build(self->builder);
	ruleset_builder_close(self->builder);
	return NULL;
}

/* --- the dearest ---------------------------------------------------------------------------- */

static void keep_price(struct rules_bench *self, const char *name, double event_ns)
{
	struct price price = { .event_ns = event_ns };
	const char *slash = strrchr(name, '/');
	snprintf(price.name, sizeof(price.name), "%s", slash ? slash + 1 : name);
	size_t at = self->price_count;
	for (; at > 0 && self->dearest[at - 1].event_ns < event_ns; at--)
		self->dearest[at] = self->dearest[at - 1];
	self->dearest[at] = price;
	if (self->price_count < DEAREST)
		self->price_count++;
}

static bool price_rule(void *context, const char *name, const char *text, size_t size_bytes)
{
	struct rules_bench *self = context;
	const struct bench once = { .row_ns = 0 };
	if (bench_clock_ns(CLOCK_MONOTONIC) > self->pricing_end_ns)
		return false;
	struct ruleset_builder *builder = ruleset_builder_open(self->fields);
	if (!builder)
		return false;
	add_rule(self, builder, name, text, size_bytes);
	struct ruleset *ruleset = build(builder);
	if (ruleset && ruleset_step_count(ruleset) > 0)
		keep_price(self, name, match_ns(self, &once, ruleset));
	ruleset_close(ruleset);
	return true;
}

static bool dearest_rows(struct rules_bench *self)
{
	self->pricing_end_ns = bench_clock_ns(CLOCK_MONOTONIC) + PRICING_ROWS * self->bench->row_ns;
	if (!each_rule(self, price_rule))
		return false;
	for (size_t i = 0; i < self->price_count; i++) {
		const struct bench_row row = { .stage = self->dearest[i].name,
					       .unit = "event, this rule alone",
					       .ns = self->dearest[i].event_ns };
		bench_row(self->bench, &row);
	}
	return true;
}

/* --- the whole ------------------------------------------------------------------------------ */

static bool measure(struct rules_bench *self, const struct ruleset *seed,
		    const struct ruleset *loaded)
{
	char stage[STAGE_BYTES];
	bench_section(self->bench, self->bench->event_count ? "files" : "made", true,
		      "%zu %s of %zu bytes, parsed already", self->events->count,
		      self->bench->event_count ? "events of the named files" : "made events",
		      self->events->size_bytes / self->events->count);
	snprintf(stage, sizeof(stage), "%zu %s rules, %u steps", self->rule_count,
		 self->bench->rule_count ? "loaded" : "made", ruleset_step_count(loaded));
	return set_row(self, seed, "the seed rule alone") && set_row(self, loaded, stage) &&
	       dearest_rows(self);
}

bool bench_rules(struct bench *bench)
{
	struct rules_bench *self = calloc(1, sizeof(*self));
	struct bench_events events;
	struct ruleset *seed = NULL;
	struct ruleset *loaded = NULL;
	bool good = false;
	if (!self)
		return false;
	self->bench = bench;
	self->fields = fields_open();
	if (self->fields) {
		seed = bench_seed_rules(self->fields);
		loaded = load_rules(self);
	}
	/* All fields that any rule reads are there, so that both sets meet the same events. */
	if (seed && loaded && bench_events_open(bench, self->fields, &events)) {
		self->events = &events;
		good = measure(self, seed, loaded);
		bench_events_close(&events);
	}
	ruleset_close(loaded);
	ruleset_close(seed);
	fields_close(self->fields);
	free(self);
	return good;
}
