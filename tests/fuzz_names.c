/* Any bytes as the payload that each reader of names looks at: the first byte says which flow, the
 * second how the rest is cut into packets. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/cursor.h"
#include "collector/packet/names.h"

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(void *context, const struct wire_name *name)
{
	(void)context;
	if (!memchr(name->name, '\0', sizeof(name->name)) ||
	    !memchr(name->detail, '\0', sizeof(name->detail)))
		abort();
}

static void give(struct names *names, const struct endpoints *ends, bool from_source,
		 uint32_t sequence, struct cursor part)
{
	const size_t part_bytes = cursor_left(&part);
	uint8_t *copy = malloc(part_bytes ? part_bytes : 1);
	if (!copy)
		abort();
	memcpy(copy, part.at, part_bytes);
	const struct decoded decoded = { .ends = *ends,
					 .tcp_sequence = sequence,
					 .payload = copy,
					 .payload_bytes = (uint32_t)part_bytes };
	const struct names_flow flow = {
		.flow_id = 7, .from_source = from_source, .has_start = true, .stream_start = 0
	};
	names_read(names, &flow, &decoded);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct {
		uint8_t ip_protocol;
		uint16_t port;
		bool from_source;
	} flows[] = { { 17, 53, false }, { 17, 67, false }, { 6, 443, true }, { 6, 53, false } };
	if (size < 2)
		return 0;
	static struct counters counters;
	const struct tracker_sink sink = { NULL, NULL, check_name };
	struct names *names = names_open(&sink, &counters);
	if (!names)
		return 0;
	const unsigned which = data[0] % (sizeof(flows) / sizeof(flows[0]));
	const size_t step = data[1] ? (size_t)data[1] * 4 : size;
	const struct endpoints ends = { .source_port = 40000,
					.destination_port = flows[which].port,
					.ip_protocol = flows[which].ip_protocol };
	struct cursor bytes = cursor_over(data, size);
	cursor_take(&bytes, 2);
	for (uint32_t at = 0; cursor_left(&bytes) > 0;) {
		const size_t part = step < cursor_left(&bytes) ? step : cursor_left(&bytes);
		give(names, &ends, flows[which].from_source, at, cursor_split(&bytes, part));
		at += (uint32_t)part;
	}
	names_close(names);
	return 0;
}
