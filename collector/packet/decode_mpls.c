/* MPLS label stack. What is below it, the stack does not say: the first four bits have to. Source:
 * RFC 3032, section 2.1; RFC 4385, section 3. */
#include "collector/packet/decode_layer.h"

enum {
	LABELS_MAX = 16,
	BOTTOM_OF_STACK = 0x100,
	CONTROL_WORD_BYTES = 4,
};

/* Below the stack: IPv4, IPv6, or a pseudowire's control word (first four bits zero) and Ethernet;
 * else Ethernet without a control word. */
static void decode_payload(struct decode *decode)
{
	const uint8_t *first = cursor_peek(&decode->bytes, 1);
	switch (first ? *first >> 4 : -1) {
	case 4:
		decode_next(decode, SPACE_ETHERTYPE, 0x0800);
		break;
	case 6:
		decode_next(decode, SPACE_ETHERTYPE, 0x86dd);
		break;
	case 0:
		cursor_take(&decode->bytes, CONTROL_WORD_BYTES);
		decode_next(decode, SPACE_LINK, LINKTYPE_ETHERNET);
		break;
	default:
		decode_next(decode, SPACE_LINK, LINKTYPE_ETHERNET);
		break;
	}
}

/*	label 20, class 3, bottom of stack 1, time to live 8 */
void decode_mpls(struct decode *decode)
{
	for (int i = 0; i < LABELS_MAX; i++) {
		const uint32_t entry = cursor_be32(&decode->bytes);
		if (decode->bytes.truncated)
			return;
		if (entry & BOTTOM_OF_STACK) {
			decode_payload(decode);
			return;
		}
	}
	decode_end(decode, DECODE_TOO_DEEP);
}
