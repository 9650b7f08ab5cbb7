/* ICMP and ICMPv6, and the packet that an error quotes. Source: RFC 792; RFC 4443, section 2.1. */
#include "collector/packet/decode_layer.h"

enum {
	PROTOCOL_ICMP = 1,
	PROTOCOL_ICMPV6 = 58,
	PROTOCOL_TCP = 6,
	PROTOCOL_UDP = 17,
	PROTOCOL_SCTP = 132,
	ICMPV6_ERROR_MAX = 127, /* errors have the high bit clear */
};

static bool is_error(uint8_t protocol, uint8_t type)
{
	if (protocol == PROTOCOL_ICMPV6)
		return type >= 1 && type <= ICMPV6_ERROR_MAX;
	/* unreachable, source quench, redirect, time exceeded, parameter problem */
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

/* Moves past an IPv4 header that is a first fragment or none; returns its protocol, 0 = no such
 * header. */
static uint8_t quote_ipv4(struct cursor *bytes, struct endpoints *ends)
{
	const uint32_t header_bytes = (cursor_u8(bytes) & 0x0fU) * 4;
	cursor_take(bytes, 5);
	const bool is_later = cursor_be16(bytes) & 0x1fff;
	cursor_take(bytes, 1);
	const uint8_t protocol = cursor_u8(bytes);
	cursor_take(bytes, 2);
	const uint8_t *source = cursor_take(bytes, 4);
	const uint8_t *destination = cursor_take(bytes, 4);
	if (!source || !destination || header_bytes < 20 || is_later)
		return 0;
	ends->source = ip_address_from_v4(source);
	ends->destination = ip_address_from_v4(destination);
	cursor_take(bytes, header_bytes - 20);
	return protocol;
}

/* The same for IPv6. Extension headers are not followed: what a router quotes has none, nearly
 * always. */
static uint8_t quote_ipv6(struct cursor *bytes, struct endpoints *ends)
{
	cursor_take(bytes, 6);
	const uint8_t protocol = cursor_u8(bytes);
	cursor_take(bytes, 1);
	const uint8_t *source = cursor_take(bytes, sizeof(ends->source));
	const uint8_t *destination = cursor_take(bytes, sizeof(ends->destination));
	if (!source || !destination)
		return 0;
	memcpy(&ends->source, source, sizeof(ends->source));
	memcpy(&ends->destination, destination, sizeof(ends->destination));
	return protocol;
}

/* The flow of the quoted packet, from as much of it as is there. A cursor of its own: the ICMP
 * packet counts whether or not its quote makes sense. */
static void read_quote(struct cursor bytes, struct decoded *out)
{
	const uint8_t *first = cursor_peek(&bytes, 1);
	if (!first)
		return;
	struct endpoints ends = { .ip_protocol = 0 };
	const uint8_t version = *first >> 4;
	if (version == 4)
		ends.ip_protocol = quote_ipv4(&bytes, &ends);
	else if (version == 6)
		ends.ip_protocol = quote_ipv6(&bytes, &ends);
	else
		return;
	switch (ends.ip_protocol) {
	case PROTOCOL_TCP:
	case PROTOCOL_UDP:
	case PROTOCOL_SCTP:
		ends.source_port = cursor_be16(&bytes);
		ends.destination_port = cursor_be16(&bytes);
		break;
	case PROTOCOL_ICMP:
	case PROTOCOL_ICMPV6:
		ends.source_port = cursor_u8(&bytes);
		ends.destination_port = cursor_u8(&bytes);
		break;
	default:
		return;
	}
	if (bytes.truncated)
		return;
	out->quote = ends;
	out->flags |= DECODED_QUOTE;
}

/*	type 8, code 8, checksum 16 | depends on the type 32 | errors: the packet in question */
void decode_icmp(struct decode *decode)
{
	struct cursor *bytes = &decode->bytes;
	const uint8_t protocol = (uint8_t)decode->selector;
	const uint8_t type = cursor_u8(bytes);
	const uint8_t code = cursor_u8(bytes);
	if (bytes->truncated)
		return;
	decode->out->ends.ip_protocol = protocol;
	cursor_take(bytes, 2);
	if (bytes->truncated && !decode_cut_short(decode))
		return;
	if (is_error(protocol, type)) {
		struct cursor quote = *bytes;
		if (cursor_take(&quote, 4))
			read_quote(quote, decode->out);
	}
	decode_end_flow(decode, type, code);
}
