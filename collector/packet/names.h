/* names.h: names read off the first payload bytes of a flow: DNS answers, DHCP leases, TLS server
 * names, HTTP hosts.
 *
 * Bounded work: datagrams are read one by one; of a TCP flow at most NAME_STREAM_BYTES of one
 * direction, in at most NAME_STREAM_PACKETS packets. Where the first segment is not enough, the
 * bytes are put together in one of a fixed number of streams; the oldest gives way
 * (names_abandoned).
 *
 * One owner thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/counter.h"
#include "collector/flow.h"
#include "collector/packet/decode.h"
#include "collector/packet/tracker.h"

enum {
	NAME_STREAM_BYTES = 8192,
	NAME_STREAM_PACKETS = 16,
	NAME_FLOW_PACKETS = 64, /* of a TCP flow; after that nobody looks for its beginning */
};

struct names;

/* NULL with errno; the caller closes. */
struct names *names_open(const struct tracker_sink *sink, struct counters *counters);
void names_close(struct names *names);
size_t names_bytes(void);

/* May a flow between these ends carry names? */
bool names_possible(const struct endpoints *ends);

/* Is it one that attribution needs, wanted by a rule or not? */
bool names_needed(const struct endpoints *ends);

/* Does anybody look at payloads of this direction? */
bool names_look(const struct endpoints *ends, bool from_source);

/* What the tracker knows about the flow of a payload. */
struct names_flow {
	uint64_t flow_id;
	uint64_t time_ns;
	bool from_source;
	bool has_start;		  /* stream_start is known */
	uint32_t stream_start;	  /* sequence number of the first byte of this direction */
	struct ip_address source; /* of the flow */
	struct ip_address destination;
};

/* Reads one payload. False: nothing more is to be expected from this flow. */
bool names_read(struct names *names, const struct names_flow *flow, const struct decoded *decoded);
