/* The tap with its kernel half, end to end: packets sent over a pair of virtual interfaces make the
 * flows that a tracker makes of the packets themselves, though most of them never reach it. */
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

#include "collector/packet/capture_xdp.h"
#include "tests/support_network.h"
#include "tests/support_packet.h"
#include "tests/support_pcap.h"
#include "tests/support_random.h"
#include "tests/support_shared.h"
#include "tests/support_wire.h"

enum { PATIENCE = 500, NAP_US = 2000 };

struct bench {
	struct wire wire;
	struct wire_run live;
	struct capture_xdp *capture;
	uint32_t poll_every; /* packets */
	uint64_t crossed_count;
};

/* Everything that a settings row leaves open; large enough for the hard build. */
static struct capture_xdp_settings complete(const struct capture_xdp_settings *settings)
{
	struct capture_xdp_settings all = *settings;
	all.interface = NETWORK_FAR;
	if (!all.max_flows)
		all.max_flows = 1 << 14;
	if (!all.ring_bytes)
		all.ring_bytes = 8 << 20;
	return all;
}

/* False after saying why: no rights, or no such kernel. */
static bool bench_open(struct bench *bench, const struct capture_xdp_settings *settings)
{
	memset(bench, 0, sizeof(*bench));
	if (!network_make())
		return false;
	struct complaint complaint = { 0 };
	const struct capture_xdp_settings all = complete(settings);
	if (capture_xdp_open(&all, &bench->capture, &complaint) != 0) {
		printf("skipped: %s\n", complaint.text);
		return false;
	}
	wire_run_open(&bench->live);
	wire_open(&bench->wire);
	bench->poll_every = 64;
	return true;
}

static void bench_close(struct bench *bench)
{
	capture_xdp_close(bench->capture);
	wire_run_close(&bench->live);
	wire_close(&bench->wire);
}

static void poll_once(struct bench *bench, int sweep)
{
	bench->crossed_count +=
		capture_xdp_poll(bench->capture, bench->live.tracker, &bench->live.counters, sweep);
}

static uint64_t accounted(const struct bench *bench)
{
	return wire_run_seen(&bench->live) +
	       counter_read(&bench->live.counters, COUNTER_packets_dropped_kernel);
}

/* The last packets may still be on their way through the kernel. */
static void drain(struct bench *bench)
{
	for (int turn = 0; turn < PATIENCE && accounted(bench) < bench->wire.sent_count; turn++) {
		poll_once(bench, 1);
		usleep(NAP_US);
	}
	capture_xdp_detach(bench->capture);
	poll_once(bench, 1);
	assert_int_equal(accounted(bench), bench->wire.sent_count);
}

static void poll_now_and_then(struct bench *bench)
{
	/* Sweeps at every fourth time, to find out what order does. */
	if (bench->poll_every && bench->wire.sent_count % bench->poll_every == 0)
		poll_once(bench, bench->wire.sent_count / bench->poll_every % 4 == 0);
}

static void each_packet(void *context, const struct packet *packet)
{
	struct bench *bench = context;
	if (wire_send(&bench->wire, packet))
		poll_now_and_then(bench);
}

static void send_random(struct bench *bench, size_t count)
{
	struct support_random random = support_random_open();
	for (size_t i = 0; i < count; i++) {
		wire_send_random(&bench->wire, &random);
		poll_now_and_then(bench);
	}
}

/* --- tests ------------------------------------------------------------------------------------ */

static const struct {
	const char *name;
	struct capture_xdp_settings settings;
} modes[] = {
	{ "in the driver, flows alone", { .mode = CAPTURE_XDP_NATIVE, .first_packets = 1 } },
	{ "in the stack, flows alone", { .mode = CAPTURE_XDP_GENERIC, .first_packets = 1 } },
	{ "in the driver, five packets", { .mode = CAPTURE_XDP_NATIVE, .first_packets = 5 } },
	{ "a table that is full", { .first_packets = 1, .max_flows = 8 } },
	{ "silence all the time", { .first_packets = 1, .silence_ns = 1 } },
	{ "silence now and then", { .first_packets = 2, .silence_ns = 300000 } },
};

