/* VXLAN. Source: RFC 7348, section 5. */
#include "collector/packet/decode_layer.h"

/*	flags 8, reserved 24 | network 24, reserved 8 | Ethernet */
void decode_vxlan(struct decode *decode)
{
	enum { HAS_NETWORK = 0x08, HAS_GROUP_POLICY = 0x80 };
	struct cursor *bytes = &decode->bytes;
	const uint8_t flags = cursor_u8(bytes);
	cursor_take(bytes, 3); /* the group policy extension puts a number here */
	const uint32_t network_id = cursor_be24(bytes);
	cursor_take(bytes, 1);
	if ((flags & ~HAS_GROUP_POLICY) != HAS_NETWORK) {
		decode_end(decode, DECODE_MALFORMED);
		return;
	}
	decode->out->tunnel_id = network_id;
	decode->out->network_id = network_id;
	decode_next(decode, SPACE_LINK, LINKTYPE_ETHERNET);
}
