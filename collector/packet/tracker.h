/* tracker.h: packets in, flow events and names out: decode, flow table and time-outs of one capture
 * thread.
 *
 * Every packet ends in exactly one counter of identities.def. IP protocols without ports (ESP, GRE
 * that nobody reads, IGMP, ...) are flows with ports 0; only "no next header" opens none.
 *
 * A full table gives up flows in this order: those that are over, TCP handshakes without an answer,
 * flows that one side alone speaks in, then any other that has been silent for a second; of each
 * the one silent for longest, among FLOW_TABLE_SAMPLE looked at. If none may go, the new flow is
 * refused (packets_flow_table_full).
 *
 * Flows, their ids and what is told of them do not depend on how packets are spread over trackers
 * (both directions to the same one), as long as no table is full.
 *
 * One owner thread. Time is the packets' own. Memory is fixed at open (tracker_bytes).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "collector/base/counter.h"
#include "collector/base/hash.h"
#include "collector/flow.h"
#include "collector/packet/decode.h"
#include "collector/packet/packet.h"

struct tracker;

/* Where the tracker's findings go. Called on the tracker's thread, in order; records are borrowed
 * for the call. */
struct tracker_sink {
	void *context;
	void (*flow)(void *context, const struct flow_event *event);
	void (*name)(void *context, const struct wire_name *name);
};

/* False: no loaded rule can want a flow between these addresses, so it need not be tracked
 * (packets_excluded). Asked once a flow that is not yet there, for both directions if it is unclear
 * who opened it; not asked for DNS and DHCP, which attribution needs (names.def). */
typedef int tracker_wants_fn(const void *context, const struct ip_address *source,
			     const struct ip_address *destination);

struct tracker_settings {
	uint32_t max_flows;	 /* 0 = default */
	uint64_t tcp_idle_ns;	 /* established, silent; 0 = default (flow_state.c), as below */
	uint64_t tcp_closing_ns; /* after FIN or RST */
	uint64_t udp_idle_ns;
	uint64_t other_idle_ns;
	uint64_t hard_ns; /* a flow older than this is cut and goes on as a new record; 0 = never */
	uint64_t update_ns;	 /* FLOW_UPDATE for long flows; 0 = none */
	int vlan_in_key;	 /* the same five-tuple on two VLANs (or VXLAN, GENEVE networks) is
				    two flows */
	int drop_duplicates;	 /* recognise packets that a SPAN port delivers twice:
				    duplicate_filter.h */
	tracker_wants_fn *wants; /* NULL = all */
	const void *wants_context;
	struct hash_seed seed;
};

/* NULL with errno; the caller closes. */
struct tracker *tracker_open(const struct tracker_settings *settings,
			     const struct tracker_sink *sink, struct counters *counters);
void tracker_close(struct tracker *tracker);

/* Counts the packets into their flows. FLOW_START goes out with a flow's first packet, FLOW_END
 * when it ends. */
void tracker_packets(struct tracker *tracker, const struct packet *packets, size_t count);

/* Packets of one direction that something in front of the tracker counted instead of handing them
 * over (the kernel half of the tap). They do not begin or end a connection: no SYN, FIN, RST. */
struct tracker_count {
	struct endpoints ends; /* TCP or UDP */
	uint16_t vlan_ids[FLOW_VLANS_MAX];
	uint16_t capture;
	uint8_t tcp_flags; /* ORed */
	uint8_t unused;
	uint64_t packet_count; /* at least 1 */
	uint64_t ip_bytes;
	uint64_t last_ns; /* time of the latest one */
};

/* Adds them to their flow, as if they had been handed over. Does not count packets_bytes, which
 * are the frames'. */
void tracker_counted(struct tracker *tracker, const struct tracker_count *count);

/* Ends every flow that has timed out at this time, a bounded number per call. */
void tracker_expire(struct tracker *tracker, uint64_t now_ns);

/* Ends every flow: FLOW_END_FINISHED, unless FIN, RST or silence had ended it before. Ordered by
 * start time, then flow id. */
void tracker_finish(struct tracker *tracker);

uint32_t tracker_flow_count(const struct tracker *tracker);
size_t tracker_bytes(const struct tracker *tracker);
