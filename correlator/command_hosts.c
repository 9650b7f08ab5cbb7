/* procspan hosts: what a running service sees of each host and source of events. */
#include <stdio.h>

#include "correlator/command.h"
#include "correlator/control_command.h"

static void print_kinds(json_t *kinds)
{
	const char *name;
	json_t *value;
	json_object_foreach(kinds, name, value)
		printf("    %-40s %" JSON_INTEGER_FORMAT "\n", name, json_integer_value(value));
}

static void print(json_t *answer)
{
	size_t index;
	json_t *row;
	json_array_foreach(json_object_get(answer, "hosts"), index, row)
	{
		printf("%s  %s  %" JSON_INTEGER_FORMAT
		       " events, last %s, lag p50 %.3f s, p99 %.3f s, %" JSON_INTEGER_FORMAT
		       " records missing\n",
		       json_string_value(json_object_get(row, "host")),
		       json_string_value(json_object_get(row, "source")),
		       json_integer_value(json_object_get(row, "events")),
		       json_string_value(json_object_get(row, "last_event")),
		       json_real_value(json_object_get(row, "lag_p50_s")),
		       json_real_value(json_object_get(row, "lag_p99_s")),
		       json_integer_value(json_object_get(row, "missing_records")));
		print_kinds(json_object_get(row, "kinds"));
	}
}

int command_hosts(int argument_count, char *const *arguments)
{
	return control_command("hosts", print, argument_count, arguments);
}
