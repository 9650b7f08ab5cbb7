/* procspan bench: what every stage costs on this machine, beside the floor of the same run. Inputs
 * are made here and kept in memory; nothing is left behind. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "correlator/bench.h"
#include "correlator/bench_traffic.h"
#include "correlator/command.h"
#include "correlator/options.h"

struct bench_arguments {
	struct option_texts names;
	struct option_texts events;
	struct option_texts rules;
	const char *write_directory;
	uint64_t seconds;
	bool json;
};

#define AT(field) offsetof(struct bench_arguments, field)

enum { SECONDS_DEFAULT = 20, SECONDS_MAX = 3600 };

static const struct option options[] = {
	{ NULL, OPTION_TEXTS, AT(names), "[NAME]...", "what to measure; default: all of them", 0,
	  0 },
	{ "seconds", OPTION_COUNT, AT(seconds), "N",
	  "how long to measure in all, without making the inputs; default 20", 1, SECONDS_MAX },
	{ "events", OPTION_TEXTS, AT(events), "FILE...",
	  "event files for `rules` and `input`, instead of made events", 0, 0 },
	{ "rules", OPTION_TEXTS, AT(rules), "PATH...", "rules for `rules`, instead of made ones", 0,
	  0 },
	{ "write", OPTION_TEXT, AT(write_directory), "DIR",
	  "write the made captures into this directory and measure nothing", 0, 0 },
	{ "json", OPTION_FLAG, AT(json), NULL, "as JSON", 0, 0 },
};

enum { OPTIONS_COUNT = sizeof(options) / sizeof(options[0]) };

static const struct {
	const char *name;
	const char *help;
	bench_fn *run;
	unsigned rows;
} benches[] = {
#define BENCH(name, rows, help) { #name, help, bench_##name, rows },
#include "correlator/benches.def"
#undef BENCH
};

enum { BENCHES_COUNT = sizeof(benches) / sizeof(benches[0]) };

static void print_help(void)
{
	fputs("procspan bench [NAME]... [--json] [--seconds N] [--events FILE...] [--rules "
	      "PATH...]\n\n",
	      stdout);
	for (size_t i = 0; i < BENCHES_COUNT; i++)
		printf("  %-12s %s\n", benches[i].name, benches[i].help);
	fputs("\n", stdout);
	options_print(options, OPTIONS_COUNT, stdout);
}

/* Marks what is asked for; false after words about a name that is none. */
static bool choose(const struct option_texts *names, bool chosen[BENCHES_COUNT])
{
	const char *known[BENCHES_COUNT];
	for (size_t i = 0; i < BENCHES_COUNT; i++) {
		known[i] = benches[i].name;
		chosen[i] = names->count == 0;
	}
	for (size_t i = 0; i < names->count; i++) {
		size_t at = 0;
		while (at < BENCHES_COUNT && strcmp(known[at], names->items[i]) != 0)
			at++;
		if (at == BENCHES_COUNT) {
			const char *near = nearest_name(names->items[i], known, BENCHES_COUNT);
			fprintf(stderr, "procspan bench: there is no %s%s%s%s; see --help\n",
				names->items[i], near ? "; did you mean " : "", near ? near : "",
				near ? "?" : "");
			return false;
		}
		chosen[at] = true;
	}
	return true;
}

static int measure(const struct bench_arguments *arguments, const bool chosen[BENCHES_COUNT])
{
	unsigned rows = 0;
	for (size_t i = 0; i < BENCHES_COUNT; i++)
		rows += chosen[i] ? benches[i].rows : 0;
	struct bench bench = {
		.json = arguments->json,
		.row_ns = arguments->seconds * 1000000000 / rows,
		.events = arguments->events.items,
		.event_count = arguments->events.count,
		.rules = arguments->rules.items,
		.rule_count = arguments->rules.count,
	};
	int code = EXIT_DONE;
	bench_begin(&bench, (double)arguments->seconds);
	for (size_t i = 0; code == EXIT_DONE && i < BENCHES_COUNT; i++) {
		bench.name = benches[i].name;
		if (!chosen[i] || benches[i].run(&bench))
			continue;
		fprintf(stderr, "procspan bench: %s: %s\n", bench.name, strerror(errno));
		code = errno == ENOMEM ? EXIT_CONFIGURATION : EXIT_INPUT;
	}
	bench_end(&bench);
	return code;
}

static int run(const struct bench_arguments *arguments)
{
	bool chosen[BENCHES_COUNT];
	if (!choose(&arguments->names, chosen))
		return EXIT_USAGE;
	if (!arguments->write_directory)
		return measure(arguments, chosen);
	if (bench_traffic_write_all(arguments->write_directory))
		return EXIT_DONE;
	fprintf(stderr, "procspan bench: cannot write captures into %s: %s\n",
		arguments->write_directory, strerror(errno));
	return EXIT_INPUT;
}

int command_bench(int argument_count, char *const *arguments)
{
	struct bench_arguments parsed = { .seconds = SECONDS_DEFAULT };
	struct complaint complaint;
	if (command_wants_help(argument_count, arguments)) {
		print_help();
		return EXIT_DONE;
	}
	int code = EXIT_USAGE;
	if (options_parse(options, OPTIONS_COUNT, &parsed, argument_count, arguments, &complaint))
		code = run(&parsed);
	else
		fprintf(stderr, "procspan bench: %s\n", complaint.text);
	options_release(options, OPTIONS_COUNT, &parsed);
	return code;
}
