#include "correlator/join.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "correlator/join_parts.h"

#define NS_PER_MS      INT64_C(1000000)
#define CAUSE_SLACK_NS (UINT64_C(10) * 1000000000)

/* A list without repetitions, of keywords that several reports may share. */
enum { KEYWORDS_MAX = 12, KEYWORD_BYTES = 48 };

struct keywords {
	size_t count;
	char items[KEYWORDS_MAX][KEYWORD_BYTES];
};

static void keywords_add(struct keywords *keywords, const char *text)
{
	for (size_t i = 0; i < keywords->count; i++)
		if (strncmp(keywords->items[i], text, KEYWORD_BYTES - 1) == 0)
			return;
	if (keywords->count < KEYWORDS_MAX)
		snprintf(keywords->items[keywords->count++], KEYWORD_BYTES, "%s", text);
}

static void keywords_add_values(struct keywords *keywords, const struct event *event,
				uint16_t field)
{
	size_t count;
	const struct event_value *values = event_find(event, field, &count);
	for (size_t i = 0; i < count; i++) {
		const struct event_text *text = event_at(event, &values[i]);
		if (values[i].type == VALUE_TEXT)
			keywords_add(keywords, text->bytes);
	}
}

static void add_keywords(struct event_builder *builder, uint16_t field,
			 const struct keywords *keywords)
{
	for (size_t i = 0; i < keywords->count; i++)
		joiner_add_text(builder, field, keywords->items[i]);
}

/* --- the parts of a network event ------------------------------------------------------------- */

static const char *transport_name(uint32_t ip_protocol)
{
	switch (ip_protocol) {
	case 1:
		return "icmp";
	case 6:
		return "tcp";
	case 17:
		return "udp";
	case 58:
		return "ipv6-icmp";
	case 132:
		return "sctp";
	default:
		return NULL;
	}
}

struct ends {
	struct ip_address source;
	struct ip_address destination;
	uint16_t source_port;
	uint16_t destination_port;
	uint8_t ip_protocol;
};

static struct ends ends_of(const struct joint *joint)
{
	const struct flow_event *flow = joint->flow;
	if (flow)
		return (struct ends){ flow->source, flow->destination, flow->source_port,
				      flow->destination_port, flow->ip_protocol };
	const struct connection_table *connections = &joint->world->connections;
	const struct report *report = &connections->reports[joint->verdict->reports[0]];
	const struct tuple *tuple = &connections->conversations[report->conversation].tuple;
	return (struct ends){ report->source_ip, report->destination_ip, report->source_port,
			      report->destination_port, (uint8_t)tuple->ip_protocol };
}

static void add_ends(struct event_builder *builder, const struct joint *joint)
{
	const struct ends ends = ends_of(joint);
	event_add_address(builder, FIELD_source_ip, &ends.source);
	event_add_address(builder, FIELD_destination_ip, &ends.destination);
	event_add_integer(builder, FIELD_source_port, ends.source_port);
	event_add_integer(builder, FIELD_destination_port, ends.destination_port);
	char text[IP_ADDRESS_TEXT_MAX];
	if (event_wants(builder, FIELD_source_address)) {
		ip_address_format(&ends.source, text);
		joiner_add_text(builder, FIELD_source_address, text);
	}
	if (event_wants(builder, FIELD_destination_address)) {
		ip_address_format(&ends.destination, text);
		joiner_add_text(builder, FIELD_destination_address, text);
	}
	const char *transport = transport_name(ends.ip_protocol);
	if (transport)
		joiner_add_text(builder, FIELD_network_transport, transport);
	char number[8];
	snprintf(number, sizeof(number), "%u", ends.ip_protocol);
	joiner_add_text(builder, FIELD_network_iana_number, number);
	joiner_add_text(builder, FIELD_network_type,
			ip_address_is_v4(&ends.source) ? "ipv4" : "ipv6");
	if (event_wants(builder, FIELD_network_community_id)) {
		char id[COMMUNITY_ID_TEXT_MAX];
		community_id(0, &ends.source, ends.source_port, &ends.destination,
			     ends.destination_port, ends.ip_protocol, id);
		joiner_add_text(builder, FIELD_network_community_id, id);
	}
}

