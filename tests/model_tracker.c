#include "tests/model_tracker.h"

#include <stdlib.h>
#include <string.h>

#include "collector/packet/decode.h"
#include "collector/packet/flow_key.h"

enum { MODEL_FLOWS_MAX = 4096 };

static const uint64_t model_second_ns = 1000000000;

struct model_flow {
	bool in_use;
	struct flow_event event; /* as it would be told now */
	struct flow_key key;
	uint64_t touched_ns;
	uint64_t update_s;
	bool has_syn;
	uint32_t initial_sequence;
};

struct model_tracker {
	struct tracker_settings settings;
	struct tracker_sink sink;
	bool started;
	uint64_t now_ns;
	uint64_t latest_ns;
	uint64_t refused;
	struct model_flow flows[MODEL_FLOWS_MAX];
};

struct model_tracker *model_tracker_open(const struct tracker_settings *settings,
					 const struct tracker_sink *sink)
{
	struct model_tracker *model = calloc(1, sizeof(*model));
	if (!model || settings->max_flows > MODEL_FLOWS_MAX)
		abort();
	model->settings = *settings;
	model->sink = *sink;
	return model;
}

void model_tracker_close(struct model_tracker *model)
{
	free(model);
}

uint64_t model_tracker_refused(const struct model_tracker *model)
{
	return model->refused;
}

static void advance(struct model_tracker *model, uint64_t time_ns)
{
	if (!model->started) {
		model->started = true;
		model->latest_ns = time_ns;
	} else if (time_ns >= model->latest_ns) {
		model->now_ns += time_ns - model->latest_ns;
		model->latest_ns = time_ns;
	} else if (model->latest_ns - time_ns >= 60 * model_second_ns) {
		model->latest_ns = time_ns;
	}
}

static bool said(const struct flow_half *half, unsigned flag)
{
	return (half->tcp_flags & flag) != 0;
}

static bool reset(const struct model_flow *flow)
{
	return said(&flow->event.from_source, TCP_RST) ||
	       said(&flow->event.from_destination, TCP_RST);
}

static bool finished(const struct model_flow *flow)
{
	return said(&flow->event.from_source, TCP_FIN) &&
	       said(&flow->event.from_destination, TCP_FIN);
}

static bool is_handshake(const struct model_flow *flow)
{
	return flow->event.ip_protocol == 6 && flow->event.from_destination.packet_count == 0 &&
	       !said(&flow->event.from_source, TCP_ACK);
}

static bool over(const struct model_tracker *model, const struct model_flow *flow)
{
	const struct tracker_settings *settings = &model->settings;
	uint64_t idle_ns = settings->other_idle_ns;
	if (flow->event.ip_protocol == 17)
		idle_ns = settings->udp_idle_ns;
	if (flow->event.ip_protocol == 6) {
		idle_ns = settings->tcp_idle_ns;
		if (is_handshake(flow) && idle_ns > 65 * model_second_ns)
			idle_ns = 65 * model_second_ns;
		if (reset(flow) || finished(flow))
			idle_ns = settings->tcp_closing_ns;
	}
	return model->now_ns - flow->touched_ns >= idle_ns;
}

static void tell(struct model_tracker *model, struct model_flow *flow, enum flow_event_kind kind,
		 enum flow_end_reason reason)
{
	struct flow_event event = flow->event;
	event.kind = (uint8_t)kind;
	event.end_reason = (uint8_t)reason;
	model->sink.flow(model->sink.context, &event);
}

static void end(struct model_tracker *model, struct model_flow *flow, enum flow_end_reason reason)
{
	if (finished(flow))
		reason = FLOW_END_FIN;
	if (reset(flow))
		reason = FLOW_END_RST;
	tell(model, flow, FLOW_END, reason);
	flow->in_use = false;
}

static struct model_flow *find(struct model_tracker *model, const struct flow_key *key)
{
	for (uint32_t i = 0; i < model->settings.max_flows; i++)
		if (model->flows[i].in_use && memcmp(&model->flows[i].key, key, sizeof(*key)) == 0)
			return &model->flows[i];
	return NULL;
}

