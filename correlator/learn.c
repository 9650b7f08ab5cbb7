/* What the correlator learns from a host event: who the host is and which addresses are its own,
 * which processes live there, what they bound, resolved and connected to. */
#include <string.h>
#include <strings.h>

#include "correlator/correlator_state.h"

static uint32_t learn_host(struct correlator *correlator, const struct event *event)
{
	static const uint16_t fields[] = { FIELD_host_name, FIELD_host_hostname, FIELD_host_id,
					   FIELD_agent_name };
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const struct event_text *name = event_text(event, fields[i]);
		if (name && name->size_bytes)
			return host_table_learn(correlator->world.hosts, name->bytes,
						name->size_bytes);
	}
	return HOST_NONE;
}

/* --- processes -------------------------------------------------------------------------------- */

/* Under which names a process appears in an event. */
struct process_fields {
	uint16_t entity_id;
	uint16_t pid;
	uint16_t executable;
	uint16_t name;
	uint16_t command_line; /* or FIELD_NONE */
};

static const struct process_fields own_fields = { FIELD_process_entity_id, FIELD_process_pid,
						  FIELD_process_executable, FIELD_process_name,
						  FIELD_process_command_line };
static const struct process_fields parent_fields = {
	FIELD_process_parent_entity_id, FIELD_process_parent_pid, FIELD_process_parent_executable,
	FIELD_process_parent_name, FIELD_process_parent_command_line
};
static const struct process_fields target_fields = { FIELD_Target_process_entity_id,
						     FIELD_Target_process_pid,
						     FIELD_Target_process_executable,
						     FIELD_Target_process_name, FIELD_NONE };

static bool read_facts(const struct event *event, const struct process_fields *fields,
		       const struct learned *learned, enum process_sight sight,
		       struct process_facts *out_facts)
{
	const struct event_text *entity_id = event_text(event, fields->entity_id);
	const struct event_text *image = event_text(event, fields->executable);
	if (!image)
		image = event_text(event, fields->name);
	int64_t pid = 0;
	const bool has_pid = event_integer(event, fields->pid, &pid);
	if (!entity_id && !has_pid)
		return false;
	*out_facts = (struct process_facts){
		.host = learned->host,
		.source = learned->source,
		.sight = sight,
		.pid = pid,
		.label_ns = learned->label_ns,
		.entity_id = entity_id ? entity_id->bytes : NULL,
		.entity_id_bytes = entity_id ? entity_id->size_bytes : 0,
		.image = image ? image->bytes : NULL,
		.image_bytes = image ? image->size_bytes : 0,
	};
	return true;
}

static void copy_text(struct event_builder *builder, uint16_t to, const struct event *event,
		      uint16_t from)
{
	const struct event_text *text = from == FIELD_NONE ? NULL : event_text(event, from);
	if (text)
		event_add_text(builder, to, text->bytes, text->size_bytes);
}

/* An event with no more in it than what this one says of that process. */
static const struct event *build_sighting(struct correlator *correlator, const struct event *event,
					  const struct process_fields *fields)
{
	struct event_builder *builder = correlator->builder;
	event_begin(builder);
	struct event *header = event_header(builder);
	header->datasets = event->datasets;
	header->identity = event->identity;
	header->host_time_ns = event->host_time_ns;
	copy_text(builder, FIELD_process_executable, event, fields->executable);
	copy_text(builder, FIELD_process_name, event, fields->name);
	copy_text(builder, FIELD_process_command_line, event, fields->command_line);
	if (fields == &own_fields) {
		copy_text(builder, FIELD_user_name, event, FIELD_user_name);
		copy_text(builder, FIELD_user_domain, event, FIELD_user_domain);
		copy_text(builder, FIELD_user_id, event, FIELD_user_id);
	}
	copy_text(builder, FIELD_host_name, event, FIELD_host_name);
	copy_text(builder, FIELD_host_id, event, FIELD_host_id);
	copy_text(builder, FIELD_host_os_type, event, FIELD_host_os_type);
	copy_text(builder, FIELD_host_os_family, event, FIELD_host_os_family);
	return event_end(builder);
}

