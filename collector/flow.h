/* flow.h: what the tap tells the correlator: flows, names seen on the wire, and how far it has got.
 * Fixed-size records without pointers, the same from capture files, live capture and the kernel's
 * ring.
 */
#pragma once

#include <stdint.h>

#include "collector/base/address.h"
#include "collector/event.h"

enum flow_event_kind { FLOW_START, FLOW_UPDATE, FLOW_END };

/* Why a flow ended. */
enum flow_end_reason {
	FLOW_OPEN,	   /* it has not */
	FLOW_END_FIN,	   /* both sides said FIN */
	FLOW_END_RST,	   /* either side said RST */
	FLOW_END_IDLE,	   /* idle time-out, or its ports were taken by a new connection */
	FLOW_END_HARD,	   /* hard time-out: cut, goes on as a new record */
	FLOW_END_EVICTED,  /* made room for others */
	FLOW_END_FINISHED, /* the capture ended */
};

/* How `source` was chosen as the end that opened the flow. */
enum flow_opener {
	FLOW_OPENER_SYN,	  /* TCP handshake seen */
	FLOW_OPENER_FIRST_PACKET, /* UDP, ICMP: who spoke first */
	FLOW_OPENER_GUESSED,	  /* midstream: lower port taken as the server, else first packet */
};

enum flow_flags {
	FLOW_MIDSTREAM = 1 << 0,   /* began before the capture did */
	FLOW_FRAGMENTS = 1 << 1,   /* holds reassociated IP fragments */
	FLOW_ICMP_ERROR = 1 << 2,  /* an ICMP error quoted it */
	FLOW_FROM_KERNEL = 1 << 3, /* counted by the XDP program */
};

enum { FLOW_VLANS_MAX = 2 };

/* Counters of one direction. */
struct flow_half {
	uint64_t packet_count;
	uint64_t wire_bytes; /* IP packet lengths as on the wire, not as captured */
	uint8_t tcp_flags;   /* all flags seen, ORed */
	uint8_t ttl;	     /* of the first packet */
	uint16_t unused16;
	uint32_t unused32;
};

/* `source` opened the flow, `destination` is the other end (ECS). */
struct flow_event {
	uint32_t record_kind;		   /* RECORD_FLOW */
	uint8_t kind;			   /* enum flow_event_kind */
	uint8_t end_reason;		   /* enum flow_end_reason */
	uint8_t opener;			   /* enum flow_opener */
	uint8_t ip_protocol;		   /* IANA: 6 TCP, 17 UDP, 1 ICMP, 58 ICMPv6, 132 SCTP */
	uint32_t flags;			   /* enum flow_flags */
	uint16_t vlan_ids[FLOW_VLANS_MAX]; /* outermost first; 0 = none */
	uint16_t source_port;		   /* ICMP: type */
	uint16_t destination_port;	   /* ICMP: code */
	uint16_t capture;		   /* which capture file or interface, 0-based */
	uint32_t tunnel_id; /* VNI, TEID, GRE key or ERSPAN session of the innermost tunnel; 0 =
			       none */
	struct ip_address source;
	struct ip_address destination;
	struct ip_address tunnel_source; /* outer, of the innermost tunnel; all zero = none */
	struct ip_address tunnel_destination;
	uint64_t flow_id;  /* from five-tuple, VLANs, tunnel and start_ns: the same in every run */
	uint64_t start_ns; /* Unix time of the first packet */
	uint64_t last_ns;  /* of the latest packet */
	struct flow_half from_source;
	struct flow_half from_destination;
};

/* Names that attribution and alerts need, read off the wire. */
enum wire_name_kind {
	WIRE_NAME_DNS,	/* `name` resolved to `address` for the client `subject` */
	WIRE_NAME_TLS,	/* SNI of flow_id ("" when the client named none); `detail` = JA4 */
	WIRE_NAME_HTTP, /* Host of flow_id */
	WIRE_NAME_DHCP, /* `address` was leased to the host named `name`; `detail` = MAC as
			   xx:xx:... */
};

enum { WIRE_NAME_MAX = 255, WIRE_DETAIL_MAX = 63 };

struct wire_name {
	uint32_t record_kind; /* RECORD_NAME */
	uint32_t kind;	      /* enum wire_name_kind */
	uint64_t time_ns;
	uint64_t flow_id;	      /* the flow that carried it */
	uint64_t lifetime_ns;	      /* DNS TTL, DHCP lease time; 0 = unknown */
	struct ip_address subject;    /* TLS, HTTP: the flow's source */
	struct ip_address address;    /* TLS, HTTP: the flow's destination */
	char name[WIRE_NAME_MAX + 1]; /* NUL-terminated, lower case for DNS */
	char detail[WIRE_DETAIL_MAX + 1];
};

/* "Nothing older than this will follow from me": sent by every source now and then. */
struct watermark {
	uint32_t record_kind; /* RECORD_WATERMARK */
	uint32_t unused;
	uint64_t time_ns; /* capture: packet time; input: time of receipt */
};

/* The type that answers an ICMP or ICMPv6 type (8 echo, 0 reply), or -1: none does. */
int icmp_counterpart(uint8_t ip_protocol, uint8_t type);

/* Community ID v1: base64 of SHA-1 over seed and ordered five-tuple, "1:...". NUL-terminated.
 * Source: github.com/corelight/community-id-spec. ICMP types are mapped to their counterparts. */
enum { COMMUNITY_ID_TEXT_MAX = 32 };
void community_id(uint16_t seed, const struct ip_address *source, uint16_t source_port,
		  const struct ip_address *destination, uint16_t destination_port,
		  uint8_t ip_protocol, char out_text[COMMUNITY_ID_TEXT_MAX]);
