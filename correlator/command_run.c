/* procspan run: the service. */
#include <stdio.h>
#include <stdlib.h>

#include "correlator/command.h"
#include "correlator/options.h"
#include "correlator/run.h"

struct run_arguments {
	const char *config;
	struct option_texts settings;
};

#define AT(field) offsetof(struct run_arguments, field)

static const struct option options[] = {
	{ "config", OPTION_TEXT, AT(config), "FILE", "the configuration, a TOML file", 0, 0 },
	{ "set", OPTION_TEXTS, AT(settings), "KEY=VALUE...", "one setting, instead of the file's",
	  0, 0 },
};

enum { OPTIONS_COUNT = sizeof(options) / sizeof(options[0]) };

static int read_and_run(const struct run_arguments *arguments, enum run_end *out_end)
{
	struct config config;
	struct complaints *complaints = calloc(1, sizeof(*complaints));
	if (!complaints)
		return EXIT_PERMISSION;
	const bool good = config_read(arguments->config, arguments->settings.items,
				      arguments->settings.count, &config, complaints);
	for (size_t i = 0; i < complaints->count; i++) {
		complaint_print(&complaints->items[i], stderr);
		fputc('\n', stderr);
	}
	free(complaints);
	const int code = good ? run_once(&config, out_end) : EXIT_CONFIGURATION;
	config_release(&config);
	return code;
}

static int run_until_stopped(const struct run_arguments *arguments)
{
	enum run_end end = RUN_STOPPED;
	int code = read_and_run(arguments, &end);
	while (code == EXIT_DONE && end == RUN_AGAIN)
		code = read_and_run(arguments, &end);
	return code;
}

int command_run(int argument_count, char *const *arguments)
{
	if (command_wants_help(argument_count, arguments)) {
		fputs("procspan run --config FILE [--set KEY=VALUE]...\n\n", stdout);
		options_print(options, OPTIONS_COUNT, stdout);
		fputs("\nkeys of the configuration:\n", stdout);
		config_print_keys(stdout);
		return EXIT_DONE;
	}
	struct run_arguments parsed = { 0 };
	struct complaint complaint;
	int code = EXIT_USAGE;
	if (!options_parse(options, OPTIONS_COUNT, &parsed, argument_count, arguments, &complaint))
		fprintf(stderr, "procspan run: %s\n", complaint.text);
	else if (!parsed.config && parsed.settings.count == 0)
		fputs("procspan run: name a configuration with --config\n", stderr);
	else
		code = run_until_stopped(&parsed);
	options_release(options, OPTIONS_COUNT, &parsed);
	return code;
}
