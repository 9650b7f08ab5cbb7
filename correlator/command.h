/* command.h: the verbs of the command line. Each is a function in a file of its own and a row of
 * commands.def. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "correlator/exit_code.h"

/* Main's words after the verb. Returns an exit code. */
typedef int command_fn(int argument_count, char *const *arguments);

#define COMMAND(name, summary, help) command_fn command_##name;
#include "correlator/commands.def"
#undef COMMAND

/* True if any word is --help or -h. */
bool command_wants_help(int argument_count, char *const *arguments);

/* Where bundled rules and demo data are: $PROCSPAN_DATA, beside an installed binary, or the source
 * tree that the binary was built in. Writes DIR/relative; false when none of them has it. */
bool data_path(const char *relative, char *out_path, size_t size_bytes);
