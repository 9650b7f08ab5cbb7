/* ERSPAN types I and II: a switch's mirror port, carried by GRE. Type I has no header of its own
 * and no GRE sequence number. Source: draft-foschiano-erspan-03, sections 4.1 and 4.2. */
#include "collector/packet/decode_layer.h"

/*	version 4, VLAN 12, class 3, encapsulation 2, truncated 1, session 10 | reserved, index */
void decode_erspan_2(struct decode *decode)
{
	enum { SESSION_MASK = 0x3ff };
	if (decode->gre_has_sequence) {
		const uint32_t word = cursor_be32(&decode->bytes);
		cursor_take(&decode->bytes, 4);
		decode_set_tunnel_id(decode, word & SESSION_MASK);
	}
	decode_next(decode, SPACE_LINK, LINKTYPE_ETHERNET);
}
