/* IPv4. Source: RFC 791, section 3.1. */
#include "collector/packet/decode_layer.h"

enum {
	HEADER_BYTES_MIN = 20,
	MORE_FRAGMENTS = 0x2000,
	OFFSET_MASK = 0x1fff,
};

/* How long the packet was on the wire. A length of zero is written by hosts that leave segmentation
 * to the network card; one that the frame cannot hold is only true in the first fragment of a
 * tunnel's packet. */
static uint32_t packet_bytes(const struct decode *decode, uint16_t total_bytes, uint32_t wire_left)
{
	if (total_bytes == 0)
		return wire_left;
	if (total_bytes > wire_left && !(decode->out->flags & DECODED_FIRST_FRAGMENT))
		return wire_left;
	return total_bytes;
}

/*	version 4, header words 4, service 8, total length 16 | id 16, flags 3, offset 13
 *	time to live 8, protocol 8, checksum 16 | source 32 | destination 32 | options */
void decode_ipv4(struct decode *decode)
{
	struct cursor *bytes = &decode->bytes;
	const uint32_t wire_left = decode_wire_left(decode);
	const uint8_t version_and_words = cursor_u8(bytes);
	cursor_take(bytes, 1);
	const uint16_t total_bytes = cursor_be16(bytes);
	const uint16_t id = cursor_be16(bytes);
	const uint16_t fragment = cursor_be16(bytes);
	const uint8_t ttl = cursor_u8(bytes);
	const uint8_t protocol = cursor_u8(bytes);
	cursor_take(bytes, 2);
	const uint8_t *source = cursor_take(bytes, 4);
	const uint8_t *destination = cursor_take(bytes, 4);
	const uint32_t header_bytes = (version_and_words & 0x0fU) * 4;
	if (!source || !destination)
		return;
	if (version_and_words >> 4 != 4 || header_bytes < HEADER_BYTES_MIN ||
	    (total_bytes != 0 && total_bytes < header_bytes)) {
		decode_end(decode, DECODE_MALFORMED);
		return;
	}
	cursor_take(bytes, header_bytes - HEADER_BYTES_MIN);

	const struct ip_address from = ip_address_from_v4(source);
	const struct ip_address to = ip_address_from_v4(destination);
	decode_enter_ip(decode, &from, &to, ttl);
	const uint32_t ip_bytes = packet_bytes(decode, total_bytes, wire_left);
	decode->out->ip_bytes = ip_bytes;
	decode->out->ip_id = id;
	cursor_limit(bytes, ip_bytes > header_bytes ? ip_bytes - header_bytes : 0);
	if ((fragment & (MORE_FRAGMENTS | OFFSET_MASK)) &&
	    decode_fragment(decode, id, protocol, fragment & OFFSET_MASK))
		return;
	decode_next(decode, SPACE_IP, protocol);
}
