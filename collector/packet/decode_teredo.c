/* Teredo: IPv6 through IPv4 address translators. Source: RFC 4380, section 5.1.1. */
#include "collector/packet/decode_layer.h"

enum { INDICATOR_ORIGIN = 0, INDICATOR_AUTHENTICATION = 1 };

static bool starts_with(const struct cursor *bytes, uint16_t indicator)
{
	const uint8_t *start = cursor_peek(bytes, 2);
	return start && (start[0] << 8 | start[1]) == indicator;
}

/*	authentication: 0001, id length 8, value length 8, id, value, nonce 64, confirmation 8
 *	origin:         0000, port 16, address 32
 *	both optional, then IPv6 */
void decode_teredo(struct decode *decode)
{
	struct cursor *bytes = &decode->bytes;
	if (starts_with(bytes, INDICATOR_AUTHENTICATION)) {
		cursor_take(bytes, 2);
		const uint8_t id_bytes = cursor_u8(bytes);
		const uint8_t value_bytes = cursor_u8(bytes);
		cursor_take(bytes, (size_t)id_bytes + value_bytes + 9);
	}
	if (starts_with(bytes, INDICATOR_ORIGIN))
		cursor_take(bytes, 8);
	const uint8_t *first = cursor_peek(bytes, 1);
	if (!first || *first >> 4 != 6) {
		decode_end(decode, DECODE_NOT_IP);
		return;
	}
	decode_set_tunnel_id(decode, 0);
	decode_next(decode, SPACE_ETHERTYPE, 0x86dd);
}
