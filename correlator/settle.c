/* What is said of connections: each flow once to whoever prints flows, and each end as a joined
 * event to the rules. In settle mode that happens here once, in the order of (end, flow id), which
 * is the same however the sweeps cut it up; in eager mode at every new fact, and again when the
 * answer changes. */
#include "correlator/correlator_state.h"

#define CLUSTER_GAP_NS REPORT_NEAR_NS

/* --- flows ------------------------------------------------------------------------------------ */

static bool rules_want(const struct correlator *correlator, const struct ip_address *destination)
{
	return correlator->sink.event ||
	       (correlator->wants_network &&
		ruleset_wants_destination(correlator->ruleset, destination));
}

/* Is the joined event of this end of interest? An end that nobody owns is told by its other end. */
static bool end_is_of_interest(const struct verdict verdicts[SIDES], int side)
{
	const bool owned = verdicts[side].method < ATTRIBUTION_lifetime;
	const bool other_owned = verdicts[!side].method < ATTRIBUTION_lifetime;
	return owned || (side == SIDE_SOURCE && !other_owned);
}

static const struct event *say_end(struct correlator *correlator, struct flow_record *record,
				   const struct verdict verdicts[SIDES], int side,
				   const struct judgement *judgement, uint64_t signature)
{
	const struct joint joint = {
		.world = &correlator->world,
		.flow = &record->flow,
		.side = (enum flow_side)side,
		.verdict = &verdicts[side],
		.judgement = judgement,
		.identity = record->identities[side],
	};
	const struct event *event = join_network_event(correlator->joiner, &joint);
	if (rules_want(correlator, &record->flow.destination))
		say_event(correlator, event, record->said[side] != 0);
	record->said[side] = signature;
	record->said_owned[side] |= verdicts[side].method < ATTRIBUTION_lifetime;
	record->identities[side] = event->identity;
	return event;
}

/* Reports that speak of this flow have had their say. */
static void forget_reports_of(struct correlator *correlator, uint32_t flow)
{
	struct connection_table *connections = &correlator->world.connections;
	uint32_t spent[CHAIN_LOOK_MAX];
	size_t count = 0;
	uint64_t apart_ns;
	uint32_t report = conversation_of_flow(connections, flow)->first_report;
	for (; count < CHAIN_LOOK_MAX && report != NO_SLOT;
	     report = connections->reports[report].next)
		if (attribution_flow_of_report(&correlator->world, report, &apart_ns) == flow)
			spent[count++] = report;
	for (size_t i = 0; i < count; i++)
		connection_table_forget_report(connections, spent[i]);
}

static void settle_flow(struct correlator *correlator, uint32_t slot)
{
	struct flow_record *record = &correlator->world.connections.flows[slot];
	struct verdict verdicts[SIDES];
	attribution_of_flow(&correlator->world, slot, SIDE_SOURCE, &verdicts[SIDE_SOURCE]);
	attribution_of_flow(&correlator->world, slot, SIDE_DESTINATION,
			    &verdicts[SIDE_DESTINATION]);
	struct judgement judgement;
	judge_flow(correlator, &record->flow, verdicts, &judgement);
	judge_keep_books(correlator, &record->flow, verdicts, &judgement);
	const bool wanted = rules_want(correlator, &record->flow.destination);
	const struct event *events[SIDES] = { NULL, NULL };
	for (int side = 0; side < SIDES; side++)
		if ((wanted || correlator->sink.flow) && end_is_of_interest(verdicts, side))
			events[side] = say_end(correlator, record, verdicts, side, &judgement, 1);
	if (correlator->sink.flow) {
		struct settled_flow settled = { .flow = &record->flow,
						.status = judgement.status,
						.expected_report = judgement.expected_report };
		flow_name_table_find(correlator->world.names, record->flow.flow_id, &settled.names);
		struct flow_owner *owners[SIDES] = { &settled.source, &settled.destination };
		for (int side = 0; side < SIDES; side++)
			*owners[side] = (struct flow_owner){
				.method = verdicts[side].method,
				.confidence = verdicts[side].confidence,
				.candidate_count = verdicts[side].candidate_count,
				.event = events[side],
			};
		correlator->sink.flow(correlator->sink.context, &settled);
	}
	flow_name_table_forget(correlator->world.names, record->flow.flow_id);
	forget_reports_of(correlator, slot);
	connection_table_forget_flow(&correlator->world.connections, slot);
}

