/* Any bytes as packets, through the whole tracker: decoders, fragments, flow table, names. The
 * input is a row of packets: link type (an index), size, bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/cursor.h"
#include "collector/packet/decode.h"
#include "collector/packet/tracker.h"

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_flow(void *context, const struct flow_event *event)
{
	(void)context;
	if (event->last_ns < event->start_ns)
		abort();
}

static void check_name(void *context, const struct wire_name *name)
{
	(void)context;
	if (!memchr(name->name, '\0', sizeof(name->name)) ||
	    !memchr(name->detail, '\0', sizeof(name->detail)))
		abort();
}

/* Padding too: both were zeroed before. */
static bool same_bytes(const void *left, const void *right, size_t size_bytes)
{
	return memcmp(left, right, size_bytes) == 0;
}

/* Both ways of decoding must agree on the flow. */
static void check_decoding(const struct packet *packet)
{
	struct decoded usual;
	struct decoded model;
	memset(&usual, 0, sizeof(usual));
	memset(&model, 0, sizeof(model));
	decode_packet(packet, &usual);
	decode_packet_by_table(packet, &model);
	if (usual.verdict != model.verdict ||
	    (model.verdict == DECODE_FLOW && !same_bytes(&usual, &model, sizeof(usual))))
		abort();
}

static void give(struct tracker *tracker, uint16_t link_type, const uint8_t *bytes, size_t size,
		 uint64_t time_ns)
{
	uint8_t *copy = malloc(size ? size : 1);
	if (!copy)
		abort();
	memcpy(copy, bytes, size);
	const struct packet packet = { .time_ns = time_ns,
				       .bytes = copy,
				       .captured_bytes = (uint32_t)size,
				       .wire_bytes = (uint32_t)size,
				       .link_type = link_type };
	check_decoding(&packet);
	tracker_packets(tracker, &packet, 1);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t link_types[] = { 1, 0, 9, 51, 101, 108, 113, 228, 229, 239, 276 };
	static struct counters counters;
	memset(&counters, 0, sizeof(counters));
	const struct tracker_sink sink = { NULL, check_flow, check_name };
	const struct tracker_settings settings = { .max_flows = 16,
						   .update_ns = 1,
						   .drop_duplicates = size % 2 == 1 };
	struct tracker *tracker = tracker_open(&settings, &sink, &counters);
	if (!tracker)
		return 0;
	struct cursor bytes = cursor_over(data, size);
	for (uint64_t time_ns = 1; cursor_left(&bytes) > 2; time_ns += 100000000) {
		const uint8_t kind = cursor_u8(&bytes);
		size_t packet_bytes = cursor_u8(&bytes) + (kind & 0x80 ? 256U : 0U);
		if (packet_bytes > cursor_left(&bytes))
			packet_bytes = cursor_left(&bytes);
		const uint16_t link_type =
			link_types[(kind & 0x7f) % (sizeof(link_types) / sizeof(link_types[0]))];
		give(tracker, link_type, cursor_take(&bytes, packet_bytes), packet_bytes, time_ns);
	}
	tracker_finish(tracker);
	if (!counter_identities_hold(&counters, NULL))
		abort();
	tracker_close(tracker);
	return 0;
}
