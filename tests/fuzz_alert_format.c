/* Any bytes as the texts of an alert, at any size, in any format: what comes out is within its
 * size, UTF-8 and free of control characters. */
#include <stdlib.h>
#include <string.h>

#include "correlator/format.h"

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct rule rule = {
	.id = "89f9a4b0-9f8f-4ee0-8823-c4751a6d6696",
	.name = "Fuzzed",
	.description = "A rule.",
	.version = "1",
	.severity = SEVERITY_HIGH,
	.risk_score = 50,
};

static const uint16_t texts[] = {
	FIELD_process_command_line, FIELD_user_name,
	FIELD_process_name,	    FIELD_host_name,
	FIELD_user_domain,	    FIELD_process_parent_command_line,
	FIELD_process_entity_id,    FIELD_dns_question_name,
};

/* The input after the first four bytes, cut into the texts at its own newlines. */
static const struct event *build(struct event_builder *builder, const uint8_t *data, size_t size)
{
	event_begin(builder);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && size > 0; i++) {
		const uint8_t *end = memchr(data, '\n', size);
		const size_t length = end ? (size_t)(end - data) : size;
		event_add_text(builder, texts[i], (const char *)data, length);
		data += length + (end != NULL);
		size -= length + (end != NULL);
	}
	return event_end(builder);
}

/* `lines`: the message is for people and may have several. */
static void check(const char *bytes, size_t size, size_t max_size, bool lines)
{
	if (size == 0 || size > max_size)
		abort();
	for (size_t i = 0; i < size;) {
		uint32_t code;
		i += text_next_code(bytes + i, size - i, &code);
		if (lines && code == '\n')
			continue;
		if (code < 0x20 || text_code_is_bad(code))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fields *fields;
	static struct counters counters;
	static struct event_builder *builder;
	static struct facts facts;
	if (!fields) {
		fields = fields_open();
		fields_want_all(fields);
		builder = event_builder_open(fields, &counters);
	}
	if (size < 4)
		return 0;
	const size_t max_size = (size_t)MESSAGE_SIZE_MIN + (data[0] | (size_t)data[1] << 8) % 8192;
	struct alert alert = { .rule = &rule, .event_count = 2 };
	alert.events[1] = build(builder, data + 4, size - 4);
	alert_identify(&alert, data[2]);
	const struct format_context context = {
		.fields = fields,
		.facts = &facts,
		.host_name = "sensor",
		.process_id = 1,
		.facility = 16,
		.syslog_header = data[3] & 1,
		.sequence_id = 1,
		.max_size = max_size,
	};
	for (enum format format = 0; format < FORMAT_COUNT; format++) {
		char *out = malloc(max_size);
		bool truncated;
		const size_t written = format_function(format)(&context, &alert, out, &truncated);
		check(out, written, max_size, format == FORMAT_text);
		free(out);
	}
	return 0;
}
