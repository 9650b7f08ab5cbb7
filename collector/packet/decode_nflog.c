/* Linux netfilter log: attributes, one of which is the packet. Source:
 * tcpdump.org/linktypes/LINKTYPE_NFLOG.html. */
#include "collector/packet/decode_layer.h"

enum {
	ATTRIBUTES_MAX = 64,
	ATTRIBUTE_HEADER_BYTES = 4,
	ATTRIBUTE_PAYLOAD = 9,
	TYPE_MASK = 0x7fff, /* the high bit is a netlink flag */
	TYPE_MAX = 255,	    /* there are some twenty */
};

/*	family 8, version 8, resource 16 | attributes: length 16, type 16, value, padding to 4 */
void decode_nflog(struct decode *decode)
{
	struct cursor *bytes = &decode->bytes;
	cursor_take(bytes, 4);
	for (int i = 0; i < ATTRIBUTES_MAX && cursor_left(bytes) > 0; i++) {
		uint16_t length = cursor_le16(bytes);
		uint16_t type = cursor_le16(bytes) & TYPE_MASK;
		if (type > TYPE_MAX) { /* numbers are in the order of the capturing machine */
			length = __builtin_bswap16(length);
			type = __builtin_bswap16(type);
		}
		if (bytes->truncated)
			return;
		if (length < ATTRIBUTE_HEADER_BYTES) {
			decode_end(decode, DECODE_MALFORMED);
			return;
		}
		if (type == ATTRIBUTE_PAYLOAD) {
			cursor_limit(bytes, length - ATTRIBUTE_HEADER_BYTES);
			decode_next(decode, SPACE_LINK, LINKTYPE_RAW_IP);
			return;
		}
		const size_t value_bytes = (size_t)((length + 3) & ~3) - ATTRIBUTE_HEADER_BYTES;
		if (value_bytes > cursor_left(bytes) && !decode_cut_short(decode))
			break;
		cursor_take(bytes, value_bytes);
	}
	if (!bytes->truncated)
		decode_end(decode, DECODE_NOT_IP);
}
