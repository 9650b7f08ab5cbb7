/* capture_xdp.h: the tap with a kernel half (bpf/tap.bpf.c): most packets are counted where they
 * arrive, and only what decides about flows crosses to the tracker.
 *
 * Flows, their packets and bytes, and why they end, are the same as if every packet had been handed
 * to the tracker. Of a direction's packets the first few cross, and every SYN, FIN and RST, and the
 * first after a silence; what the kernel half does not understand (fragments, tunnels, options,
 * anything but TCP and UDP) crosses whole, and so do DNS and DHCP. Names in a flow's beginning are
 * read if enough of its packets cross (CAPTURE_XDP_NAMED_PACKETS).
 *
 * Needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON to open. The program goes when the capture is closed
 * or the process dies. One owner thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "collector/base/address.h"
#include "collector/base/complaint.h"
#include "collector/base/counter.h"
#include "collector/packet/tracker.h"

enum {
	CAPTURE_XDP_FLOW_PACKETS = 1,	/* first packets: flows alone, headers only */
	CAPTURE_XDP_NAMED_PACKETS = 16, /* names too */
};

enum capture_xdp_mode {
	CAPTURE_XDP_ANY,     /* in the driver if it can, else in the network stack */
	CAPTURE_XDP_NATIVE,  /* in the driver */
	CAPTURE_XDP_GENERIC, /* in the network stack */
};

struct capture_xdp_settings {
	const char *interface;
	enum capture_xdp_mode mode;
	uint32_t first_packets; /* 0 = CAPTURE_XDP_NAMED_PACKETS */
	uint32_t max_flows;	/* directions in the kernel; 0 = default */
	uint32_t ring_bytes;	/* rounded up to a power of two; 0 = default */
	uint32_t max_unwanted;	/* networks that capture_xdp_exclude may be given; 0 = default */
	uint64_t silence_ns; /* less than every time-out of the tracker; 0 = default, one second */
	int vlan_in_key;     /* the tracker's */
	uint16_t capture;    /* packet.capture */
};

struct capture_xdp;

/* 0, or -errno with a complaint that says the remedy: EPERM, ENODEV, EBUSY (another program is
 * attached), EOPNOTSUPP (this mode on this interface, or the kernel), EIO. The caller closes. */
int capture_xdp_open(const struct capture_xdp_settings *settings, struct capture_xdp **out_capture,
		     struct complaint *complaint);
void capture_xdp_close(struct capture_xdp *capture);

/* Packets between two addresses that both lie in these networks stay in the kernel
 * (packets_excluded), but for what the kernel half does not understand. Replaces what was excluded
 * before, at once. 0 or -errno. */
int capture_xdp_exclude(struct capture_xdp *capture, const struct ip_prefix *prefixes,
			size_t count);

/* Hands the tracker all that has crossed; and at most every CAPTURE_XDP_SWEEP_MS, or if `sweep`,
 * also what was counted. `counters` are the tracker's. Never waits: returns how many packets
 * crossed, 0 is time for a nap. */
enum { CAPTURE_XDP_SWEEP_MS = 500 };
size_t capture_xdp_poll(struct capture_xdp *capture, struct tracker *tracker,
			struct counters *counters, int sweep);

/* No further packets; what there is can still be polled. */
void capture_xdp_detach(struct capture_xdp *capture);
