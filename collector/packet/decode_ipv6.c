/* IPv6. Source: RFC 8200, section 3. */
#include "collector/packet/decode_layer.h"

enum { HEADER_BYTES = 40 };

/*	version 4, class 8, flow label 20 | payload length 16, next header 8, hop limit 8
 *	source 128 | destination 128 */
void decode_ipv6(struct decode *decode)
{
	struct cursor *bytes = &decode->bytes;
	const uint32_t wire_left = decode_wire_left(decode);
	const uint32_t version = cursor_be32(bytes) >> 28;
	const uint16_t payload_bytes = cursor_be16(bytes);
	const uint8_t next_header = cursor_u8(bytes);
	const uint8_t hop_limit = cursor_u8(bytes);
	struct ip_address source;
	struct ip_address destination;
	const uint8_t *addresses = cursor_take(bytes, 2 * sizeof(source));
	if (!addresses)
		return;
	if (version != 6) {
		decode_end(decode, DECODE_MALFORMED);
		return;
	}
	memcpy(&source, addresses, sizeof(source));
	memcpy(&destination, addresses + sizeof(source), sizeof(destination));
	decode_enter_ip(decode, &source, &destination, hop_limit);

	/* Zero: a jumbogram, or a super-packet that the network card was to cut up. */
	uint32_t ip_bytes = payload_bytes ? HEADER_BYTES + (uint32_t)payload_bytes : wire_left;
	if (ip_bytes > wire_left && !(decode->out->flags & DECODED_FIRST_FRAGMENT))
		ip_bytes = wire_left;
	decode->out->ip_bytes = ip_bytes;
	decode->out->ip_id = 0;
	cursor_limit(bytes, ip_bytes > HEADER_BYTES ? ip_bytes - HEADER_BYTES : 0);
	decode_next(decode, SPACE_IP, next_header);
}
