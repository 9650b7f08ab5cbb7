/* GRE, and the version of it that PPTP uses. Source: RFC 2784, RFC 2890; RFC 2637, section 4.1. */
#include "collector/packet/decode_layer.h"

enum {
	HAS_CHECKSUM = 0x8000,
	HAS_ROUTING = 0x4000,
	HAS_KEY = 0x2000,
	HAS_SEQUENCE = 0x1000,
	HAS_ACKNOWLEDGEMENT = 0x0080, /* version 1 */
	VERSION_MASK = 0x0007,
	CALL_ID_MASK = 0xffff,
	IP_PROTOCOL_GRE = 47,
};

/* Nothing in it that opens a flow of its own: GRE itself is the flow, without ports. */
static void end_as_gre(struct decode *decode)
{
	decode->out->ends.ip_protocol = IP_PROTOCOL_GRE;
	decode_end_flow(decode, 0, 0);
}

/*	flags 13, version 3, protocol 16 | checksum 16, reserved 16 | key 32 | sequence 32 | ack 32
 *	where the four last are there if their flag says so. PPTP's key is a length and a call id.
 */
void decode_gre(struct decode *decode)
{
	struct cursor *bytes = &decode->bytes;
	const uint16_t flags = cursor_be16(bytes);
	const uint16_t protocol = cursor_be16(bytes);
	const unsigned version = flags & VERSION_MASK;
	if (bytes->truncated)
		return;
	if (version > 1 || (flags & HAS_ROUTING)) { /* routing: given up with RFC 2784 */
		end_as_gre(decode);
		return;
	}
	if (flags & HAS_CHECKSUM)
		cursor_take(bytes, 4);
	uint32_t key = flags & HAS_KEY ? cursor_be32(bytes) : 0;
	if (version == 1)
		key &= CALL_ID_MASK;
	if (flags & HAS_SEQUENCE)
		cursor_take(bytes, 4);
	if (version == 1 && (flags & HAS_ACKNOWLEDGEMENT))
		cursor_take(bytes, 4);
	if (bytes->truncated)
		return;
	if (!decode_knows(SPACE_ETHERTYPE, protocol) || cursor_left(bytes) == 0) {
		end_as_gre(decode); /* keep-alives, bare acknowledgements, other protocols */
		return;
	}
	decode_set_tunnel_id(decode, key);
	decode->gre_has_sequence = flags & HAS_SEQUENCE;
	decode_next(decode, SPACE_ETHERTYPE, protocol);
}
