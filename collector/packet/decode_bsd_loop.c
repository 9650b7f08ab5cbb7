/* BSD loopback: NULL and LOOP link types, and the address families of several systems. Source:
 * tcpdump.org/linktypes.html. */
#include "collector/packet/decode_layer.h"

void decode_bsd_loop(struct decode *decode)
{
	enum { FAMILY_IPV4 = 2, FAMILY_MAX = 0xffff };
	uint32_t family = cursor_le32(&decode->bytes);
	if (family > FAMILY_MAX) /* written by a machine of the other byte order, or LOOP */
		family = __builtin_bswap32(family);
	switch (family) {
	case FAMILY_IPV4:
		decode_next(decode, SPACE_ETHERTYPE, 0x0800);
		break;
	case 10: /* Linux */
	case 24: /* NetBSD, OpenBSD */
	case 28: /* FreeBSD */
	case 30: /* macOS */
		decode_next(decode, SPACE_ETHERTYPE, 0x86dd);
		break;
	default:
		decode_end(decode, DECODE_NOT_IP);
	}
}
