#include "correlator/attribution.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	attribution_fn *find;
} methods[ATTRIBUTION_COUNT] = {
#define ATTRIBUTION(name, help) { #name, attribution_##name },
#include "correlator/attribution.def"
#undef ATTRIBUTION
};

const char *attribution_method_name(enum attribution_method method)
{
	return method < ATTRIBUTION_COUNT ? methods[method].name : "";
}

/* --- which report speaks of what -------------------------------------------------------------- */

enum flow_side attribution_local_side(const struct world *world, const struct report *report)
{
	const enum flow_side hinted =
		report->hint == HINT_DESTINATION ? SIDE_DESTINATION : SIDE_SOURCE;
	if (report->hint_is_sure)
		return hinted;
	const bool owns_source = address_table_owns(world->addresses, world->hosts, report->host,
						    &report->source_ip);
	const bool owns_destination = address_table_owns(world->addresses, world->hosts,
							 report->host, &report->destination_ip);
	if (owns_source != owns_destination)
		return owns_source ? SIDE_SOURCE : SIDE_DESTINATION;
	return hinted;
}

struct clock_reading attribution_clock_of_report(const struct world *world,
						 const struct report *report)
{
	return host_table_read_clock(world->hosts, report->host, (enum clock_source)report->source,
				     report->label_ns);
}

static uint64_t distance(uint64_t left_ns, uint64_t right_ns)
{
	return left_ns < right_ns ? right_ns - left_ns : left_ns - right_ns;
}

uint64_t attribution_distance(const struct flow_event *flow, uint64_t wire_ns)
{
	if (wire_ns < flow->start_ns)
		return flow->start_ns - wire_ns;
	return wire_ns > flow->last_ns ? wire_ns - flow->last_ns : 0;
}

/* A connection is reported as it opens: the flow whose first packet is nearest. */
uint32_t attribution_flow_of_report(const struct world *world, uint32_t slot,
				    uint64_t *out_apart_ns)
{
	const struct connection_table *connections = &world->connections;
	const struct report *report = &connections->reports[slot];
	const struct clock_reading clock = attribution_clock_of_report(world, report);
	if (clock.trust <= 0)
		return NO_SLOT;
	const uint64_t wire_ns = wire_time(&clock, report->label_ns);
	uint32_t nearest = NO_SLOT;
	uint64_t nearest_ns = UINT64_MAX;
	uint32_t at = connections->conversations[report->conversation].first_flow;
	for (int i = 0; i < CHAIN_LOOK_MAX && at != NO_SLOT; i++) {
		const struct flow_event *flow = &connections->flows[at].flow;
		const uint64_t apart_ns = report->connection_end
						  ? distance(wire_ns, flow->last_ns)
						  : distance(wire_ns, flow->start_ns);
		const bool nearer = apart_ns < nearest_ns ||
				    (apart_ns == nearest_ns &&
				     flow->flow_id < connections->flows[nearest].flow.flow_id);
		if (attribution_distance(flow, wire_ns) <= REPORT_NEAR_NS && nearer) {
			nearest = at;
			nearest_ns = apart_ns;
		}
		at = connections->flows[at].next;
	}
	*out_apart_ns = nearest_ns;
	return nearest;
}

/* The flow's side whose address and port are the report's local end. */
static enum flow_side side_in_flow(const struct world *world, const struct report *report,
				   const struct flow_event *flow)
{
	const bool local_is_source = attribution_local_side(world, report) == SIDE_SOURCE;
	const struct ip_address *ip =
		local_is_source ? &report->source_ip : &report->destination_ip;
	const uint16_t port = local_is_source ? report->source_port : report->destination_port;
	return ip_address_equal(ip, &flow->source) && port == flow->source_port ? SIDE_SOURCE
										: SIDE_DESTINATION;
}

static bool is_earlier(const struct report *left, const struct report *right)
{
	if (left->label_ns != right->label_ns)
		return left->label_ns < right->label_ns;
	return left->identity < right->identity;
}

/* Earliest first; equal ones by identity: the same list whatever the order of arrival. */
static void insert_report(const struct world *world, struct verdict *verdict, uint32_t slot)
{
	const struct report *reports = world->connections.reports;
	const struct report *added = &reports[slot];
	if (verdict->report_count == EVIDENCE_MAX) {
		if (is_earlier(&reports[verdict->reports[EVIDENCE_MAX - 1]], added))
			return;
		verdict->report_count--;
	}
	size_t at = verdict->report_count++;
	for (; at > 0 && is_earlier(added, &reports[verdict->reports[at - 1]]); at--)
		verdict->reports[at] = verdict->reports[at - 1];
	verdict->reports[at] = slot;
}

static void collect_reports(const struct world *world, uint32_t flow, enum flow_side side,
			    struct verdict *verdict)
{
	const struct connection_table *connections = &world->connections;
	const struct flow_record *record = &connections->flows[flow];
	uint32_t slot = connections->conversations[record->conversation].first_report;
	uint64_t apart_ns;
	for (int i = 0; i < CHAIN_LOOK_MAX && slot != NO_SLOT; i++) {
		const struct report *report = &connections->reports[slot];
		if (attribution_flow_of_report(world, slot, &apart_ns) == flow &&
		    side_in_flow(world, report, &record->flow) == side)
			insert_report(world, verdict, slot);
		slot = report->next;
	}
}

