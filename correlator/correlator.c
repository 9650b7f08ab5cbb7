#include "correlator/correlator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/hard.h"
#include "correlator/correlator_state.h"

#define NS_PER_SECOND	   UINT64_C(1000000000)
#define DEFAULT_HORIZON_NS (900 * NS_PER_SECOND)
#define EAGER_SWEEP_NS	   NS_PER_SECOND

enum {
	DEFAULT_HOSTS = HARD(4096, 8),
	DEFAULT_PROCESSES = HARD(262144, 64),
	DEFAULT_CONNECTIONS = HARD(1048576, 64),
	DEFAULT_FACTS = HARD(524288, 64),
	ADDRESSES_PER_HOST = 8,
	CONNECTIONS_PER_NAME = 2, /* not every flow says a name */
	SETTLE_SWEEPS_PER_HORIZON = 8,
};
#define DEFAULT_STORE_BYTES HARD((size_t)512 << 20, (size_t)256 << 10)

/* --- saying ----------------------------------------------------------------------------------- */

int sort_keys_compare(const void *left, const void *right);

int sort_keys_compare(const void *left, const void *right)
{
	const struct sort_key *a = left;
	const struct sort_key *b = right;
	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

void sort_keys(struct sort_key *keys, size_t count)
{
	if (count)
		qsort(keys, count, sizeof(keys[0]), sort_keys_compare);
}

/* A name lookup, a bind or a listen: a network event of a host that goes nowhere. */
static bool is_aimless(const struct event *event)
{
	size_t count;
	const struct event_value *values = event_find(event, FIELD_event_category, &count);
	if (event->role == EVENT_FLOW || event_address(event, FIELD_destination_ip))
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct event_text *text = event_at(event, &values[i]);
		if (values[i].type == VALUE_TEXT && strcmp(text->bytes, "network") == 0)
			return true;
	}
	return false;
}

/* A step that asks for a destination does not mean an event that has none: `not
 * cidrmatch(destination.ip, ...)` is true of a missing address, as Elasticsearch has it, but here
 * the connection itself is always an event of its own. */
static size_t leave_out_aimless(const struct correlator *correlator, const struct event *event,
				step_id *steps, size_t count)
{
	const bool aimless = count && is_aimless(event);
	size_t kept = 0;
	for (size_t i = 0; i < count; i++)
		if (!aimless ||
		    !ruleset_step_reads(correlator->ruleset, steps[i], FIELD_destination_ip))
			steps[kept++] = steps[i];
	return kept;
}

bool say_event(struct correlator *correlator, const struct event *event, bool said_before)
{
	if (!correlator->ruleset)
		return false;
	size_t count =
		ruleset_match(correlator->ruleset, correlator->scratch, event, correlator->steps);
	count = leave_out_aimless(correlator, event, correlator->steps, count);
	if (correlator->sink.event)
		correlator->sink.event(correlator->sink.context, event, correlator->steps, count);
	if (count || said_before)
		sequences_add(correlator->sequences, event, correlator->steps, count);
	return count > 0;
}

static uint64_t milliseconds_between(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? (to_ns - from_ns) / 1000000 : 0;
}

/* Is this a new alert, or one sent before that is now better known? Gives it the identity that it
 * was sent under. */
static struct sent_alert *recall(struct correlator *correlator, const struct sequence_match *match,
				 const struct event *last, bool *out_known)
{
	static const struct hash_seed seed = { { 0x73656e74U, 0x94d049bb133111ebU } };
	const uint64_t about = hash_word(&seed, hash_word(&seed, match->rule->index, 1),
					 last ? last->identity : match->identity) |
			       1;
	struct sent_alert *sent = &correlator->sent[about % SENT_ALERTS];
	*out_known = sent->about == about;
	if (!*out_known)
		*sent = (struct sent_alert){ .about = about, .identity = match->identity };
	return sent;
}

/* How long the latest event of the host was on its way. */
static uint64_t telemetry_lag_ns(const struct correlator *correlator, uint32_t host)
{
	struct host_table *hosts = correlator->world.hosts;
	const struct host_books *latest = NULL;
	uint32_t latest_host = host;
	for (uint32_t id = 0; id < host_table_count(hosts); id++) {
		const struct host_books *books = host_table_books(hosts, id);
		if (host_table_same(hosts, id, host) &&
		    (!latest || books->latest_received_ns > latest->latest_received_ns)) {
			latest = books;
			latest_host = id;
		}
	}
	if (!latest || latest->latest_received_ns == 0)
		return 0;
	const struct clock_reading clock = host_table_read_event_clock(
		hosts, latest_host, latest->latest_source, latest->latest_label_ns);
	const uint64_t wire_ns = wire_time(&clock, latest->latest_label_ns);
	return latest->latest_received_ns > wire_ns ? latest->latest_received_ns - wire_ns : 0;
}

