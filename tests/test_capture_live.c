/* Live capture: packets sent over a pair of virtual interfaces make the flows that a tracker makes
 * of the packets themselves; nothing is lost without being counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector/base/hard.h"
#include "collector/packet/capture_live.h"
#include "collector/packet/tracker.h"
#include "tests/support_network.h"
#include "tests/support_packet.h"
#include "tests/support_pcap.h"
#include "tests/support_random.h"
#include "tests/support_shared.h"

enum { HANDLES_MAX = 4, BURST = 1024, PATIENCE = 100 };

#define HOUR_NS UINT64_C(3600000000000)

/* Nothing ends by time: the two runs pass at different speeds. */
static const struct tracker_settings patient = {
	.max_flows = 1 << 16,
	.tcp_idle_ns = HOUR_NS,
	.tcp_closing_ns = HOUR_NS,
	.udp_idle_ns = HOUR_NS,
	.other_idle_ns = HOUR_NS,
};

struct run {
	struct counters counters;
	struct tracker *tracker;
	struct found found;
};

static void run_open(struct run *run)
{
	memset(run, 0, sizeof(*run));
	const struct tracker_sink sink = found_sink(&run->found);
	run->tracker = tracker_open(&patient, &sink, &run->counters);
	assert_non_null(run->tracker);
}

static void run_close(struct run *run)
{
	tracker_close(run->tracker);
	found_clear(&run->found);
}

static uint64_t seen(const struct run *run)
{
	return counter_read(&run->counters, COUNTER_packets_seen);
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
	const size_t room = rows->count + found->event_count;
	rows->rows = realloc(rows->rows, (room ? room : 1) * sizeof(*rows->rows));
	assert_non_null(rows->rows);
	for (size_t i = 0; i < found->event_count; i++) {
		if (found->events[i].kind != FLOW_END)
			continue;
		struct flow_event *row = &rows->rows[rows->count++];
		*row = found->events[i];
		row->start_ns = row->last_ns = row->flow_id = 0;
		row->capture = 0;
	}
}

static void assert_same_rows(struct rows *live, struct rows *direct)
{
	assert_int_equal(live->count, direct->count);
	assert_true(live->count > 0);
	if (!live->rows || !direct->rows)
		return; /* not reached: for the analyser */
	qsort(live->rows, live->count, sizeof(*live->rows), compare_rows);
	qsort(direct->rows, direct->count, sizeof(*direct->rows), compare_rows);
	for (size_t i = 0; i < live->count; i++)
		assert_true(same_bytes(&live->rows[i], &direct->rows[i], sizeof(live->rows[i])));
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
	size_t vary; /* where a byte of a port or an address stands */
} kinds[] = {
	{ LITERAL(ETHERNET(IPV4_TYPE) IPV4("\x06") TCP_SEGMENT), 35 },
	{ LITERAL(ETHERNET(IPV4_TYPE) IPV4_BACK("\x06") TCP_WITH(PORTS_BACK, "\x18")), 37 },
	{ LITERAL(ETHERNET(IPV4_TYPE) IPV4("\x11") UDP_DATAGRAM), 33 },
	{ LITERAL(ETHERNET(IPV6_TYPE) IPV6("\x06") TCP_SEGMENT), 53 },
	{ LITERAL(ETHERNET(IPV6_TYPE) IPV6("\x11") UDP_DATAGRAM), 37 },
	{ LITERAL(ETHERNET(IPV4_TYPE) IPV4("\x2f") "\0\0\x08\0" IPV4("\x06") TCP_SEGMENT), 61 },
	{ LITERAL(ETHERNET("\x08\x06") "not an IP packet, but long enough"), 20 },

	/* Fragments: last, see KINDS_SENT. */
	{ LITERAL(ETHERNET(IPV4_TYPE) IPV4_FRAGMENT("\x11", "\x20\x00") UDP_DATAGRAM), 33 },
	{ LITERAL(ETHERNET(IPV4_TYPE) IPV4_FRAGMENT("\x11", "\x00\x02") "rest of it"), 33 },
};

/* Fragments of more datagrams at once than a tiny table remembers are matched or not by chance. */
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]), KINDS_SENT = HARD(KINDS, KINDS - 2) };

struct bench {
	struct run live[HANDLES_MAX];
	struct run direct;
	struct capture_live *handles[HANDLES_MAX];
	size_t handle_count;
	uint64_t sent_count;
	uint64_t burst_count;
	int sender;
};

static uint64_t received(const struct bench *bench)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < bench->handle_count; i++)
		sum += seen(&bench->live[i]);
	return sum;
}

static void receive(struct bench *bench)
{
	struct packet packets[PACKET_BATCH];
	for (int idle = 0; received(bench) < bench->sent_count && idle < PATIENCE; idle++) {
		for (size_t i = 0; i < bench->handle_count; i++) {
			int count = 1;
			while (count > 0 && received(bench) < bench->sent_count) {
				count = capture_live_next(bench->handles[i], packets);
				assert_true(count >= 0);
				tracker_packets(bench->live[i].tracker, packets, (size_t)count);
			}
		}
	}
	bench->burst_count = 0;
}

