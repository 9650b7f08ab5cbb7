/* procspan demo: the main job on the bundled captures and events, shown to a human. Writes nothing;
 * needs no root and no network unless told where to send the alerts. */
#include <limits.h>
#include <stdio.h>

#include "correlator/command.h"
#include "correlator/replay.h"

struct demo_arguments {
	const char *syslog;
	bool json;
};

#define AT(field) offsetof(struct demo_arguments, field)

static const struct option options[] = {
	{ "syslog", OPTION_TEXT, AT(syslog), "HOST:PORT",
	  "send the alerts there too, RFC 5424 over UDP", 0, 0 },
	{ "json", OPTION_FLAG, AT(json), NULL, "show the alerts as ECS JSON instead of text", 0,
	  0 },
};

enum { OPTIONS_COUNT = sizeof(options) / sizeof(options[0]) };

static int run(const struct demo_arguments *arguments)
{
	char packets[PATH_MAX];
	char events[PATH_MAX];
	if (!data_path("tests/golden/demo/packets.pcap", packets, sizeof(packets)) ||
	    !data_path("tests/golden/demo/events.ndjson", events, sizeof(events))) {
		fputs("procspan demo: the bundled data is not there; set PROCSPAN_DATA to the "
		      "folder that holds "
		      "tests/golden/demo\n",
		      stderr);
		return EXIT_INPUT;
	}
	char syslog[PATH_MAX];
	const char *pcaps[] = { packets };
	const char *event_files[] = { events };
	const char *outputs[] = { arguments->json ? "stdout:?format=ecs" : "stdout:?format=text",
				  syslog };
	struct replay_arguments replay;
	replay_defaults(&replay);
	replay.pcaps = (struct option_texts){ pcaps, 1 };
	replay.events = (struct option_texts){ event_files, 1 };
	replay.outputs = (struct option_texts){ outputs, 1 };
	if (arguments->syslog) {
		snprintf(syslog, sizeof(syslog), "syslog+udp://%s?format=rfc5424",
			 arguments->syslog);
		replay.outputs.count = 2;
	}
	return replay_run(&replay);
}

int command_demo(int argument_count, char *const *arguments)
{
	struct demo_arguments parsed = { 0 };
	struct complaint complaint;
	if (command_wants_help(argument_count, arguments)) {
		fputs("procspan demo [--syslog HOST:PORT] [--json]\n\n", stdout);
		options_print(options, OPTIONS_COUNT, stdout);
		return EXIT_DONE;
	}
	if (!options_parse(options, OPTIONS_COUNT, &parsed, argument_count, arguments,
			   &complaint)) {
		fprintf(stderr, "procspan demo: %s\n", complaint.text);
		return EXIT_USAGE;
	}
	return run(&parsed);
}
