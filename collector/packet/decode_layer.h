/* decode_layer.h: what a decode_NAME.c sees: the bytes from its header on, and where to say what
 * comes next.
 *
 * A decoder reads its header from `bytes` and ends with decode_next or decode_end. It need not
 * check for truncation: the loop in decode.c does, after each layer, before it looks at anything
 * else.
 */
#pragma once

#include "collector/base/cursor.h"
#include "collector/packet/decode.h"

enum decode_space {
	SPACE_END, /* the verdict is out */
	SPACE_LINK,
	SPACE_ETHERTYPE,
	SPACE_PPP,
	SPACE_IP,
	SPACE_UDP_PORT,
};

enum { LINKTYPE_ETHERNET = 1, LINKTYPE_RAW_IP = 101 };

struct decode {
	struct cursor bytes;
	const struct packet *packet;
	struct decoded *out;
	const uint8_t *captured_end;
	enum decode_space space; /* of the next header */
	uint32_t selector;
	uint8_t ip_count;
	bool gre_has_sequence; /* tells ERSPAN type II from type I */
	bool has_fallback;
	struct decoded fallback; /* the UDP flow around a tunnel that may not be one */
};

typedef void decode_fn(struct decode *decode);

#define DECODER(name, space, selector) decode_fn decode_##name;
#include "collector/packet/decoders.def"
#undef DECODER

static inline void decode_next(struct decode *decode, enum decode_space space, uint32_t selector)
{
	decode->space = space;
	decode->selector = selector;
}

static inline void decode_end(struct decode *decode, enum decode_verdict verdict)
{
	decode->space = SPACE_END;
	decode->out->verdict = (uint8_t)verdict;
}

/* Everything up to the addresses of the tunnel. Field by field: gcc 12 turns a memset of this size
 * into `rep stos`, which costs 4 ns a packet more. */
static inline void decode_clear(struct decoded *out)
{
	out->ends = (struct endpoints){ .ip_protocol = 0 };
	out->verdict = 0;
	out->flags = 0;
	out->ttl = 0;
	out->tcp_flags = 0;
	out->layer_count = 0;
	out->vlan_count = 0;
	out->vlan_ids[0] = 0;
	out->vlan_ids[1] = 0;
	out->ip_id = 0;
	out->unused = 0;
	out->tcp_sequence = 0;
	out->tcp_acknowledgement = 0;
	out->tunnel_id = 0;
	out->network_id = 0;
	out->ip_bytes = 0;
	out->payload_bytes = 0;
	out->payload = NULL;
}

_Static_assert(FLOW_VLANS_MAX == 2, "decode_clear knows");

/* Is there a row for it? */
bool decode_knows(enum decode_space space, uint32_t selector);

/* Bytes on the wire from the cursor to the end of the frame, captured or not. */
static inline uint32_t decode_wire_left(const struct decode *decode)
{
	const size_t done = (size_t)(decode->bytes.at - decode->packet->bytes);
	return decode->packet->wire_bytes > done ? decode->packet->wire_bytes - (uint32_t)done : 0;
}

/* A read ran past the end although the sender need not have lied: the capture was cut there, or
 * the rest is in a later fragment. */
static inline bool decode_cut_short(const struct decode *decode)
{
	return (decode->out->flags & DECODED_FIRST_FRAGMENT) ||
	       (decode->bytes.end == decode->captured_end &&
		decode->packet->captured_bytes < decode->packet->wire_bytes);
}

/* Ends at a flow: everything left is its payload. Clears `truncated`. */
void decode_end_flow(struct decode *decode, uint16_t source_port, uint16_t destination_port);

/* An IP header's ends become the innermost ones; those before it become the tunnel. */
void decode_enter_ip(struct decode *decode, const struct ip_address *source,
		     const struct ip_address *destination, uint8_t ttl);

/* Keeps the id of a tagged frame: the outermost FLOW_VLANS_MAX ones. */
void decode_add_vlan(struct decode *decode, uint16_t id);

/* `tunnel_id` of the innermost tunnel. */
static inline void decode_set_tunnel_id(struct decode *decode, uint32_t tunnel_id)
{
	decode->out->tunnel_id = tunnel_id;
	decode->out->network_id = 0;
}

/* A fragment of the innermost datagram. True: a later one, and decoding has ended. */
bool decode_fragment(struct decode *decode, uint32_t id, uint8_t ip_protocol, bool is_later);