static struct model_flow *find_free(struct model_tracker *model)
{
	for (uint32_t i = 0; i < model->settings.max_flows; i++)
		if (!model->flows[i].in_use)
			return &model->flows[i];
	return NULL;
}

/* How dear a flow is: closed, unanswered handshake, one-way, answered. */
static int rank(const struct model_flow *flow)
{
	if (reset(flow) || finished(flow))
		return 0;
	if (flow->event.from_source.packet_count && flow->event.from_destination.packet_count)
		return 3;
	return flow->event.ip_protocol == 6 && !said(&flow->event.from_source, TCP_ACK) ? 1 : 2;
}

static bool goes_before(const struct model_flow *flow, const struct model_flow *other)
{
	if (rank(flow) != rank(other))
		return rank(flow) < rank(other);
	if (flow->touched_ns != other->touched_ns)
		return flow->touched_ns < other->touched_ns;
	return memcmp(&flow->key, &other->key, sizeof(flow->key)) < 0;
}

static struct model_flow *room(struct model_tracker *model)
{
	for (uint32_t i = 0; i < model->settings.max_flows; i++)
		if (model->flows[i].in_use && over(model, &model->flows[i]))
			end(model, &model->flows[i], FLOW_END_IDLE);
	struct model_flow *victim = find_free(model);
	if (victim)
		return victim;
	for (uint32_t i = 0; i < model->settings.max_flows; i++) {
		struct model_flow *flow = &model->flows[i];
		if (rank(flow) == 3 && model->now_ns - flow->touched_ns < model_second_ns)
			continue;
		if (!victim || goes_before(flow, victim))
			victim = flow;
	}
	if (victim)
		end(model, victim, FLOW_END_EVICTED);
	return victim;
}

/* What the first packet says about who opened the flow. */
static void orient(struct model_flow *flow, const struct decoded *decoded)
{
	struct flow_event *event = &flow->event;
	const struct endpoints *ends = &decoded->ends;
	bool turned = false;
	event->opener = FLOW_OPENER_FIRST_PACKET;
	if (ends->ip_protocol == 6 && (decoded->tcp_flags & TCP_SYN)) {
		event->opener = FLOW_OPENER_SYN;
		flow->has_syn = true;
		turned = decoded->tcp_flags & TCP_ACK;
		flow->initial_sequence =
			turned ? decoded->tcp_acknowledgement - 1 : decoded->tcp_sequence;
	} else if (ends->ip_protocol == 6) {
		event->opener = FLOW_OPENER_GUESSED;
		event->flags = FLOW_MIDSTREAM;
		turned = ends->source_port < ends->destination_port;
	}
	event->source = turned ? ends->destination : ends->source;
	event->destination = turned ? ends->source : ends->destination;
	event->source_port = turned ? ends->destination_port : ends->source_port;
	event->destination_port = turned ? ends->source_port : ends->destination_port;
}

static void begin(struct model_flow *flow, const struct decoded *decoded,
		  const struct packet *packet)
{
	memset(flow, 0, sizeof(*flow));
	flow->in_use = true;
	flow->event.record_kind = RECORD_FLOW;
	flow->event.ip_protocol = decoded->ends.ip_protocol;
	flow->event.capture = packet->capture;
	flow->event.tunnel_id = decoded->tunnel_id;
	memcpy(flow->event.vlan_ids, decoded->vlan_ids, sizeof(flow->event.vlan_ids));
	flow->event.start_ns = packet->time_ns;
	flow->event.last_ns = packet->time_ns;
	orient(flow, decoded);
}

static bool from_source(const struct model_flow *flow, const struct endpoints *ends)
{
	if (!ip_address_equal(&flow->event.source, &flow->event.destination) ||
	    flow->event.ip_protocol == 1)
		return ip_address_equal(&ends->source, &flow->event.source);
	return ends->source_port == flow->event.source_port;
}

static bool reused(const struct model_flow *flow, const struct decoded *decoded)
{
	const unsigned flags = decoded->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN);
	if (flow->event.ip_protocol != 6 || flags != TCP_SYN)
		return false;
	if (!flow->has_syn)
		return true;
	if (from_source(flow, &decoded->ends))
		return decoded->tcp_sequence != flow->initial_sequence;
	return said(&flow->event.from_source, TCP_ACK) ||
	       said(&flow->event.from_destination, TCP_ACK);
}

