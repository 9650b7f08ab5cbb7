/* The tap's kernel half: its parser says the same as the decoder for every packet that it takes,
 * and flows that it counted are the flows that the tracker would have made of the packets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/tap_ledger.h"
#include "bpf/tap_record.h"
#include "collector/base/hard.h"
#include "collector/packet/decode.h"
#include "collector/packet/names.h"
#include "tests/support_packet.h"
#include "tests/support_pcap.h"
#include "tests/support_random.h"
#include "tests/support_shared.h"

#include "bpf/probe.skel.h" /* made by the Makefile; wants the types of tap_record.h */

enum {
	FRAME_MIN = 14, /* BPF_PROG_TEST_RUN takes no less */
	FRAME_MAX = 3500,
	MUTANTS = HARD(200000, 20000), /* PROCSPAN_MUTANTS sets it */
};

/* --- the parser ------------------------------------------------------------------------------- */

struct differ {
	struct probe *skeleton;
	struct support_random random;
	size_t packet_count;
	size_t usual_count;
	uint8_t *frames[4096]; /* to be mutated */
	uint32_t sizes[4096];
	size_t frame_count;
};

static bool differ_open(struct differ *differ)
{
	memset(differ, 0, sizeof(*differ));
	libbpf_set_print(NULL);
	differ->skeleton = probe__open_and_load();
	if (!differ->skeleton)
		printf("skipped: the kernel does not load BPF programs (%s)\n", strerror(errno));
	return differ->skeleton != NULL;
}

static void differ_close(struct differ *differ)
{
	probe__destroy(differ->skeleton);
	for (size_t i = 0; i < differ->frame_count; i++)
		free(differ->frames[i]);
}

/* What a usual packet must be, by the decoder. */
static struct tap_probe expected_of(const struct decoded *decoded)
{
	struct tap_probe probe = {
		.usual = 1,
		.ip_bytes = decoded->ip_bytes,
		.tcp_flags = decoded->tcp_flags,
		.key = { .source_port = decoded->ends.source_port,
			 .destination_port = decoded->ends.destination_port,
			 .vlan_ids = { decoded->vlan_ids[0], decoded->vlan_ids[1] },
			 .ip_protocol = decoded->ends.ip_protocol },
	};
	memcpy(probe.key.source, &decoded->ends.source, sizeof(probe.key.source));
	memcpy(probe.key.destination, &decoded->ends.destination, sizeof(probe.key.destination));
	return probe;
}

static void print_frame(const uint8_t *frame, uint32_t size)
{
	for (uint32_t i = 0; i < size && i < 120; i++)
		print_error("%02x", frame[i]);
	print_error(" (%u bytes)\n", size);
}

static void compare(struct differ *differ, const uint8_t *frame, uint32_t size)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = size);
	const int program = bpf_program__fd(differ->skeleton->progs.probe_parse);
	assert_int_equal(bpf_prog_test_run_opts(program, &options), 0);
	const struct packet packet = packet_of(frame, size, 0);
	struct decoded decoded;
	decode_packet(&packet, &decoded);
	const struct tap_probe probe = differ->skeleton->bss->probe;
	const struct tap_probe expected = expected_of(&decoded);
	bool same = true;
	if (probe.usual)
		same = decoded.verdict == DECODE_FLOW &&
		       same_bytes(&probe, &expected, sizeof(probe)) &&
		       !(decoded.flags & (DECODED_TUNNEL | DECODED_FIRST_FRAGMENT)) &&
		       !names_needed(&decoded.ends);
	if (!same)
		print_frame(frame, size);
	assert_true(same);
	differ->packet_count++;
	differ->usual_count += probe.usual;
}

static void compare_and_keep(void *context, const struct packet *packet)
{
	struct differ *differ = context;
	const uint32_t size = packet->captured_bytes;
	if (packet->link_type != 1 || size < FRAME_MIN || size > FRAME_MAX)
		return;
	compare(differ, packet->bytes, size);
	if (differ->frame_count == sizeof(differ->frames) / sizeof(differ->frames[0]))
		return;
	uint8_t *frame = malloc(size);
	assert_non_null(frame);
	memcpy(frame, packet->bytes, size);
	differ->frames[differ->frame_count] = frame;
	differ->sizes[differ->frame_count++] = size;
}

