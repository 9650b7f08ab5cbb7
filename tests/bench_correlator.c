/* How many messages a second the correlator takes on one core: nine flow events to
 * one host event, with many live flows and processes. Usage: bench_correlator
 * [LIVE_FLOWS] [PROCESSES] [MESSAGES] */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "correlator/correlator.h"
#include "tests/support_random.h"

enum { HOSTS = 1000, EVENT_ROOM = 1024, NAME_ROOM = 64, CHUNK = 20000 };

/* A message, prepared before the clock runs. */
struct message {
	bool is_event;
	union {
		struct flow_event flow;
		_Alignas(8) char event[EVENT_ROOM];
	};
};

static double seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now); /* others use this machine too */
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct bench {
	struct support_random random;
	struct event_builder *builder;
	struct correlator *correlator;
	uint32_t live_count;
	uint32_t process_count;
	uint64_t now_ns;
	struct flow_event *flows; /* live, as a ring */
	uint32_t next_flow;
	uint64_t flow_number;
	uint64_t event_number;
	struct message *chunk;
	uint32_t chunk_count;
};

static void feed(struct bench *bench)
{
	for (uint32_t i = 0; i < bench->chunk_count; i++) {
		const struct message *message = &bench->chunk[i];
		if (message->is_event)
			correlator_event(bench->correlator, (const void *)message->event, NULL, 0);
		else
			correlator_flow(bench->correlator, &message->flow);
	}
	correlator_advance(bench->correlator, bench->now_ns);
	bench->chunk_count = 0;
}

static struct message *next_message(struct bench *bench, bool is_event)
{
	if (bench->chunk_count == CHUNK)
		feed(bench);
	struct message *message = &bench->chunk[bench->chunk_count++];
	message->is_event = is_event;
	return message;
}

static struct ip_address host_address(uint32_t host)
{
	const uint8_t bytes[4] = { 10, 1, (uint8_t)(host >> 8), (uint8_t)host };
	return ip_address_from_v4(bytes);
}

static void make_flow(struct bench *bench, struct flow_event *flow)
{
	const uint64_t number = bench->flow_number++;
	const uint32_t host = (uint32_t)(number % HOSTS);
	const uint32_t other = support_random_below(&bench->random, 1U << 24);
	const uint8_t remote[4] = { 93, (uint8_t)(other >> 16), (uint8_t)(other >> 8),
				    (uint8_t)other };
	*flow = (struct flow_event){
		.record_kind = RECORD_FLOW,
		.kind = FLOW_START,
		.ip_protocol = 6,
		.source = host_address(host),
		.destination = ip_address_from_v4(remote),
		.source_port = (uint16_t)(32768 + number / HOSTS % 28000),
		.destination_port = 443,
		.flow_id = number + 1,
		.start_ns = bench->now_ns,
		.last_ns = bench->now_ns,
	};
}

static void send_flow(struct bench *bench)
{
	struct flow_event *flow = &bench->flows[bench->next_flow];
	if (flow->kind == FLOW_START && flow->flow_id) { /* it ends, and its place is taken */
		flow->kind = FLOW_END;
		flow->last_ns = bench->now_ns;
		flow->from_source.packet_count = 10;
		next_message(bench, false)->flow = *flow;
		return;
	}
	make_flow(bench, flow);
	next_message(bench, false)->flow = *flow;
	bench->next_flow = (bench->next_flow + 1) % bench->live_count;
}

static void add_text(struct event_builder *builder, uint16_t field, const char *text)
{
	event_add_text(builder, field, text, strlen(text));
}

