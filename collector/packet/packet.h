/* packet.h: one packet as a capture hands it over, for as long as the batch it came in lives. */
#pragma once

#include <stdint.h>

struct packet {
	uint64_t time_ns;	 /* Unix time of the capture */
	const uint8_t *bytes;	 /* borrowed until the capture's next batch */
	uint32_t captured_bytes; /* how many of `bytes` there are */
	uint32_t wire_bytes;	 /* how long it was */
	uint16_t link_type;	 /* LINKTYPE_ value: tcpdump.org/linktypes.html; 1 = Ethernet */
	uint16_t capture;	 /* which file or interface, 0-based */
	uint16_t vlan_id;	 /* outermost tag, that the NIC or kernel took off; 0 = none */
	uint16_t unused;
};

enum { PACKET_BATCH = 32 }; /* PERF.md: hash and prefetch 32, then look up 32 */
