/* A batch goes through four plain passes: decode, hash and prefetch the index; prefetch the
 * records; then one packet after the other. So memory is waited for once a batch, not once a packet
 * (PERF.md: 48 ns a lookup one by one, 24 in batches). */
#include "collector/packet/tracker.h"

#include <stdlib.h>
#include <string.h>

#include "collector/packet/duplicate_filter.h"
#include "collector/packet/flow_state.h"
#include "collector/packet/fragment_table.h"
#include "collector/packet/names.h"

enum { IP_PROTOCOL_TCP = 6 };

static const uint64_t second_ns = 1000000000U;

/* A packet this much older than the latest one means that the clock was set back. */
static const uint64_t clock_step_back_ns = 60ULL * 1000000000U;

/* One packet of the batch, between the passes. */
struct work {
	struct decoded decoded;
	struct flow_key key;
	struct flow_key_made made;
};

/* Time as idle flows feel it: starts at 0 and only moves forward, by as much as packet times do. A
 * packet from the far future ends flows early, but does not stop the clock for those after it. */
struct packet_clock {
	uint64_t now_ns;
	uint64_t latest_ns; /* packet time that now_ns stands for */
	bool started;
};

struct tracker {
	struct tracker_settings settings;
	struct tracker_sink sink;
	struct counters *counters;
	struct flow_table *flows;
	struct fragment_table *fragments;
	struct names *names;
	struct duplicate_filter *duplicates; /* NULL = not asked for */
	struct packet_clock clock;
	uint64_t idle_min_ns; /* no flow times out sooner */
	uint32_t update_s;    /* 0 = no FLOW_UPDATE */
	uint64_t in_flows;    /* of this batch */
	struct work batch[PACKET_BATCH];
};

static uint64_t smaller(uint64_t left, uint64_t right)
{
	return left < right ? left : right;
}

struct tracker *tracker_open(const struct tracker_settings *settings,
			     const struct tracker_sink *sink, struct counters *counters)
{
	struct tracker *tracker = calloc(1, sizeof(*tracker));
	if (!tracker)
		return NULL;
	tracker->settings = flow_settings_complete(settings);
	tracker->sink = *sink;
	tracker->counters = counters;
	settings = &tracker->settings;
	tracker->idle_min_ns = smaller(smaller(settings->tcp_idle_ns, settings->tcp_closing_ns),
				       smaller(settings->udp_idle_ns, settings->other_idle_ns));
	tracker->idle_min_ns = smaller(tracker->idle_min_ns, FLOW_HANDSHAKE_IDLE_NS);
	tracker->update_s =
		(uint32_t)smaller((settings->update_ns + second_ns - 1) / second_ns, INT32_MAX);
	tracker->flows = flow_table_open(settings->max_flows, &settings->seed);
	tracker->fragments = fragment_table_open(&settings->seed);
	tracker->names = names_open(sink, counters);
	if (settings->drop_duplicates)
		tracker->duplicates = duplicate_filter_open(&settings->seed);
	if (tracker->flows && tracker->fragments && tracker->names &&
	    (tracker->duplicates || !settings->drop_duplicates))
		return tracker;
	tracker_close(tracker);
	return NULL;
}

void tracker_close(struct tracker *tracker)
{
	if (!tracker)
		return;
	duplicate_filter_close(tracker->duplicates);
	names_close(tracker->names);
	fragment_table_close(tracker->fragments);
	flow_table_close(tracker->flows);
	free(tracker);
}

uint32_t tracker_flow_count(const struct tracker *tracker)
{
	return flow_table_count(tracker->flows);
}

size_t tracker_bytes(const struct tracker *tracker)
{
	return sizeof(*tracker) + flow_table_bytes(tracker->flows) + fragment_table_bytes() +
	       names_bytes() + (tracker->duplicates ? duplicate_filter_bytes() : 0);
}

static void clock_advance(struct packet_clock *clock, uint64_t time_ns)
{
	if (clock->started && time_ns >= clock->latest_ns)
		clock->now_ns += time_ns - clock->latest_ns;
	else if (clock->started && clock->latest_ns - time_ns < clock_step_back_ns)
		return;
	clock->latest_ns = time_ns;
	clock->started = true;
}