static void send_packet(struct bench *bench, const struct packet *packet)
{
	if (packet->link_type != 1 || packet->captured_bytes != packet->wire_bytes ||
	    !network_send(bench->sender, packet->bytes, packet->captured_bytes))
		return;
	struct packet direct = *packet;
	direct.time_ns = UINT64_C(1700000000000000000) + 1000 * bench->sent_count;
	direct.capture = 0;
	tracker_packets(bench->direct.tracker, &direct, 1);
	bench->sent_count++;
	if (++bench->burst_count == BURST)
		receive(bench);
}

static void bench_open(struct bench *bench, size_t handle_count)
{
	static const struct capture_live_settings settings = { .interface = NETWORK_FAR,
							       .snap_bytes = 65535 };
	memset(bench, 0, sizeof(*bench));
	struct complaint complaint = { 0 };
	bench->handle_count = handle_count;
	const int status = capture_live_open(&settings, handle_count, bench->handles, &complaint);
	if (status != 0)
		print_error("%s\n", complaint.text);
	assert_int_equal(status, 0);
	for (size_t i = 0; i < handle_count; i++)
		run_open(&bench->live[i]);
	run_open(&bench->direct);
	bench->sender = network_sender(NETWORK_NEAR);
}

/* Receives what is left and compares. */
static void bench_close(struct bench *bench)
{
	receive(bench);
	assert_int_equal(received(bench), bench->sent_count);
	struct rows live = { 0 };
	struct rows direct = { 0 };
	for (size_t i = 0; i < bench->handle_count; i++) {
		tracker_finish(bench->live[i].tracker);
		assert_true(counter_identities_hold(&bench->live[i].counters, stdout));
		add_rows(&live, &bench->live[i].found);
		capture_live_close(bench->handles[i]);
	}
	tracker_finish(bench->direct.tracker);
	add_rows(&direct, &bench->direct.found);
	assert_same_rows(&live, &direct);
	for (size_t i = 0; i < bench->handle_count; i++)
		run_close(&bench->live[i]);
	run_close(&bench->direct);
	free(live.rows);
	free(direct.rows);
	close(bench->sender);
}

static void send_random(struct bench *bench, uint64_t seed, size_t count)
{
	printf("seed %llu\n", (unsigned long long)seed);
	struct support_random random = { .state = seed };
	uint8_t frame[256];
	for (size_t i = 0; i < count; i++) {
		const size_t kind = support_random_below(&random, KINDS_SENT);
		char packet[200];
		memcpy(packet, kinds[kind].packet, kinds[kind].bytes);
		packet[kinds[kind].vary] = (char)support_random_below(&random, 40);
		const size_t size = make_frame(frame, &random, packet, kinds[kind].bytes);
		const struct packet made = packet_of(frame, size, 0);
		send_packet(bench, &made);
	}
}

/* --- tests ------------------------------------------------------------------------------------ */

static void live_packets_make_the_flows_of_the_packets_sent(void **state)
{
	(void)state;
	if (!network_make())
		skip();
	struct bench bench;
	bench_open(&bench, 1);
	send_random(&bench, 20251, 6000);
	bench_close(&bench);
}

/* Fragments and tunnels included: whatever is between two addresses stays together. */
static void handles_share_packets_but_no_flow(void **state)
{
	(void)state;
	if (!network_make())
		skip();
	struct bench bench;
	bench_open(&bench, HANDLES_MAX);
	send_random(&bench, 20252, 6000);
	size_t used = 0;
	receive(&bench);
	for (size_t i = 0; i < HANDLES_MAX; i++)
		used += seen(&bench.live[i]) > 0;
	assert_true(used > 1);
	bench_close(&bench);
}

static void each_packet(void *context, const struct packet *packet)
{
	send_packet(context, packet);
}

static void captures_played_onto_the_wire_make_their_own_flows(void **state)
{
	(void)state;
	static const char *const captures[] = {
		"data/decoder/zeek-http-qinq-0.pcap",
		"data/decoder/zeek-ipv6-fragmented-dns.pcap",
		"data/decoder/zeek-tunnels__vxlan-encapsulated-http.pcap",
		"data/decoder/zeek-ipv4__fragmented-3.pcap",
		"data/decoder/zeek-mixed-vlan-mpls.pcap",
		"data/decoder/zeek-tunnels__gtp__gtp1_gn_normal_incl_fragmentation.pcap",
	};
	for (size_t i = 0; i < sizeof(captures) / sizeof(captures[0]); i++) {
		const char *path = shared_path(captures[i]);
		if (!path || !network_make())
			skip();
		struct bench bench;
		bench_open(&bench, 1);
		path = shared_path(captures[i]);
		assert_true(pcap_each(path, each_packet, &bench));
		bench_close(&bench);
	}
}

