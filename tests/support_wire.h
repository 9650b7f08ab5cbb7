/* support_wire.h: the same packets twice: sent over the virtual interfaces of support_network.h,
 * and given to a tracker directly; and a comparison of the flows that came of it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/packet/tracker.h"
#include "tests/support_packet.h"

/* A tracker in which nothing ends by time: the two runs pass at different speeds. */
struct wire_run {
	struct counters counters;
	struct tracker *tracker;
	struct found found;
};

void wire_run_open(struct wire_run *run);
void wire_run_close(struct wire_run *run);
uint64_t wire_run_seen(const struct wire_run *run);

struct wire {
	struct wire_run direct;
	uint64_t sent_count;
	int sender;
};

void wire_open(struct wire *wire);
void wire_close(struct wire *wire);

/* False: it cannot be sent (not Ethernet, not whole). */
bool wire_send(struct wire *wire, const struct packet *packet);

/* One random packet: IPv4 and IPv6, TCP with all flags, UDP, tags, fragments, a tunnel, no IP. */
struct support_random;
void wire_send_random(struct wire *wire, struct support_random *random);

/* Ends the flows of all runs; those of `live` together must be those of wire->direct, but for their
 * times. */
void wire_assert_same_flows(struct wire *wire, struct wire_run *live, size_t live_count);
