/* procspan eql: the command line of eql_command.h. */
#include <stdio.h>

#include "correlator/command.h"
#include "correlator/eql_command.h"
#include "correlator/options.h"

struct parsed_arguments {
	struct eql_arguments eql;
	struct option_texts events;
};

#define AT(field) offsetof(struct parsed_arguments, field)

static const struct option options[] = {
	{ NULL, OPTION_TEXT, AT(eql.query), "QUERY", "an event query, sequence or sample", 0, 0 },
	{ "events", OPTION_TEXTS, AT(events), "FILE...",
	  "NDJSON or JSON arrays, plain or .gz; .evtx", 0, 0 },
	{ "schema", OPTION_TEXT, AT(eql.schema), "FILE|JSON",
	  "a JSON object of field to Elasticsearch type", 0, 0 },
	{ "size", OPTION_COUNT, AT(eql.size), "N", "results at most (default all)", 0, 0 },
	{ "max-samples-per-key", OPTION_COUNT, AT(eql.samples_per_key), "N",
	  "of a sample (default 1)", 1, 1000 },
	{ "timestamp-field", OPTION_TEXT, AT(eql.timestamp_field), "FIELD", "default @timestamp", 0,
	  0 },
	{ "category-field", OPTION_TEXT, AT(eql.category_field), "FIELD", "default event.category",
	  0, 0 },
	{ "tiebreaker-field", OPTION_TEXT, AT(eql.tiebreaker_field), "FIELD", "default none", 0,
	  0 },
	{ "raw", OPTION_FLAG, AT(eql.raw), NULL,
	  "match Windows events as they came, without making ECS of them", 0, 0 },
	{ "explain", OPTION_FLAG, AT(eql.explain), NULL, "print the compiled program", 0, 0 },
};

enum { OPTIONS_COUNT = sizeof(options) / sizeof(options[0]) };

static int usage(const char *text)
{
	fprintf(stderr, "procspan eql: %s\n", text);
	return EXIT_USAGE;
}

static int run(struct parsed_arguments *parsed)
{
	if (!parsed->eql.query)
		return usage("no query; see --help");
	if (parsed->events.count == 0 && !parsed->eql.explain)
		return usage("nothing to search; name files with --events");
	parsed->eql.event_paths = parsed->events.items;
	parsed->eql.event_path_count = parsed->events.count;
	return eql_command(&parsed->eql, stdout, stderr);
}

int command_eql(int argument_count, char *const *arguments)
{
	struct parsed_arguments parsed = { .eql = { .size = UINT64_MAX } };
	struct complaint complaint;
	if (command_wants_help(argument_count, arguments)) {
		fputs("procspan eql QUERY --events F...\n\n", stdout);
		options_print(options, OPTIONS_COUNT, stdout);
		return EXIT_DONE;
	}
	const int code = options_parse(options, OPTIONS_COUNT, &parsed, argument_count, arguments,
				       &complaint)
				 ? run(&parsed)
				 : usage(complaint.text);
	options_release(options, OPTIONS_COUNT, &parsed);
	return code;
}