/* One of the frames with a few bits of its headers flipped, a tag put in, or its end cut off. */
static void compare_mutant(struct differ *differ)
{
	struct support_random *random = &differ->random;
	const uint32_t chosen = support_random_below(random, (uint32_t)differ->frame_count);
	uint32_t size = differ->sizes[chosen];
	uint8_t frame[FRAME_MAX + 8];
	memcpy(frame, differ->frames[chosen], size);
	for (uint32_t tags = support_random_below(random, 4); tags > 2; tags--) {
		static const uint8_t tag[4] = { 0x81, 0x00, 0x61, 0x23 };
		memmove(frame + 16, frame + 12, size - 12);
		memcpy(frame + 12, tag, sizeof(tag));
		size += 4;
	}
	if (support_random_below(random, 4) == 0)
		size = FRAME_MIN + support_random_below(random, size - FRAME_MIN + 1);
	const uint32_t reach = size < 100 ? size : 100;
	for (uint32_t flips = support_random_below(random, 4); flips > 0; flips--)
		frame[support_random_below(random, reach)] ^=
			(uint8_t)(1U << support_random_below(random, 8));
	uint8_t *exact = malloc(size);
	assert_non_null(exact);
	memcpy(exact, frame, size);
	compare(differ, exact, size);
	free(exact);
}

static void compare_mutants(struct differ *differ)
{
	const char *wanted = getenv("PROCSPAN_MUTANTS");
	const size_t count = wanted ? strtoul(wanted, NULL, 10) : MUTANTS;
	differ->random = support_random_open();
	for (size_t i = 0; i < count && differ->frame_count > 0; i++)
		compare_mutant(differ);
	printf("%zu packets, %zu of them usual\n", differ->packet_count, differ->usual_count);
}

static const struct {
	const char *name;
	const char *frame;
	size_t size;
	bool usual;
} cases[] = {
	/* clang-format off */
	{ "TCP over IPv4", LITERAL(ETHERNET(IPV4_TYPE) "\x45\0\0\x2c\x12\x34\0\0\x40\x06\0\0"
		"\x0a\0\0\x01\x0a\0\0\x02" TCP_SEGMENT), true },
	{ "UDP over IPv4", LITERAL(ETHERNET(IPV4_TYPE) "\x45\0\0\x20\x12\x34\0\0\x40\x11\0\0"
		"\x0a\0\0\x01\x0a\0\0\x02" PORTS "\0\x0c\0\0" "data"), true },
	{ "a tag", LITERAL(ETHERNET("\x81\0") "\x20\x05" IPV4_TYPE "\x45\0\0\x20\x12\x34\0\0\x40\x11\0\0"
		"\x0a\0\0\x01\x0a\0\0\x02" PORTS "\0\x0c\0\0" "data"), true },
	{ "two tags", LITERAL(ETHERNET("\x88\xa8") "\x20\x05\x81\0\x00\x07" IPV4_TYPE
		"\x45\0\0\x20\x12\x34\0\0\x40\x11\0\0"
		"\x0a\0\0\x01\x0a\0\0\x02" PORTS "\0\x0c\0\0" "data"), true },
	{ "three tags", LITERAL(ETHERNET("\x88\xa8") "\x20\x05\x81\0\x00\x07\x81\0\0\x08" IPV4_TYPE
		"\x45\0\0\x20\x12\x34\0\0\x40\x11\0\0"
		"\x0a\0\0\x01\x0a\0\0\x02" PORTS "\0\x0c\0\0" "data"), false },
	{ "TCP over IPv6", LITERAL(ETHERNET(IPV6_TYPE) "\x60\0\0\0\0\x18\x06\x40"
		"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
		TCP_SEGMENT), true },
	{ "a fragment", LITERAL(ETHERNET(IPV4_TYPE) "\x45\0\0\x20\x12\x34\x20\0\x40\x11\0\0"
		"\x0a\0\0\x01\x0a\0\0\x02" PORTS "\0\x0c\0\0" "data"), false },
	{ "DNS", LITERAL(ETHERNET(IPV4_TYPE) "\x45\0\0\x20\x12\x34\0\0\x40\x11\0\0"
		"\x0a\0\0\x01\x0a\0\0\x02" "\x9c\x40\0\x35\0\x0c\0\0" "data"), false },
	{ "VXLAN's port", LITERAL(ETHERNET(IPV4_TYPE) "\x45\0\0\x20\x12\x34\0\0\x40\x11\0\0"
		"\x0a\0\0\x01\x0a\0\0\x02" "\x9c\x40\x12\xb5\0\x0c\0\0" "data"), false },
	{ "ICMP", LITERAL(ETHERNET(IPV4_TYPE) "\x45\0\0\x20\x12\x34\0\0\x40\x01\0\0"
		"\x0a\0\0\x01\x0a\0\0\x02" "\x08\0\0\0\0\0\0\0" "data"), false },
	/* clang-format on */
};