/* --- telling ---------------------------------------------------------------------------------- */

static void tell(struct tracker *tracker, const struct flow *flow, enum flow_event_kind kind,
		 enum flow_end_reason reason)
{
	struct flow_event event;
	flow_event_of(flow, flow_table_rest(tracker->flows, flow), kind, reason, &event);
	tracker->sink.flow(tracker->sink.context, &event);
}

static void end_flow(struct tracker *tracker, struct flow *flow, enum flow_end_reason reason)
{
	tell(tracker, flow, FLOW_END, reason);
	counter_add(tracker->counters, COUNTER_flows_closed, 1);
	flow_table_remove(tracker->flows, flow);
}

/* Silent for too long at this moment? */
static bool is_over(const struct tracker *tracker, const struct flow *flow)
{
	const uint64_t silent_ns = tracker->clock.now_ns - flow->touched_ns;
	return silent_ns >= tracker->idle_min_ns &&
	       silent_ns >= flow_idle_ns(flow, &tracker->settings);
}

static void arm(struct tracker *tracker, const struct flow *flow)
{
	const uint64_t idle_ns = flow_idle_ns(flow, &tracker->settings);
	const uint64_t at_ns = flow->touched_ns + idle_ns;
	flow_table_arm(tracker->flows, flow, at_ns < idle_ns ? UINT64_MAX : at_ns);
}

/* Timers are armed when a flow begins and when it closes, not at each packet: one that fires looks
 * at how long the flow has really been silent. */
static void expire(struct tracker *tracker)
{
	struct flow *due[FLOW_TABLE_DUE_MAX];
	const size_t count = flow_table_due(tracker->flows, tracker->clock.now_ns, due);
	for (size_t i = 0; i < count; i++) {
		if (is_over(tracker, due[i]))
			end_flow(tracker, due[i], flow_end_reason(due[i], FLOW_END_IDLE));
		else
			arm(tracker, due[i]);
	}
}

void tracker_expire(struct tracker *tracker, uint64_t now_ns)
{
	clock_advance(&tracker->clock, now_ns);
	expire(tracker);
}

/* --- beginning a flow ------------------------------------------------------------------------- */

/* Makes room for one flow in a full table. False: nothing may be given up. */
static bool make_room(struct tracker *tracker)
{
	struct flow *sample[FLOW_TABLE_SAMPLE];
	const size_t count = flow_table_sample(tracker->flows, sample);
	struct flow *victim = NULL;
	for (size_t i = 0; i < count; i++) {
		if (is_over(tracker, sample[i])) {
			end_flow(tracker, sample[i], flow_end_reason(sample[i], FLOW_END_IDLE));
			return true;
		}
		if (!flow_is_protected(sample[i], tracker->clock.now_ns) &&
		    (!victim || flow_evicts_before(sample[i], victim)))
			victim = sample[i];
	}
	if (!victim)
		return false;
	const enum flow_end_reason reason = flow_end_reason(victim, FLOW_END_EVICTED);
	if (reason == FLOW_END_EVICTED)
		counter_add(tracker->counters, COUNTER_flows_evicted, 1);
	end_flow(tracker, victim, reason);
	return true;
}

/* Can any rule want the flow that this packet begins? */
static bool is_wanted(const struct tracker *tracker, const struct decoded *decoded,
		      const struct flow_opening *opening)
{
	const struct tracker_settings *settings = &tracker->settings;
	if (!settings->wants || names_needed(&decoded->ends))
		return true;
	const struct ip_address *from = &decoded->ends.source;
	const struct ip_address *to = &decoded->ends.destination;
	if ((opening->source_opened || opening->opener == FLOW_OPENER_GUESSED) &&
	    settings->wants(settings->wants_context, from, to))
		return true;
	return (!opening->source_opened || opening->opener == FLOW_OPENER_GUESSED) &&
	       settings->wants(settings->wants_context, to, from);
}

