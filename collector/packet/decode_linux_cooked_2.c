/* Linux cooked capture, version 2. Source: tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html. */
#include "collector/packet/decode_layer.h"

/*	protocol 16, reserved 16 | interface 32 | device type 16, packet type 8, address length 8
 *	address 64 */
void decode_linux_cooked_2(struct decode *decode)
{
	const uint16_t protocol = cursor_be16(&decode->bytes);
	cursor_take(&decode->bytes, 18);
	decode_next(decode, SPACE_ETHERTYPE, protocol);
}