/* A connection that one of the latest flows is, or now and then a process start. */
static void send_event(struct bench *bench)
{
	char text[NAME_ROOM];
	const uint64_t number = bench->event_number++;
	const bool is_start = number % 10 == 0;
	const uint32_t back = support_random_below(&bench->random, bench->live_count);
	const struct flow_event *flow = &bench->flows[back];
	const uint32_t flow_host = (uint32_t)flow->source.bytes[14] << 8 | flow->source.bytes[15];
	const uint32_t process =
		is_start ? (uint32_t)(number / 10 % bench->process_count)
			 : support_random_below(&bench->random, bench->process_count / HOSTS) *
					   HOSTS +
				   flow_host;
	const uint32_t host = process % HOSTS;
	event_begin(bench->builder);
	struct event *header = event_header(bench->builder);
	header->datasets = 1U << DATASET_sysmon;
	header->role = is_start ? EVENT_PROCESS_START : EVENT_CONNECTION;
	header->host_time_ns = bench->now_ns;
	header->time_ns = bench->now_ns;
	header->identity = number + 1;
	snprintf(text, sizeof(text), "WS%u.corp.example", host);
	add_text(bench->builder, FIELD_host_name, text);
	add_text(bench->builder, FIELD_event_category, is_start ? "process" : "network");
	snprintf(text, sizeof(text), "{%08x-0000-5fdd-0000-%012x}", host, process);
	add_text(bench->builder, FIELD_process_entity_id, text);
	event_add_integer(bench->builder, FIELD_process_pid, 1000 + process / HOSTS);
	add_text(bench->builder, FIELD_process_executable, "C:\\Windows\\System32\\svchost.exe");
	add_text(bench->builder, FIELD_process_name, "svchost.exe");
	if (!is_start) {
		const struct ip_address address = host_address(host);
		event_add_address(bench->builder, FIELD_source_ip, &address);
		event_add_integer(bench->builder, FIELD_source_port, flow->source_port);
		event_add_address(bench->builder, FIELD_destination_ip, &flow->destination);
		event_add_integer(bench->builder, FIELD_destination_port, 443);
		add_text(bench->builder, FIELD_network_transport, "tcp");
		add_text(bench->builder, FIELD_network_direction, "egress");
	}
	const struct event *event = event_end(bench->builder);
	if (event->size_bytes > EVENT_ROOM)
		abort();
	memcpy(next_message(bench, true)->event, event, event->size_bytes);
}

static void run(struct bench *bench, uint64_t messages, int settle, const char *name)
{
	static struct counters counters;
	struct fields *fields = fields_open();
	correlator_want_fields(fields);
	const struct correlator_settings settings = {
		.settle = settle,
		.max_connections = bench->live_count * 3,
		.max_processes = bench->process_count * 2,
		.seed = { { 0x243f6a8885a308d3U, 0x13198a2e03707344U } },
	};
	const struct correlator_sink sink = { 0 };
	bench->builder = event_builder_open(fields, &counters);
	bench->correlator = correlator_open(&settings, NULL, fields, &sink, &counters);
	bench->flows = calloc(bench->live_count, sizeof(*bench->flows));
	bench->chunk = calloc(CHUNK, sizeof(*bench->chunk));
	if (!bench->builder || !bench->correlator || !bench->flows || !bench->chunk)
		abort();
	bench->now_ns = UINT64_C(1700000000) * 1000000000;
	for (uint32_t i = 0; i < bench->live_count; i++)
		send_flow(bench);
	for (uint32_t i = 0; i < 10 * bench->process_count; i++)
		send_event(bench);
	feed(bench);
	double spent = 0;
	for (uint64_t i = 0; i < messages; i++) {
		bench->now_ns += 500; /* as fast in its own time as 2 million a second */
		if (i % 10 == 9)
			send_event(bench);
		else
			send_flow(bench);
		if (bench->chunk_count < CHUNK)
			continue;
		const double before = seconds_now();
		feed(bench);
		spent += seconds_now() - before;
	}
	printf("%-8s %u live flows, %u processes: %.2f M messages/s (%.0f ns each), %.0f MB\n",
	       name, bench->live_count, bench->process_count, (double)messages / spent / 1e6,
	       spent / (double)messages * 1e9, (double)correlator_bytes(bench->correlator) / 1e6);
	correlator_close(bench->correlator);
	event_builder_close(bench->builder);
	fields_close(fields);
	free(bench->flows);
	free(bench->chunk);
}

int main(int argc, char **argv)
{
	struct bench bench = {
		.random = { 7 },
		.live_count = argc > 1 ? (uint32_t)atoi(argv[1]) : 1000000,
		.process_count = argc > 2 ? (uint32_t)atoi(argv[2]) : 100000,
	};
	const uint64_t messages = argc > 3 ? (uint64_t)atoll(argv[3]) : 4000000;
	run(&bench, messages, 1, "settle");
	run(&bench, messages, 0, "eager");
	return 0;
}
