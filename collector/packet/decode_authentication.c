/* IPsec authentication header: the packet behind it is in the clear. Source: RFC
 * 4302, section 2. */
#include "collector/packet/decode_layer.h"

/*	next header 8, length in words less 2, reserved 16 | index 32 | sequence 32 | value */
void decode_authentication(struct decode *decode)
{
	const uint8_t next_header = cursor_u8(&decode->bytes);
	const uint8_t length = cursor_u8(&decode->bytes);
	cursor_take(&decode->bytes, (length + 2U) * 4 - 2);
	decode_next(decode, SPACE_IP, next_header);
}