/* What the sensor may have missed around these events. */
static void fill_in_quality(const struct correlator *correlator, struct alert *alert,
			    const struct event *last)
{
	if (!last)
		return;
	uint64_t first_ns = last->time_ns;
	for (size_t i = 0; i < alert->event_count && i < RULE_STAGES_MAX; i++)
		if (alert->events[i] && alert->events[i]->time_ns < first_ns)
			first_ns = alert->events[i]->time_ns;
	const struct tap_totals tap =
		tap_health_between(&correlator->health, first_ns, last->time_ns);
	alert->quality.capture_loss_percent = tap_loss_percent(&tap);
	const struct event_text *name = event_text(last, FIELD_host_name);
	if (!correlator->settings.live || !name)
		return;
	const uint32_t host =
		host_table_learn(correlator->world.hosts, name->bytes, name->size_bytes);
	if (host != HOST_NONE)
		alert->quality.telemetry_lag_ms = telemetry_lag_ns(correlator, host) / 1000000;
}

static void found(void *context, enum match_change change, const struct sequence_match *match)
{
	struct correlator *correlator = context;
	if (change == MATCH_WITHDRAWN || !correlator->sink.alert)
		return;
	struct alert alert = {
		.kind = change == MATCH_NEW ? ALERT_NEW : ALERT_UPDATE,
		.rule = match->rule,
		.update_count = change == MATCH_NEW ? 0 : 1,
		.event_count = match->event_count,
	};
	const struct event *last = NULL;
	for (size_t i = 0; i < match->event_count && i < RULE_STAGES_MAX; i++) {
		alert.events[i] = match->events[i];
		if (alert.events[i] && (!last || alert.events[i]->time_ns >= last->time_ns))
			last = alert.events[i];
	}
	uint64_t identity = match->identity;
	if (correlator->sent) {
		bool known;
		struct sent_alert *sent = recall(correlator, match, last, &known);
		alert.kind = known || change == MATCH_CHANGED ? ALERT_UPDATE : ALERT_NEW;
		alert.update_count = known ? ++sent->update_count : 0;
		identity = sent->identity;
	}
	alert_identify(&alert, identity);
	if (last && !correlator->settings.settle)
		alert.quality.waited_ms =
			milliseconds_between(last->time_ns, correlator->watermark_ns);
	fill_in_quality(correlator, &alert, last);
	alert.quality.degraded =
		counter_read(correlator->counters, COUNTER_processes_evicted) ||
		counter_read(correlator->counters, COUNTER_connections_evicted) ||
		counter_read(correlator->counters, COUNTER_sequence_events_evicted);
	counter_add(correlator->counters, COUNTER_alerts_raised, 1);
	if (change != MATCH_NEW)
		counter_add(correlator->counters, COUNTER_alerts_updated, 1);
	correlator->sink.alert(correlator->sink.context, &alert);
}

/* --- opening and closing ---------------------------------------------------------------------- */

void correlator_want_fields(struct fields *fields)
{
	static const uint16_t wanted[] = {
		FIELD_host_name,
		FIELD_host_hostname,
		FIELD_host_id,
		FIELD_host_ip,
		FIELD_host_os_type,
		FIELD_host_os_family,
		FIELD_agent_name,
		FIELD_agent_id,
		FIELD_user_name,
		FIELD_user_domain,
		FIELD_user_id,
		FIELD_event_category,
		FIELD_event_type,
		FIELD_event_action,
		FIELD_event_kind,
		FIELD_event_code,
		FIELD_event_start,
		FIELD_event_end,
		FIELD_event_duration,
		FIELD_timestamp,
		FIELD_process_entity_id,
		FIELD_process_pid,
		FIELD_process_executable,
		FIELD_process_name,
		FIELD_process_command_line,
		FIELD_process_start,
		FIELD_process_parent_entity_id,
		FIELD_process_parent_pid,
		FIELD_process_parent_executable,
		FIELD_process_parent_name,
		FIELD_process_parent_command_line,
		FIELD_Target_process_entity_id,
		FIELD_Target_process_pid,
		FIELD_Target_process_executable,
		FIELD_Target_process_name,
		FIELD_source_ip,
		FIELD_source_port,
		FIELD_source_bytes,
		FIELD_source_packets,
		FIELD_destination_ip,
		FIELD_destination_port,
		FIELD_destination_bytes,
		FIELD_destination_packets,
		FIELD_destination_domain,
		FIELD_network_transport,
		FIELD_network_iana_number,
		FIELD_network_type,
		FIELD_network_direction,
		FIELD_network_community_id,
		FIELD_network_protocol,
		FIELD_network_bytes,
		FIELD_network_packets,
		FIELD_network_vlan_id,
		FIELD_network_inner_vlan_id,
		FIELD_dns_question_name,
		FIELD_dns_resolved_ip,
		FIELD_tls_client_server_name,
		FIELD_tls_client_ja4,
		FIELD_url_domain,
		FIELD_procspan_attribution_method,
		FIELD_procspan_attribution_confidence,
		FIELD_procspan_attribution_candidates,
		FIELD_procspan_attribution_skew_ms,
		FIELD_procspan_attribution_runners_up,
		FIELD_procspan_flow_status,
		FIELD_procspan_flow_expected_report,
		FIELD_procspan_flow_id,
		FIELD_procspan_flow_midstream,
		FIELD_procspan_flow_end_reason,
		FIELD_procspan_evidence_sources,
		FIELD_procspan_clock_offset_ms,
		FIELD_procspan_clock_confidence_ms,
		FIELD_procspan_host_time,
		FIELD_procspan_wire_start,
		FIELD_procspan_wire_end,
	};
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		fields_want(fields, wanted[i]);
}

