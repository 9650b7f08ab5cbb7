/* VLAN tags, one a layer: 802.1Q, and 802.1ad (QinQ). Source: IEEE 802.1Q, section 9.6. */
#include "collector/packet/decode_layer.h"

/*	priority 3, drop eligible 1, id 12 | EtherType 16 */
void decode_vlan(struct decode *decode)
{
	enum { ID_MASK = 0x0fff };
	const uint16_t tag = cursor_be16(&decode->bytes);
	decode_add_vlan(decode, tag & ID_MASK);
	decode_next(decode, SPACE_ETHERTYPE, cursor_be16(&decode->bytes));
}