/* The tunnel's ends, on the sides of the ends that talk through it. */
static void keep_tunnel(struct tracker *tracker, const struct flow *flow,
			const struct decoded *decoded, bool from_source)
{
	*flow_table_rest(tracker->flows, flow) = (struct flow_rest){
		.tunnel_source = from_source ? decoded->tunnel_source : decoded->tunnel_destination,
		.tunnel_destination =
			from_source ? decoded->tunnel_destination : decoded->tunnel_source,
	};
}

/* A new flow for these packets, or NULL after counting why not. */
static struct flow *begin_flow(struct tracker *tracker, const struct packet *packet,
			       const struct work *work, uint64_t packet_count)
{
	const struct flow_opening opening = flow_opening_of(&work->decoded);
	if (!is_wanted(tracker, &work->decoded, &opening)) {
		counter_add(tracker->counters, COUNTER_packets_excluded, packet_count);
		return NULL;
	}
	struct flow *flow = flow_table_add(tracker->flows, &work->key, work->made.hash);
	if (!flow && make_room(tracker))
		flow = flow_table_add(tracker->flows, &work->key, work->made.hash);
	if (!flow) {
		counter_add(tracker->counters, COUNTER_packets_flow_table_full, packet_count);
		return NULL;
	}
	flow_begin(flow, &opening, &work->decoded, packet, work->made.source_is_low);
	if (flow->flags & FLOW_RECORD_TUNNEL)
		keep_tunnel(tracker, flow, &work->decoded, opening.source_opened);
	if (names_possible(&work->decoded.ends))
		flow->flags |= FLOW_RECORD_NAMES;
	flow->touched_ns = tracker->clock.now_ns;
	flow->update_at_s = (uint32_t)(tracker->clock.now_ns / second_ns) + tracker->update_s;
	counter_add(tracker->counters, COUNTER_flows_opened, 1);
	return flow;
}

/* --- counting a packet ------------------------------------------------------------------------ */

static int direction_of(const struct flow *flow, bool source_is_low)
{
	const bool opener_is_low = flow->flags & FLOW_RECORD_SOURCE_IS_LOW;
	return opener_is_low == source_is_low ? FLOW_FROM_SOURCE : FLOW_FROM_DESTINATION;
}

static void count_packet(struct tracker *tracker, struct flow *flow, const struct packet *packet,
			 int direction, uint32_t ip_bytes)
{
	flow->packet_count[direction]++;
	flow->wire_bytes[direction] += ip_bytes;
	flow->touched_ns = tracker->clock.now_ns;
	if (packet->time_ns > flow->last_ns)
		flow->last_ns = packet->time_ns;
	tracker->in_flows++;
}

/* Ends what the packet shows to be over: the caller then begins a new flow. */
static struct flow *still_open(struct tracker *tracker, struct flow *flow, const struct work *work)
{
	const struct decoded *decoded = &work->decoded;
	if (is_over(tracker, flow) ||
	    ((decoded->tcp_flags & TCP_SYN) &&
	     flow_is_reused(flow, decoded, direction_of(flow, work->made.source_is_low)))) {
		end_flow(tracker, flow, flow_end_reason(flow, FLOW_END_IDLE));
		return NULL;
	}
	return flow;
}

/* The hard time-out: the record ends, and the flow goes on as a new one. */
static void cut_flow(struct tracker *tracker, struct flow *flow, uint64_t time_ns)
{
	tell(tracker, flow, FLOW_END, FLOW_END_HARD);
	counter_add(tracker->counters, COUNTER_flows_closed, 1);
	flow_continue(flow, time_ns);
	counter_add(tracker->counters, COUNTER_flows_opened, 1);
}

static bool is_too_old(const struct tracker *tracker, const struct flow *flow, uint64_t time_ns)
{
	const uint64_t hard_ns = tracker->settings.hard_ns;
	return hard_ns != 0 && time_ns > flow->start_ns && time_ns - flow->start_ns >= hard_ns;
}

static void tell_update(struct tracker *tracker, struct flow *flow)
{
	const uint32_t now_s = (uint32_t)(tracker->clock.now_ns / second_ns);
	if ((int32_t)(now_s - flow->update_at_s) < 0)
		return;
	tell(tracker, flow, FLOW_UPDATE, FLOW_OPEN);
	flow->update_at_s = now_s + tracker->update_s;
}

