/* IPv6 extension headers that all look alike: hop-by-hop and destination options, routing,
 * mobility, HIP, Shim6. Source: RFC 8200, sections 4.3 to 4.6; RFC 6564, section 4. */
#include "collector/packet/decode_layer.h"

/*	next header 8, length in 8 bytes after the first 8 | anything
 *
 * The destination stays the one of the fixed header: what a routing header lists are the stops
 * still to come, and both ways of a conversation would not agree on them. */
void decode_ipv6_extension(struct decode *decode)
{
	const uint8_t next_header = cursor_u8(&decode->bytes);
	const uint8_t length = cursor_u8(&decode->bytes);
	cursor_take(&decode->bytes, 6 + 8U * length);
	decode_next(decode, SPACE_IP, next_header);
}