void settle_oldest_flow(struct correlator *correlator)
{
	counter_add(correlator->counters, COUNTER_connections_evicted, 1);
	settle_flow(correlator, correlator->world.connections.flow_slots.oldest);
}

/* --- connections that were never on the wire -------------------------------------------------- */

static uint64_t report_wire_ns(const struct world *world, const struct report *report)
{
	const struct clock_reading clock = attribution_clock_of_report(world, report);
	return wire_time(&clock, report->label_ns);
}

/* The reports of the same end of the same connection: from the same host, of no flow on the wire,
 * each near another. Returns how many. */
static size_t gather_cluster(const struct world *world, uint32_t first,
			     uint32_t out_reports[CHAIN_LOOK_MAX])
{
	const struct connection_table *connections = &world->connections;
	const struct report *wanted = &connections->reports[first];
	const enum flow_side side = attribution_local_side(world, wanted);
	uint64_t low_ns = report_wire_ns(world, wanted);
	uint64_t high_ns = low_ns;
	size_t count = 0;
	size_t before;
	out_reports[count++] = first;
	do { /* widening the stretch may bring more within reach */
		before = count;
		uint32_t slot = connections->conversations[wanted->conversation].first_report;
		for (int i = 0; i < CHAIN_LOOK_MAX && slot != NO_SLOT; i++) {
			const uint32_t at = slot;
			const struct report *report = &connections->reports[at];
			slot = report->next;
			const uint64_t wire_ns = report_wire_ns(world, report);
			uint64_t apart_ns;
			bool known = false;
			for (size_t j = 0; j < count && !known; j++)
				known = out_reports[j] == at;
			if (known || count == CHAIN_LOOK_MAX || wire_ns + CLUSTER_GAP_NS < low_ns ||
			    wire_ns > high_ns + CLUSTER_GAP_NS ||
			    !host_table_same(world->hosts, report->host, wanted->host) ||
			    attribution_local_side(world, report) != side ||
			    attribution_flow_of_report(world, at, &apart_ns) != NO_SLOT)
				continue;
			out_reports[count++] = at;
			low_ns = wire_ns < low_ns ? wire_ns : low_ns;
			high_ns = wire_ns > high_ns ? wire_ns : high_ns;
		}
	} while (count != before);
	return count;
}

static void say_cluster(struct correlator *correlator, const uint32_t *reports, size_t count)
{
	struct report *all = correlator->world.connections.reports;
	if (!rules_want(correlator, &all[reports[0]].destination_ip))
		return;
	struct verdict verdict;
	attribution_of_reports(&correlator->world, reports, count, &verdict);
	uint64_t identity = 0;
	for (size_t i = 0; i < count; i++)
		if (all[reports[i]].said)
			identity = all[reports[i]].said;
	const struct joint joint = {
		.world = &correlator->world,
		.side = attribution_local_side(&correlator->world, &all[reports[0]]),
		.verdict = &verdict,
		.identity = identity,
	};
	const struct event *event = join_network_event(correlator->joiner, &joint);
	say_event(correlator, event, identity != 0);
	for (size_t i = 0; i < count; i++)
		all[reports[i]].said = event->identity;
}

static bool report_is_due(const struct correlator *correlator, uint32_t slot, uint64_t due_ns)
{
	const struct report *report = &correlator->world.connections.reports[slot];
	if (due_ns == UINT64_MAX)
		return true;
	const struct clock_reading clock = attribution_clock_of_report(&correlator->world, report);
	if (correlator->settings.settle && clock.trust <= 0)
		return false; /* its label may be hours off: it waits until the clock is known */
	return report->arrived_ns <= due_ns && wire_time(&clock, report->label_ns) <= due_ns;
}

static void settle_report(struct correlator *correlator, uint32_t slot, uint64_t due_ns)
{
	uint32_t cluster[CHAIN_LOOK_MAX];
	uint64_t apart_ns;
	if (attribution_flow_of_report(&correlator->world, slot, &apart_ns) != NO_SLOT)
		return; /* it waits with its flow */
	const size_t count = gather_cluster(&correlator->world, slot, cluster);
	for (size_t i = 0; i < count; i++)
		if (!report_is_due(correlator, cluster[i], due_ns))
			return;
	say_cluster(correlator, cluster, count);
	for (size_t i = 0; i < count; i++)
		connection_table_forget_report(&correlator->world.connections, cluster[i]);
}