static uint32_t learn_process(struct correlator *correlator, const struct event *event,
			      const struct process_fields *fields, const struct learned *learned,
			      enum process_sight sight)
{
	struct process_facts facts;
	struct process_table *processes = correlator->world.processes;
	if (!read_facts(event, fields, learned, sight, &facts))
		return NO_SLOT;
	const uint32_t slot = process_table_learn(processes, &facts);
	if (slot == NO_SLOT || !process_table_wants_event(processes, slot, &facts, event->identity))
		return slot;
	const struct event *kept =
		sight == PROCESS_SIGHT_START ? event : build_sighting(correlator, event, fields);
	process_table_keep_event(processes, slot, &facts, kept);
	return slot;
}

static enum process_sight sight_of(const struct event *event)
{
	if (event->role == EVENT_PROCESS_START)
		return PROCESS_SIGHT_START;
	return event->role == EVENT_PROCESS_END ? PROCESS_SIGHT_END : PROCESS_SIGHT_OTHER;
}

/* --- connections ------------------------------------------------------------------------------ */

static bool text_is(const struct event *event, uint16_t field, const char *one, const char *two)
{
	size_t count;
	const struct event_value *values = event_find(event, field, &count);
	for (size_t i = 0; i < count; i++) {
		const struct event_text *text = event_at(event, &values[i]);
		if (values[i].type == VALUE_TEXT &&
		    (strcasecmp(text->bytes, one) == 0 || strcasecmp(text->bytes, two) == 0))
			return true;
	}
	return false;
}

static uint32_t ip_protocol_of(const struct event *event)
{
	static const struct {
		const char *name;
		const char *number;
		uint32_t ip_protocol;
	} rows[] = { { "tcp", "6", 6 },
		     { "udp", "17", 17 },
		     { "icmp", "1", 1 },
		     { "ipv6-icmp", "58", 58 },
		     { "sctp", "132", 132 } };
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (text_is(event, FIELD_network_transport, rows[i].name, rows[i].number) ||
		    text_is(event, FIELD_network_iana_number, rows[i].number, rows[i].number))
			return rows[i].ip_protocol;
	return 0;
}

/* Which end the host is: Sysmon names the initiator of a TCP connection as its source, but of UDP
 * it only knows who spoke when the packet was seen. */
static void read_hint(const struct event *event, enum clock_source source, uint32_t ip_protocol,
		      struct report *report)
{
	report->hint = HINT_NONE;
	if (text_is(event, FIELD_network_direction, "egress", "outbound") ||
	    text_is(event, FIELD_network_direction, "outgoing", "outbound"))
		report->hint = HINT_SOURCE;
	else if (text_is(event, FIELD_network_direction, "ingress", "inbound") ||
		 text_is(event, FIELD_network_direction, "incoming", "inbound"))
		report->hint = HINT_DESTINATION;
	report->hint_is_sure =
		report->hint != HINT_NONE && (source != CLOCK_SYSMON || ip_protocol == 6);
}

static bool read_ports(const struct event *event, struct report *report)
{
	int64_t source = 0;
	int64_t destination = 0;
	event_integer(event, FIELD_source_port, &source);
	event_integer(event, FIELD_destination_port, &destination);
	if (source < 0 || source > UINT16_MAX || destination < 0 || destination > UINT16_MAX)
		return false;
	report->source_port = (uint16_t)source;
	report->destination_port = (uint16_t)destination;
	return true;
}

