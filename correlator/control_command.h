/* control_command.h: what the verbs that talk to a running service share. */
#pragma once

#include <jansson.h>

/* Prints an answer for people. */
typedef void control_print_fn(json_t *answer);

/* Options --control PATH and --json, the question, the answer. Returns an exit code. */
int control_command(const char *word, control_print_fn *print, int argument_count,
		    char *const *arguments);
