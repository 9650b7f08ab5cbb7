#include "tests/support_packet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool same_bytes(const void *left, const void *right, size_t size_bytes)
{
	return memcmp(left, right, size_bytes) == 0;
}

struct packet packet_of(const void *bytes, size_t size_bytes, uint64_t time_ns)
{
	return (struct packet){
		.time_ns = time_ns,
		.bytes = bytes,
		.captured_bytes = (uint32_t)size_bytes,
		.wire_bytes = (uint32_t)size_bytes,
		.link_type = 1,
	};
}

/* Makes room for one more; doubles at powers of two. */
static void *grown(void *items, size_t count, size_t item_bytes)
{
	if (count & (count - 1))
		return items;
	void *larger = realloc(items, (count ? 2 * count : 1) * item_bytes);
	if (!larger)
		abort();
	return larger;
}

static void keep_flow(void *context, const struct flow_event *event)
{
	struct found *found = context;
	found->events = grown(found->events, found->event_count, sizeof(*event));
	found->events[found->event_count++] = *event;
}

static void keep_name(void *context, const struct wire_name *name)
{
	struct found *found = context;
	found->names = grown(found->names, found->name_count, sizeof(*name));
	found->names[found->name_count++] = *name;
}

struct tracker_sink found_sink(struct found *found)
{
	return (struct tracker_sink){ .context = found, .flow = keep_flow, .name = keep_name };
}

void found_clear(struct found *found)
{
	free(found->events);
	free(found->names);
	memset(found, 0, sizeof(*found));
}
