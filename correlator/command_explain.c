/* procspan explain: the command line of explain.h. */
#include <stdio.h>

#include "correlator/command.h"
#include "correlator/explain.h"

#define AT(field) offsetof(struct explain_arguments, field)

static const struct option options[] = {
	{ NULL, OPTION_TEXT, AT(alert_id), "ALERT-ID", "why: the id of an alert of these inputs", 0,
	  0 },
	{ "rule", OPTION_TEXT, AT(rule), "ID|NAME", "why not: the rule", 0, 0 },
	{ "host", OPTION_TEXT, AT(host), "HOST", "and the host, by its short or full name", 0, 0 },
	{ "process", OPTION_TEXT, AT(process), "NAME", "only processes of this name", 0, 0 },
	{ "pcap", OPTION_TEXTS, AT(replay.pcaps), "FILE...", "captures, as for replay", 0, 0 },
	{ "events", OPTION_TEXTS, AT(replay.events), "FILE...", "host events, as for replay", 0,
	  0 },
	{ "rules", OPTION_TEXTS, AT(replay.rules), "PATH...",
	  "rule files, or folders of them; default: those shipped", 0, 0 },
	{ "horizon", OPTION_DURATION, AT(replay.horizon_ns), "TIME",
	  "how late anything may arrive (default 15m)", 0, 0 },
};

enum { OPTIONS_COUNT = sizeof(options) / sizeof(options[0]) };

static int usage(const char *text)
{
	fprintf(stderr, "procspan explain: %s\n", text);
	return EXIT_USAGE;
}

static int check_and_run(const struct explain_arguments *arguments)
{
	if (!arguments->alert_id == !arguments->rule)
		return usage("expected an ALERT-ID, or --rule and --host; see --help");
	if (!arguments->rule != !arguments->host)
		return usage("--rule and --host belong together");
	if (arguments->process && !arguments->rule)
		return usage("--process belongs to --rule and --host");
	if (arguments->replay.pcaps.count == 0 && arguments->replay.events.count == 0)
		return usage("nothing to read; name files with --pcap and --events");
	return explain_run(arguments, stdout);
}

int command_explain(int argument_count, char *const *arguments)
{
	if (command_wants_help(argument_count, arguments)) {
		fputs("procspan explain ALERT-ID --pcap F... --events F... [--rules PATH]...\n"
		      "procspan explain --rule ID|NAME --host HOST [--process NAME] --pcap F... "
		      "--events F...\n\n",
		      stdout);
		options_print(options, OPTIONS_COUNT, stdout);
		return EXIT_DONE;
	}
	struct explain_arguments parsed = { 0 };
	struct complaint complaint;
	replay_defaults(&parsed.replay);
	const int code = options_parse(options, OPTIONS_COUNT, &parsed, argument_count, arguments,
				       &complaint)
				 ? check_and_run(&parsed)
				 : usage(complaint.text);
	options_release(options, OPTIONS_COUNT, &parsed);
	return code;
}
