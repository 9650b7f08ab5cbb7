/* TCP: ports, sequence numbers and flags; checksums are not looked at. Source: RFC 9293,
 * section 3.1. */
#include "collector/packet/decode_layer.h"

enum { HEADER_WORDS_MIN = 5, IP_PROTOCOL_TCP = 6 };

/*	source port 16, destination port 16 | sequence 32 | acknowledgement 32
 *	header words 4, reserved 4, flags 8, window 16 | checksum 16, urgent 16 | options */
void decode_tcp(struct decode *decode)
{
	struct cursor *bytes = &decode->bytes;
	struct decoded *out = decode->out;
	const uint16_t source_port = cursor_be16(bytes);
	const uint16_t destination_port = cursor_be16(bytes);
	if (bytes->truncated)
		return;
	out->ends.ip_protocol = IP_PROTOCOL_TCP;
	const uint32_t sequence = cursor_be32(bytes);
	const uint32_t acknowledgement = cursor_be32(bytes);
	const uint8_t words = cursor_u8(bytes) >> 4;
	const uint8_t flags = cursor_u8(bytes);
	if (!bytes->truncated) {
		if (words < HEADER_WORDS_MIN) {
			decode_end(decode, DECODE_MALFORMED);
			return;
		}
		out->tcp_sequence = sequence;
		out->tcp_acknowledgement = acknowledgement;
		out->tcp_flags = flags;
		cursor_take(bytes, words * 4U - 14);
	}
	/* The ports are enough for a flow. */
	if (!bytes->truncated || decode_cut_short(decode))
		decode_end_flow(decode, source_port, destination_port);
}