static void a_full_ring_drops_and_counts(void **state)
{
	(void)state;
	if (!network_make())
		skip();
	enum { SENT = 20000 };
	const struct capture_live_settings tiny = { .interface = NETWORK_FAR,
						    .ring_bytes = 512 * 1024 };
	struct capture_live *capture = NULL;
	struct complaint complaint;
	assert_int_equal(capture_live_open(&tiny, 1, &capture, &complaint), 0);
	const int sender = network_sender(NETWORK_NEAR);
	static const char frame[500] = ETHERNET(IPV4_TYPE) IPV4("\x11") UDP_DATAGRAM;
	for (int i = 0; i < SENT; i++)
		assert_true(network_send(sender, frame, sizeof(frame)));
	struct packet packets[PACKET_BATCH];
	uint64_t taken = 0;
	for (int idle = 0; idle < 2;) {
		const int count = capture_live_next(capture, packets);
		assert_true(count >= 0);
		taken += (uint64_t)count;
		idle = count ? 0 : idle + 1;
	}
	struct counters counters = { 0 };
	capture_live_count_drops(capture, 1, &counters);
	const uint64_t dropped = counter_read(&counters, COUNTER_packets_dropped_kernel);
	assert_true(dropped > 0);
	assert_int_equal(taken + dropped, SENT);
	capture_live_count_drops(capture, 1, &counters);
	assert_int_equal(counter_read(&counters, COUNTER_packets_dropped_kernel), dropped);
	capture_live_close(capture);
	close(sender);
}

static void filter_and_snap_length_are_the_kernels_work(void **state)
{
	(void)state;
	if (!network_make())
		skip();
	const struct capture_live_settings settings = {
		.interface = NETWORK_FAR, .filter = "tcp port 443", .snap_bytes = 60, .capture = 7
	};
	struct capture_live *capture = NULL;
	struct complaint complaint;
	assert_int_equal(capture_live_open(&settings, 1, &capture, &complaint), 0);
	const int sender = network_sender(NETWORK_NEAR);
	static const char udp[100] = ETHERNET(IPV4_TYPE) IPV4("\x11") UDP_DATAGRAM;
	static const char tcp[100] = ETHERNET(IPV4_TYPE) IPV4("\x06") TCP_SEGMENT;
	assert_true(network_send(sender, udp, sizeof(udp)));
	assert_true(network_send(sender, tcp, sizeof(tcp)));
	struct packet packets[PACKET_BATCH];
	int count = 0;
	for (int turn = 0; turn < PATIENCE && count == 0; turn++)
		count = capture_live_next(capture, packets);
	assert_int_equal(count, 1);
	assert_int_equal(packets[0].captured_bytes, 60);
	assert_int_equal(packets[0].wire_bytes, sizeof(tcp));
	assert_int_equal(packets[0].capture, 7);
	assert_memory_equal(packets[0].bytes, tcp, 60);
	capture_live_close(capture);
	close(sender);
}

static void what_cannot_be_opened_is_refused_with_the_remedy(void **state)
{
	(void)state;
	if (!network_make())
		skip();
	static const struct {
		const char *name;
		struct capture_live_settings settings;
		size_t count;
		int status;
	} cases[] = {
		{ "no such interface", { .interface = "nowhere0" }, 1, -ENODEV },
		{ "a filter that is none",
		  { .interface = NETWORK_FAR, .filter = "port port" },
		  1,
		  -EINVAL },
		{ "no handle", { .interface = NETWORK_FAR }, 0, -EINVAL },
		{ "too many handles",
		  { .interface = NETWORK_FAR },
		  CAPTURE_LIVE_HANDLES_MAX + 1,
		  -EINVAL },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct capture_live *capture = NULL;
		struct complaint complaint = { 0 };
		const int status =
			capture_live_open(&cases[i].settings, cases[i].count, &capture, &complaint);
		if (status != cases[i].status || !complaint.text[0])
			print_error("%s: %d %s\n", cases[i].name, status, complaint.text);
		assert_int_equal(status, cases[i].status);
		assert_null(capture);
		assert_true(complaint.text[0] != '\0');
	}
}

/* In a child, which gives its rights up for good. */
static void without_rights_the_complaint_names_them(void **state)
{
	(void)state;
	if (!network_make())
		skip();
	const pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		const struct capture_live_settings settings = { .interface = NETWORK_FAR };
		struct capture_live *capture = NULL;
		struct complaint complaint = { 0 };
		const bool dropped = setgid(65534) == 0 && setuid(65534) == 0;
		const int status = capture_live_open(&settings, 1, &capture, &complaint);
		_exit(dropped && status == -EPERM && strstr(complaint.text, "CAP_NET_RAW") ? 0 : 1);
	}
	int status = -1;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(live_packets_make_the_flows_of_the_packets_sent),
		cmocka_unit_test(handles_share_packets_but_no_flow),
		cmocka_unit_test(captures_played_onto_the_wire_make_their_own_flows),
		cmocka_unit_test(a_full_ring_drops_and_counts),
		cmocka_unit_test(filter_and_snap_length_are_the_kernels_work),
		cmocka_unit_test(what_cannot_be_opened_is_refused_with_the_remedy),
		cmocka_unit_test(without_rights_the_complaint_names_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
