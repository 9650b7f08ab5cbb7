/* IPv6 fragments. Source: RFC 8200, section 4.5. */
#include "collector/packet/decode_layer.h"

/*	next header 8, reserved 8, offset 13, reserved 2, more 1 | id 32 */
void decode_ipv6_fragment(struct decode *decode)
{
	enum { MORE_FRAGMENTS = 1, OFFSET_MASK = 0xfff8 };
	struct cursor *bytes = &decode->bytes;
	const uint8_t next_header = cursor_u8(bytes);
	cursor_take(bytes, 1);
	const uint16_t fragment = cursor_be16(bytes);
	const uint32_t id = cursor_be32(bytes);
	if (bytes->truncated)
		return;
	/* Neither: an "atomic" fragment (RFC 6946) is a whole packet. */
	if ((fragment & (OFFSET_MASK | MORE_FRAGMENTS)) &&
	    decode_fragment(decode, id, 0, fragment & OFFSET_MASK))
		return;
	decode_next(decode, SPACE_IP, next_header);
}