static void fill_in_defaults(struct correlator_settings *settings)
{
	if (settings->horizon_ns == 0)
		settings->horizon_ns = DEFAULT_HORIZON_NS;
	if (settings->max_hosts == 0)
		settings->max_hosts = DEFAULT_HOSTS;
	if (settings->max_processes == 0)
		settings->max_processes = DEFAULT_PROCESSES;
	if (settings->max_connections == 0)
		settings->max_connections = DEFAULT_CONNECTIONS;
	if (settings->max_facts == 0)
		settings->max_facts = DEFAULT_FACTS;
	if (settings->store_bytes == 0)
		settings->store_bytes = DEFAULT_STORE_BYTES;
}

static bool open_world(struct correlator *correlator)
{
	const struct correlator_settings *settings = &correlator->settings;
	struct counters *counters = correlator->counters;
	struct world *world = &correlator->world;
	world->store = cell_store_open(settings->store_bytes);
	world->hosts = host_table_open(settings->max_hosts, &settings->seed, counters);
	world->addresses = address_table_open(settings->max_hosts * ADDRESSES_PER_HOST,
					      &settings->seed, counters);
	world->facts = fact_table_open(settings->max_facts, &settings->seed, counters);
	world->names = flow_name_table_open(settings->max_connections / CONNECTIONS_PER_NAME + 1,
					    &settings->seed, counters);
	if (!world->store || !world->hosts || !world->addresses || !world->facts || !world->names)
		return false;
	world->processes = process_table_open(settings->max_processes, world->hosts, world->store,
					      &settings->seed, counters);
	return world->processes &&
	       connection_table_open(&world->connections, settings->max_connections,
				     settings->max_facts, world->store, &settings->seed, counters);
}

static bool open_rules(struct correlator *correlator)
{
	if (!correlator->ruleset)
		return true;
	const struct sequence_settings settings = {
		.horizon_ns = correlator->settings.horizon_ns,
		.store_bytes = correlator->settings.store_bytes,
		.settle = correlator->settings.settle,
		.seed = correlator->settings.seed,
	};
	correlator->sequences = sequences_open(correlator->ruleset, &settings, found, correlator,
					       correlator->counters);
	correlator->scratch = match_scratch_open(correlator->ruleset);
	correlator->steps =
		calloc(ruleset_step_count(correlator->ruleset) + 1U, sizeof(*correlator->steps));
	correlator->wants_network = ruleset_wants_category(correlator->ruleset, "network");
	if (!correlator->settings.settle)
		correlator->sent = calloc(SENT_ALERTS, sizeof(*correlator->sent));
	return correlator->sequences && correlator->scratch && correlator->steps &&
	       (correlator->settings.settle || correlator->sent);
}

static uint32_t largest_table(const struct correlator_settings *settings)
{
	return settings->max_connections > settings->max_facts ? settings->max_connections
							       : settings->max_facts;
}

