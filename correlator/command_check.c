/* procspan check: what every rule needs and whether it can fire here, and what the settings cost in
 * memory. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/packet/tracker.h"
#include "collector/input/listener.h"
#include "correlator/command.h"
#include "correlator/config.h"
#include "correlator/correlator.h"
#include "correlator/options.h"
#include "correlator/output_url.h"
#include "rules/report.h"

struct check_arguments {
	struct option_texts words; /* [rules|memory] [PATH...] */
	uint64_t max_flows;
	bool json;
};

#define AT(field) offsetof(struct check_arguments, field)

static const struct option options[] = {
	{ NULL, OPTION_TEXTS, AT(words), "[rules|memory] [PATH...]",
	  "what to check; default: both, the shipped rules", 0, 0 },
	{ "max-flows", OPTION_COUNT, AT(max_flows), "N", "room for flows at one time", 1,
	  1U << 28 },
	{ "json", OPTION_FLAG, AT(json), NULL, "as JSON", 0, 0 },
};

enum { OPTIONS_COUNT = sizeof(options) / sizeof(options[0]) };

static int check_rules(const char *const *paths, size_t count, bool json)
{
	char library[PATH_MAX];
	const char *shipped[] = { library };
	if (count > 0)
		return rules_report(paths, count, json, stdout);
	if (data_path("rules", library, sizeof(library)))
		return rules_report(shipped, 1, json, stdout);
	fputs("procspan check: the rules that ship with it are not there; name some\n", stderr);
	return EXIT_RULES;
}

static void ignore_flow(void *context, const struct flow_event *flow)
{
	(void)context;
	(void)flow;
}

static void ignore_name(void *context, const struct wire_name *name)
{
	(void)context;
	(void)name;
}

static void ignore_alert(void *context, const struct alert *alert)
{
	(void)context;
	(void)alert;
}

/* Opens the tables as a run would and asks them. */
static int check_memory(uint64_t max_flows, bool json)
{
	struct counters counters = { 0 };
	const struct tracker_settings tracker_settings = { .max_flows = (uint32_t)max_flows };
	const struct tracker_sink tracker_sink = { .flow = ignore_flow, .name = ignore_name };
	const struct correlator_settings correlator_settings = { .settle = 1 };
	const struct correlator_sink correlator_sink = { .alert = ignore_alert };
	struct fields *fields = fields_open();
	struct ruleset_builder *builder = fields ? ruleset_builder_open(fields) : NULL;
	struct ruleset *ruleset = builder ? ruleset_build(builder) : NULL;
	struct tracker *tracker = tracker_open(&tracker_settings, &tracker_sink, &counters);
	struct correlator *correlator =
		ruleset ? correlator_open(&correlator_settings, ruleset, fields, &correlator_sink,
					  &counters)
			: NULL;
	const bool opened = tracker && correlator;
	if (opened && json)
		printf("{\"memory\":{\"flow_table_bytes\":%zu,\"correlator_bytes\":%zu}}\n",
		       tracker_bytes(tracker), correlator_bytes(correlator));
	else if (opened)
		printf("memory  flow table %.1f MB per capture thread, correlator %.1f MB\n",
		       (double)tracker_bytes(tracker) / 1048576,
		       (double)correlator_bytes(correlator) / 1048576);
	else
		fputs("procspan check: not enough memory for these settings\n", stderr);
	correlator_close(correlator);
	tracker_close(tracker);
	ruleset_close(ruleset);
	fields_close(fields);
	return opened ? EXIT_DONE : EXIT_CONFIGURATION;
}

static void check_urls(const struct config *config, struct complaints *complaints)
{
	struct complaint complaint;
	for (size_t i = 0; i < config->inputs.count; i++) {
		struct listener_url url;
		if (!listener_url_parse(config->inputs.items[i], &complaint, &url))
			*complaints_next(complaints) = complaint;
	}
	for (size_t i = 0; i < config->outputs.count; i++) {
		struct output_url url;
		if (!output_url_parse(config->outputs.items[i], &complaint, &url))
			*complaints_next(complaints) = complaint;
	}
}

/* Reads configurations as the service would, and opens nothing. */
static int check_configuration(const char *const *paths, size_t count)
{
	int code = count ? EXIT_DONE : EXIT_USAGE;
	struct complaints *complaints = calloc(1, sizeof(*complaints));
	for (size_t i = 0; complaints && i < count; i++) {
		struct config config;
		complaints->count = 0;
		config_read(paths[i], NULL, 0, &config, complaints);
		check_urls(&config, complaints);
		config_release(&config);
		for (size_t j = 0; j < complaints->count; j++) {
			complaint_print(&complaints->items[j], stdout);
			putchar('\n');
		}
		if (complaints->count)
			code = EXIT_CONFIGURATION;
		else
			printf("%s: ok\n", paths[i]);
	}
	free(complaints);
	return code;
}

static int run(const struct check_arguments *arguments)
{
	const struct option_texts *words = &arguments->words;
	const char *what = words->count ? words->items[0] : "";
	if (strcmp(what, "memory") == 0)
		return check_memory(arguments->max_flows, arguments->json);
	if (strcmp(what, "config") == 0)
		return check_configuration(words->items + 1, words->count - 1);
	if (strcmp(what, "rules") == 0)
		return check_rules(words->items + 1, words->count - 1, arguments->json);
	const int code = check_rules(words->items, words->count, arguments->json);
	return code == EXIT_DONE ? check_memory(arguments->max_flows, arguments->json) : code;
}

int command_check(int argument_count, char *const *arguments)
{
	struct check_arguments parsed = { 0 };
	struct complaint complaint;
	if (command_wants_help(argument_count, arguments)) {
		fputs("procspan check [rules|memory|config] [PATH]...\n\n", stdout);
		options_print(options, OPTIONS_COUNT, stdout);
		return EXIT_DONE;
	}
	int code = EXIT_USAGE;
	if (options_parse(options, OPTIONS_COUNT, &parsed, argument_count, arguments, &complaint))
		code = run(&parsed);
	else
		fprintf(stderr, "procspan check: %s\n", complaint.text);
	options_release(options, OPTIONS_COUNT, &parsed);
	return code;
}
