#include "collector/packet/decode.h"

#include "collector/packet/decode_layer.h"

/* A switch made from the rows: the compiler turns it into jumps and refuses two rows for one
 * number. */
static decode_fn *decoder_for(enum decode_space space, uint32_t selector)
{
	switch ((uint64_t)space << 32 | selector) {
#define DECODER(name, space, selector)                                                             \
	case (uint64_t)(space) << 32 | (selector):                                                 \
		return decode_##name;
#include "collector/packet/decoders.def"
#undef DECODER
	default:
		return NULL;
	}
}

bool decode_knows(enum decode_space space, uint32_t selector)
{
	return decoder_for(space, selector) != NULL;
}

void decode_end_flow(struct decode *decode, uint16_t source_port, uint16_t destination_port)
{
	struct decoded *out = decode->out;
	decode->bytes.truncated = false;
	out->ends.source_port = source_port;
	out->ends.destination_port = destination_port;
	out->payload_bytes = (uint32_t)cursor_left(&decode->bytes);
	out->payload = decode->bytes.at;
	decode_end(decode, DECODE_FLOW);
}

void decode_enter_ip(struct decode *decode, const struct ip_address *source,
		     const struct ip_address *destination, uint8_t ttl)
{
	struct decoded *out = decode->out;
	if (decode->ip_count++ > 0) {
		out->tunnel_source = out->ends.source;
		out->tunnel_destination = out->ends.destination;
		out->flags |= DECODED_TUNNEL;
	}
	out->ends.source = *source;
	out->ends.destination = *destination;
	out->ttl = ttl;
}

void decode_add_vlan(struct decode *decode, uint16_t id)
{
	struct decoded *out = decode->out;
	if (out->vlan_count < FLOW_VLANS_MAX)
		out->vlan_ids[out->vlan_count] = id;
	if (out->vlan_count < UINT8_MAX)
		out->vlan_count++;
}

bool decode_fragment(struct decode *decode, uint32_t id, uint8_t ip_protocol, bool is_later)
{
	struct decoded *out = decode->out;
	/* A fragment inside a fragmented tunnel packet: the outer one is what later ones follow. */
	if (!is_later && (out->flags & DECODED_FIRST_FRAGMENT))
		return false;
	out->fragment = (struct fragment_key){
		.source = out->ends.source,
		.destination = out->ends.destination,
		.id = id,
		.ip_protocol = ip_protocol,
	};
	if (is_later)
		decode_end(decode, DECODE_LATER_FRAGMENT);
	else
		out->flags |= DECODED_FIRST_FRAGMENT;
	return is_later;
}

/* The number stands in a header, but nobody here reads what it announces. */
static void end_unknown(struct decode *decode)
{
	enum { NO_NEXT_HEADER = 59, RESERVED = 255 };
	switch (decode->space) {
	case SPACE_LINK:
		decode_end(decode, DECODE_UNKNOWN_LINK);
		break;
	case SPACE_IP:
		if (decode->selector == NO_NEXT_HEADER || decode->selector == RESERVED) {
			decode_end(decode, DECODE_OTHER_PROTOCOL);
			break;
		}
		decode->out->ends.ip_protocol = (uint8_t)decode->selector;
		decode_end_flow(decode, 0, 0);
		break;
	default:
		decode_end(decode, DECODE_NOT_IP);
		break;
	}
}

static void decode_layers(struct decode *decode)
{
	while (decode->space != SPACE_END) {
		decode_fn *decoder = decoder_for(decode->space, decode->selector);
		if (!decoder) {
			end_unknown(decode);
			return;
		}
		if (decode->out->layer_count == DECODE_LAYERS_MAX) {
			decode_end(decode, DECODE_TOO_DEEP);
			return;
		}
		decode->out->layer_count++;
		decoder(decode);
		if (decode->bytes.truncated) {
			decode_end(decode,
				   decode_cut_short(decode) ? DECODE_TRUNCATED : DECODE_MALFORMED);
			return;
		}
	}
}

void decode_packet_by_table(const struct packet *packet, struct decoded *out)
{
	decode_clear(out);
	struct decode decode;
	decode.bytes = cursor_over(packet->bytes, packet->captured_bytes);
	decode.packet = packet;
	decode.out = out;
	decode.captured_end = decode.bytes.end;
	decode.ip_count = 0;
	decode.gre_has_sequence = false;
	decode.has_fallback = false;
	decode_next(&decode, SPACE_LINK, packet->link_type);
	if (packet->vlan_id)
		decode_add_vlan(&decode, packet->vlan_id);
	decode_layers(&decode);

	const bool failed = out->verdict != DECODE_FLOW && out->verdict != DECODE_LATER_FRAGMENT;
	if (failed && out->verdict != DECODE_TOO_DEEP && decode.has_fallback)
		*out = decode.fallback;
}