void settle_oldest_report(struct correlator *correlator)
{
	struct connection_table *connections = &correlator->world.connections;
	const uint32_t oldest = connections->report_slots.oldest;
	uint32_t cluster[CHAIN_LOOK_MAX];
	const size_t count = gather_cluster(&correlator->world, oldest, cluster);
	say_cluster(correlator, cluster, count);
	for (size_t i = 0; i < count; i++)
		connection_table_forget_report(connections, cluster[i]);
}

/* --- sweeping --------------------------------------------------------------------------------- */

static void sweep_flows(struct correlator *correlator, uint64_t due_ns)
{
	const struct connection_table *connections = &correlator->world.connections;
	struct sort_key *keys = correlator->order;
	size_t count = 0;
	for (uint32_t slot = connections->flow_slots.oldest; slot != NO_SLOT;
	     slot = aged_slots_next(&connections->flow_slots, slot)) {
		const struct flow_record *record = &connections->flows[slot];
		if (due_ns == UINT64_MAX || (record->ended && record->flow.last_ns <= due_ns))
			keys[count++] = (struct sort_key){ record->flow.last_ns,
							   record->flow.flow_id, slot };
	}
	sort_keys(keys, count);
	for (size_t i = 0; i < count; i++)
		settle_flow(correlator, keys[i].slot);
}

static void sweep_reports(struct correlator *correlator, uint64_t due_ns)
{
	const struct connection_table *connections = &correlator->world.connections;
	struct sort_key *keys = correlator->order;
	size_t count = 0;
	for (uint32_t slot = connections->report_slots.oldest; slot != NO_SLOT;
	     slot = aged_slots_next(&connections->report_slots, slot)) {
		const struct report *report = &connections->reports[slot];
		if (report_is_due(correlator, slot, due_ns))
			keys[count++] =
				(struct sort_key){ report_wire_ns(&correlator->world, report),
						   report->identity, slot };
	}
	sort_keys(keys, count);
	for (size_t i = 0; i < count; i++)
		if (aged_slots_used(&connections->report_slots, keys[i].slot) &&
		    connections->reports[keys[i].slot].identity == keys[i].id)
			settle_report(correlator, keys[i].slot, due_ns);
}

void settle_sweep(struct correlator *correlator, uint64_t due_ns)
{
	sweep_flows(correlator, due_ns);
	sweep_reports(correlator, due_ns);
}

uint64_t settle_earliest_pending(const struct correlator *correlator)
{
	const struct connection_table *connections = &correlator->world.connections;
	uint64_t earliest_ns = UINT64_MAX;
	for (uint32_t slot = connections->flow_slots.oldest; slot != NO_SLOT;
	     slot = aged_slots_next(&connections->flow_slots, slot))
		if (connections->flows[slot].flow.start_ns < earliest_ns)
			earliest_ns = connections->flows[slot].flow.start_ns;
	for (uint32_t slot = connections->report_slots.oldest; slot != NO_SLOT;
	     slot = aged_slots_next(&connections->report_slots, slot)) {
		const uint64_t wire_ns =
			report_wire_ns(&correlator->world, &connections->reports[slot]);
		earliest_ns = wire_ns < earliest_ns ? wire_ns : earliest_ns;
	}
	return earliest_ns;
}

/* --- eager ------------------------------------------------------------------------------------ */

/* Changes whenever the joined event would. */
static uint64_t signature_of(const struct world *world, const struct flow_event *flow,
			     const struct verdict *verdict)
{
	static const struct hash_seed seed = { { 1, 0x9e3779b97f4a7c15U } };
	uint64_t state = hash_word(&seed, verdict->method, verdict->report_count);
	state = hash_word(&seed, state, verdict->candidate_count);
	state = hash_word(&seed, state, (uint64_t)(verdict->confidence * 100));
	state = hash_word(&seed, state, flow->kind == FLOW_END);
	state = hash_word(&seed, state, flow_name_table_revision(world->names, flow->flow_id));
	if (verdict->method < ATTRIBUTION_lifetime) {
		struct process_start starts[PROCESS_STARTS_MAX];
		const uint32_t owner = verdict->candidates[0].process;
		state = hash_word(&seed, state, owner);
		state = hash_word(&seed, state,
				  process_table_starts(world->processes, owner, starts));
	}
	return state | 1;
}

