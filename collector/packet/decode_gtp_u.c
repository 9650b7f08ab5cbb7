/* GTP-U version 1: a mobile subscriber's packets. Source: 3GPP TS 29.281, section 5.1. */
#include "collector/packet/decode_layer.h"

enum {
	VERSION_1_GTP = 0x30, /* version 3 bits, protocol type 1 */
	VERSION_MASK = 0xf0,
	HAS_EXTENSION = 0x04,
	HAS_OPTIONAL = 0x07, /* any of extension, sequence, N-PDU: all three fields are there */
	MESSAGE_PACKET = 255,
	EXTENSIONS_MAX = 8,
};

/* Moves past the extension headers. False: more than anybody sends. */
static bool skip_extensions(struct cursor *bytes, uint8_t next)
{
	for (int i = 0; next != 0 && !bytes->truncated; i++) {
		const uint8_t words = cursor_u8(bytes);
		if (i == EXTENSIONS_MAX || words == 0)
			return false;
		cursor_take(bytes, words * 4U - 2);
		next = cursor_u8(bytes);
	}
	return true;
}

/*	version and flags 8, message 8, length 16 | tunnel 32 | sequence 16, N-PDU 8, next 8 */
void decode_gtp_u(struct decode *decode)
{
	struct cursor *bytes = &decode->bytes;
	const uint8_t flags = cursor_u8(bytes);
	const uint8_t message = cursor_u8(bytes);
	cursor_take(bytes, 2);
	const uint32_t tunnel_id = cursor_be32(bytes);
	if (bytes->truncated)
		return;
	if ((flags & VERSION_MASK) != VERSION_1_GTP || message != MESSAGE_PACKET) {
		decode_end(decode, DECODE_NOT_IP);
		return;
	}
	if (flags & HAS_OPTIONAL) {
		cursor_take(bytes, 3);
		const uint8_t next = cursor_u8(bytes);
		if ((flags & HAS_EXTENSION) && !skip_extensions(bytes, next)) {
			decode_end(decode, DECODE_MALFORMED);
			return;
		}
	}
	decode_set_tunnel_id(decode, tunnel_id);
	decode_next(decode, SPACE_LINK, LINKTYPE_RAW_IP);
}