struct correlator *correlator_open(const struct correlator_settings *settings,
				   const struct ruleset *ruleset, const struct fields *fields,
				   const struct correlator_sink *sink, struct counters *counters)
{
	struct correlator *correlator = calloc(1, sizeof(*correlator));
	if (!correlator)
		return NULL;
	correlator->settings = *settings;
	fill_in_defaults(&correlator->settings);
	correlator->ruleset = ruleset;
	correlator->fields = fields;
	correlator->sink = *sink;
	correlator->counters = counters;
	const uint32_t max_held = correlator->settings.max_facts;
	correlator->joiner = joiner_open(fields, counters);
	correlator->builder = event_builder_open(fields, counters);
	correlator->held = calloc(max_held, sizeof(*correlator->held));
	correlator->order =
		calloc(largest_table(&correlator->settings), sizeof(*correlator->order));
	if (correlator->joiner && correlator->builder && correlator->held && correlator->order &&
	    aged_slots_open(&correlator->held_slots, max_held) && open_world(correlator) &&
	    open_rules(correlator))
		return correlator;
	correlator_close(correlator);
	errno = ENOMEM;
	return NULL;
}

void correlator_close(struct correlator *correlator)
{
	if (!correlator)
		return;
	struct world *world = &correlator->world;
	sequences_close(correlator->sequences);
	match_scratch_close(correlator->scratch);
	free(correlator->steps);
	free(correlator->sent);
	connection_table_close(&world->connections);
	process_table_close(world->processes);
	flow_name_table_close(world->names);
	fact_table_close(world->facts);
	address_table_close(world->addresses);
	host_table_close(world->hosts);
	cell_store_close(world->store);
	aged_slots_close(&correlator->held_slots);
	free(correlator->order);
	free(correlator->held);
	event_builder_close(correlator->builder);
	joiner_close(correlator->joiner);
	free(correlator);
}

/* --- facts in --------------------------------------------------------------------------------- */

void correlator_event(struct correlator *correlator, const struct event *event,
		      const step_id *steps, size_t step_count)
{
	(void)steps; /* they say that it matters; which ones is asked again of what it becomes */
	struct learned learned;
	learn_event(correlator, event, &learned);
	if (learned.report == NO_SLOT) {
		hold_event(correlator, event, step_count, &learned);
		return;
	}
	if (correlator->settings.settle)
		return;
	host_table_settle_host(correlator->world.hosts, learned.host);
	settle_conversation(correlator,
			    correlator->world.connections.reports[learned.report].conversation);
}

void correlator_flow(struct correlator *correlator, const struct flow_event *flow)
{
	struct connection_table *connections = &correlator->world.connections;
	bool is_new;
	uint32_t slot;
	while ((slot = connection_table_flow(connections, flow, &is_new)) == NO_SLOT) {
		if (connections->flow_slots.count)
			settle_oldest_flow(correlator);
		else
			settle_oldest_report(correlator);
	}
	const struct conversation *conversation = conversation_of_flow(connections, slot);
	if (is_new && conversation->first_report != NO_SLOT)
		learn_flow_samples(correlator, slot);
	if (!correlator->settings.settle)
		settle_conversation(correlator, connections->flows[slot].conversation);
}

void correlator_name(struct correlator *correlator, const struct wire_name *name)
{
	flow_name_table_add(correlator->world.names, name);
	learn_name(correlator, name);
}

void correlator_tap(struct correlator *correlator, uint64_t now_ns, const struct tap_totals *totals)
{
	tap_health_tell(&correlator->health, now_ns, totals);
}

/* --- time ------------------------------------------------------------------------------------- */

static void sweep(struct correlator *correlator, uint64_t due_ns)
{
	const uint64_t pause_ns = correlator->settings.horizon_ns / SETTLE_SWEEPS_PER_HORIZON;
	if (correlator->watermark_ns - correlator->bootstrapped_ns >= pause_ns ||
	    due_ns == UINT64_MAX) {
		correlator->bootstrapped_ns = correlator->watermark_ns;
		bootstrap_hosts(correlator);
	}
	host_table_settle_clocks(correlator->world.hosts,
				 correlator->settings.settle || due_ns == UINT64_MAX);
	if (!correlator->settings.settle) {
		hold_revise(correlator);
		settle_revise(correlator);
	}
	settle_sweep(correlator, due_ns);
	hold_sweep(correlator, due_ns);
	if (!correlator->sequences)
		return;
	uint64_t complete_ns = due_ns;
	if (correlator->settings.settle && due_ns != UINT64_MAX) {
		const uint64_t pending_ns = settle_earliest_pending(correlator);
		const uint64_t held_ns = hold_earliest_pending(correlator);
		complete_ns = pending_ns < complete_ns ? pending_ns : complete_ns;
		complete_ns = held_ns < complete_ns ? held_ns : complete_ns;
	}
	sequences_advance(correlator->sequences, complete_ns);
}