static void counted_packets_make_the_flows_of_the_packets_sent(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct bench bench;
		if (!bench_open(&bench, &modes[i].settings))
			skip();
		send_random(&bench, 6000);
		drain(&bench);
		printf("%s: %llu of %llu packets crossed\n", modes[i].name,
		       (unsigned long long)bench.crossed_count,
		       (unsigned long long)bench.wire.sent_count);
		wire_assert_same_flows(&bench.wire, &bench.live, 1);
		bench_close(&bench);
	}
}

static void captures_played_onto_the_wire_make_their_own_flows(void **state)
{
	(void)state;
	static const char *const captures[] = {
		"data/decoder/zeek-http-qinq-0.pcap",
		"data/decoder/zeek-ipv6-fragmented-dns.pcap",
		"data/decoder/zeek-tunnels__vxlan-encapsulated-http.pcap",
		"data/decoder/zeek-erspan.pcap",
		"data/decoder/ndpi-nfsv2.pcap",
		"data/pairs/log4shell_java_serialized/"
		"pcap_log4shell_cve2021_44228_java_serialized_2022-05-13045800.pcapng.gz",
		"data/pairs/aadinternals_export_adfsdatabaseconfig_remotely/"
		"aadinternals_export_adfsdatabaseconfig_remotely_20210427020247.pcapng.gz",
	};
	for (size_t i = 0; i < sizeof(captures) / sizeof(captures[0]); i++) {
		struct bench bench;
		const struct capture_xdp_settings settings = { .mode = i % 2 ? CAPTURE_XDP_GENERIC
									     : CAPTURE_XDP_NATIVE,
							       .first_packets = 1 };
		if (!shared_path(captures[i]) || !bench_open(&bench, &settings))
			skip();
		assert_true(pcap_each(shared_path(captures[i]), each_packet, &bench));
		drain(&bench);
		printf("%s: %llu of %llu packets crossed\n", strrchr(captures[i], '/') + 1,
		       (unsigned long long)bench.crossed_count,
		       (unsigned long long)bench.wire.sent_count);
		wire_assert_same_flows(&bench.wire, &bench.live, 1);
		bench_close(&bench);
	}
}

static void a_full_ring_loses_and_counts(void **state)
{
	(void)state;
	struct bench bench;
	const struct capture_xdp_settings tiny = { .first_packets = 1,
						   .max_flows = 4,
						   .ring_bytes = 4096 };
	if (!bench_open(&bench, &tiny))
		skip();
	bench.poll_every = 0;
	send_random(&bench, 3000);
	drain(&bench);
	assert_true(counter_read(&bench.live.counters, COUNTER_packets_dropped_kernel) > 0);
	tracker_finish(bench.live.tracker);
	assert_true(counter_identities_hold(&bench.live.counters, stdout));
	bench_close(&bench);
}

static size_t excluded_of(struct bench *bench, const char *const *networks, size_t count)
{
	static const char udp[] =
		ETHERNET(IPV4_TYPE) "\x45\0\0\x20\x12\x34\0\0\x40\x11\0\0"
				    "\x0a\x01\x02\x03\xc0\xa8\x07\x09" PORTS "\0\x0c\0\0"
				    "data";
	static const char udp6[] =
		ETHERNET(IPV6_TYPE) "\x60\0\0\0\0\x0c\x11\x40"
				    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
				    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02" PORTS "\0\x0c\0\0"
				    "data";
	struct ip_prefix prefixes[8];
	for (size_t i = 0; i < count; i++)
		assert_true(ip_prefix_parse(networks[i], strlen(networks[i]), &prefixes[i]));
	assert_int_equal(capture_xdp_exclude(bench->capture, prefixes, count), 0);
	const uint64_t before = counter_read(&bench->live.counters, COUNTER_packets_excluded);
	const struct packet packets[] = { packet_of(LITERAL(udp), 0), packet_of(LITERAL(udp6), 0) };
	for (size_t i = 0; i < 2; i++)
		assert_true(wire_send(&bench->wire, &packets[i]));
	for (int turn = 0; turn < PATIENCE && accounted(bench) < bench->wire.sent_count; turn++) {
		poll_once(bench, 1);
		usleep(NAP_US);
	}
	assert_int_equal(accounted(bench), bench->wire.sent_count);
	return counter_read(&bench->live.counters, COUNTER_packets_excluded) - before;
}