static void withdraw(struct correlator *correlator, uint64_t identity)
{
	const struct event nothing = { .record_kind = RECORD_EVENT,
				       .size_bytes = sizeof(nothing),
				       .identity = identity };
	sequences_add(correlator->sequences, &nothing, NULL, 0);
}

/* A connection that only hosts had reported is on the wire after all: one of the two events that
 * were said of it goes. The one with an owner stays, since an alert may have it in it. */
static void adopt_identity(struct correlator *correlator, struct flow_record *record, int side,
			   const struct verdict *verdict)
{
	for (size_t i = 0; i < verdict->report_count; i++) {
		struct report *report = &correlator->world.connections.reports[verdict->reports[i]];
		uint64_t *identity = &record->identities[side];
		if (report->said == 0 || report->said == *identity)
			continue;
		if (record->said_owned[side]) {
			withdraw(correlator, report->said);
		} else {
			if (*identity)
				withdraw(correlator, *identity);
			*identity = report->said;
			record->said[side] = 1;
			record->said_owned[side] = true;
		}
		report->said = *identity;
	}
}

static void revise_flow(struct correlator *correlator, uint32_t slot)
{
	struct flow_record *record = &correlator->world.connections.flows[slot];
	struct verdict verdicts[SIDES];
	if (!rules_want(correlator, &record->flow.destination))
		return;
	attribution_of_flow(&correlator->world, slot, SIDE_SOURCE, &verdicts[SIDE_SOURCE]);
	attribution_of_flow(&correlator->world, slot, SIDE_DESTINATION,
			    &verdicts[SIDE_DESTINATION]);
	struct judgement judgement;
	judge_flow(correlator, &record->flow, verdicts, &judgement);
	if (judgement.status == FLOW_STATUS_UNREPORTED &&
	    record->flow.start_ns + correlator->settings.horizon_ns > correlator->watermark_ns)
		judgement.status = FLOW_STATUS_CANNOT_JUDGE; /* its host still has time to */
	for (int side = 0; side < SIDES; side++) {
		const uint64_t signature = hash_word(&correlator->settings.seed, judgement.status,
						     signature_of(&correlator->world, &record->flow,
								  &verdicts[side])) |
					   1;
		adopt_identity(correlator, record, side, &verdicts[side]);
		if (signature == record->said[side] ||
		    (!end_is_of_interest(verdicts, side) && record->said[side] == 0))
			continue;
		say_end(correlator, record, verdicts, side, &judgement, signature);
	}
}

void settle_conversation(struct correlator *correlator, uint32_t slot)
{
	const struct connection_table *connections = &correlator->world.connections;
	if (!correlator->wants_network)
		return;
	uint32_t flow = connections->conversations[slot].first_flow;
	for (int i = 0; i < CHAIN_LOOK_MAX && flow != NO_SLOT; i++) {
		revise_flow(correlator, flow);
		flow = connections->flows[flow].next;
	}
	uint32_t report = connections->conversations[slot].first_report;
	uint64_t apart_ns;
	for (int i = 0; i < CHAIN_LOOK_MAX && report != NO_SLOT; i++) {
		if (attribution_flow_of_report(&correlator->world, report, &apart_ns) == NO_SLOT) {
			uint32_t cluster[CHAIN_LOOK_MAX];
			const size_t count = gather_cluster(&correlator->world, report, cluster);
			say_cluster(correlator, cluster, count);
			break;
		}
		report = connections->reports[report].next;
	}
}

/* Late facts that are not about one conversation (starts, names, binds, clocks): every conversation
 * that a host spoke of is asked again. */
void settle_revise(struct correlator *correlator)
{
	const struct connection_table *connections = &correlator->world.connections;
	for (uint32_t slot = connections->flow_slots.oldest; slot != NO_SLOT;
	     slot = aged_slots_next(&connections->flow_slots, slot))
		revise_flow(correlator, slot);
}
