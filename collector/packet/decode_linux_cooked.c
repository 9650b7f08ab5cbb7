/* Linux cooked capture, version 1. Source: tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html. */
#include "collector/packet/decode_layer.h"

/*	packet type 16, device type 16, address length 16, address 64 | protocol 16 */
void decode_linux_cooked(struct decode *decode)
{
	cursor_take(&decode->bytes, 14);
	decode_next(decode, SPACE_ETHERTYPE, cursor_be16(&decode->bytes));
}
