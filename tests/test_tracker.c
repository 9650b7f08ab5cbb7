/* The tracker: when flows begin, what is counted in them, and when and why they end; and that it
 * agrees with a naive one over random packets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/packet/decode.h"
#include "tests/model_tracker.h"
#include "tests/support_packet.h"

#define SECOND_NS UINT64_C(1000000000)

struct fixture {
	struct counters counters;
	struct tracker *tracker;
	struct found found;
	uint64_t now_ns;
};

static const struct tracker_settings plain = {
	.max_flows = 64,
	.tcp_idle_ns = 300 * SECOND_NS,
	.tcp_closing_ns = 5 * SECOND_NS,
	.udp_idle_ns = 60 * SECOND_NS,
	.other_idle_ns = 30 * SECOND_NS,
};

static struct fixture *open_with(const struct tracker_settings *settings)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	assert_non_null(fixture);
	const struct tracker_sink sink = found_sink(&fixture->found);
	fixture->tracker = tracker_open(settings, &sink, &fixture->counters);
	assert_non_null(fixture->tracker);
	fixture->now_ns = 1600000000 * SECOND_NS;
	return fixture;
}

static uint64_t counted(const struct fixture *fixture, enum counter counter)
{
	return counter_read(&fixture->counters, counter);
}

/* Ends everything and checks the sums. */
static void finish(struct fixture *fixture)
{
	tracker_finish(fixture->tracker);
	assert_int_equal(tracker_flow_count(fixture->tracker), 0);
	assert_true(counter_identities_hold(&fixture->counters, stdout));
}

static void close_fixture(struct fixture *fixture)
{
	tracker_close(fixture->tracker);
	found_clear(&fixture->found);
	free(fixture);
}

static void give(struct fixture *fixture, const char *bytes, size_t size_bytes)
{
	uint8_t *copy = malloc(size_bytes);
	assert_non_null(copy);
	memcpy(copy, bytes, size_bytes);
	const struct packet packet = packet_of(copy, size_bytes, fixture->now_ns);
	tracker_packets(fixture->tracker, &packet, 1);
	free(copy);
}

#define GIVE(fixture, literal) give(fixture, LITERAL(literal))

static const struct flow_event *latest(const struct fixture *fixture)
{
	assert_true(fixture->found.event_count > 0);
	return &fixture->found.events[fixture->found.event_count - 1];
}

#define TCP_FRAME(flags)      ETHERNET(IPV4_TYPE) IPV4("\x06") TCP_WITH(PORTS, flags)
#define TCP_FRAME_BACK(flags) ETHERNET(IPV4_TYPE) IPV4_BACK("\x06") TCP_WITH(PORTS_BACK, flags)
#define SYN		      "\x02"
#define SYN_ACK		      "\x12"
#define ACK		      "\x10"
#define FIN_ACK		      "\x11"
#define RST		      "\x04"

static void connection_is_told_from_handshake_to_fin(void **state)
{
	(void)state;
	struct fixture *fixture = open_with(&plain);
	GIVE(fixture, TCP_FRAME(SYN));
	assert_int_equal(latest(fixture)->kind, FLOW_START);
	assert_int_equal(latest(fixture)->opener, FLOW_OPENER_SYN);
	assert_int_equal(latest(fixture)->source_port, 40000);
	const uint64_t flow_id = latest(fixture)->flow_id;
	GIVE(fixture, TCP_FRAME_BACK(SYN_ACK));
	GIVE(fixture, TCP_FRAME(ACK));
	GIVE(fixture, TCP_FRAME(FIN_ACK));
	GIVE(fixture, TCP_FRAME_BACK(FIN_ACK));
	assert_int_equal(fixture->found.event_count, 1);

	tracker_expire(fixture->tracker, fixture->now_ns + 6 * SECOND_NS);
	const struct flow_event *event = latest(fixture);
	assert_int_equal(event->kind, FLOW_END);
	assert_int_equal(event->end_reason, FLOW_END_FIN);
	assert_true(event->flow_id == flow_id);
	assert_int_equal(event->from_source.packet_count, 3);
	assert_int_equal(event->from_destination.packet_count, 2);
	assert_int_equal(event->from_source.wire_bytes, 3 * 40);
	assert_int_equal(event->from_source.ttl, 64);
	assert_int_equal(event->from_destination.ttl, 128);
	assert_int_equal(event->from_source.tcp_flags, 0x13);
	finish(fixture);
	close_fixture(fixture);
}