static void packets_between_unwanted_networks_stay_in_the_kernel(void **state)
{
	(void)state;
	static const struct {
		const char *networks[4];
		size_t count;
		size_t excluded; /* of one packet from 10.1.2.3 to 192.168.7.9 and one inside of
				    2001:db8::/64 */
	} cases[] = {
		{ { NULL }, 0, 0 },
		{ { "10.0.0.0/8" }, 1, 0 }, /* one end is not enough */
		{ { "10.0.0.0/8", "192.168.0.0/16" }, 2, 1 },
		{ { "10.0.0.0/8", "192.168.7.0/24" }, 2, 1 },
		{ { "10.1.2.3", "192.168.7.8/29" }, 2, 1 },
		{ { "10.1.2.4", "192.168.7.8/29" }, 2, 0 },
		{ { "0.0.0.0/0" }, 1, 1 },
		{ { "2001:db8::/32" }, 1, 1 },
		{ { "2001:db8::1", "2001:db8::2" }, 2, 1 },
		{ { "2001:db8::1" }, 1, 0 },
		{ { "0.0.0.0/0", "::/0" }, 2, 2 },
		{ { NULL }, 0, 0 },
	};
	struct bench bench;
	if (!bench_open(&bench, &(struct capture_xdp_settings){ .first_packets = 1 }))
		skip();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const size_t excluded = excluded_of(&bench, cases[i].networks, cases[i].count);
		if (excluded != cases[i].excluded)
			print_error("case %zu\n", i);
		assert_int_equal(excluded, cases[i].excluded);
	}
	tracker_finish(bench.live.tracker);
	assert_true(counter_identities_hold(&bench.live.counters, stdout));
	bench_close(&bench);
}

static void what_cannot_be_opened_is_refused_with_the_remedy(void **state)
{
	(void)state;
	struct bench bench;
	if (!bench_open(&bench, &(struct capture_xdp_settings){ .first_packets = 1 }))
		skip();
	struct complaint complaint = { 0 };
	struct capture_xdp *second = NULL;
	struct capture_xdp_settings settings = complete(&(struct capture_xdp_settings){ 0 });
	assert_int_equal(capture_xdp_open(&settings, &second, &complaint), -EBUSY);
	assert_non_null(strstr(complaint.text, "another XDP program"));
	settings.interface = "nowhere0";
	assert_int_equal(capture_xdp_open(&settings, &second, &complaint), -ENODEV);
	settings.interface = "lo";
	settings.mode = CAPTURE_XDP_NATIVE;
	assert_int_equal(capture_xdp_open(&settings, &second, &complaint), -EOPNOTSUPP);
	assert_null(second);
	bench_close(&bench);
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
		const struct capture_xdp_settings settings = { .interface = NETWORK_FAR };
		struct capture_xdp *capture = NULL;
		struct complaint complaint = { 0 };
		const bool dropped = setgid(65534) == 0 && setuid(65534) == 0;
		const int status = capture_xdp_open(&settings, &capture, &complaint);
		_exit(dropped && status == -EPERM && strstr(complaint.text, "CAP_BPF") ? 0 : 1);
	}
	int status = -1;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counted_packets_make_the_flows_of_the_packets_sent),
		cmocka_unit_test(captures_played_onto_the_wire_make_their_own_flows),
		cmocka_unit_test(a_full_ring_loses_and_counts),
		cmocka_unit_test(packets_between_unwanted_networks_stay_in_the_kernel),
		cmocka_unit_test(what_cannot_be_opened_is_refused_with_the_remedy),
		cmocka_unit_test(without_rights_the_complaint_names_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
