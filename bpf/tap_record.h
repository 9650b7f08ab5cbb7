/* tap_record.h: what the kernel half of the tap and user space say to each other. Fixed widths, no
 * pointers; times are the kernel's TAI clock, numbers in host order unless said. */
#pragma once

#include <linux/types.h>

enum {
	TAP_RECORD_HEAD_BYTES = 144,
	TAP_SMALL_BYTES = 288 - TAP_RECORD_HEAD_BYTES,	/* of a packet: all usual headers */
	TAP_LARGE_BYTES = 2048 - TAP_RECORD_HEAD_BYTES, /* and what names are read from */
	TAP_BITMAP_BYTES = 65536 / 4,			/* two bits per IPv4 /16 */
};

/* One direction of a conversation. As fine as the tracker's key, or what was counted could not be
 * put in order with what crossed. */
struct tap_flow_key {
	__u32 source[4]; /* network order; IPv4 as ::ffff:a.b.c.d */
	__u32 destination[4];
	__u16 source_port;
	__u16 destination_port;
	__u16 vlan_ids[2]; /* 0 unless segments are part of the key */
	__u8 ip_protocol;
	__u8 unused[7];
};

/* What was counted of a direction without crossing. The counts only grow, so that they can be read
 * while the kernel adds to them. */
struct tap_flow {
	__u64 born_ns; /* tells this entry from an earlier one with its key */
	__u64 last_ns; /* of the latest packet, crossed or not */
	__u64 packet_count;
	__u64 ip_bytes;
	__u32 tcp_flags; /* since the connection began, ORed */
	__u32 crossed_count;
};

/* A packet that crosses, behind what was counted of its flow before it. */
struct tap_record {
	__u64 time_ns;
	__u32 wire_bytes;
	__u32 captured_bytes;
	struct tap_flow before;	 /* born_ns 0: not a direction that is counted */
	struct tap_flow reverse; /* a SYN's: the same of the other direction, else born_ns 0 */
	struct tap_flow_key key;
	__u8 bytes[];
};

/* Where every packet went; one block per CPU.
 * seen = excluded + counted + crossed + lost. */
struct tap_counts {
	__u64 seen;
	__u64 seen_bytes;
	__u64 excluded;
	__u64 excluded_bytes;
	__u64 counted;
	__u64 crossed;
	__u64 lost;	  /* the ring was full */
	__u64 table_full; /* crossed because the direction found no room */
};

/* Networks that no rule can want: two generations, one of them in use. */
enum tap_unwanted { TAP_WANTED, TAP_UNWANTED, TAP_UNWANTED_PARTLY };

struct tap_exclusion {
	__u32 generation; /* its lowest bit is the bitmap in use */
	__u32 has_ipv6;	  /* bit 0, 1: that generation has IPv6 networks */
	__u8 ipv4[2][TAP_BITMAP_BYTES];
};

/* Keys of the tries: the generation is part of the prefix. */
struct tap_prefix4 {
	__u32 bits;
	__u32 generation;
	__u32 address; /* network order */
};

struct tap_prefix6 {
	__u32 bits;
	__u32 generation;
	__u32 address[4];
};

/* What the parser alone says about a packet (probe.bpf.c). */
struct tap_probe {
	struct tap_flow_key key;
	__u32 ip_bytes;
	__u32 tcp_flags;
	__u32 usual;
	__u32 unused;
};

_Static_assert(sizeof(struct tap_flow_key) == 48, "no padding: compared and hashed as is");
_Static_assert(sizeof(struct tap_record) == TAP_RECORD_HEAD_BYTES, "both sides agree");
