/* The straight path for most of what a network carries: Ethernet, at most one VLAN tag, IPv4
 * without options or IPv6 without extensions, whole TCP or UDP. Whatever is odd in the least is
 * left to decode_packet_by_table, which is also the model that this is tested against.
 *
 * Measured (tests/bench_tracker): see the two decode rows there.
 */
#include "collector/packet/decode.h"

#include <stddef.h>

#include "collector/packet/decode_layer.h"

enum {
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_VLAN = 0x8100,
	IPV4_PLAIN = 0x45, /* version 4, five words */
	IPV4_BYTES = 20,
	IPV4_FRAGMENT_MASK = 0x3fff,
	IPV6_BYTES = 40,
	IP_PROTOCOL_TCP = 6,
	IP_PROTOCOL_UDP = 17,
	TCP_BYTES = 20,
	UDP_BYTES = 8,
};

static inline uint16_t be16_at(const uint8_t *header, size_t at)
{
	return (uint16_t)(header[at] << 8 | header[at + 1]);
}

static inline uint32_t be32_at(const uint8_t *header, size_t at)
{
	return (uint32_t)be16_at(header, at) << 16 | be16_at(header, at + 2);
}

static inline bool is_tunnel_port(uint16_t port)
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
		return true;
	default:
		return false;
	}
}

/* Reads the IPv4 header; returns the protocol, or 0: not the usual. Narrows to its payload. */
static inline uint8_t usual_ipv4(struct cursor *bytes, uint32_t wire_left, struct decoded *out)
{
	const uint8_t *header = cursor_take(bytes, IPV4_BYTES);
	if (!header)
		return 0;
	const uint32_t total_bytes = be16_at(header, 2);
	if (header[0] != IPV4_PLAIN || (be16_at(header, 6) & IPV4_FRAGMENT_MASK) ||
	    total_bytes < IPV4_BYTES || total_bytes > wire_left)
		return 0;
	out->ends.source = ip_address_from_v4(header + 12);
	out->ends.destination = ip_address_from_v4(header + 16);
	out->ttl = header[8];
	out->ip_id = be16_at(header, 4);
	out->ip_bytes = total_bytes;
	cursor_limit(bytes, total_bytes - IPV4_BYTES);
	return header[9];
}

static inline uint8_t usual_ipv6(struct cursor *bytes, uint32_t wire_left, struct decoded *out)
{
	const uint8_t *header = cursor_take(bytes, IPV6_BYTES);
	if (!header)
		return 0;
	const uint32_t payload_bytes = be16_at(header, 4);
	if (header[0] >> 4 != 6 || payload_bytes == 0 || payload_bytes + IPV6_BYTES > wire_left)
		return 0;
	memcpy(&out->ends.source, header + 8, sizeof(out->ends.source));
	memcpy(&out->ends.destination, header + 24, sizeof(out->ends.destination));
	out->ttl = header[7];
	out->ip_bytes = payload_bytes + IPV6_BYTES;
	cursor_limit(bytes, payload_bytes);
	return header[6];
}

static inline bool usual_tcp(struct cursor *bytes, struct decoded *out)
{
	const uint8_t *header = cursor_take(bytes, TCP_BYTES);
	if (!header)
		return false;
	const uint32_t header_bytes = (header[12] >> 4) * 4U;
	if (header_bytes < TCP_BYTES || !cursor_take(bytes, header_bytes - TCP_BYTES))
		return false;
	out->ends.source_port = be16_at(header, 0);
	out->ends.destination_port = be16_at(header, 2);
	out->tcp_sequence = be32_at(header, 4);
	out->tcp_acknowledgement = be32_at(header, 8);
	out->tcp_flags = header[13];
	return true;
}

static inline bool usual_udp(struct cursor *bytes, struct decoded *out)
{
	const uint8_t *header = cursor_take(bytes, UDP_BYTES);
	if (!header)
		return false;
	const uint32_t length = be16_at(header, 4);
	out->ends.source_port = be16_at(header, 0);
	out->ends.destination_port = be16_at(header, 2);
	if (length < UDP_BYTES || is_tunnel_port(out->ends.source_port) ||
	    is_tunnel_port(out->ends.destination_port))
		return false;
	cursor_limit(bytes, length - UDP_BYTES);
	return true;
}

static inline bool decode_usual(const struct packet *packet, struct decoded *out)
{
	struct cursor bytes = cursor_over(packet->bytes, packet->captured_bytes);
	const uint8_t *ethernet = cursor_take(&bytes, 14);
	if (!ethernet || packet->link_type != LINKTYPE_ETHERNET || packet->vlan_id != 0 ||
	    packet->wire_bytes < packet->captured_bytes)
		return false;
	decode_clear(out);
	uint16_t type = be16_at(ethernet, 12);
	out->layer_count = 3;
	if (type == ETHERTYPE_VLAN) {
		const uint8_t *tag = cursor_take(&bytes, 4);
		if (!tag)
			return false;
		out->vlan_ids[0] = be16_at(tag, 0) & 0x0fff;
		out->vlan_count = 1;
		out->layer_count = 4;
		type = be16_at(tag, 2);
	}
	const uint32_t before_bytes = packet->captured_bytes - (uint32_t)cursor_left(&bytes);
	const uint32_t wire_left = packet->wire_bytes - before_bytes;
	uint8_t protocol = 0;
	if (type == ETHERTYPE_IPV4)
		protocol = usual_ipv4(&bytes, wire_left, out);
	else if (type == ETHERTYPE_IPV6)
		protocol = usual_ipv6(&bytes, wire_left, out);

	const bool usual = (protocol == IP_PROTOCOL_TCP && usual_tcp(&bytes, out)) ||
			   (protocol == IP_PROTOCOL_UDP && usual_udp(&bytes, out));
	out->ends.ip_protocol = protocol;
	out->verdict = DECODE_FLOW;
	out->payload = bytes.at;
	out->payload_bytes = (uint32_t)cursor_left(&bytes);
	return usual;
}

void decode_packet(const struct packet *packet, struct decoded *out)
{
	if (!decode_usual(packet, out))
		decode_packet_by_table(packet, out);
}