static void count(struct model_tracker *model, struct model_flow *flow,
		  const struct decoded *decoded, const struct packet *packet)
{
	struct flow_half *half = from_source(flow, &decoded->ends) ? &flow->event.from_source
								   : &flow->event.from_destination;
	if (half->packet_count++ == 0)
		half->ttl = decoded->ttl;
	half->wire_bytes += decoded->ip_bytes;
	half->tcp_flags |= decoded->tcp_flags;
	if (packet->time_ns > flow->event.last_ns)
		flow->event.last_ns = packet->time_ns;
	flow->touched_ns = model->now_ns;
}

/* The record after a hard time-out. */
static void cut(struct model_tracker *model, struct model_flow *flow, uint64_t time_ns)
{
	tell(model, flow, FLOW_END, FLOW_END_HARD);
	flow->event.start_ns = time_ns;
	flow->event.last_ns = time_ns;
	flow->event.from_source.packet_count = 0;
	flow->event.from_source.wire_bytes = 0;
	flow->event.from_destination.packet_count = 0;
	flow->event.from_destination.wire_bytes = 0;
	flow->event.flags &= (uint32_t) ~(FLOW_FRAGMENTS | FLOW_ICMP_ERROR);
}

static void mark(struct model_tracker *model, const struct endpoints *quote)
{
	struct flow_key key;
	const struct hash_seed seed = { { 1, 1 } };
	flow_key_make(quote, NULL, 0, &seed, &key);
	struct model_flow *flow = find(model, &key);
	if (flow)
		flow->event.flags |= FLOW_ICMP_ERROR;
}

static void add(struct model_tracker *model, const struct decoded *decoded,
		const struct packet *packet)
{
	struct flow_key key;
	const struct hash_seed seed = { { 1, 1 } };
	flow_key_make(&decoded->ends, model->settings.vlan_in_key ? decoded->vlan_ids : NULL,
		      decoded->network_id, &seed, &key);
	const uint64_t update_s =
		(model->settings.update_ns + model_second_ns - 1) / model_second_ns;
	const uint64_t hard_ns = model->settings.hard_ns;
	struct model_flow *flow = find(model, &key);
	if (flow && (over(model, flow) || reused(flow, decoded))) {
		end(model, flow, FLOW_END_IDLE);
		flow = NULL;
	}
	bool is_new = !flow;
	if (is_new) {
		flow = find_free(model) ? find_free(model) : room(model);
		if (!flow) {
			model->refused++;
			return;
		}
		begin(flow, decoded, packet);
		flow->key = key;
		flow->update_s = model->now_ns / model_second_ns + update_s;
	} else if (hard_ns && packet->time_ns > flow->event.start_ns &&
		   packet->time_ns - flow->event.start_ns >= hard_ns) {
		cut(model, flow, packet->time_ns);
		is_new = true;
	}
	count(model, flow, decoded, packet);
	if (is_new) {
		tell(model, flow, FLOW_START, FLOW_OPEN);
	} else if (update_s && model->now_ns / model_second_ns >= flow->update_s) {
		tell(model, flow, FLOW_UPDATE, FLOW_OPEN);
		flow->update_s = model->now_ns / model_second_ns + update_s;
	}
}

void model_tracker_packet(struct model_tracker *model, const struct packet *packet)
{
	struct decoded decoded;
	decode_packet_by_table(packet, &decoded);
	advance(model, packet->time_ns);
	if (decoded.verdict != DECODE_FLOW)
		return;
	add(model, &decoded, packet);
	if (decoded.flags & DECODED_QUOTE)
		mark(model, &decoded.quote);
}

void model_tracker_finish(struct model_tracker *model)
{
	for (uint32_t i = 0; i < model->settings.max_flows; i++)
		if (model->flows[i].in_use)
			end(model, &model->flows[i],
			    over(model, &model->flows[i]) ? FLOW_END_IDLE : FLOW_END_FINISHED);
}
