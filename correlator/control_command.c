#include "correlator/control_command.h"

#include <stdio.h>

#include "correlator/command.h"
#include "correlator/control.h"
#include "correlator/options.h"

struct control_arguments {
	const char *path;
	bool json;
};

#define AT(field) offsetof(struct control_arguments, field)

static const struct option options[] = {
	{ "control", OPTION_TEXT, AT(path), "PATH",
	  "the service's socket; default " CONTROL_DEFAULT_PATH, 0, 0 },
	{ "json", OPTION_FLAG, AT(json), NULL, "as JSON", 0, 0 },
};

enum { OPTIONS_COUNT = sizeof(options) / sizeof(options[0]) };

int control_command(const char *word, control_print_fn *print, int argument_count,
		    char *const *arguments)
{
	struct control_arguments parsed = { .path = CONTROL_DEFAULT_PATH };
	struct complaint complaint;
	if (command_wants_help(argument_count, arguments)) {
		printf("procspan %s [--control PATH] [--json]\n\n", word);
		options_print(options, OPTIONS_COUNT, stdout);
		return EXIT_DONE;
	}
	if (!options_parse(options, OPTIONS_COUNT, &parsed, argument_count, arguments,
			   &complaint)) {
		fprintf(stderr, "procspan %s: %s\n", word, complaint.text);
		return EXIT_USAGE;
	}
	json_t *answer = control_ask(parsed.path, word);
	if (!answer)
		return EXIT_INPUT;
	if (parsed.json) {
		json_dumpf(answer, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		print(answer);
	}
	json_decref(answer);
	return EXIT_DONE;
}
