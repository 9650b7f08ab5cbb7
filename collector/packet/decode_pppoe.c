/* PPP over Ethernet, session stage. Source: RFC 2516, section 4. */
#include "collector/packet/decode_layer.h"

/*	version 4, type 4, code 8, session 16 | length 16 | PPP protocol */
void decode_pppoe(struct decode *decode)
{
	enum { VERSION_AND_TYPE = 0x11, CODE_SESSION = 0 };
	struct cursor *bytes = &decode->bytes;
	const uint8_t version_and_type = cursor_u8(bytes);
	const uint8_t code = cursor_u8(bytes);
	cursor_take(bytes, 2);
	const uint16_t length = cursor_be16(bytes);
	if (bytes->truncated)
		return;
	if (version_and_type != VERSION_AND_TYPE) {
		decode_end(decode, DECODE_MALFORMED);
		return;
	}
	if (code != CODE_SESSION) {
		decode_end(decode, DECODE_NOT_IP);
		return;
	}
	cursor_limit(bytes, length);
	decode_ppp(decode);
}