/* What came before the first watermark came now: it too has a horizon to wait. */
static void date_early_arrivals(struct correlator *correlator, uint64_t watermark_ns)
{
	const struct connection_table *connections = &correlator->world.connections;
	for (uint32_t slot = connections->report_slots.oldest; slot != NO_SLOT;
	     slot = aged_slots_next(&connections->report_slots, slot))
		connections->reports[slot].arrived_ns = watermark_ns;
	for (uint32_t slot = correlator->held_slots.oldest; slot != NO_SLOT;
	     slot = aged_slots_next(&correlator->held_slots, slot))
		correlator->held[slot].arrived_ns = watermark_ns;
	correlator->swept_ns = watermark_ns;
	correlator->bootstrapped_ns = watermark_ns;
}

void correlator_advance(struct correlator *correlator, uint64_t watermark_ns)
{
	if (watermark_ns <= correlator->watermark_ns)
		return;
	if (correlator->watermark_ns == 0)
		date_early_arrivals(correlator, watermark_ns);
	const struct correlator_settings *settings = &correlator->settings;
	const uint64_t interval_ns = settings->settle
					     ? settings->horizon_ns / SETTLE_SWEEPS_PER_HORIZON
					     : EAGER_SWEEP_NS;
	correlator->watermark_ns = watermark_ns;
	if (watermark_ns < settings->horizon_ns ||
	    watermark_ns - correlator->swept_ns < interval_ns)
		return;
	correlator->swept_ns = watermark_ns;
	sweep(correlator, watermark_ns - settings->horizon_ns);
}

void correlator_finish(struct correlator *correlator)
{
	sweep(correlator, UINT64_MAX);
	if (correlator->sequences)
		sequences_finish(correlator->sequences);
}

/* --- reports ---------------------------------------------------------------------------------- */

size_t correlator_bytes(const struct correlator *correlator)
{
	const struct world *world = &correlator->world;
	return sizeof(*correlator) + joiner_bytes(correlator->joiner) +
	       host_table_bytes(world->hosts) + address_table_bytes(world->addresses) +
	       process_table_bytes(world->processes) + connection_table_bytes(&world->connections) +
	       fact_table_bytes(world->facts) + flow_name_table_bytes(world->names) +
	       cell_store_bytes(world->store) +
	       correlator->held_slots.capacity * sizeof(struct held_event) +
	       aged_slots_bytes(&correlator->held_slots) +
	       largest_table(&correlator->settings) * sizeof(struct sort_key) +
	       (correlator->sequences ? sequences_bytes(correlator->sequences) : 0);
}

static void add_books(struct host_report *report, const struct host_books *books)
{
	report->event_count += books->event_count;
	report->process_count += books->process_count;
	report->owned_count += books->owned_count;
	report->unreported_count += books->unreported_count;
	report->news_count += books->news_count;
}

static void add_clocks(struct host_table *hosts, uint32_t host, struct host_report *report)
{
	for (int i = 0; i < CLOCK_SOURCES && report->clock_count < 4; i++) {
		const struct clock *clock =
			host_table_clock(hosts, host, (enum clock_source)i, false);
		if (!clock || clock->trust <= 0)
			continue;
		const struct clock_knot *latest = &clock->knots[clock->knot_count - 1];
		report->clocks[report->clock_count].source =
			clock_source_name((enum clock_source)i);
		report->clocks[report->clock_count].sample_count = clock->sample_count;
		report->clocks[report->clock_count].offset_ns = latest->offset_ns;
		report->clocks[report->clock_count].confidence_ns = clock->confidence_ns;
		report->clocks[report->clock_count].drift_ppm = clock->drift_ppm;
		report->clock_count++;
	}
}

void correlator_each_host(const struct correlator *correlator, void *context,
			  void (*each)(void *context, const struct host_report *host))
{
	const struct world *world = &correlator->world;
	const uint32_t count = host_table_count(world->hosts);
	for (uint32_t id = 0; id < count; id++) {
		if (host_table_canonical(world->hosts, id) != id)
			continue; /* told under its full name */
		struct host_report report = { .name = host_table_name(world->hosts, id) };
		for (uint32_t other = 0; other < count; other++) {
			if (!host_table_same(world->hosts, id, other))
				continue;
			add_books(&report, host_table_books(world->hosts, other));
			add_clocks(world->hosts, other, &report);
		}
		report.address_count =
			address_table_list(world->addresses, world->hosts, id, report.addresses,
					   sizeof(report.addresses) / sizeof(report.addresses[0]));
		each(context, &report);
	}
}
