/* ERSPAN type III. Source: draft-foschiano-erspan-03, section 4.3. */
#include "collector/packet/decode_layer.h"

enum {
	SESSION_MASK = 0x3ff,
	FRAME_TYPE_SHIFT = 10,
	FRAME_TYPE_MASK = 0x1f,
	FRAME_TYPE_IP = 2,
	HAS_SUBHEADER = 0x0001,
	SUBHEADER_BYTES = 8,
};

/*	version 4, VLAN 12, class 3, other 3, session 10 | time stamp 32
 *	security group 16, P 1, frame type 5, hardware 6, direction 1, granularity 2, subheader 1 */
void decode_erspan_3(struct decode *decode)
{
	struct cursor *bytes = &decode->bytes;
	const uint32_t word = cursor_be32(bytes);
	cursor_take(bytes, 6);
	const uint16_t flags = cursor_be16(bytes);
	if (flags & HAS_SUBHEADER)
		cursor_take(bytes, SUBHEADER_BYTES);
	decode_set_tunnel_id(decode, word & SESSION_MASK);
	if ((flags >> FRAME_TYPE_SHIFT & FRAME_TYPE_MASK) == FRAME_TYPE_IP)
		decode_next(decode, SPACE_LINK, LINKTYPE_RAW_IP);
	else
		decode_next(decode, SPACE_LINK, LINKTYPE_ETHERNET);
}