static void opener_is_found_whichever_packet_comes_first(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *bytes;
		size_t size_bytes;
		uint16_t source_port;
		uint8_t opener;
		uint32_t flags;
	} cases[] = {
		{ "SYN", LITERAL(TCP_FRAME(SYN)), 40000, FLOW_OPENER_SYN, 0 },
		{ "SYN and ACK", LITERAL(TCP_FRAME_BACK(SYN_ACK)), 40000, FLOW_OPENER_SYN, 0 },
		{ "midstream to the server", LITERAL(TCP_FRAME(ACK)), 40000, FLOW_OPENER_GUESSED,
		  FLOW_MIDSTREAM },
		{ "midstream to the client", LITERAL(TCP_FRAME_BACK(ACK)), 40000,
		  FLOW_OPENER_GUESSED, FLOW_MIDSTREAM },
		{ "UDP", LITERAL(ETHERNET(IPV4_TYPE) IPV4_BACK("\x11") UDP_TO(PORTS_BACK)), 443,
		  FLOW_OPENER_FIRST_PACKET, 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *fixture = open_with(&plain);
		give(fixture, cases[i].bytes, cases[i].size_bytes);
		const struct flow_event *event = latest(fixture);
		if (event->source_port != cases[i].source_port ||
		    event->opener != cases[i].opener || event->flags != cases[i].flags)
			fail_msg("%s", cases[i].name);
		finish(fixture);
		close_fixture(fixture);
	}
}

static void syn_with_another_number_begins_another_flow(void **state)
{
	(void)state;
	struct fixture *fixture = open_with(&plain);
	GIVE(fixture, TCP_FRAME(SYN));
	GIVE(fixture, TCP_FRAME(SYN)); /* repeated, the same number */
	assert_int_equal(counted(fixture, COUNTER_flows_opened), 1);
	GIVE(fixture, TCP_FRAME_BACK("\x14")); /* RST, ACK */
	fixture->now_ns += SECOND_NS;
	GIVE(fixture, ETHERNET(IPV4_TYPE) IPV4("\x06") PORTS
	     "\x11\x22\x33\x44\0\0\0\0\x50\x02\x10\0\0\0\0\0");
	assert_int_equal(counted(fixture, COUNTER_flows_opened), 2);
	assert_int_equal(fixture->found.events[1].kind, FLOW_END);
	assert_int_equal(fixture->found.events[1].end_reason, FLOW_END_RST);
	assert_int_equal(latest(fixture)->kind, FLOW_START);
	assert_true(latest(fixture)->flow_id != fixture->found.events[0].flow_id);
	finish(fixture);
	close_fixture(fixture);
}

static void silent_flow_ends_even_if_only_its_next_packet_shows_it(void **state)
{
	(void)state;
	struct fixture *fixture = open_with(&plain);
	GIVE(fixture, ETHERNET(IPV4_TYPE) IPV4("\x11") UDP_DATAGRAM);
	fixture->now_ns += 59 * SECOND_NS;
	GIVE(fixture, ETHERNET(IPV4_TYPE) IPV4("\x11") UDP_DATAGRAM);
	assert_int_equal(counted(fixture, COUNTER_flows_opened), 1);
	fixture->now_ns += 60 * SECOND_NS;
	GIVE(fixture, ETHERNET(IPV4_TYPE) IPV4("\x11") UDP_DATAGRAM);
	assert_int_equal(counted(fixture, COUNTER_flows_opened), 2);
	assert_int_equal(fixture->found.events[1].end_reason, FLOW_END_IDLE);
	assert_int_equal(fixture->found.events[1].from_source.packet_count, 2);
	finish(fixture);
	close_fixture(fixture);
}

