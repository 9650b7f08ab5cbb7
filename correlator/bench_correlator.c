/* procspan bench correlator: how many messages a second the correlator takes on one core: nine flow
 * events to one host event, a million flows and 100,000 processes alive. Then the sequence state
 * alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "correlator/bench.h"
#include "correlator/bench_parts.h"
#include "correlator/correlator.h"

enum {
	LIVE_FLOWS = 1000000,
	PROCESSES = 100000,
	HOSTS = 1000,
	EVENT_ROOM = 1024,
	NAME_ROOM = 64,
	CHUNK = 20000,
	MESSAGE_INTERVAL_NS = 500, /* as fast in its own time as 2 million a second */
	MESSAGES_MAX = 10000000,
};

/* A message, prepared before the clock runs. */
struct prepared {
	bool is_event;
	union {
		struct flow_event flow;
		_Alignas(8) char event[EVENT_ROOM];
	};
};

struct load {
	struct bench_random random;
	struct event_builder *builder;
	struct correlator *correlator;
	uint64_t now_ns;
	struct flow_event *flows; /* live, as a ring */
	uint32_t next_flow;
	uint64_t flow_number;
	uint64_t event_number;
	struct prepared *chunk;
	uint32_t chunk_count;
	uint64_t fed_count;
	uint64_t spent_ns;
};

static void feed(struct load *load)
{
	const uint64_t start_ns = bench_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	for (uint32_t i = 0; i < load->chunk_count; i++) {
		const struct prepared *message = &load->chunk[i];
		if (message->is_event)
			correlator_event(load->correlator, (const void *)message->event, NULL, 0);
		else
			correlator_flow(load->correlator, &message->flow);
	}
	correlator_advance(load->correlator, load->now_ns);
	load->spent_ns += bench_clock_ns(CLOCK_THREAD_CPUTIME_ID) - start_ns;
	load->fed_count += load->chunk_count;
	load->chunk_count = 0;
}

static struct prepared *next_message(struct load *load, bool is_event)
{
	if (load->chunk_count == CHUNK)
		feed(load);
	struct prepared *message = &load->chunk[load->chunk_count++];
	message->is_event = is_event;
	return message;
}

/* --- flows ---------------------------------------------------------------------------------- */

static struct ip_address host_address(uint32_t host)
{
	const uint8_t bytes[4] = { 10, 1, (uint8_t)(host >> 8), (uint8_t)host };
	return ip_address_from_v4(bytes);
}

static void make_flow(struct load *load, struct flow_event *flow)
{
	const uint64_t number = load->flow_number++;
	const uint32_t other = bench_random_below(&load->random, 1U << 24);
	const uint8_t remote[4] = { 93, (uint8_t)(other >> 16), (uint8_t)(other >> 8),
				    (uint8_t)other };
	*flow = (struct flow_event){
		.record_kind = RECORD_FLOW,
		.kind = FLOW_START,
		.ip_protocol = 6,
		.source = host_address((uint32_t)(number % HOSTS)),
		.destination = ip_address_from_v4(remote),
		.source_port = (uint16_t)(32768 + number / HOSTS % 28000),
		.destination_port = 443,
		.flow_id = number + 1,
		.start_ns = load->now_ns,
		.last_ns = load->now_ns,
	};
}

static void send_flow(struct load *load)
{
	struct flow_event *flow = &load->flows[load->next_flow];
	if (flow->kind == FLOW_START && flow->flow_id) { /* it ends, and its place is taken */
		flow->kind = FLOW_END;
		flow->last_ns = load->now_ns;
		flow->from_source.packet_count = 10;
		next_message(load, false)->flow = *flow;
		return;
	}
	make_flow(load, flow);
	next_message(load, false)->flow = *flow;
	load->next_flow = (load->next_flow + 1) % LIVE_FLOWS;
}

/* --- host events ---------------------------------------------------------------------------- */

static void add_text(struct event_builder *builder, uint16_t field, const char *text)
{
	event_add_text(builder, field, text, strlen(text));
}

static void add_connection(struct event_builder *builder, uint32_t host,
			   const struct flow_event *flow)
{
	const struct ip_address address = host_address(host);
	event_add_address(builder, FIELD_source_ip, &address);
	event_add_integer(builder, FIELD_source_port, flow->source_port);
	event_add_address(builder, FIELD_destination_ip, &flow->destination);
	event_add_integer(builder, FIELD_destination_port, 443);
	add_text(builder, FIELD_network_transport, "tcp");
	add_text(builder, FIELD_network_direction, "egress");
}