static const char *end_reason_name(uint8_t reason)
{
	static const char *const names[] = { "open", "fin",	"rst",	   "idle",
					     "hard", "evicted", "finished" };
	return reason < sizeof(names) / sizeof(names[0]) ? names[reason] : "open";
}

static void add_flow(struct event_builder *builder, const struct flow_event *flow)
{
	const struct flow_half *out = &flow->from_source;
	const struct flow_half *in = &flow->from_destination;
	event_add_integer(builder, FIELD_source_bytes, (int64_t)out->wire_bytes);
	event_add_integer(builder, FIELD_source_packets, (int64_t)out->packet_count);
	event_add_integer(builder, FIELD_destination_bytes, (int64_t)in->wire_bytes);
	event_add_integer(builder, FIELD_destination_packets, (int64_t)in->packet_count);
	event_add_integer(builder, FIELD_network_bytes,
			  (int64_t)(out->wire_bytes + in->wire_bytes));
	event_add_integer(builder, FIELD_network_packets,
			  (int64_t)(out->packet_count + in->packet_count));
	event_add_time(builder, FIELD_event_start, flow->start_ns);
	event_add_time(builder, FIELD_procspan_wire_start, flow->start_ns);
	if (flow->kind == FLOW_END) {
		event_add_time(builder, FIELD_event_end, flow->last_ns);
		event_add_time(builder, FIELD_procspan_wire_end, flow->last_ns);
		event_add_integer(builder, FIELD_event_duration,
				  (int64_t)(flow->last_ns - flow->start_ns));
		joiner_add_text(builder, FIELD_procspan_flow_end_reason,
				end_reason_name(flow->end_reason));
	}
	char id[20];
	snprintf(id, sizeof(id), "%016" PRIx64, flow->flow_id);
	joiner_add_text(builder, FIELD_procspan_flow_id, id);
	event_add_boolean(builder, FIELD_procspan_flow_midstream,
			  (flow->flags & FLOW_MIDSTREAM) != 0);
	for (int i = 0; i < FLOW_VLANS_MAX; i++) {
		char vlan[8];
		snprintf(vlan, sizeof(vlan), "%u", flow->vlan_ids[i]);
		if (flow->vlan_ids[i])
			joiner_add_text(builder,
					i ? FIELD_network_inner_vlan_id : FIELD_network_vlan_id,
					vlan);
	}
}

/* What the client asked for says better where it went than what its host looks up afterwards. */
static void add_names(struct event_builder *builder, const struct joint *joint)
{
	struct flow_names names;
	if (!flow_name_table_find(joint->world->names, joint->flow->flow_id, &names))
		return;
	const char *domain = flow_names_domain(&names);
	if (domain)
		joiner_add_text(builder, FIELD_destination_domain, domain);
	if (names.server_name)
		joiner_add_text(builder, FIELD_tls_client_server_name, names.server_name);
	if (names.ja4)
		joiner_add_text(builder, FIELD_tls_client_ja4, names.ja4);
	if (names.http_host)
		joiner_add_text(builder, FIELD_url_domain, names.http_host);
}

static void add_runners_up(struct event_builder *builder, const struct joint *joint, size_t first)
{
	const struct verdict *verdict = joint->verdict;
	const size_t kept = verdict->candidate_count < CANDIDATES_MAX ? verdict->candidate_count
								      : CANDIDATES_MAX;
	for (size_t i = first; i < kept; i++) {
		char id[ENTITY_ID_MAX + 1];
		process_entity_id(
			process_table_at(joint->world->processes, verdict->candidates[i].process),
			joint->world->hosts, id);
		joiner_add_text(builder, FIELD_procspan_attribution_runners_up, id);
	}
}

static void add_judgement(struct event_builder *builder, const struct judgement *judgement)
{
	static const char *const names[] = { "owned", "unreported", "uninstrumented",
					     "cannot_judge" };
	joiner_add_text(builder, FIELD_procspan_flow_status, names[judgement->status]);
	if (judgement->status == FLOW_STATUS_UNREPORTED)
		event_add_double(builder, FIELD_procspan_flow_expected_report,
				 judgement->expected_report);
}

