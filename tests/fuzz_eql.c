/* EQL text through parser, checker and compiler, then the program over two events. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_text(struct event_builder *builder, uint16_t field, const char *text)
{
	event_add_text(builder, field, text, strlen(text));
}

/* One event without any field, and one with some of each type. */
static void match(const struct program *program, const struct program_set *set,
		  struct fields *fields)
{
	static struct counters counters;
	struct event_builder *builder = event_builder_open(fields, &counters);
	struct program_scratch *scratch = program_scratch_open(set);
	event_begin(builder);
	program_scratch_next_event(scratch);
	program_match(program, scratch, event_end(builder));

	event_begin(builder);
	add_text(builder, FIELD_event_category, "process");
	add_text(builder, FIELD_process_name, "cmd.exe");
	add_text(builder, FIELD_process_name, "caf\xc3\xa9");
	add_text(builder, FIELD_process_command_line, "cmd.exe /c \"echo 1\"");
	event_add_integer(builder, FIELD_process_pid, 4);
	event_add_as_field_type(builder, FIELD_destination_ip, "10.0.0.1", 8);
	program_scratch_next_event(scratch);
	program_match(program, scratch, event_end(builder));
	program_scratch_close(scratch);
	event_builder_close(builder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct complaints complaints;
	complaints.count = 0;
	struct arena *arena = arena_open(128U << 20);
	struct fields *fields = fields_open();
	struct program_set *set = program_set_open(fields, arena);
	/* The first byte chooses how fields are checked. */
	const struct query_options options = { .strict_fields = size > 0 && data[0] == '!' };
	const size_t skip = options.strict_fields;
	const struct query_ast *query =
		eql_parse((const char *)data + skip, size - skip, NULL, arena, &complaints);
	for (size_t i = 0; query && i < query->term_count && i < 8; i++) {
		const struct program *program =
			program_compile(set, &query->terms[i], &options, NULL, &complaints);
		if (program)
			match(program, set, fields);
	}
	if (query) {
		struct rule_key *keys =
			calloc((query->term_count + 1) * QUERY_KEYS_MAX, sizeof(*keys));
		program_resolve_keys(set, query, &options, NULL, &complaints, keys);
		free(keys);
	}
	program_set_close(set);
	fields_close(fields);
	arena_close(arena);
	return 0;
}
