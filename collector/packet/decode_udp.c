/* UDP, and the tunnels that are known by its ports. Source: RFC 768. */
#include "collector/packet/decode_layer.h"

enum { HEADER_BYTES = 8, IP_PROTOCOL_UDP = 17 };

/*	source port 16, destination port 16 | length 16, checksum 16 */
void decode_udp(struct decode *decode)
{
	struct cursor *bytes = &decode->bytes;
	const uint16_t source_port = cursor_be16(bytes);
	const uint16_t destination_port = cursor_be16(bytes);
	if (bytes->truncated)
		return;
	decode->out->ends.ip_protocol = IP_PROTOCOL_UDP;
	const uint16_t length = cursor_be16(bytes);
	cursor_take(bytes, 2);
	if (bytes->truncated) {
		if (decode_cut_short(decode))
			decode_end_flow(decode, source_port, destination_port);
		return;
	}
	if (length != 0 && length < HEADER_BYTES) { /* zero: a jumbogram (RFC 2675) */
		decode_end(decode, DECODE_MALFORMED);
		return;
	}
	if (length != 0)
		cursor_limit(bytes, length - HEADER_BYTES);

	const bool to_tunnel = decode_knows(SPACE_UDP_PORT, destination_port);
	if (!to_tunnel && !decode_knows(SPACE_UDP_PORT, source_port)) {
		decode_end_flow(decode, source_port, destination_port);
		return;
	}
	decode_end_flow(decode, source_port, destination_port);
	decode->fallback = *decode->out;
	decode->has_fallback = true;
	decode_next(decode, SPACE_UDP_PORT, to_tunnel ? destination_port : source_port);
}