static void claim_addresses(struct correlator *correlator, const struct report *report)
{
	struct world *world = &correlator->world;
	if (!report->hint_is_sure)
		return;
	const bool source_is_own = report->hint == HINT_SOURCE;
	address_table_claim(world->addresses, report->host, (enum clock_source)report->source,
			    &report->source_ip, report->label_ns, source_is_own);
	address_table_claim(world->addresses, report->host, (enum clock_source)report->source,
			    &report->destination_ip, report->label_ns, !source_is_own);
}

static void learn_peer(struct correlator *correlator, const struct report *report,
		       uint32_t ip_protocol)
{
	const bool local_is_source = report->hint != HINT_DESTINATION;
	const struct fact fact = {
		.key = { .kind = FACT_PEER,
			 .ip_protocol = ip_protocol,
			 .address = local_is_source ? report->destination_ip : report->source_ip,
			 .port = local_is_source ? report->destination_port : report->source_port },
		.host = report->host,
		.source = report->source,
		.process = report->process,
		.process_generation = report->process_generation,
		.label_ns = report->label_ns,
		.identity = report->identity,
	};
	fact_table_add(correlator->world.facts, &fact);
}

static void offer_sample(struct correlator *correlator, const struct report *report,
			 const struct flow_event *flow)
{
	const struct tuple *tuple =
		&correlator->world.connections.conversations[report->conversation].tuple;
	struct clock *clock = host_table_clock(correlator->world.hosts, report->host,
					       (enum clock_source)report->source, true);
	if (clock && !report->connection_end && !(flow->flags & FLOW_MIDSTREAM))
		clock_offer(clock, report->label_ns, flow->start_ns, tuple_stable_hash(tuple),
			    tuple_is_distinctive(tuple));
}

static void learn_report_samples(struct correlator *correlator, uint32_t slot)
{
	const struct connection_table *connections = &correlator->world.connections;
	const struct report *report = &connections->reports[slot];
	uint32_t flow = connections->conversations[report->conversation].first_flow;
	for (int i = 0; i < CHAIN_LOOK_MAX && flow != NO_SLOT; i++) {
		offer_sample(correlator, report, &connections->flows[flow].flow);
		flow = connections->flows[flow].next;
	}
}

void learn_flow_samples(struct correlator *correlator, uint32_t slot)
{
	const struct connection_table *connections = &correlator->world.connections;
	const struct flow_record *flow = &connections->flows[slot];
	uint32_t report = connections->conversations[flow->conversation].first_report;
	for (int i = 0; i < CHAIN_LOOK_MAX && report != NO_SLOT; i++) {
		offer_sample(correlator, &connections->reports[report], &flow->flow);
		if (!correlator->settings.settle)
			host_table_settle_host(correlator->world.hosts,
					       connections->reports[report].host);
		report = connections->reports[report].next;
	}
}

static uint32_t add_report(struct correlator *correlator, const struct tuple *tuple,
			   const struct report *report)
{
	struct connection_table *connections = &correlator->world.connections;
	uint32_t slot;
	while ((slot = connection_table_report(connections, tuple, report)) == NO_SLOT) {
		counter_add(correlator->counters, COUNTER_facts_evicted, 1);
		if (connections->report_slots.count)
			settle_oldest_report(correlator);
		else
			settle_oldest_flow(correlator);
	}
	return slot;
}

static void keep_window(struct host_books *books, const struct report *report)
{
	uint64_t *first_ns = &books->first_label_ns[report->source];
	books->network_event_count++;
	if (*first_ns == 0 || report->label_ns < *first_ns)
		*first_ns = report->label_ns;
}