static void packet_from_the_far_future_does_not_stop_time_outs(void **state)
{
	(void)state;
	struct fixture *fixture = open_with(&plain);
	const uint64_t before_ns = fixture->now_ns;
	fixture->now_ns *= 2;
	GIVE(fixture, ETHERNET(IPV4_TYPE) IPV4("\x01") "\x08\0\0\0\0\x01\0\x01ping");
	fixture->now_ns = before_ns;
	GIVE(fixture, ETHERNET(IPV4_TYPE) IPV4("\x11") UDP_DATAGRAM);
	assert_int_equal(tracker_flow_count(fixture->tracker), 2);
	tracker_expire(fixture->tracker, before_ns + 61 * SECOND_NS);
	assert_int_equal(tracker_flow_count(fixture->tracker), 0);
	finish(fixture);
	close_fixture(fixture);
}

static void long_flow_is_updated_and_cut(void **state)
{
	(void)state;
	struct tracker_settings settings = plain;
	settings.update_ns = 10 * SECOND_NS;
	settings.hard_ns = 100 * SECOND_NS;
	struct fixture *fixture = open_with(&settings);
	for (int i = 0; i <= 100; i += 5, fixture->now_ns += 5 * SECOND_NS)
		GIVE(fixture, ETHERNET(IPV4_TYPE) IPV4("\x11") UDP_DATAGRAM);
	finish(fixture);
	size_t kinds[3] = { 0 };
	size_t cut_count = 0;
	for (size_t i = 0; i < fixture->found.event_count; i++) {
		kinds[fixture->found.events[i].kind]++;
		cut_count += fixture->found.events[i].end_reason == FLOW_END_HARD;
	}
	assert_int_equal(kinds[FLOW_START], 2);
	assert_int_equal(kinds[FLOW_END], 2);
	assert_int_equal(kinds[FLOW_UPDATE], 9);
	assert_int_equal(cut_count, 1);
	close_fixture(fixture);
}

static void echo_and_reply_are_one_flow(void **state)
{
	(void)state;
	struct fixture *fixture = open_with(&plain);
	GIVE(fixture, ETHERNET(IPV4_TYPE) IPV4("\x01") "\x08\0\0\0\0\x01\0\x01ping");
	GIVE(fixture, ETHERNET(IPV4_TYPE) IPV4_BACK("\x01") "\0\0\0\0\0\x01\0\x01ping");
	finish(fixture);
	assert_int_equal(fixture->found.event_count, 2);
	const struct flow_event *event = latest(fixture);
	assert_int_equal(event->source_port, 8);
	assert_int_equal(event->destination_port, 0);
	assert_int_equal(event->from_destination.packet_count, 1);
	close_fixture(fixture);
}

static void icmp_error_marks_the_flow_that_it_quotes(void **state)
{
	(void)state;
	struct fixture *fixture = open_with(&plain);
	GIVE(fixture, ETHERNET(IPV4_TYPE) IPV4("\x11") UDP_DATAGRAM);
	GIVE(fixture, ETHERNET(IPV4_TYPE) IPV4_BACK("\x01") "\x03\x03\0\0\0\0\0\0" IPV4("\x11")
			      UDP_TO(PORTS));
	finish(fixture);
	assert_int_equal(counted(fixture, COUNTER_flows_opened), 2);
	for (size_t i = 2; i < 4; i++) {
		const struct flow_event *event = &fixture->found.events[i];
		assert_int_equal(event->flags, event->ip_protocol == 17 ? FLOW_ICMP_ERROR : 0);
	}
	close_fixture(fixture);
}

#define FIRST_FRAGMENT "\x20\0"
#define LATER_FRAGMENT "\x20\x01"
#define LAST_FRAGMENT  "\0\x02"

