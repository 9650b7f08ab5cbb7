/* A packet that starts with its IP header: the version says which. Also what GTP-U
 * and NFLOG carry. */
#include "collector/packet/decode_layer.h"

void decode_raw_ip(struct decode *decode)
{
	const uint8_t *first = cursor_peek(&decode->bytes, 1);
	const int version = first ? *first >> 4 : 0;
	if (version == 4)
		decode_next(decode, SPACE_ETHERTYPE, 0x0800);
	else if (version == 6)
		decode_next(decode, SPACE_ETHERTYPE, 0x86dd);
	else
		decode_end(decode, DECODE_NOT_IP);
}