static void add_attribution(struct event_builder *builder, const struct joint *joint)
{
	const struct verdict *verdict = joint->verdict;
	if (joint->judgement)
		add_judgement(builder, joint->judgement);
	if (verdict->method == ATTRIBUTION_NONE)
		return;
	joiner_add_text(builder, FIELD_procspan_attribution_method,
			attribution_method_name(verdict->method));
	event_add_double(builder, FIELD_procspan_attribution_confidence, verdict->confidence);
	event_add_integer(builder, FIELD_procspan_attribution_candidates, verdict->candidate_count);
	if (joint->flow)
		event_add_integer(builder, FIELD_procspan_attribution_skew_ms,
				  verdict->candidates[0].skew_ns / NS_PER_MS);
	if (verdict->clock.trust > 0) {
		event_add_integer(builder, FIELD_procspan_clock_offset_ms,
				  verdict->clock.offset_ns / NS_PER_MS);
		event_add_integer(builder, FIELD_procspan_clock_confidence_ms,
				  (int64_t)verdict->clock.confidence_ns / NS_PER_MS);
	}
	add_runners_up(builder, joint, verdict->method == ATTRIBUTION_lifetime ? 0 : 1);
}

/* --- evidence --------------------------------------------------------------------------------- */

/* Who owns the end, as far as the event may name it; NO_SLOT = nobody. */
static uint32_t owner_of(const struct verdict *verdict)
{
	return verdict->method < ATTRIBUTION_lifetime ? verdict->candidates[0].process : NO_SLOT;
}

static uint32_t network_datasets_too(uint32_t datasets)
{
	if (datasets & 1U << DATASET_endpoint_process)
		datasets |= 1U << DATASET_endpoint_network;
	return datasets;
}

static bool speaks_of(const struct world *world, const struct report *report, uint32_t owner)
{
	if (owner == NO_SLOT || report->process == owner || report->process == NO_SLOT)
		return true;
	const struct clock_reading clock = attribution_clock_of_report(world, report);
	return process_table_resolve(world->processes, report->process,
				     wire_time(&clock, report->label_ns))
		       .slot == owner;
}

/* All that the reports say and that is not there yet; their types and actions are united. Returns
 * their datasets. */
static uint32_t add_reports(struct joiner *joiner, struct event_builder *builder,
			    const struct joint *joint, uint32_t owner)
{
	const struct connection_table *connections = &joint->world->connections;
	uint32_t datasets = 0;
	for (int source = 0; source < CLOCK_SOURCES; source++) {
		for (size_t i = 0; i < joint->verdict->report_count; i++) {
			const struct report *report =
				&connections->reports[joint->verdict->reports[i]];
			if (report->source != source || report->event == CELL_NONE ||
			    !speaks_of(joint->world, report, owner))
				continue;
			const struct event *event =
				cell_store_get(joint->world->store, report->event, &joiner->buffer);
			joiner_add_missing(joiner, builder, event, USE_ANY, USE_OWN);
		}
	}
	for (size_t i = 0; i < joint->verdict->report_count; i++)
		datasets |= connections->reports[joint->verdict->reports[i]].datasets;
	return datasets;
}

/* --- the event -------------------------------------------------------------------------------- */

static uint64_t stable_identity(uint64_t what, uint64_t which)
{
	static const struct hash_seed seed = { { 0x6a6f696e65646576U, 0x94d049bb133111ebU } };
	return hash_word(&seed, hash_word(&seed, what, which), seed.words[0]);
}

/* The report that came first, by the wire's time line: it gives the time of a connection that was
 * never on the wire. */
static const struct report *earliest_report(const struct joint *joint, uint64_t *out_wire_ns)
{
	const struct report *earliest = NULL;
	for (size_t i = 0; i < joint->verdict->report_count; i++) {
		const struct report *report =
			&joint->world->connections.reports[joint->verdict->reports[i]];
		const struct clock_reading clock =
			attribution_clock_of_report(joint->world, report);
		const uint64_t wire_ns = wire_time(&clock, report->label_ns);
		if (!earliest || wire_ns < *out_wire_ns ||
		    (wire_ns == *out_wire_ns && report->tiebreaker < earliest->tiebreaker)) {
			earliest = report;
			*out_wire_ns = wire_ns;
		}
	}
	return earliest;
}

/* When the connection began. A process can not speak before it starts: where its host's clock says
 * otherwise by a little, the connection is put right behind the start, in the wire's own order. */