static void later_fragments_join_the_flow_of_the_first(void **state)
{
	(void)state;
	struct fixture *fixture = open_with(&plain);
	GIVE(fixture, ETHERNET(IPV4_TYPE) IPV4_FRAGMENT("\x11", LATER_FRAGMENT) "early");
	assert_int_equal(counted(fixture, COUNTER_packets_fragment_unmatched), 1);
	GIVE(fixture, ETHERNET(IPV4_TYPE) IPV4_FRAGMENT("\x11", FIRST_FRAGMENT) UDP_DATAGRAM);
	GIVE(fixture, ETHERNET(IPV4_TYPE) IPV4_FRAGMENT("\x11", LATER_FRAGMENT) "eightbyt");
	GIVE(fixture, ETHERNET(IPV4_TYPE) IPV4_FRAGMENT("\x11", LAST_FRAGMENT) "end");
	GIVE(fixture, ETHERNET(IPV4_TYPE) IPV4_FRAGMENT("\x06", LAST_FRAGMENT) "other protocol");
	finish(fixture);
	assert_int_equal(counted(fixture, COUNTER_packets_fragment_unmatched), 2);
	const struct flow_event *event = latest(fixture);
	assert_int_equal(event->from_source.packet_count, 3);
	assert_int_equal(event->from_source.wire_bytes, 3 * 20 + 12 + 8 + 3);
	assert_int_equal(event->flags, FLOW_FRAGMENTS);
	close_fixture(fixture);
}

static void fragments_of_a_tunnel_packet_count_its_bytes_once(void **state)
{
	(void)state;
	struct fixture *fixture = open_with(&plain);
	/* GRE whose inner packet says that it is 1000 bytes long, most of it in
	 * the next fragment */
	GIVE(fixture, ETHERNET(IPV4_TYPE) IPV4_FRAGMENT(
			      "\x2f", FIRST_FRAGMENT) "\0\0\x08\0\x45\0\x03\xe8\0\0\0\0\x40\x11\0\0"
						      "\xc0\xa8\0\x01\xc0\xa8\0\x02" UDP_DATAGRAM);
	GIVE(fixture, ETHERNET(IPV4_TYPE) IPV4_FRAGMENT("\x2f", LAST_FRAGMENT) "rest");
	finish(fixture);
	const struct flow_event *event = latest(fixture);
	assert_int_equal(event->ip_protocol, 17);
	assert_int_equal(event->source.bytes[12], 192);
	assert_int_equal(event->tunnel_source.bytes[12], 10);
	assert_int_equal(event->from_source.packet_count, 2);
	assert_int_equal(event->from_source.wire_bytes, 1000);
	close_fixture(fixture);
}

static void vlans_are_kept_apart_only_when_asked(void **state)
{
	(void)state;
	for (int in_key = 0; in_key <= 1; in_key++) {
		struct tracker_settings settings = plain;
		settings.vlan_in_key = in_key;
		struct fixture *fixture = open_with(&settings);
		GIVE(fixture, ETHERNET("\x81\0") "\0\x0a" IPV4_TYPE IPV4("\x11") UDP_DATAGRAM);
		GIVE(fixture,
		     ETHERNET("\x81\0") "\0\x0b" IPV4_TYPE IPV4_BACK("\x11") UDP_TO(PORTS_BACK));
		finish(fixture);
		assert_int_equal(counted(fixture, COUNTER_flows_opened), 1 + in_key);
		close_fixture(fixture);
	}
}

static int wants_ten(const void *context, const struct ip_address *source,
		     const struct ip_address *destination)
{
	(void)context;
	(void)source;
	return destination->bytes[12] != 10;
}

static void unwanted_flows_are_excluded_but_for_those_that_carry_names(void **state)
{
	(void)state;
	struct tracker_settings settings = plain;
	settings.wants = wants_ten;
	struct fixture *fixture = open_with(&settings);
	GIVE(fixture, ETHERNET(IPV4_TYPE) IPV4("\x11") UDP_DATAGRAM);
	assert_int_equal(counted(fixture, COUNTER_packets_excluded), 1);
	GIVE(fixture, ETHERNET(IPV4_TYPE) IPV4("\x11") UDP_TO("\x9c\x40\0\x35"));
	assert_int_equal(counted(fixture, COUNTER_packets_in_flows), 1);
	GIVE(fixture, ETHERNET(IPV6_TYPE) IPV6("\x11") UDP_DATAGRAM);
	assert_int_equal(counted(fixture, COUNTER_packets_in_flows), 2);
	finish(fixture);
	close_fixture(fixture);
}

