/* Any bytes as a KQL query. */
#include <stdlib.h>
#include <string.h>

#include "rules/kql.h"

enum { TREE_BYTES_MAX = 32 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fields *fields;
	static struct complaints complaints;
	if (!fields)
		fields = fields_open();
	struct arena *arena = arena_open(TREE_BYTES_MAX);
	complaints.count = 0;
	const struct expression *tree =
		kql_parse((const char *)data, size, NULL, fields, arena, &complaints);
	if (!tree == !complaints.count)
		abort();
	arena_close(arena);
	return 0;
}