static uint32_t learn_connection(struct correlator *correlator, const struct event *event,
				 const struct learned *learned)
{
	const struct ip_address *source = event_address(event, FIELD_source_ip);
	const struct ip_address *destination = event_address(event, FIELD_destination_ip);
	const uint32_t ip_protocol = ip_protocol_of(event);
	struct report report = {
		.host = learned->host,
		.process = learned->process,
		.source = (uint8_t)learned->source,
		.datasets = event->datasets,
		.label_ns = learned->label_ns,
		.received_ns = event->received_ns,
		.arrived_ns = correlator->watermark_ns,
		.identity = event->identity,
		.tiebreaker = event->tiebreaker,
		.event = CELL_NONE,
	};
	if (!source || !destination || ip_protocol == 0 || !read_ports(event, &report))
		return NO_SLOT;
	report.source_ip = *source;
	report.destination_ip = *destination;
	if (report.process != NO_SLOT)
		report.process_generation =
			process_table_at(correlator->world.processes, report.process)->generation;
	report.connection_end = text_is(event, FIELD_event_type, "end", "end") &&
				!text_is(event, FIELD_event_type, "start", "start");
	read_hint(event, learned->source, ip_protocol, &report);
	claim_addresses(correlator, &report);
	learn_peer(correlator, &report, ip_protocol);
	if (correlator->wants_network || correlator->sink.flow)
		report.event = cell_store_put(correlator->world.store, event);
	const struct tuple tuple = tuple_make(source, report.source_port, destination,
					      report.destination_port, ip_protocol);
	const uint32_t slot = add_report(correlator, &tuple, &report);
	learn_report_samples(correlator, slot);
	keep_window(host_table_books(correlator->world.hosts, learned->host), &report);
	return slot;
}

/* --- other facts ------------------------------------------------------------------------------ */

static void add_fact(struct correlator *correlator, const struct event *event,
		     const struct learned *learned, const struct fact_key *key,
		     const struct ip_address *local)
{
	struct fact fact = {
		.key = *key,
		.host = learned->host,
		.source = (uint32_t)learned->source,
		.process = learned->process,
		.label_ns = learned->label_ns,
		.identity = event->identity,
	};
	if (local)
		fact.local = *local;
	if (learned->process == NO_SLOT)
		return;
	fact.process_generation =
		process_table_at(correlator->world.processes, learned->process)->generation;
	fact_table_add(correlator->world.facts, &fact);
	host_table_books(correlator->world.hosts, learned->host)->hint_count++;
}

static void learn_bind(struct correlator *correlator, const struct event *event,
		       const struct learned *learned)
{
	int64_t port = 0;
	struct fact_key key = { .kind = FACT_BIND, .ip_protocol = ip_protocol_of(event) };
	if (!event_integer(event, FIELD_source_port, &port) || port <= 0 || port > UINT16_MAX)
		return;
	key.port = (uint16_t)port;
	add_fact(correlator, event, learned, &key, event_address(event, FIELD_source_ip));
}

/* Names are compared by hash: 128 bits, keyed alike in every run, letters folded. */
static struct ip_address hash_of_name(const char *name, size_t size_bytes)
{
	static const struct hash_seed seeds[2] = { { { 0x6e616d65U, 1 } }, { { 0x6e616d65U, 2 } } };
	char folded[WIRE_NAME_MAX + 1];
	struct ip_address hash;
	if (size_bytes > WIRE_NAME_MAX)
		size_bytes = WIRE_NAME_MAX;
	for (size_t i = 0; i < size_bytes; i++)
		folded[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] | 0x20 : name[i]);
	const uint64_t words[2] = { hash_bytes(&seeds[0], folded, size_bytes),
				    hash_bytes(&seeds[1], folded, size_bytes) };
	memcpy(&hash, words, sizeof(hash));
	return hash;
}

static void learn_question(struct correlator *correlator, const struct event *event,
			   const struct learned *learned)
{
	const struct event_text *name = event_text(event, FIELD_dns_question_name);
	if (!name)
		return;
	const struct fact_key key = { .kind = FACT_NAMED,
				      .address = hash_of_name(name->bytes, name->size_bytes) };
	add_fact(correlator, event, learned, &key, NULL);
}

