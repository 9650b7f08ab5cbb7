/* Ethernet II and IEEE 802.3 with LLC/SNAP. Source: IEEE 802.3, section 3; RFC 1042. */
#include "collector/packet/decode_layer.h"

enum {
	ADDRESSES_BYTES = 12,
	LENGTH_MAX = 1500,	 /* below: a length, and LLC follows */
	LLC_SNAP = 0xaaaa03,	 /* DSAP, SSAP, control */
	SNAP_ENCAPSULATED = 0x0, /* organisation: RFC 1042, an EtherType follows */
};

void decode_ethernet(struct decode *decode)
{
	struct cursor *bytes = &decode->bytes;
	cursor_take(bytes, ADDRESSES_BYTES);
	const uint16_t type = cursor_be16(bytes);
	if (type > LENGTH_MAX || bytes->truncated) {
		decode_next(decode, SPACE_ETHERTYPE, type);
		return;
	}
	cursor_limit(bytes, type);
	const uint8_t *llc = cursor_peek(bytes, 8);
	if (!llc || cursor_be24(bytes) != LLC_SNAP || cursor_be24(bytes) != SNAP_ENCAPSULATED) {
		decode_end(decode, DECODE_NOT_IP); /* spanning tree, IS-IS, CDP, ... */
		return;
	}
	decode_next(decode, SPACE_ETHERTYPE, cursor_be16(bytes));
}