static void copies_are_counted_apart_when_asked(void **state)
{
	(void)state;
	for (int asked = 0; asked <= 1; asked++) {
		struct tracker_settings settings = plain;
		settings.drop_duplicates = asked;
		struct fixture *fixture = open_with(&settings);
		GIVE(fixture, ETHERNET(IPV4_TYPE) IPV4("\x11") UDP_DATAGRAM);
		fixture->now_ns += 9000000;
		GIVE(fixture, ETHERNET("\x81\0") "\0\x0b" IPV4_TYPE IPV4("\x11") UDP_DATAGRAM);
		assert_int_equal(counted(fixture, COUNTER_packets_duplicate), asked);
		GIVE(fixture, ETHERNET(IPV4_TYPE) IPV4("\x11") UDP_TO(PORTS) "tada");
		fixture->now_ns += 2000000; /* too late for the first */
		GIVE(fixture, ETHERNET(IPV4_TYPE) IPV4("\x11") UDP_DATAGRAM);
		/* Repeated acknowledgements, as IPv6 has no id to tell them apart. */
		GIVE(fixture, ETHERNET(IPV6_TYPE) IPV6("\x06") TCP_WITH(PORTS, ACK));
		GIVE(fixture, ETHERNET(IPV6_TYPE) IPV6("\x06") TCP_WITH(PORTS, ACK));
		assert_int_equal(counted(fixture, COUNTER_packets_duplicate), asked);
		finish(fixture);
		close_fixture(fixture);
	}
}

/* --- random packets --------------------------------------------------------------------------- */

static uint64_t random_state;

static uint32_t below(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 20) % limit);
}

enum { RANDOM_FRAME_MAX = 96 };

/* Few hosts, ports and numbers, so that packets meet. */
static size_t random_frame(uint8_t frame[RANDOM_FRAME_MAX])
{
	static const uint8_t flags[] = { 0x02, 0x12, 0x10, 0x18, 0x11, 0x04, 0x14, 0x01 };
	static const uint8_t protocols[] = { 6, 6, 6, 6, 17, 17, 1, 47 };
	memset(frame, 0, RANDOM_FRAME_MAX);
	size_t at = 12;
	if (below(4) == 0) {
		frame[at] = 0x81;
		frame[at + 3] = (uint8_t)(1 + below(2));
		at += 4;
	}
	frame[at] = 0x08;
	uint8_t *ip = frame + at + 2;
	const uint8_t payload_bytes = (uint8_t)below(8);
	ip[0] = 0x45;
	ip[3] = (uint8_t)(40 + payload_bytes);
	ip[8] = (uint8_t)(32 + below(64));
	ip[9] = protocols[below(8)];
	ip[12] = ip[16] = 10;
	ip[15] = (uint8_t)below(3);
	ip[19] = (uint8_t)below(3);
	uint8_t *transport = ip + 20;
	if (ip[9] == 1) {
		ip[15] += 3; /* to itself, a host's packets only have a direction with ports */
		static const uint8_t types[] = { 8, 0, 13, 14 };
		transport[0] = types[below(4)];
	} else {
		transport[1] = (uint8_t)(1 + below(3)); /* not the ports of names */
		transport[3] = (uint8_t)(1 + (transport[1] + below(2)) % 3);
	}
	if (ip[9] == 17)
		transport[5] = (uint8_t)(20 + payload_bytes);
	if (ip[9] == 6) {
		transport[7] = (uint8_t)below(2);
		transport[11] = (uint8_t)below(3);
		transport[12] = 0x50;
		transport[13] = flags[below(8)];
	}
	return at + 2 + ip[3];
}

static uint64_t random_step_ns(void)
{
	switch (below(40)) {
	case 0:
		return below(400) * SECOND_NS;
	case 1:
		return 70 * SECOND_NS;
	case 2:
		return 0;
	default:
		return below(300) * (SECOND_NS / 100);
	}
}

