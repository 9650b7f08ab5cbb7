/* tap_parse.bpf.h: the kernel's straight path: Ethernet, up to two VLAN tags, IPv4 without options
 * or IPv6 without extensions, whole TCP or UDP. The same class of packets as decode_usual.c, with
 * one tag more, and the same answer as the decoder's for each of them. Everything else, and what
 * names are read from however long a flow lasts (names.def), is left to user space. */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/tap_record.h"

enum {
	IPV4_PLAIN = 0x45, /* version 4, five words */
	IPV4_FRAGMENT_MASK = 0x3fff,
	VLAN_ID_MASK = 0x0fff,
	ETHERTYPE_QINQ_OLD = 0x9100,
	ETHERTYPE_QINQ_OLDER = 0x9200,
	PROTOCOL_TCP = 6,
	PROTOCOL_UDP = 17,
};

struct tap_vlan {
	__be16 tag;
	__be16 type;
};

struct tap_parsed {
	struct tap_flow_key key;
	__u32 ip_bytes;
	__u32 tcp_flags;
};

/* Ports behind which a packet may be something else, or hold a name. */
static __always_inline bool tap_udp_crosses(__u16 port)
{
	switch (port) {
#define DECODER(name, space, selector) DECODER_##space(selector)
#define DECODER_SPACE_LINK(selector)
#define DECODER_SPACE_ETHERTYPE(selector)
#define DECODER_SPACE_PPP(selector)
#define DECODER_SPACE_IP(selector)
#define DECODER_SPACE_UDP_PORT(selector) case selector:
#include "collector/packet/decoders.def"
#undef DECODER
	case 53: /* DNS, LLMNR, DHCP: names.def */
	case 5355:
	case 67:
		return true;
	default:
		return false;
	}
}

static __always_inline bool tap_tcp_crosses(__u16 port)
{
	return port == 53;
}

static __always_inline bool tap_is_vlan(__be16 type)
{
	return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD) ||
	       type == bpf_htons(ETHERTYPE_QINQ_OLD) || type == bpf_htons(ETHERTYPE_QINQ_OLDER);
}

/* `left_bytes`: of the IP packet's payload, as its header says. */
static __always_inline bool tap_parse_tcp(const void *at, const void *end, __u32 left_bytes,
					  struct tap_parsed *out)
{
	const struct tcphdr *tcp = at;
	if ((const void *)(tcp + 1) > end)
		return false;
	const __u32 header_bytes = tcp->doff * 4U;
	if (header_bytes < sizeof(*tcp) || header_bytes > left_bytes)
		return false;
	out->key.source_port = bpf_ntohs(tcp->source);
	out->key.destination_port = bpf_ntohs(tcp->dest);
	out->tcp_flags = ((const __u8 *)tcp)[13];
	return !tap_tcp_crosses(out->key.source_port) &&
	       !tap_tcp_crosses(out->key.destination_port);
}

static __always_inline bool tap_parse_udp(const void *at, const void *end, __u32 left_bytes,
					  struct tap_parsed *out)
{
	const struct udphdr *udp = at;
	if ((const void *)(udp + 1) > end || left_bytes < sizeof(*udp) ||
	    bpf_ntohs(udp->len) < sizeof(*udp))
		return false;
	out->key.source_port = bpf_ntohs(udp->source);
	out->key.destination_port = bpf_ntohs(udp->dest);
	return !tap_udp_crosses(out->key.source_port) &&
	       !tap_udp_crosses(out->key.destination_port);
}

static __always_inline bool tap_parse_transport(const void *at, const void *end, __u8 protocol,
						__u32 left_bytes, struct tap_parsed *out)
{
	out->key.ip_protocol = protocol;
	if (protocol == PROTOCOL_TCP)
		return tap_parse_tcp(at, end, left_bytes, out);
	return protocol == PROTOCOL_UDP && tap_parse_udp(at, end, left_bytes, out);
}

static __always_inline bool tap_parse_ipv4(const void *at, const void *end, __u32 wire_left,
					   struct tap_parsed *out)
{
	const struct iphdr *ip = at;
	if ((const void *)(ip + 1) > end || *(const __u8 *)at != IPV4_PLAIN ||
	    (ip->frag_off & bpf_htons(IPV4_FRAGMENT_MASK)))
		return false;
	const __u32 total_bytes = bpf_ntohs(ip->tot_len);
	if (total_bytes < sizeof(*ip) || total_bytes > wire_left)
		return false;
	out->key.source[2] = out->key.destination[2] = bpf_htonl(0xffff);
	out->key.source[3] = ip->saddr;
	out->key.destination[3] = ip->daddr;
	out->ip_bytes = total_bytes;
	return tap_parse_transport(ip + 1, end, ip->protocol, total_bytes - (__u32)sizeof(*ip),
				   out);
}

static __always_inline bool tap_parse_ipv6(const void *at, const void *end, __u32 wire_left,
					   struct tap_parsed *out)
{
	const struct ipv6hdr *ip = at;
	if ((const void *)(ip + 1) > end || *(const __u8 *)at >> 4 != 6)
		return false;
	const __u32 payload_bytes = bpf_ntohs(ip->payload_len);
	if (payload_bytes == 0 || payload_bytes + sizeof(*ip) > wire_left)
		return false;
	for (int i = 0; i < 4; i++) {
		out->key.source[i] = ip->saddr.in6_u.u6_addr32[i];
		out->key.destination[i] = ip->daddr.in6_u.u6_addr32[i];
	}
	out->ip_bytes = payload_bytes + (__u32)sizeof(*ip);
	return tap_parse_transport(ip + 1, end, ip->nexthdr, payload_bytes, out);
}

/* False: not of this class. `out` is zero before; `wire_bytes` is the frame's length. */
static __always_inline bool tap_parse(const void *at, const void *end, __u32 wire_bytes,
				      struct tap_parsed *out)
{
	const struct ethhdr *ethernet = at;
	if ((const void *)(ethernet + 1) > end)
		return false;
	__be16 type = ethernet->h_proto;
	__u32 wire_left = wire_bytes - (__u32)sizeof(*ethernet);
	at = ethernet + 1;
#pragma unroll
	for (int i = 0; i < 2; i++) {
		const struct tap_vlan *vlan = at;
		if (!tap_is_vlan(type))
			break;
		if ((const void *)(vlan + 1) > end)
			return false;
		out->key.vlan_ids[i] = bpf_ntohs(vlan->tag) & VLAN_ID_MASK;
		type = vlan->type;
		wire_left -= (__u32)sizeof(*vlan);
		at = vlan + 1;
	}
	if (type == bpf_htons(ETH_P_IP))
		return tap_parse_ipv4(at, end, wire_left, out);
	return type == bpf_htons(ETH_P_IPV6) && tap_parse_ipv6(at, end, wire_left, out);
}
