/* procspan stats: the counters of a running service. */
#include <stdio.h>

#include "correlator/command.h"
#include "correlator/control_command.h"

static void print(json_t *answer)
{
	const char *name;
	json_t *value;
	json_object_foreach(answer, name, value)
	{
		if (json_is_integer(value) && json_integer_value(value) != 0)
			printf("%-32s %" JSON_INTEGER_FORMAT "\n", name, json_integer_value(value));
	}
}

int command_stats(int argument_count, char *const *arguments)
{
	return control_command("stats", print, argument_count, arguments);
}
