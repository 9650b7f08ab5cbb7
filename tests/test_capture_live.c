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

#include "collector/packet/capture_live.h"
#include "tests/support_network.h"
#include "tests/support_packet.h"
#include "tests/support_pcap.h"
#include "tests/support_random.h"
#include "tests/support_shared.h"
#include "tests/support_wire.h"

enum { HANDLES_MAX = 4, BURST = 1024, PATIENCE = 100 };

struct bench {
	struct wire wire;
	struct wire_run live[HANDLES_MAX];
	struct capture_live *handles[HANDLES_MAX];
	size_t handle_count;
	uint64_t burst_count;
};

static uint64_t received(const struct bench *bench)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < bench->handle_count; i++)
		sum += wire_run_seen(&bench->live[i]);
	return sum;
}

static void receive(struct bench *bench)
{
	struct packet packets[PACKET_BATCH];
	for (int idle = 0; received(bench) < bench->wire.sent_count && idle < PATIENCE; idle++) {
		for (size_t i = 0; i < bench->handle_count; i++) {
			int count = 1;
			while (count > 0 && received(bench) < bench->wire.sent_count) {
				count = capture_live_next(bench->handles[i], packets);
				assert_true(count >= 0);
				tracker_packets(bench->live[i].tracker, packets, (size_t)count);
			}
		}
	}
	bench->burst_count = 0;
}

static void count_sent(struct bench *bench)
{
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
		wire_run_open(&bench->live[i]);
	wire_open(&bench->wire);
}

/* Receives what is left and compares. */
static void bench_close(struct bench *bench)
{
	receive(bench);
	assert_int_equal(received(bench), bench->wire.sent_count);
	wire_assert_same_flows(&bench->wire, bench->live, bench->handle_count);
	for (size_t i = 0; i < bench->handle_count; i++) {
		capture_live_close(bench->handles[i]);
		wire_run_close(&bench->live[i]);
	}
	wire_close(&bench->wire);
}

static void send_random(struct bench *bench, size_t count)
{
	struct support_random random = support_random_open();
	for (size_t i = 0; i < count; i++) {
		wire_send_random(&bench->wire, &random);
		count_sent(bench);
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
	send_random(&bench, 6000);
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
	send_random(&bench, 6000);
	size_t used = 0;
	receive(&bench);
	for (size_t i = 0; i < HANDLES_MAX; i++)
		used += wire_run_seen(&bench.live[i]) > 0;
	assert_true(used > 1);
	bench_close(&bench);
}

static void each_packet(void *context, const struct packet *packet)
{
	struct bench *bench = context;
	if (wire_send(&bench->wire, packet))
		count_sent(bench);
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