static void set_time(struct event *header, const struct joint *joint, uint32_t owner)
{
	uint64_t time_ns = joint->flow ? joint->flow->start_ns : 0;
	if (!joint->flow)
		header->tiebreaker = earliest_report(joint, &time_ns)->tiebreaker;
	const uint64_t start_ns = owner == NO_SLOT ? 0 : join_process_start_ns(joint->world, owner);
	if (start_ns >= time_ns && start_ns - time_ns <= CAUSE_SLACK_NS)
		time_ns = start_ns + 1 + (CAUSE_SLACK_NS - (start_ns - time_ns)) / 1000000;
	header->time_ns = time_ns;
}

static void add_header(struct event_builder *builder, const struct joint *joint, uint32_t owner,
		       uint32_t datasets)
{
	struct event *header = event_header(builder);
	const struct verdict *verdict = joint->verdict;
	header->role = EVENT_FLOW;
	header->datasets = datasets;
	set_time(header, joint, owner);
	header->received_ns = joint->flow ? joint->flow->start_ns : 0;
	header->host_time_ns = 0;
	for (size_t i = 0; i < verdict->report_count; i++) {
		const struct report *report =
			&joint->world->connections.reports[verdict->reports[i]];
		if (header->host_time_ns == 0 || report->label_ns < header->host_time_ns)
			header->host_time_ns = report->label_ns;
		if (report->received_ns > header->received_ns)
			header->received_ns = report->received_ns;
	}
	if (joint->identity)
		header->identity = joint->identity;
	else if (joint->flow)
		header->identity = stable_identity(joint->flow->flow_id, joint->side);
	else
		header->identity = stable_identity(
			joint->world->connections.reports[verdict->reports[0]].identity, SIDES);
	event_add_time(builder, FIELD_timestamp, header->time_ns);
	if (header->host_time_ns)
		event_add_time(builder, FIELD_procspan_host_time, header->host_time_ns);
}

static void add_classification(struct event_builder *builder, struct joiner *joiner,
			       const struct joint *joint)
{
	struct keywords types = { 2, { "connection", "start" } };
	struct keywords actions = { 0 };
	struct keywords sources = { 0 };
	if (joint->flow) {
		keywords_add(&sources, "wire");
		if (joint->flow->kind == FLOW_END)
			keywords_add(&types, "end");
	}
	for (size_t i = 0; i < joint->verdict->report_count; i++) {
		const struct report *report =
			&joint->world->connections.reports[joint->verdict->reports[i]];
		keywords_add(&sources, clock_source_name((enum clock_source)report->source));
		if (report->event == CELL_NONE)
			continue;
		const struct event *event =
			cell_store_get(joint->world->store, report->event, &joiner->buffer);
		keywords_add_values(&types, event, FIELD_event_type);
		keywords_add_values(&actions, event, FIELD_event_action);
	}
	if (actions.count == 0)
		keywords_add(&actions, "network_flow");
	joiner_add_text(builder, FIELD_event_category, "network");
	joiner_add_text(builder, FIELD_event_kind, "event");
	add_keywords(builder, FIELD_event_type, &types);
	add_keywords(builder, FIELD_event_action, &actions);
	add_keywords(builder, FIELD_procspan_evidence_sources, &sources);
	joiner_add_text(builder, FIELD_network_direction,
			joint->side == SIDE_SOURCE ? "egress" : "ingress");
}

const struct event *join_network_event(struct joiner *joiner, const struct joint *joint)
{
	struct event_builder *builder = joiner->builders[joint->side];
	const struct world *world = joint->world;
	const uint32_t owner = owner_of(joint->verdict);
	event_begin(builder);
	add_classification(builder, joiner, joint);
	add_ends(builder, joint);
	uint32_t datasets = joint->flow ? 1U << DATASET_flow : 0;
	if (joint->flow) {
		add_flow(builder, joint->flow);
		add_names(builder, joint);
	}
	add_attribution(builder, joint);
	if (owner != NO_SLOT)
		datasets |= network_datasets_too(joiner_add_process(joiner, builder, world, owner));
	datasets |= add_reports(joiner, builder, joint, owner);
	if (joint->verdict->host != HOST_NONE && !event_has(builder, FIELD_host_name))
		joiner_add_text(builder, FIELD_host_name,
				host_table_name(world->hosts, joint->verdict->host));
	add_header(builder, joint, owner, datasets);
	return event_end(builder);
}
