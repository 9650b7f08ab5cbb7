/* Any bytes as a rule file: TOML, the public layout, filters. */
#include <stdlib.h>
#include <string.h>

#include "rules/rule_file.h"
#include "rules/rule_filter.h"

enum { TREE_BYTES_MAX = 32 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fields *fields;
	static struct complaints complaints;
	if (!fields)
		fields = fields_open();
	struct arena *arena = arena_open(TREE_BYTES_MAX);
	struct rule_draft draft;
	complaints.count = 0;
	const bool accepted = rule_file_read("fuzz.toml", (const char *)data, size, arena, arena,
					     &complaints, &draft);
	if (accepted == (complaints.count > 0))
		abort();
	if (accepted) {
		struct toml_reader reader = { .file = "fuzz.toml",
					      .arena = arena,
					      .complaints = &complaints };
		rule_filters_read(&reader, draft.filters, fields, arena);
		uint32_t line;
		uint32_t column;
		for (size_t i = 0; draft.query && i <= draft.query->count; i += 7)
			toml_locate(draft.query, (const char *)data, size, i, &line, &column);
	}
	arena_close(arena);
	return 0;
}