static void read_names(struct tracker *tracker, struct flow *flow, const struct packet *packet,
		       const struct decoded *decoded, int direction)
{
	const bool from_source = direction == FLOW_FROM_SOURCE;
	if (decoded->ends.ip_protocol == IP_PROTOCOL_TCP &&
	    flow->packet_count[0] + flow->packet_count[1] > NAME_FLOW_PACKETS)
		flow->flags &= (uint8_t)~FLOW_RECORD_NAMES;
	if (!names_look(&decoded->ends, from_source))
		return;
	const struct names_flow names_flow = {
		.flow_id = flow_id_of(flow),
		.time_ns = packet->time_ns,
		.from_source = from_source,
		.has_start = from_source && (flow->flags & FLOW_RECORD_SYN),
		.stream_start = flow->initial_sequence + 1,
		.source = from_source ? decoded->ends.source : decoded->ends.destination,
		.destination = from_source ? decoded->ends.destination : decoded->ends.source,
	};
	if (!names_read(tracker->names, &names_flow, decoded))
		flow->flags &= (uint8_t)~FLOW_RECORD_NAMES;
}

static void add_to_flow(struct tracker *tracker, const struct packet *packet, struct work *work)
{
	const struct decoded *decoded = &work->decoded;
	struct flow *flow = flow_table_find(tracker->flows, &work->key, work->made.hash);
	if (flow)
		flow = still_open(tracker, flow, work);
	bool is_new = !flow;
	if (is_new) {
		flow = begin_flow(tracker, packet, work, 1);
		if (!flow)
			return;
	} else if (is_too_old(tracker, flow, packet->time_ns)) {
		cut_flow(tracker, flow, packet->time_ns);
		is_new = true;
	}

	const int direction = direction_of(flow, work->made.source_is_low);
	const bool was_closed = flow_is_closed(flow);
	if (flow->packet_count[direction] == 0)
		flow->ttl[direction] = decoded->ttl;
	flow->tcp_flags[direction] |= decoded->tcp_flags;
	count_packet(tracker, flow, packet, direction, decoded->ip_bytes);
	if (decoded->flags & DECODED_FIRST_FRAGMENT)
		flow->flags |= FLOW_FRAGMENTS;
	if (is_new)
		tell(tracker, flow, FLOW_START, FLOW_OPEN);
	else if (tracker->update_s)
		tell_update(tracker, flow);
	if (is_new || was_closed != flow_is_closed(flow))
		arm(tracker, flow);
	if ((flow->flags & FLOW_RECORD_NAMES) && decoded->payload_bytes > 0)
		read_names(tracker, flow, packet, decoded, direction);
}

/* --- what is not simply a flow's packet ------------------------------------------------------- */

/* The first fragment tells the later ones where they belong, whether or not it was tracked. */
static void remember_fragment(struct tracker *tracker, const struct work *work)
{
	const struct decoded *decoded = &work->decoded;
	const struct fragment_flow flow = {
		.key = work->key,
		.source_is_low = work->made.source_is_low,
		.counted_whole = memcmp(&decoded->fragment.source, &decoded->ends.source,
					sizeof(decoded->ends.source)) != 0 ||
				 memcmp(&decoded->fragment.destination, &decoded->ends.destination,
					sizeof(decoded->ends.destination)) != 0,
	};
	fragment_table_put(tracker->fragments, &decoded->fragment, &flow, tracker->clock.now_ns);
}

static void add_later_fragment(struct tracker *tracker, const struct packet *packet,
			       const struct decoded *decoded)
{
	const struct fragment_flow *first =
		fragment_table_find(tracker->fragments, &decoded->fragment, tracker->clock.now_ns);
	struct flow *flow = NULL;
	if (first)
		flow = flow_table_find(tracker->flows, &first->key,
				       flow_key_hash(&first->key, &tracker->settings.seed));
	if (!first || !flow) {
		counter_add(tracker->counters, COUNTER_packets_fragment_unmatched, 1);
		return;
	}
	count_packet(tracker, flow, packet, direction_of(flow, first->source_is_low),
		     first->counted_whole ? 0 : decoded->ip_bytes);
	flow->flags |= FLOW_FRAGMENTS;
}