static void the_kernel_takes_usual_packets_and_leaves_the_others(void **state)
{
	(void)state;
	struct differ differ;
	if (!differ_open(&differ))
		skip();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		compare(&differ, (const uint8_t *)cases[i].frame, (uint32_t)cases[i].size);
		const bool usual = differ.skeleton->bss->probe.usual;
		if (usual != cases[i].usual)
			print_error("%s\n", cases[i].name);
		assert_int_equal(usual, cases[i].usual);
		for (uint32_t cut = FRAME_MIN; cut < cases[i].size; cut++)
			compare(&differ, (const uint8_t *)cases[i].frame, cut);
	}
	differ_close(&differ);
}

static void the_kernel_parses_as_the_decoder_does(void **state)
{
	(void)state;
	const char *folder = shared_path("data/decoder");
	static struct differ opened; /* large */
	struct differ *differ = &opened;
	if (!folder || !differ_open(differ))
		skip();
	char pattern[512];
	snprintf(pattern, sizeof(pattern), "%s/*.pcap*", folder);
	glob_t found = { 0 };
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++)
		pcap_each(found.gl_pathv[i], compare_and_keep, differ);
	globfree(&found);
	assert_true(differ->usual_count > 100);
	compare_mutants(differ);
	differ_close(differ);
}

/* --- the ledger ------------------------------------------------------------------------------- */

static struct tap_flow counted(uint64_t born_ns, uint64_t packets)
{
	return (struct tap_flow){ .born_ns = born_ns,
				  .packet_count = packets,
				  .ip_bytes = 100 * packets };
}

static uint64_t taken(struct tap_ledger *ledger, uint16_t port, uint64_t born_ns, uint64_t packets)
{
	const struct tap_flow_key key = { .source_port = port };
	const struct tap_flow now = counted(born_ns, packets);
	uint64_t new_packets = 0;
	uint64_t new_bytes = 0;
	if (!tap_ledger_take(ledger, &key, &now, &new_packets, &new_bytes))
		return 0;
	assert_int_equal(new_bytes, 100 * new_packets);
	return new_packets;
}

static void each_count_is_taken_once_in_whatever_order_it_comes(void **state)
{
	(void)state;
	struct tap_ledger *ledger = tap_ledger_open(4);
	assert_non_null(ledger);
	const struct tap_flow_key key = { .source_port = 1 };
	assert_int_equal(taken(ledger, 1, 10, 0), 0);
	assert_int_equal(taken(ledger, 1, 10, 5), 5);
	assert_int_equal(taken(ledger, 1, 10, 9), 4);
	assert_int_equal(taken(ledger, 1, 10, 7), 0); /* sent before, read after */
	tap_ledger_retire(ledger, &key);
	assert_int_equal(taken(ledger, 1, 10, 9), 0); /* still on its way when it was removed */
	assert_int_equal(taken(ledger, 1, 20, 3), 3); /* the same ports again */
	assert_int_equal(taken(ledger, 1, 10, 9), 0);
	tap_ledger_turn(ledger);
	tap_ledger_turn(ledger);
	assert_int_equal(tap_ledger_count(ledger), 1); /* not retired any more */
	assert_int_equal(taken(ledger, 1, 20, 4), 1);
	tap_ledger_retire(ledger, &key);
	tap_ledger_turn(ledger);
	assert_int_equal(tap_ledger_count(ledger), 1);
	tap_ledger_turn(ledger);
	assert_int_equal(tap_ledger_count(ledger), 0);
	for (uint16_t port = 1; port <= 8; port++)
		assert_int_equal(taken(ledger, port, 30, port), port);
	tap_ledger_close(ledger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernel_takes_usual_packets_and_leaves_the_others),
		cmocka_unit_test(the_kernel_parses_as_the_decoder_does),
		cmocka_unit_test(each_count_is_taken_once_in_whatever_order_it_comes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