/* --- deciding --------------------------------------------------------------------------------- */

size_t candidate_add(struct candidate candidates[CANDIDATES_MAX], size_t count,
		     const struct candidate *candidate)
{
	const size_t kept = count < CANDIDATES_MAX ? count : CANDIDATES_MAX;
	for (size_t i = 0; i < kept; i++) {
		struct candidate *known = &candidates[i];
		if (known->process != candidate->process)
			continue;
		known->evidence_count += candidate->evidence_count;
		if (candidate->confidence > known->confidence)
			known->confidence = candidate->confidence;
		if (candidate->apart_ns < known->apart_ns) {
			known->apart_ns = candidate->apart_ns;
			known->skew_ns = candidate->skew_ns;
		}
		return count;
	}
	if (kept < CANDIDATES_MAX)
		candidates[kept] = *candidate;
	return count + 1;
}

struct ranked {
	struct candidate candidate;
	char entity_id[ENTITY_ID_MAX + 1]; /* breaks ties the same way in every run */
};

static int compare_ranked(const void *left, const void *right)
{
	const struct ranked *a = left;
	const struct ranked *b = right;
	if (a->candidate.confidence > b->candidate.confidence ||
	    a->candidate.confidence < b->candidate.confidence)
		return a->candidate.confidence > b->candidate.confidence ? -1 : 1;
	if (a->candidate.evidence_count != b->candidate.evidence_count)
		return a->candidate.evidence_count > b->candidate.evidence_count ? -1 : 1;
	return strcmp(a->entity_id, b->entity_id);
}

static void rank(const struct world *world, struct verdict *verdict)
{
	struct ranked ranked[CANDIDATES_MAX];
	const size_t count = verdict->candidate_count < CANDIDATES_MAX ? verdict->candidate_count
								       : CANDIDATES_MAX;
	if (count < 2)
		return;
	for (size_t i = 0; i < count; i++) {
		ranked[i].candidate = verdict->candidates[i];
		process_entity_id(
			process_table_at(world->processes, verdict->candidates[i].process),
			world->hosts, ranked[i].entity_id);
	}
	qsort(ranked, count, sizeof(ranked[0]), compare_ranked);
	for (size_t i = 0; i < count; i++)
		verdict->candidates[i] = ranked[i].candidate;
}

static void decide(const struct world *world, const struct flow_event *flow, enum flow_side side,
		   struct verdict *verdict)
{
	for (int i = 0; i < ATTRIBUTION_COUNT; i++) {
		const size_t count =
			methods[i].find(world, flow, side, verdict, verdict->candidates);
		if (count == 0)
			continue;
		verdict->method = (enum attribution_method)i;
		verdict->candidate_count = (uint32_t)count;
		rank(world, verdict);
		/* several processes share the socket: each of them may be right */
		verdict->confidence = verdict->candidates[0].confidence / (double)count;
		return;
	}
}

static void begin(struct verdict *verdict)
{
	verdict->method = ATTRIBUTION_NONE;
	verdict->confidence = 0;
	verdict->candidate_count = 0;
	verdict->host = HOST_NONE;
	verdict->report_count = 0;
	verdict->clock = (struct clock_reading){ 0 };
}

void attribution_of_flow(const struct world *world, uint32_t slot, enum flow_side side,
			 struct verdict *out_verdict)
{
	const struct flow_event *flow = &world->connections.flows[slot].flow;
	begin(out_verdict);
	collect_reports(world, slot, side, out_verdict);
	if (out_verdict->report_count) {
		const struct report *report = &world->connections.reports[out_verdict->reports[0]];
		out_verdict->host = host_table_canonical(world->hosts, report->host);
		out_verdict->clock = attribution_clock_of_report(world, report);
	} else {
		const struct ip_address *address =
			side == SIDE_SOURCE ? &flow->source : &flow->destination;
		const struct address_owner owner = address_table_owner(
			world->addresses, world->hosts, address, flow->start_ns);
		out_verdict->host = owner.ambiguous ? HOST_NONE : owner.host;
	}
	decide(world, flow, side, out_verdict);
}

void attribution_of_reports(const struct world *world, const uint32_t *reports, size_t count,
			    struct verdict *out_verdict)
{
	begin(out_verdict);
	for (size_t i = 0; i < count; i++)
		insert_report(world, out_verdict, reports[i]);
	const struct report *first = &world->connections.reports[out_verdict->reports[0]];
	out_verdict->host = host_table_canonical(world->hosts, first->host);
	out_verdict->clock = attribution_clock_of_report(world, first);
	const size_t found =
		attribution_tuple(world, NULL, SIDE_SOURCE, out_verdict, out_verdict->candidates);
	if (found == 0)
		return;
	out_verdict->method = ATTRIBUTION_tuple;
	out_verdict->candidate_count = (uint32_t)found;
	rank(world, out_verdict);
	out_verdict->confidence = out_verdict->candidates[0].confidence / (double)found;
}