/* The key of a flow between these ends, in the segment that the packet was seen in. */
static inline struct flow_key_made make_key(const struct tracker *tracker,
					    const struct endpoints *ends,
					    const struct decoded *decoded, struct flow_key *out_key)
{
	return flow_key_make(ends, tracker->settings.vlan_in_key ? decoded->vlan_ids : NULL,
			     decoded->network_id, &tracker->settings.seed, out_key);
}

/* An ICMP error is a packet of its own flow, and a remark about another. */
static void mark_quoted(struct tracker *tracker, const struct work *work)
{
	struct flow_key key;
	make_key(tracker, &work->decoded.quote, &work->decoded, &key);
	struct flow *flow =
		flow_table_find(tracker->flows, &key, flow_key_hash(&key, &tracker->settings.seed));
	if (flow)
		flow->flags |= FLOW_ICMP_ERROR;
}

/* --- batches ---------------------------------------------------------------------------------- */

static enum counter counter_of(enum decode_verdict verdict)
{
	switch (verdict) {
	case DECODE_TRUNCATED:
		return COUNTER_packets_truncated;
	case DECODE_UNKNOWN_LINK:
		return COUNTER_packets_unknown_link;
	case DECODE_NOT_IP:
		return COUNTER_packets_not_ip;
	case DECODE_OTHER_PROTOCOL:
		return COUNTER_packets_other_protocol;
	case DECODE_TOO_DEEP:
		return COUNTER_packets_too_deep;
	default:
		return COUNTER_packets_malformed;
	}
}

static void prepare(struct tracker *tracker, const struct packet *packet, struct work *work)
{
	decode_packet(packet, &work->decoded);
	if (work->decoded.verdict != DECODE_FLOW)
		return;
	work->made = make_key(tracker, &work->decoded.ends, &work->decoded, &work->key);
	flow_table_prefetch(tracker->flows, work->made.hash);
}

static void take_packet(struct tracker *tracker, const struct packet *packet, struct work *work)
{
	const struct decoded *decoded = &work->decoded;
	clock_advance(&tracker->clock, packet->time_ns);
	if (decoded->verdict == DECODE_LATER_FRAGMENT) {
		add_later_fragment(tracker, packet, decoded);
		return;
	}
	if (decoded->verdict != DECODE_FLOW) {
		counter_add(tracker->counters, counter_of(decoded->verdict), 1);
		return;
	}
	if (tracker->duplicates &&
	    duplicate_filter_check(tracker->duplicates, decoded, tracker->clock.now_ns)) {
		counter_add(tracker->counters, COUNTER_packets_duplicate, 1);
		return;
	}
	if (decoded->flags & DECODED_FIRST_FRAGMENT)
		remember_fragment(tracker, work);
	add_to_flow(tracker, packet, work);
	if (decoded->flags & DECODED_QUOTE)
		mark_quoted(tracker, work);
}

static void take_batch(struct tracker *tracker, const struct packet *packets, size_t count)
{
	uint64_t wire_bytes = 0;
	for (size_t i = 0; i < count; i++)
		__builtin_prefetch(packets[i].bytes);
	for (size_t i = 0; i < count; i++)
		prepare(tracker, &packets[i], &tracker->batch[i]);
	for (size_t i = 0; i < count; i++)
		if (tracker->batch[i].decoded.verdict == DECODE_FLOW)
			flow_table_prefetch_record(tracker->flows, tracker->batch[i].made.hash);
	for (size_t i = 0; i < count; i++) {
		take_packet(tracker, &packets[i], &tracker->batch[i]);
		wire_bytes += packets[i].wire_bytes;
	}
	counter_add(tracker->counters, COUNTER_packets_seen, count);
	counter_add(tracker->counters, COUNTER_packets_in_flows, tracker->in_flows);
	tracker->in_flows = 0;
	counter_add(tracker->counters, COUNTER_packets_bytes, wire_bytes);
	expire(tracker);
}

