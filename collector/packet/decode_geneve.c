/* GENEVE. Source: RFC 8926, section 3.4. */
#include "collector/packet/decode_layer.h"

/*	version 2, option words 6, O 1, C 1, reserved 6, protocol 16 | network 24, reserved 8
 *	options */
void decode_geneve(struct decode *decode)
{
	enum { OPTION_WORDS_MASK = 0x3f };
	struct cursor *bytes = &decode->bytes;
	const uint8_t version_and_words = cursor_u8(bytes);
	cursor_take(bytes, 1);
	const uint16_t protocol = cursor_be16(bytes);
	const uint32_t network_id = cursor_be24(bytes);
	cursor_take(bytes, 1);
	cursor_take(bytes, (size_t)(version_and_words & OPTION_WORDS_MASK) * 4);
	if (version_and_words >> 6 != 0) {
		decode_end(decode, DECODE_MALFORMED);
		return;
	}
	decode->out->tunnel_id = network_id;
	decode->out->network_id = network_id;
	decode_next(decode, SPACE_ETHERTYPE, protocol);
}