/* A connection that one of the latest flows is, or now and then a process start. */
static void send_event(struct load *load)
{
	char text[NAME_ROOM];
	struct event_builder *builder = load->builder;
	const uint64_t number = load->event_number++;
	const bool is_start = number % 10 == 0;
	const struct flow_event *flow = &load->flows[bench_random_below(&load->random, LIVE_FLOWS)];
	const uint32_t flow_host = (uint32_t)flow->source.bytes[14] << 8 | flow->source.bytes[15];
	const uint32_t process =
		is_start ? (uint32_t)(number / 10 % PROCESSES)
			 : bench_random_below(&load->random, PROCESSES / HOSTS) * HOSTS + flow_host;
	const uint32_t host = process % HOSTS;
	event_begin(builder);
	struct event *header = event_header(builder);
	header->datasets = 1U << DATASET_sysmon;
	header->role = is_start ? EVENT_PROCESS_START : EVENT_CONNECTION;
	header->host_time_ns = load->now_ns;
	header->time_ns = load->now_ns;
	header->identity = number + 1;
	snprintf(text, sizeof(text), "WS%u.corp.example", host);
	add_text(builder, FIELD_host_name, text);
	add_text(builder, FIELD_event_category, is_start ? "process" : "network");
	snprintf(text, sizeof(text), "{%08x-0000-5fdd-0000-%012x}", host, process);
	add_text(builder, FIELD_process_entity_id, text);
	event_add_integer(builder, FIELD_process_pid, 1000 + process / HOSTS);
	add_text(builder, FIELD_process_executable, "C:\\Windows\\System32\\svchost.exe");
	add_text(builder, FIELD_process_name, "svchost.exe");
	if (!is_start)
		add_connection(builder, host, flow);
	const struct event *event = event_end(builder);
	if (event->size_bytes <= EVENT_ROOM)
		memcpy(next_message(load, true)->event, event, event->size_bytes);
}

/* --- the rows ------------------------------------------------------------------------------- */

static void fill(struct load *load)
{
	load->now_ns = UINT64_C(1700000000) * 1000000000;
	for (uint32_t i = 0; i < LIVE_FLOWS; i++)
		send_flow(load);
	for (uint32_t i = 0; i < 10 * PROCESSES; i++)
		send_event(load);
	feed(load);
	load->fed_count = 0;
	load->spent_ns = 0;
}

static void correlator_row(struct bench *bench, struct load *load, const char *stage)
{
	fill(load);
	for (uint64_t i = 0;
	     load->fed_count == 0 || (load->spent_ns < bench->row_ns && i < MESSAGES_MAX); i++) {
		load->now_ns += MESSAGE_INTERVAL_NS;
		if (i % 10 == 9)
			send_event(load);
		else
			send_flow(load);
	}
	const struct bench_row row = {
		.stage = stage,
		.unit = "message",
		.ns = (double)load->spent_ns / (double)load->fed_count,
		.memory_bytes = (double)correlator_bytes(load->correlator) / LIVE_FLOWS,
	};
	bench_row(bench, &row);
}

static bool run(struct bench *bench, int settle, const char *stage)
{
	struct counters counters = { 0 };
	struct fields *fields = fields_open();
	if (!fields)
		return false;
	correlator_want_fields(fields);
	const struct correlator_settings settings = {
		.settle = settle,
		.max_connections = LIVE_FLOWS * 3,
		.max_processes = PROCESSES * 2,
		.seed = { { 0x243f6a8885a308d3U, 0x13198a2e03707344U } },
	};
	const struct correlator_sink sink = { 0 };
	struct load load = { .random = { 7 },
			     .builder = event_builder_open(fields, &counters),
			     .correlator =
				     correlator_open(&settings, NULL, fields, &sink, &counters),
			     .flows = calloc(LIVE_FLOWS, sizeof(*load.flows)),
			     .chunk = calloc(CHUNK, sizeof(*load.chunk)) };
	const bool good = load.builder && load.correlator && load.flows && load.chunk;
	if (good)
		correlator_row(bench, &load, stage);
	correlator_close(load.correlator);
	event_builder_close(load.builder);
	fields_close(fields);
	free(load.flows);
	free(load.chunk);
	return good;
}

bool bench_correlator(struct bench *bench)
{
	bench_section(bench, "correlator", false,
		      "%d live flows, %d processes, nine flow messages to one host event",
		      LIVE_FLOWS, PROCESSES);
	return run(bench, 1, "settled") && run(bench, 0, "eager") && bench_sequences(bench);
}
