/* flow_state.h: what a packet means for its flow: who opened it, when it is over, how long it may
 * be silent, and what is told about it.
 *
 * Functions of one record and one packet; no state of their own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/packet/decode.h"
#include "collector/packet/flow_table.h"
#include "collector/packet/tracker.h"

/* A SYN that nobody answers is repeated for 21 s by Windows, 63 s by Linux. */
#define FLOW_HANDSHAKE_IDLE_NS (65 * UINT64_C(1000000000))

/* Fills in tracker_settings' zeros, and spreads the seed over all bits: the flow key's hash
 * multiplies by it, so that a small fixed one would not mix. */
struct tracker_settings flow_settings_complete(const struct tracker_settings *settings);

/* What a first packet says about the flow that it begins. */
struct flow_opening {
	enum flow_opener opener;
	bool source_opened; /* the packet's source is the flow's */
	uint8_t flags;	    /* enum flow_flags, enum flow_record_flags */
	uint32_t initial_sequence;
};

struct flow_opening flow_opening_of(const struct decoded *decoded);

/* Sets up a new record from its first packet. */
void flow_begin(struct flow *flow, const struct flow_opening *opening,
		const struct decoded *decoded, const struct packet *packet, bool source_is_low);

/* Makes the record the one that goes on after a hard time-out; start_ns is the next packet's. */
void flow_continue(struct flow *flow, uint64_t start_ns);

/* Is this packet the beginning of another connection on the flow's ports? */
bool flow_is_reused(const struct flow *flow, const struct decoded *decoded, int direction);

/* Both sides said FIN, or either said RST. */
static inline bool flow_is_closed(const struct flow *flow)
{
	const unsigned both = flow->tcp_flags[0] & flow->tcp_flags[1];
	const unsigned either = flow->tcp_flags[0] | flow->tcp_flags[1];
	return ((both & TCP_FIN) | (either & TCP_RST)) != 0;
}

/* How long it may be silent in the state it is in. */
uint64_t flow_idle_ns(const struct flow *flow, const struct tracker_settings *settings);

/* RST or FIN when its ends said so, else `otherwise`. */
enum flow_end_reason flow_end_reason(const struct flow *flow, enum flow_end_reason otherwise);

/* True: `flow` should be evicted rather than `other`. In this order: flows that are over, TCP
 * handshakes without an answer, flows that only one side speaks in, all others; among equals the
 * one silent for longest. */
bool flow_evicts_before(const struct flow *flow, const struct flow *other);

/* Both sides have spoken, and not long ago: never evicted. */
bool flow_is_protected(const struct flow *flow, uint64_t now_ns);

/* Stable from run to run: from the key, VLANs, tunnel, first sequence number and start. */
uint64_t flow_id_of(const struct flow *flow);

/* `rest` is only read if the record says that it has one. */
void flow_event_of(const struct flow *flow, const struct flow_rest *rest, enum flow_event_kind kind,
		   enum flow_end_reason reason, struct flow_event *out_event);
