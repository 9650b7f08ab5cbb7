/* decode.h: from the bytes of one packet to the flow it belongs to.
 *
 * Goes through every layer down to the innermost IP packet: its addresses, protocol and ports are
 * the flow's identity; the addresses of the IP packet around it are kept as the tunnel. No state,
 * no allocation; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/base/address.h"
#include "collector/flow.h"
#include "collector/packet/packet.h"

enum { DECODE_LAYERS_MAX = 24 }; /* headers in one packet; more are not followed */

enum decode_verdict {
	DECODE_FLOW,	       /* `source` to `payload_bytes` say which flow */
	DECODE_LATER_FRAGMENT, /* only `fragment` says which flow; no ports, no payload */
	DECODE_TRUNCATED,      /* the capture cut the headers short */
	DECODE_MALFORMED,
	DECODE_UNKNOWN_LINK,
	DECODE_NOT_IP,
	DECODE_OTHER_PROTOCOL, /* IP that opens no flow: "no next header" */
	DECODE_TOO_DEEP,
};

enum decode_flags {
	DECODED_TUNNEL = 1 << 0,	 /* `tunnel_source`, `tunnel_destination` are set */
	DECODED_FIRST_FRAGMENT = 1 << 1, /* `fragment` is set: its later ones belong to this flow */
	DECODED_QUOTE = 1 << 2,		 /* an ICMP error; `quote` is the flow that it is about */
};

enum tcp_flag {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
};

/* Both ends of a packet, as it travelled. */
struct endpoints {
	struct ip_address source;
	struct ip_address destination;
	uint16_t source_port;	   /* ICMP: type */
	uint16_t destination_port; /* ICMP: code */
	uint8_t ip_protocol;
	uint8_t unused;
};

/* What the fragments of one datagram have in common (RFC 791; RFC 8200, section 4.5). */
struct fragment_key {
	struct ip_address source;
	struct ip_address destination;
	uint32_t id;
	uint32_t ip_protocol; /* 0 for IPv6, where later fragments need not agree on it */
};

struct decoded {
	struct endpoints ends; /* innermost */
	uint8_t verdict;       /* enum decode_verdict */
	uint8_t flags;	       /* enum decode_flags */
	uint8_t ttl;
	uint8_t tcp_flags; /* enum tcp_flag */
	uint8_t layer_count;
	uint8_t vlan_count; /* may be more than are kept */
	uint16_t vlan_ids[FLOW_VLANS_MAX];
	uint16_t ip_id;	 /* innermost; 0 for IPv6 */
	uint16_t unused; /* whole structs are compared in tests */
	uint32_t tcp_sequence;
	uint32_t tcp_acknowledgement;
	uint32_t tunnel_id;	/* VNI, TEID, GRE key or ERSPAN session of the innermost tunnel */
	uint32_t network_id;	/* VNI only: the same in both directions, names an address space */
	uint32_t ip_bytes;	/* innermost IP packet, as on the wire */
	uint32_t payload_bytes; /* captured bytes behind the transport header */
	const uint8_t *payload;

	/* Only meaningful with their flag or verdict; not cleared. */
	struct ip_address tunnel_source;
	struct ip_address tunnel_destination;
	struct fragment_key fragment;
	struct endpoints quote;
};

/* Fills in *out. The usual packet (Ethernet, at most one VLAN tag, IPv4 or IPv6, TCP or UDP to no
 * tunnel's port) takes a straight path; all others go through decode_packet_by_table. */
void decode_packet(const struct packet *packet, struct decoded *out);

/* The same answer for every packet, layer by layer through decoders.def. */
void decode_packet_by_table(const struct packet *packet, struct decoded *out);
