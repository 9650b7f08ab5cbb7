/* procspan bench input: host events from JSON text to the packed event: with the fields that the
 * seed rule and attribution want, and with all of them, beside simdjson parsing the same bytes and
 * doing nothing with them, which is the floor. */
#include <stdio.h>

#include "collector/input/json.h"
#include "collector/input/normaliser.h"
#include "correlator/bench.h"
#include "correlator/bench_events.h"
#include "correlator/bench_seed.h"
#include "correlator/correlator.h"

struct input_bench {
	struct bench_lines lines;
	struct json_parser *parser;
	struct normaliser *normaliser;
};

static void parse(void *context)
{
	const struct input_bench *self = context;
	uint64_t good = 0;
	for (size_t i = 0; i < self->lines.count; i++)
		good += json_parser_parse(self->parser, self->lines.items[i].text,
					  self->lines.items[i].size_bytes);
	bench_keep(good);
}

static void index_tokens(void *context)
{
	const struct input_bench *self = context;
	uint64_t tokens = 0;
	for (size_t i = 0; i < self->lines.count; i++) {
		struct json_index index;
		if (json_parser_index(self->parser, self->lines.items[i].text,
				      self->lines.items[i].size_bytes, &index))
			tokens += index.count;
	}
	bench_keep(tokens);
}

static void normalise(void *context)
{
	const struct input_bench *self = context;
	uint64_t bytes = 0;
	for (size_t i = 0; i < self->lines.count; i++) {
		const struct event *event;
		if (normaliser_json(self->normaliser, self->lines.items[i].text,
				    self->lines.items[i].size_bytes, 0, &event) == NORMALISED)
			bytes += event->size_bytes;
	}
	bench_keep(bytes);
}

static double line_bytes(const struct bench_lines *lines)
{
	double sum = 0;
	for (size_t i = 0; i < lines->count; i++)
		sum += (double)lines->items[i].size_bytes;
	return lines->count ? sum / (double)lines->count : 0;
}

static void input_row(struct bench *bench, struct input_bench *self, const char *stage,
		      bench_run_fn *run)
{
	const struct bench_row row = {
		.stage = stage,
		.unit = "event",
		.ns = bench_best_ns(bench, CLOCK_THREAD_CPUTIME_ID, run, self) /
		      (double)self->lines.count,
		.unit_bytes = line_bytes(&self->lines),
	};
	bench_row(bench, &row);
}

static bool normaliser_row(struct bench *bench, struct input_bench *self,
			   const struct fields *fields, const char *stage)
{
	struct counters counters = { 0 };
	self->normaliser = normaliser_open(fields, &counters);
	if (!self->normaliser)
		return false;
	input_row(bench, self, stage, normalise);
	normaliser_close(self->normaliser);
	return true;
}

static bool measure(struct bench *bench, struct input_bench *self)
{
	struct fields *seed = fields_open();
	struct fields *all = fields_open();
	struct ruleset *ruleset = seed && all ? bench_seed_rules(seed) : NULL;
	bool good = ruleset != NULL;
	if (good) {
		correlator_want_fields(seed);
		fields_want_all(all);
		bench_section(bench, bench->event_count ? "files" : "made", true,
			      "%zu %s, %.0f bytes each", self->lines.count,
			      bench->event_count ? "events of the named files"
						 : "made events, Sysmon by Winlogbeat",
			      line_bytes(&self->lines));
		input_row(bench, self, "floor: simdjson parses, nothing else", parse);
		input_row(bench, self, "simdjson's first stage alone", index_tokens);
		good = normaliser_row(bench, self, seed, "fields of the seed rule") &&
		       normaliser_row(bench, self, all, "all fields");
	}
	ruleset_close(ruleset);
	fields_close(seed);
	fields_close(all);
	return good;
}

bool bench_input(struct bench *bench)
{
	struct input_bench self = { .parser = json_parser_open() };
	if (!self.parser)
		return false;
	bool good = bench_lines_open(bench, &self.lines);
	if (good && self.lines.count == 0)
		fputs("procspan bench: input: no JSON lines in the named files; skipped\n", stderr);
	else if (good)
		good = measure(bench, &self);
	if (good)
		bench_lines_close(&self.lines);
	json_parser_close(self.parser);
	return good;
}
