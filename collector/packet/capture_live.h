/* capture_live.h: packets from an interface, as they pass: TPACKET_V3 through libpcap.
 *
 * One handle has one owner thread. Several handles of one interface share its packets, so that each
 * thread has a handle and a tracker of its own: packets between two addresses, whichever way they
 * go and whether fragments or not, all reach the same handle (capture_fanout.h).
 *
 * The capture sees packets as the kernel hands them on: a VLAN tag that the interface took off is
 * put back into the packet's bytes; segments that GRO merged arrive as one long packet.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "collector/base/complaint.h"
#include "collector/base/counter.h"
#include "collector/packet/packet.h"

enum { CAPTURE_LIVE_HANDLES_MAX = 64, CAPTURE_LIVE_WAIT_MS = 20 };

struct capture_live;

struct capture_live_settings {
	const char *interface;
	const char *filter;  /* pcap-filter(7); NULL = every packet */
	uint32_t snap_bytes; /* kept of each packet; 0 = default, enough for headers and names */
	uint32_t ring_bytes; /* between kernel and reader, of each handle; 0 = default */
	uint16_t capture;    /* packet.capture */
};

/* Opens `count` handles (1 to CAPTURE_LIVE_HANDLES_MAX) that share the interface's packets. 0, or
 * -errno with a complaint that says the remedy: EPERM, ENODEV, EINVAL (the filter), ENETDOWN, EIO.
 * Packets count from the moment it returns. The caller closes each handle. */
int capture_live_open(const struct capture_live_settings *settings, size_t count,
		      struct capture_live **out_captures, struct complaint *complaint);
void capture_live_close(struct capture_live *capture);

/* The next packets, at most PACKET_BATCH, valid until the next call. Waits up to
 * CAPTURE_LIVE_WAIT_MS; 0 when none came. -ENETDOWN: the interface is gone. */
int capture_live_next(struct capture_live *capture, struct packet packets[PACKET_BATCH]);

/* Adds what kernel and interface dropped since the last call: packets_dropped_kernel and
 * _interface. The latter is the whole interface's, so call it for one handle per interface with
 * `with_interface`. */
void capture_live_count_drops(struct capture_live *capture, int with_interface,
			      struct counters *counters);
