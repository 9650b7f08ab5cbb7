/* PPP, with or without HDLC framing and with compressed fields. Source: RFC 1661, section 2; RFC
 * 1662. */
#include "collector/packet/decode_layer.h"

void decode_ppp(struct decode *decode)
{
	enum { ADDRESS_AND_CONTROL = 0xff03 };
	struct cursor *bytes = &decode->bytes;
	const uint8_t *start = cursor_peek(bytes, 2);
	if (start && (start[0] << 8 | start[1]) == ADDRESS_AND_CONTROL)
		cursor_take(bytes, 2);
	uint16_t protocol = cursor_u8(bytes);
	if (!(protocol & 1)) /* an odd first byte is the whole number */
		protocol = (uint16_t)(protocol << 8 | cursor_u8(bytes));
	decode_next(decode, SPACE_PPP, protocol);
}
