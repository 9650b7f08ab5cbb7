/* SCTP: its common header. Source: RFC 9260, section 3.1. */
#include "collector/packet/decode_layer.h"

enum { IP_PROTOCOL_SCTP = 132 };

/*	source port 16, destination port 16 | verification tag 32 | checksum 32 | chunks */
void decode_sctp(struct decode *decode)
{
	struct cursor *bytes = &decode->bytes;
	const uint16_t source_port = cursor_be16(bytes);
	const uint16_t destination_port = cursor_be16(bytes);
	if (bytes->truncated)
		return;
	decode->out->ends.ip_protocol = IP_PROTOCOL_SCTP;
	cursor_take(bytes, 8);
	if (!bytes->truncated || decode_cut_short(decode))
		decode_end_flow(decode, source_port, destination_port);
}
