#include "collector/packet/flow_state.h"

#include <string.h>

#include "collector/base/hard.h"

enum { IP_PROTOCOL_TCP = 6, IP_PROTOCOL_UDP = 17, IP_PROTOCOL_ICMP = 1, IP_PROTOCOL_ICMPV6 = 58 };

#define SECONDS_NS(seconds) ((uint64_t)(seconds)*1000000000U)

/* Defaults of struct tracker_settings. */
enum { MAX_FLOWS = HARD(1 << 20, 4) };
static const uint64_t tcp_idle_ns = SECONDS_NS(15 * 60);
static const uint64_t tcp_closing_ns = SECONDS_NS(5);
static const uint64_t udp_idle_ns = SECONDS_NS(120);
static const uint64_t other_idle_ns = SECONDS_NS(60);

/* An answered flow with a packet this recently is not given up for a new one: a flood of new flows
 * is then refused, rather than pushing out what goes on. */
static const uint64_t protected_ns = SECONDS_NS(1);

static uint64_t or_default(uint64_t setting, uint64_t value)
{
	return setting ? setting : value;
}

struct tracker_settings flow_settings_complete(const struct tracker_settings *settings)
{
	struct tracker_settings complete = *settings;
	complete.max_flows = settings->max_flows ? settings->max_flows : MAX_FLOWS;
	complete.tcp_idle_ns = or_default(settings->tcp_idle_ns, tcp_idle_ns);
	complete.tcp_closing_ns = or_default(settings->tcp_closing_ns, tcp_closing_ns);
	complete.udp_idle_ns = or_default(settings->udp_idle_ns, udp_idle_ns);
	complete.other_idle_ns = or_default(settings->other_idle_ns, other_idle_ns);
	for (uint64_t i = 0; i < 2; i++)
		complete.seed.words[i] = hash_bytes(&settings->seed, &i, sizeof(i));
	return complete;
}

struct flow_opening flow_opening_of(const struct decoded *decoded)
{
	struct flow_opening opening = { .opener = FLOW_OPENER_FIRST_PACKET, .source_opened = true };
	if (decoded->ends.ip_protocol != IP_PROTOCOL_TCP)
		return opening;
	if (!(decoded->tcp_flags & TCP_SYN)) {
		opening.opener = FLOW_OPENER_GUESSED;
		opening.source_opened = decoded->ends.source_port >= decoded->ends.destination_port;
		opening.flags = FLOW_MIDSTREAM;
		return opening;
	}
	const bool is_answer = decoded->tcp_flags & TCP_ACK;
	opening.opener = FLOW_OPENER_SYN;
	opening.source_opened = !is_answer;
	opening.flags = FLOW_RECORD_SYN;
	opening.initial_sequence =
		is_answer ? decoded->tcp_acknowledgement - 1 : decoded->tcp_sequence;
	return opening;
}

void flow_begin(struct flow *flow, const struct flow_opening *opening,
		const struct decoded *decoded, const struct packet *packet, bool source_is_low)
{
	flow->opener = (uint8_t)opening->opener;
	flow->flags = opening->flags;
	flow->initial_sequence = opening->initial_sequence;
	if (source_is_low == opening->source_opened)
		flow->flags |= FLOW_RECORD_SOURCE_IS_LOW;
	if (decoded->flags & DECODED_TUNNEL)
		flow->flags |= FLOW_RECORD_TUNNEL;
	flow->start_ns = packet->time_ns;
	flow->last_ns = packet->time_ns;
	flow->capture = packet->capture;
	flow->tunnel_id = decoded->tunnel_id;
	memcpy(flow->vlan_ids, decoded->vlan_ids, sizeof(flow->vlan_ids));
}

void flow_continue(struct flow *flow, uint64_t start_ns)
{
	flow->start_ns = start_ns;
	flow->last_ns = start_ns;
	flow->flags &= (uint8_t) ~(FLOW_FRAGMENTS | FLOW_ICMP_ERROR);
	memset(flow->packet_count, 0, sizeof(flow->packet_count));
	memset(flow->wire_bytes, 0, sizeof(flow->wire_bytes));
}

