/* main.c: from the first word of the command line to its verb. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "correlator/command.h"
#include "correlator/options.h"

static const struct {
	const char *name;
	const char *summary;
	const char *help;
	command_fn *run;
} commands[] = {
#define COMMAND(name, summary, help) { #name, summary, help, command_##name },
#include "correlator/commands.def"
#undef COMMAND
};

enum { COMMANDS_COUNT = sizeof(commands) / sizeof(commands[0]) };

static void print_help(FILE *stream)
{
	fputs("procspan: which process on which host opened which flow\n\n", stream);
	for (size_t i = 0; i < COMMANDS_COUNT; i++)
		fprintf(stream, "  procspan %s %s\n      %s\n", commands[i].name,
			commands[i].summary, commands[i].help);
	fputs("\n`procspan VERB --help` lists a verb's options. Exit codes: 0 done, 2 usage, 3 "
	      "configuration,\n"
	      "4 rules, 5 permission, 6 input missing or corrupt, 7 loss above --max-loss, 8 "
	      "output\n"
	      "undeliverable, 130 interrupted.\n",
	      stream);
}

bool command_wants_help(int argument_count, char *const *arguments)
{
	for (int i = 0; i < argument_count; i++)
		if (strcmp(arguments[i], "--help") == 0 || strcmp(arguments[i], "-h") == 0)
			return true;
	return false;
}

bool data_path(const char *relative, char *out_path, size_t size_bytes)
{
	char binary[PATH_MAX];
	const ssize_t size = readlink("/proc/self/exe", binary, sizeof(binary) - 1);
	char *slash = size > 0 ? (binary[size] = '\0', strrchr(binary, '/')) : NULL;
	if (slash)
		*slash = '\0';
	const char *set = getenv("PROCSPAN_DATA");
	if (set) {
		snprintf(out_path, size_bytes, "%s/%s", set, relative);
		return access(out_path, R_OK) == 0;
	}
	/* PREFIX/bin -> PREFIX/share/procspan; build/FLAVOUR -> the source tree */
	static const char *const beside[] = { "../share/procspan", "../.." };
	for (size_t i = 0; slash && i < sizeof(beside) / sizeof(beside[0]); i++) {
		snprintf(out_path, size_bytes, "%s/%s/%s", binary, beside[i], relative);
		if (access(out_path, R_OK) == 0)
			return true;
	}
	return false;
}

static int unknown_command(const char *word)
{
	const char *names[COMMANDS_COUNT];
	for (size_t i = 0; i < COMMANDS_COUNT; i++)
		names[i] = commands[i].name;
	const char *near = nearest_name(word, names, COMMANDS_COUNT);
	fprintf(stderr, "procspan: unknown command %s%s%s%s; see procspan --help\n", word,
		near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
	return EXIT_USAGE;
}

int main(int argument_count, char **arguments)
{
	const char *word = argument_count > 1 ? arguments[1] : "";
	if (strcmp(word, "--version") == 0) {
		puts("procspan " PROCSPAN_VERSION);
		return EXIT_DONE;
	}
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
		print_help(stdout);
		return EXIT_DONE;
	}
	if (*word == '\0') {
		print_help(stderr);
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < COMMANDS_COUNT; i++)
		if (strcmp(word, commands[i].name) == 0)
			return commands[i].run(argument_count - 2, arguments + 2);
	return unknown_command(word);
}