static void learn_names(struct correlator *correlator, const struct event *event,
			const struct learned *learned)
{
	enum { ANSWERS_MAX = 32 };
	size_t count;
	const struct event_value *values = event_find(event, FIELD_dns_resolved_ip, &count);
	for (size_t i = 0; i < count && i < ANSWERS_MAX; i++) {
		if (values[i].type != VALUE_ADDRESS)
			continue;
		struct fact_key key = { .kind = FACT_RESOLVED };
		memcpy(&key.address, event_at(event, &values[i]), sizeof(key.address));
		add_fact(correlator, event, learned, &key, NULL);
	}
}

static void learn_host_addresses(struct correlator *correlator, const struct event *event,
				 const struct learned *learned)
{
	size_t count;
	const struct event_value *values = event_find(event, FIELD_host_ip, &count);
	for (size_t i = 0; i < count; i++)
		if (values[i].type == VALUE_ADDRESS)
			address_table_claim(correlator->world.addresses, learned->host,
					    learned->source, event_at(event, &values[i]),
					    learned->label_ns, true);
}

static void keep_stream(struct host_books *books, const struct event *event,
			const struct learned *learned)
{
	uint64_t *last_ns = &books->last_label_ns[learned->source];
	books->event_count++;
	if (learned->label_ns > *last_ns)
		*last_ns = learned->label_ns;
	books->latest_source = learned->source;
	books->latest_label_ns = learned->label_ns;
	books->latest_received_ns = event->received_ns;
}

void learn_event(struct correlator *correlator, const struct event *event,
		 struct learned *out_learned)
{
	*out_learned = (struct learned){
		.host = learn_host(correlator, event),
		.process = NO_SLOT,
		.report = NO_SLOT,
		.source = clock_source_of_datasets(event->datasets),
		.label_ns = event->host_time_ns ? event->host_time_ns : event->time_ns,
	};
	if (out_learned->host == HOST_NONE)
		return;
	keep_stream(host_table_books(correlator->world.hosts, out_learned->host), event,
		    out_learned);
	learn_host_addresses(correlator, event, out_learned);
	out_learned->process =
		learn_process(correlator, event, &own_fields, out_learned, sight_of(event));
	learn_process(correlator, event, &parent_fields, out_learned, PROCESS_SIGHT_OTHER);
	learn_process(correlator, event, &target_fields, out_learned, PROCESS_SIGHT_OTHER);
	if (event->role == EVENT_PROCESS_START)
		host_table_books(correlator->world.hosts, out_learned->host)->process_count++;
	if (event->role == EVENT_CONNECTION)
		out_learned->report = learn_connection(correlator, event, out_learned);
	if (event->role == EVENT_BIND)
		learn_bind(correlator, event, out_learned);
	if (event->role == EVENT_DNS) {
		learn_names(correlator, event, out_learned);
		learn_question(correlator, event, out_learned);
	}
}

/* A lease on the wire says which name has which address, for hosts whose events say neither. */
static void learn_lease(struct correlator *correlator, const struct wire_name *name)
{
	const size_t size_bytes = strnlen(name->name, sizeof(name->name));
	const uint32_t host = host_table_learn(correlator->world.hosts, name->name, size_bytes);
	if (host != HOST_NONE)
		address_table_claim(correlator->world.addresses, host, CLOCK_OTHER, &name->address,
				    name->time_ns, true);
}

void learn_name(struct correlator *correlator, const struct wire_name *name)
{
	if (name->kind == WIRE_NAME_DHCP)
		learn_lease(correlator, name);
	if (name->kind != WIRE_NAME_DNS)
		return;
	const struct fact fact = {
		.key = { .kind = FACT_WIRE_NAMED,
			 .address = hash_of_name(name->name,
						 strnlen(name->name, sizeof(name->name))) },
		.host = HOST_NONE,
		.process = NO_SLOT,
		.label_ns = name->time_ns,
		.identity = name->flow_id,
		.local = name->subject,
	};
	fact_table_add(correlator->world.facts, &fact);
}