static int compare_events(const void *left, const void *right)
{
	return memcmp(left, right, sizeof(struct flow_event));
}

/* Sorted, and without what the model leaves out. */
static void normalise(struct found *found)
{
	for (size_t i = 0; i < found->event_count; i++)
		found->events[i].flow_id = 0;
	qsort(found->events, found->event_count, sizeof(*found->events), compare_events);
}

static void compare_run(uint64_t seed, const struct tracker_settings *settings)
{
	enum { PACKETS = 3000 };
	struct fixture *fixture = open_with(settings);
	struct found expected = { 0 };
	const struct tracker_sink sink = found_sink(&expected);
	struct model_tracker *model = model_tracker_open(settings, &sink);
	random_state = seed;
	static uint8_t frames[PACKET_BATCH][RANDOM_FRAME_MAX];
	struct packet packets[PACKET_BATCH];
	for (int given = 0; given < PACKETS;) {
		const uint32_t count = 1 + below(PACKET_BATCH);
		for (uint32_t i = 0; i < count; i++) {
			const size_t size_bytes = random_frame(frames[i]);
			fixture->now_ns += random_step_ns();
			if (below(200) == 0)
				fixture->now_ns -= below(120) * SECOND_NS;
			packets[i] = packet_of(frames[i], size_bytes, fixture->now_ns);
			model_tracker_packet(model, &packets[i]);
		}
		tracker_packets(fixture->tracker, packets, count);
		given += (int)count;
	}
	finish(fixture);
	model_tracker_finish(model);
	assert_int_equal(counted(fixture, COUNTER_packets_flow_table_full),
			 model_tracker_refused(model));
	normalise(&fixture->found);
	normalise(&expected);
	if (fixture->found.event_count != expected.event_count ||
	    memcmp(fixture->found.events, expected.events,
		   expected.event_count * sizeof(*expected.events)) != 0)
		fail_msg("seed %llu, %u flows: %zu events, the model has %zu",
			 (unsigned long long)seed, settings->max_flows, fixture->found.event_count,
			 expected.event_count);
	model_tracker_close(model);
	found_clear(&expected);
	close_fixture(fixture);
}

static void random_packets_make_the_same_flows_as_in_the_naive_tracker(void **state)
{
	(void)state;
	print_message("seeds 1 to 12\n");
	for (uint64_t seed = 1; seed <= 12; seed++) {
		struct tracker_settings settings = plain;
		settings.max_flows = seed % 3 == 0 ? 64 : (uint32_t)(2 + seed);
		settings.vlan_in_key = seed % 2 == 0;
		settings.update_ns = seed % 4 == 0 ? 7 * SECOND_NS : 0;
		settings.hard_ns = seed % 5 == 0 ? 50 * SECOND_NS : 0;
		compare_run(seed * 0x9e3779b97f4a7c15U, &settings);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connection_is_told_from_handshake_to_fin),
		cmocka_unit_test(opener_is_found_whichever_packet_comes_first),
		cmocka_unit_test(syn_with_another_number_begins_another_flow),
		cmocka_unit_test(silent_flow_ends_even_if_only_its_next_packet_shows_it),
		cmocka_unit_test(packet_from_the_far_future_does_not_stop_time_outs),
		cmocka_unit_test(long_flow_is_updated_and_cut),
		cmocka_unit_test(echo_and_reply_are_one_flow),
		cmocka_unit_test(icmp_error_marks_the_flow_that_it_quotes),
		cmocka_unit_test(later_fragments_join_the_flow_of_the_first),
		cmocka_unit_test(fragments_of_a_tunnel_packet_count_its_bytes_once),
		cmocka_unit_test(vlans_are_kept_apart_only_when_asked),
		cmocka_unit_test(unwanted_flows_are_excluded_but_for_those_that_carry_names),
		cmocka_unit_test(copies_are_counted_apart_when_asked),
		cmocka_unit_test(random_packets_make_the_same_flows_as_in_the_naive_tracker),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
