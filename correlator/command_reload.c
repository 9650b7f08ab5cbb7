/* procspan reload: a running service reads its configuration and rules anew. */
#include <stdio.h>

#include "correlator/command.h"
#include "correlator/control_command.h"

static void print(json_t *answer)
{
	puts(json_is_true(json_object_get(answer, "reloading")) ? "reloading" : "refused");
}

int command_reload(int argument_count, char *const *arguments)
{
	return control_command("reload", print, argument_count, arguments);
}
