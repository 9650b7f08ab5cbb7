/* procspan replay: the command line of replay.h. */
#include <stdio.h>
#include <string.h>

#include "correlator/command.h"
#include "correlator/replay.h"

#define AT(field) offsetof(struct replay_arguments, field)

static const struct option options[] = {
	{ "pcap", OPTION_TEXTS, AT(pcaps), "FILE...",
	  "captures: pcap or pcapng, plain, .gz or .zst", 0, 0 },
	{ "events", OPTION_TEXTS, AT(events), "FILE...",
	  "host events: NDJSON, JSON arrays (.gz too), .evtx", 0, 0 },
	{ "rules", OPTION_TEXTS, AT(rules), "PATH...",
	  "rule files, or folders of them; default: those shipped", 0, 0 },
	{ "output", OPTION_TEXTS, AT(outputs), "URL...",
	  "stdout: file:PATH syslog+udp://H:P syslog+tcp:// syslog+tls:// unix:PATH, each "
	  "?format=ecs|rfc5424|...",
	  0, 0 },
	{ "flows", OPTION_TEXT, AT(flows), "FILE", "one JSON line for every flow, with its owners",
	  0, 0 },
	{ "speed", OPTION_TEXT, AT(speed), "max|1x", "as fast as it goes (default), or as captured",
	  0, 0 },
	{ "horizon", OPTION_DURATION, AT(horizon_ns), "TIME",
	  "how late anything may arrive (default 15m)", 0, 0 },
	{ "max-flows", OPTION_COUNT, AT(max_flows), "N", "room for flows at one time", 1,
	  1U << 28 },
	{ "max-loss", OPTION_PERCENT, AT(max_loss_percent), "PERCENT",
	  "exit 7 when more packets were lost", 0, 0 },
	{ "shuffle", OPTION_COUNT, AT(shuffle_seed), "SEED",
	  "hand everything to the correlator in a random order", 0, 0 },
	{ "json", OPTION_FLAG, AT(json), NULL, "the summary (on stderr) as JSON", 0, 0 },
	{ "quiet", OPTION_FLAG, AT(quiet), NULL, "no summary, no progress", 0, 0 },
	{ "verbose", OPTION_FLAG, AT(verbose), NULL, "say more on stderr", 0, 0 },
};

enum { OPTIONS_COUNT = sizeof(options) / sizeof(options[0]) };

static int usage(const char *text)
{
	fprintf(stderr, "procspan replay: %s\n", text);
	return EXIT_USAGE;
}

static int check_and_run(const struct replay_arguments *arguments)
{
	if (arguments->pcaps.count == 0 && arguments->events.count == 0)
		return usage("nothing to read; name files with --pcap and --events");
	if (strcmp(arguments->speed, "max") != 0 && strcmp(arguments->speed, "1x") != 0)
		return usage("--speed: expected max or 1x");
	return replay_run(arguments);
}

int command_replay(int argument_count, char *const *arguments)
{
	if (command_wants_help(argument_count, arguments)) {
		fputs("procspan replay --pcap F... --events F... [--rules PATH]... [--output "
		      "URL]...\n\n",
		      stdout);
		options_print(options, OPTIONS_COUNT, stdout);
		return EXIT_DONE;
	}
	struct replay_arguments parsed;
	struct complaint complaint;
	replay_defaults(&parsed);
	const int code = options_parse(options, OPTIONS_COUNT, &parsed, argument_count, arguments,
				       &complaint)
				 ? check_and_run(&parsed)
				 : usage(complaint.text);
	options_release(options, OPTIONS_COUNT, &parsed);
	return code;
}
