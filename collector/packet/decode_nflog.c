/* Linux netfilter log: attributes, one of which is the packet. Source:
 * tcpdump.org/linktypes/LINKTYPE_NFLOG.html. */
#include "collector/packet/decode_layer.h"

enum {
	ATTRIBUTES_MAX = 64,
	ATTRIBUTE_HEADER_BYTES = 4,
	ATTRIBUTE_PAYLOAD = 9,
	TYPE_MASK = 0x7fff, /* the high bits are netlink flags */
};

/* Lengths are in the byte order of the capturing machine: the wrong one is too large to be one. */
static uint16_t host_order(uint16_t little_endian)
{
	enum { LENGTH_PLAUSIBLE = 0x3fff };
	return little_endian > LENGTH_PLAUSIBLE ? __builtin_bswap16(little_endian) : little_endian;
}

/*	family 8, version 8, resource 16 | attributes: length 16, type 16, value, padding to 4 */
void decode_nflog(struct decode *decode)
{
	struct cursor *bytes = &decode->bytes;
	cursor_take(bytes, 4);
	for (int i = 0; i < ATTRIBUTES_MAX && cursor_left(bytes) > 0; i++) {
		const uint16_t raw_length = cursor_le16(bytes);
		const uint16_t raw_type = cursor_le16(bytes);
		const uint16_t length = host_order(raw_length);
		const bool swapped = length != raw_length;
		const uint16_t type =
			(swapped ? __builtin_bswap16(raw_type) : raw_type) & TYPE_MASK;
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
