#include "tests/support_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/base/hard.h"
#include "tests/support_network.h"
#include "tests/support_random.h"

#define HOUR_NS UINT64_C(3600000000000)

static const struct tracker_settings patient = {
	.max_flows = 1 << 16,
	.tcp_idle_ns = HOUR_NS,
	.tcp_closing_ns = HOUR_NS,
	.udp_idle_ns = HOUR_NS,
	.other_idle_ns = HOUR_NS,
};

void wire_run_open(struct wire_run *run)
{
	memset(run, 0, sizeof(*run));
	const struct tracker_sink sink = found_sink(&run->found);
	run->tracker = tracker_open(&patient, &sink, &run->counters);
	assert_non_null(run->tracker);
}

void wire_run_close(struct wire_run *run)
{
	tracker_close(run->tracker);
	found_clear(&run->found);
}

uint64_t wire_run_seen(const struct wire_run *run)
{
	return counter_read(&run->counters, COUNTER_packets_seen);
}

void wire_open(struct wire *wire)
{
	memset(wire, 0, sizeof(*wire));
	wire_run_open(&wire->direct);
	wire->sender = network_sender(NETWORK_NEAR);
}

void wire_close(struct wire *wire)
{
	wire_run_close(&wire->direct);
	close(wire->sender);
}

bool wire_send(struct wire *wire, const struct packet *packet)
{
	if (packet->link_type != 1 || packet->captured_bytes != packet->wire_bytes ||
	    !network_send(wire->sender, packet->bytes, packet->captured_bytes))
		return false;
	struct packet direct = *packet;
	direct.time_ns = UINT64_C(1700000000000000000) + 1000 * wire->sent_count;
	direct.capture = 0;
	tracker_packets(wire->direct.tracker, &direct, 1);
	wire->sent_count++;
	return true;
}

/* --- packets ---------------------------------------------------------------------------------- */

/* A frame with a VLAN tag or two, or none, in front of `type` and the rest. */
static size_t make_frame(uint8_t *frame, struct support_random *random, const char *packet,
			 size_t bytes)
{
	static const uint8_t tags[2][4] = { { 0x88, 0xa8, 0x00, 0x07 },
					    { 0x81, 0x00, 0x20, 0x2a } };
	const size_t tag_count = support_random_below(random, 3);
	memcpy(frame, packet, 12);
	size_t at = 12;
	for (size_t i = 2 - tag_count; i < 2; i++, at += 4)
		memcpy(frame + at, tags[i], 4);
	memcpy(frame + at, packet + 12, bytes - 12);
	return at + bytes - 12;
}

static const struct {
	const char *packet;
	size_t bytes;
	size_t vary;	  /* where a byte of a port or an address stands */
	size_t transport; /* where a TCP or UDP header that is to be made whole stands */
} kinds[] = {
	{ LITERAL(ETHERNET(IPV4_TYPE) IPV4("\x06") TCP_SEGMENT), 35, 34 },
	{ LITERAL(ETHERNET(IPV4_TYPE) IPV4_BACK("\x06") TCP_WITH(PORTS_BACK, "\x18")), 37, 34 },
	{ LITERAL(ETHERNET(IPV4_TYPE) IPV4("\x11") UDP_DATAGRAM), 33, 34 },
	{ LITERAL(ETHERNET(IPV6_TYPE) IPV6("\x06") TCP_SEGMENT), 53, 54 },
	{ LITERAL(ETHERNET(IPV6_TYPE) IPV6("\x11") UDP_DATAGRAM), 37, 54 },
	{ LITERAL(ETHERNET(IPV4_TYPE) IPV4("\x2f") "\0\0\x08\0" IPV4("\x06") TCP_SEGMENT), 61, 0 },
	{ LITERAL(ETHERNET("\x08\x06") "not an IP packet, but long enough"), 20, 0 },

	/* Fragments: last, see KINDS_SENT. */
	{ LITERAL(ETHERNET(IPV4_TYPE) IPV4_FRAGMENT("\x11", "\x20\x00") UDP_DATAGRAM), 33, 0 },
	{ LITERAL(ETHERNET(IPV4_TYPE) IPV4_FRAGMENT("\x11", "\x00\x02") "rest of it"), 33, 0 },
};

/* Fragments of more datagrams at once than a tiny table remembers are matched or not by chance. */
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]), KINDS_SENT = HARD(KINDS, KINDS - 2) };

