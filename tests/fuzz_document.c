/* Any bytes as a file of documents: every one is found, parsed, flattened into an event. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "correlator/document.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
	static struct fields *fields;
	static struct event_builder *builder;
	static struct counters counters;
	static bool seen[FIELD_MAX];
	if (!fields) {
		fields = fields_open();
		fields_add(fields, "a", 1, FIELD_TYPE_ANY);
		fields_add(fields, "b", 1, FIELD_TYPE_LONG);
		fields_want_all(fields);
		builder = event_builder_open(fields, &counters);
	}
	struct document_file *file = document_file_over((const char *)bytes, size_bytes);
	struct document_text text;
	size_t end = 0; /* documents do not overlap, and lie within the bytes */
	const char *begin = NULL;
	while (file && document_file_next(file, &text)) {
		if (!begin)
			begin = text.bytes;
		const size_t at = (size_t)(text.bytes - begin);
		if (at < end || at + text.size_bytes > size_bytes)
			abort();
		json_t *document = document_parse(&text);
		if (!document) {
			document_file_resume(file, &text);
			continue;
		}
		end = at + text.size_bytes;
		event_begin(builder);
		document_add_to_event(document, fields, builder, seen);
		event_end(builder);
		uint64_t unix_ns;
		document_value_time(document_find(document, "@timestamp"), &unix_ns);
		json_decref(document);
	}
	document_file_close(file);
	return 0;
}