bool flow_is_reused(const struct flow *flow, const struct decoded *decoded, int direction)
{
	if ((decoded->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != TCP_SYN)
		return false;
	if (!(flow->flags & FLOW_RECORD_SYN))
		return true; /* it was midstream, so this is a later connection */
	if (direction == FLOW_FROM_SOURCE)
		return decoded->tcp_sequence != flow->initial_sequence;
	/* Both sides may open at once (RFC 9293, section 3.5); after that it is a new one. */
	const bool both_opening = !(flow->tcp_flags[FLOW_FROM_SOURCE] & TCP_ACK) &&
				  !(flow->tcp_flags[FLOW_FROM_DESTINATION] & TCP_ACK);
	return !both_opening;
}

uint64_t flow_idle_ns(const struct flow *flow, const struct tracker_settings *settings)
{
	if (flow->key.ip_protocol == IP_PROTOCOL_UDP)
		return settings->udp_idle_ns;
	if (flow->key.ip_protocol != IP_PROTOCOL_TCP)
		return settings->other_idle_ns;
	if (flow_is_closed(flow))
		return settings->tcp_closing_ns;
	const bool unanswered = flow->packet_count[FLOW_FROM_DESTINATION] == 0 &&
				!(flow->tcp_flags[FLOW_FROM_SOURCE] & TCP_ACK);
	if (unanswered && FLOW_HANDSHAKE_IDLE_NS < settings->tcp_idle_ns)
		return FLOW_HANDSHAKE_IDLE_NS;
	return settings->tcp_idle_ns;
}

enum flow_end_reason flow_end_reason(const struct flow *flow, enum flow_end_reason otherwise)
{
	if ((flow->tcp_flags[0] | flow->tcp_flags[1]) & TCP_RST)
		return FLOW_END_RST;
	return flow_is_closed(flow) ? FLOW_END_FIN : otherwise;
}

/* Lower goes first. */
static int eviction_class(const struct flow *flow)
{
	if (flow_is_closed(flow))
		return 0;
	if (flow->packet_count[FLOW_FROM_DESTINATION] && flow->packet_count[FLOW_FROM_SOURCE])
		return 3;
	const bool is_tcp = flow->key.ip_protocol == IP_PROTOCOL_TCP;
	return is_tcp && !(flow->tcp_flags[FLOW_FROM_SOURCE] & TCP_ACK) ? 1 : 2;
}

bool flow_evicts_before(const struct flow *flow, const struct flow *other)
{
	const int class = eviction_class(flow);
	const int other_class = eviction_class(other);
	if (class != other_class)
		return class < other_class;
	if (flow->touched_ns != other->touched_ns)
		return flow->touched_ns < other->touched_ns;
	/* So that the choice does not depend on where the records are. */
	return memcmp(&flow->key, &other->key, sizeof(flow->key)) < 0;
}

bool flow_is_protected(const struct flow *flow, uint64_t now_ns)
{
	return eviction_class(flow) == 3 && now_ns - flow->touched_ns < protected_ns;
}

uint64_t flow_id_of(const struct flow *flow)
{
	static const struct hash_seed fixed = { { 0x9e3779b97f4a7c15U, 0xd1b54a32d192ed03U } };
	uint64_t words[sizeof(flow->key) / sizeof(uint64_t)];
	uint64_t vlans = 0;
	memcpy(words, &flow->key, sizeof(words));
	memcpy(&vlans, flow->vlan_ids, sizeof(flow->vlan_ids));
	uint64_t id = fixed.words[0];
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		id = hash_word(&fixed, id, words[i]);
	id = hash_word(&fixed, id, vlans << 32 | flow->tunnel_id);
	id = hash_word(&fixed, id, flow->initial_sequence);
	return hash_word(&fixed, id, flow->start_ns);
}

static struct flow_half half_of(const struct flow *flow, int direction)
{
	return (struct flow_half){
		.packet_count = flow->packet_count[direction],
		.wire_bytes = flow->wire_bytes[direction],
		.tcp_flags = flow->tcp_flags[direction],
		.ttl = flow->ttl[direction],
	};
}

/* The numbers that ICMP events carry instead of ports: the opener's type, and the code. */
static void show_icmp(struct flow_event *event)
{
	const uint8_t type = (uint8_t)event->source_port;
	if (icmp_counterpart(event->ip_protocol, type) >= 0)
		event->destination_port = 0; /* the key holds the answering type; the code is 0 */
}

void flow_event_of(const struct flow *flow, const struct flow_rest *rest, enum flow_event_kind kind,
		   enum flow_end_reason reason, struct flow_event *out_event)
{
	const struct flow_key *key = &flow->key;
	const bool low_first = flow->flags & FLOW_RECORD_SOURCE_IS_LOW;
	memset(out_event, 0, sizeof(*out_event));
	out_event->record_kind = RECORD_FLOW;
	out_event->kind = (uint8_t)kind;
	out_event->end_reason = (uint8_t)reason;
	out_event->opener = flow->opener;
	out_event->ip_protocol = (uint8_t)key->ip_protocol;
	out_event->flags = flow->flags & FLOW_RECORD_PUBLIC;
	memcpy(out_event->vlan_ids, flow->vlan_ids, sizeof(out_event->vlan_ids));
	out_event->source_port = low_first ? key->low_port : key->high_port;
	out_event->destination_port = low_first ? key->high_port : key->low_port;
	out_event->capture = flow->capture;
	out_event->tunnel_id = flow->tunnel_id;
	out_event->source = low_first ? key->low : key->high;
	out_event->destination = low_first ? key->high : key->low;
	if (flow->flags & FLOW_RECORD_TUNNEL) {
		out_event->tunnel_source = rest->tunnel_source;
		out_event->tunnel_destination = rest->tunnel_destination;
	}
	if (key->ip_protocol == IP_PROTOCOL_ICMP || key->ip_protocol == IP_PROTOCOL_ICMPV6)
		show_icmp(out_event);
	out_event->flow_id = flow_id_of(flow);
	out_event->start_ns = flow->start_ns;
	out_event->last_ns = flow->last_ns;
	out_event->from_source = half_of(flow, FLOW_FROM_SOURCE);
	out_event->from_destination = half_of(flow, FLOW_FROM_DESTINATION);
}