void tracker_packets(struct tracker *tracker, const struct packet *packets, size_t count)
{
	for (; count > PACKET_BATCH; packets += PACKET_BATCH, count -= PACKET_BATCH)
		take_batch(tracker, packets, PACKET_BATCH);
	take_batch(tracker, packets, count);
}

/* --- what others counted ---------------------------------------------------------------------- */

/* The flow that these packets belong to; they begin one if it has been given up meanwhile. */
static struct flow *flow_of_count(struct tracker *tracker, const struct tracker_count *count,
				  struct work *work)
{
	const struct packet latest = { .time_ns = count->last_ns, .capture = count->capture };
	struct flow *flow = flow_table_find(tracker->flows, &work->key, work->made.hash);
	if (flow)
		flow = still_open(tracker, flow, work);
	if (flow)
		return flow;
	flow = begin_flow(tracker, &latest, work, count->packet_count);
	if (!flow)
		return NULL;
	tell(tracker, flow, FLOW_START, FLOW_OPEN);
	arm(tracker, flow);
	return flow;
}

void tracker_counted(struct tracker *tracker, const struct tracker_count *count)
{
	struct work *work = &tracker->batch[0];
	struct packet_clock *clock = &tracker->clock;
	memset(&work->decoded, 0, sizeof(work->decoded));
	work->decoded.ends = count->ends;
	work->decoded.verdict = DECODE_FLOW;
	work->decoded.tcp_flags = count->tcp_flags;
	memcpy(work->decoded.vlan_ids, count->vlan_ids, sizeof(count->vlan_ids));
	work->made = make_key(tracker, &count->ends, &work->decoded, &work->key);
	clock_advance(clock, count->last_ns);
	counter_add(tracker->counters, COUNTER_packets_seen, count->packet_count);
	struct flow *flow = flow_of_count(tracker, count, work);
	if (!flow)
		return;

	const int direction = direction_of(flow, work->made.source_is_low);
	flow->packet_count[direction] += count->packet_count;
	flow->wire_bytes[direction] += count->ip_bytes;
	flow->tcp_flags[direction] |= count->tcp_flags;
	if (count->last_ns > flow->last_ns)
		flow->last_ns = count->last_ns;
	/* They may be told of late: the flow has been silent since the latest of them. */
	const uint64_t late_ns =
		clock->latest_ns > count->last_ns ? clock->latest_ns - count->last_ns : 0;
	if (clock->now_ns - late_ns > flow->touched_ns && late_ns <= clock->now_ns)
		flow->touched_ns = clock->now_ns - late_ns;
	counter_add(tracker->counters, COUNTER_packets_in_flows, count->packet_count);
	if (tracker->update_s)
		tell_update(tracker, flow);
}

/* --- the end ---------------------------------------------------------------------------------- */

struct last_flow {
	uint64_t start_ns;
	uint64_t flow_id;
	struct flow *flow;
};

static int compare_last(const void *left_flow, const void *right_flow)
{
	const struct last_flow *left = left_flow;
	const struct last_flow *right = right_flow;
	if (left->start_ns != right->start_ns)
		return left->start_ns < right->start_ns ? -1 : 1;
	return (left->flow_id > right->flow_id) - (left->flow_id < right->flow_id);
}

void tracker_finish(struct tracker *tracker)
{
	const uint32_t count = flow_table_count(tracker->flows);
	struct flow **flows = calloc(count ? count : 1, sizeof(struct flow *));
	struct last_flow *last = calloc(count ? count : 1, sizeof(*last));
	if (flows && last) {
		flow_table_all(tracker->flows, flows);
		for (uint32_t i = 0; i < count; i++)
			last[i] = (struct last_flow){
				.start_ns = flows[i]->start_ns,
				.flow_id = flow_id_of(flows[i]),
				.flow = flows[i],
			};
		qsort(last, count, sizeof(*last), compare_last);
		for (uint32_t i = 0; i < count; i++) {
			const bool over = is_over(tracker, last[i].flow);
			end_flow(tracker, last[i].flow,
				 flow_end_reason(last[i].flow,
						 over ? FLOW_END_IDLE : FLOW_END_FINISHED));
		}
	}
	free(last);
	free(flows);
}