/* Lengths as they should be, and for TCP random flags and sequence numbers. */
static void make_whole(char *packet, size_t bytes, size_t transport, struct support_random *random)
{
	enum {
		TCP_FLAGS = 13,
		TCP_SEQUENCE = 7,
		UDP_LENGTH = 5,
		IPV4_LENGTH = 17,
		IPV6_LENGTH = 19
	};
	static const char flags[] = { 0x18, 0x10, 0x10, 0x10, 0x02, 0x12, 0x11, 0x14 };
	const size_t left = bytes - transport;
	const bool is_ipv4 = transport == 34;
	packet[is_ipv4 ? IPV4_LENGTH : IPV6_LENGTH] = (char)(is_ipv4 ? left + 20 : left);
	if (packet[is_ipv4 ? 23 : 20] == 0x11) {
		packet[transport + UDP_LENGTH] = (char)left;
		return;
	}
	packet[transport + TCP_FLAGS] = flags[support_random_below(random, sizeof(flags))];
	packet[transport + TCP_SEQUENCE] = (char)support_random_below(random, 3);
}

void wire_send_random(struct wire *wire, struct support_random *random)
{
	const size_t kind = support_random_below(random, KINDS_SENT);
	char packet[200];
	uint8_t frame[256];
	memcpy(packet, kinds[kind].packet, kinds[kind].bytes);
	packet[kinds[kind].vary] = (char)support_random_below(random, 40);
	if (kinds[kind].transport)
		make_whole(packet, kinds[kind].bytes, kinds[kind].transport, random);
	const size_t size = make_frame(frame, random, packet, kinds[kind].bytes);
	const struct packet made = packet_of(frame, size, 0);
	assert_true(wire_send(wire, &made));
}

/* --- flows without what depends on when they were seen ---------------------------------------- */

struct rows {
	struct flow_event *rows;
	size_t count;
};

static int compare_rows(const void *left, const void *right)
{
	return memcmp(left, right, sizeof(struct flow_event));
}

static void add_rows(struct rows *rows, const struct found *found)
{
	for (size_t i = 0; i < found->event_count; i++) {
		if (found->events[i].kind != FLOW_END)
			continue;
		struct flow_event *row = &rows->rows[rows->count++];
		*row = found->events[i];
		row->start_ns = row->last_ns = row->flow_id = 0;
		row->capture = 0;
	}
}

/* The flows of several runs, sorted. */
static struct rows rows_of(struct wire_run *runs, size_t run_count)
{
	size_t room = 1;
	for (size_t i = 0; i < run_count; i++) {
		tracker_finish(runs[i].tracker);
		assert_true(counter_identities_hold(&runs[i].counters, stdout));
		room += runs[i].found.event_count;
	}
	struct rows rows = { .rows = calloc(room, sizeof(*rows.rows)) };
	if (!rows.rows)
		abort();
	for (size_t i = 0; i < run_count; i++)
		add_rows(&rows, &runs[i].found);
	qsort(rows.rows, rows.count, sizeof(*rows.rows), compare_rows);
	return rows;
}

static void print_row(const char *side, const struct flow_event *row)
{
	print_error(
		"%s: protocol %u ports %u %u vlans %u %u packets %llu %llu bytes %llu %llu "
		"flags %02x %02x end %u opener %u\n",
		side, row->ip_protocol, row->source_port, row->destination_port, row->vlan_ids[0],
		row->vlan_ids[1], (unsigned long long)row->from_source.packet_count,
		(unsigned long long)row->from_destination.packet_count,
		(unsigned long long)row->from_source.wire_bytes,
		(unsigned long long)row->from_destination.wire_bytes, row->from_source.tcp_flags,
		row->from_destination.tcp_flags, row->end_reason, row->opener);
}

void wire_assert_same_flows(struct wire *wire, struct wire_run *live, size_t live_count)
{
	struct rows found = rows_of(live, live_count);
	struct rows expected = rows_of(&wire->direct, 1);
	bool same = found.count == expected.count && expected.count > 0;
	for (size_t i = 0; i < found.count && i < expected.count; i++) {
		if (same_bytes(&found.rows[i], &expected.rows[i], sizeof(found.rows[i])))
			continue;
		same = false;
		print_row("live", &found.rows[i]);
		print_row("direct", &expected.rows[i]);
		break;
	}
	if (!same)
		print_error("%zu flows live, %zu directly\n", found.count, expected.count);
	free(found.rows);
	free(expected.rows);
	assert_true(same);
}
