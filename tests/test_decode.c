/* Decoding, header by header: what each encapsulation leads to, and that no prefix of any of them
 * hurts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/packet/decode.h"
#include "tests/support_packet.h"

struct expectation {
	uint8_t verdict;
	uint8_t ip_protocol;
	uint16_t source_port;
	uint16_t destination_port;
	uint8_t tcp_flags;
	uint8_t layer_count;
	uint8_t flags;
	uint16_t vlan_ids[FLOW_VLANS_MAX];
	uint32_t tunnel_id;
	uint32_t payload_bytes;
};

struct decode_case {
	const char *name;
	const char *bytes;
	size_t size_bytes;
	uint16_t link_type;
	struct expectation expected;
};

#define CASE(name, link_type, bytes, ...)                                                          \
	{                                                                                          \
		name, LITERAL(bytes), link_type, __VA_ARGS__                                       \
	}
#define TCP_FLOW                                                                                   \
	.ip_protocol = 6, .source_port = 40000, .destination_port = 443, .tcp_flags = 0x18,        \
	.payload_bytes = 4
#define ZEROS_16 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define UDP_FLOW                                                                                   \
	.ip_protocol = 17, .source_port = 40000, .destination_port = 443, .payload_bytes = 4

/* clang-format off */
static const struct decode_case cases[] = {
#include "tests/decode_cases.def"
};
/* clang-format on */

static const size_t case_count = sizeof(cases) / sizeof(cases[0]);

/* A copy of exactly its size, so that ASan sees one byte too far. */
static uint8_t *exact_copy(const void *bytes, size_t size_bytes)
{
	uint8_t *copy = malloc(size_bytes ? size_bytes : 1);
	if (!copy)
		abort();
	memcpy(copy, bytes, size_bytes);
	return copy;
}

static bool as_expected(const struct decoded *decoded, const struct expectation *expected)
{
	if (decoded->verdict != expected->verdict)
		return false;
	if (decoded->verdict != DECODE_FLOW)
		return true;
	return decoded->ends.ip_protocol == expected->ip_protocol &&
	       decoded->ends.source_port == expected->source_port &&
	       decoded->ends.destination_port == expected->destination_port &&
	       decoded->tcp_flags == expected->tcp_flags &&
	       (expected->layer_count == 0 || decoded->layer_count == expected->layer_count) &&
	       decoded->flags == expected->flags &&
	       memcmp(decoded->vlan_ids, expected->vlan_ids, sizeof(decoded->vlan_ids)) == 0 &&
	       decoded->tunnel_id == expected->tunnel_id &&
	       decoded->payload_bytes == expected->payload_bytes;
}

static void each_encapsulation_leads_to_its_flow(void **state)
{
	(void)state;
	for (size_t i = 0; i < case_count; i++) {
		uint8_t *copy = exact_copy(cases[i].bytes, cases[i].size_bytes);
		struct packet packet = packet_of(copy, cases[i].size_bytes, 1);
		packet.link_type = cases[i].link_type;
		struct decoded decoded;
		decode_packet(&packet, &decoded);
		if (!as_expected(&decoded, &cases[i].expected))
			fail_msg("%s: verdict %d protocol %d ports %d %d tcp %#x layers %d flags "
				 "%#x vlans %d %d tunnel %u payload %u",
				 cases[i].name, decoded.verdict, decoded.ends.ip_protocol,
				 decoded.ends.source_port, decoded.ends.destination_port,
				 decoded.tcp_flags, decoded.layer_count, decoded.flags,
				 decoded.vlan_ids[0], decoded.vlan_ids[1], decoded.tunnel_id,
				 decoded.payload_bytes);
		free(copy);
	}
}

/* The straight path and the table must not differ in anything that is set. */
static void assert_same(const char *name, const struct packet *packet)
{
	struct decoded usual;
	struct decoded model;
	memset(&usual, 0, sizeof(usual));
	memset(&model, 0, sizeof(model));
	decode_packet(packet, &usual);
	decode_packet_by_table(packet, &model);
	if (model.verdict != DECODE_FLOW && model.verdict == usual.verdict)
		return;
	if (!same_bytes(&usual, &model, sizeof(usual)))
		fail_msg("%s, %u bytes: decoded differently", name, packet->captured_bytes);
}

static void every_prefix_survives_and_both_paths_agree(void **state)
{
	(void)state;
	for (size_t i = 0; i < case_count; i++) {
		for (size_t size_bytes = 0; size_bytes <= cases[i].size_bytes; size_bytes++) {
			uint8_t *copy = exact_copy(cases[i].bytes, size_bytes);
			struct packet packet = packet_of(copy, size_bytes, 1);
			packet.link_type = cases[i].link_type;
			assert_same(cases[i].name, &packet); /* as if that were all */
			packet.wire_bytes = (uint32_t)cases[i].size_bytes;
			assert_same(cases[i].name, &packet); /* as if the capture were cut */
			free(copy);
		}
	}
}

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005U + 1442695040888963407U;
	return *state >> 33;
}

static void mutated_packets_are_decoded_alike_by_both_paths(void **state)
{
	(void)state;
	uint64_t random = 20261123;
	print_message("seed %llu\n", (unsigned long long)random);
	for (int round = 0; round < 20000; round++) {
		const struct decode_case *from = &cases[next_random(&random) % case_count];
		uint8_t *copy = exact_copy(from->bytes, from->size_bytes);
		for (uint64_t left = 1 + next_random(&random) % 3; left > 0 && from->size_bytes;
		     left--)
			copy[next_random(&random) % from->size_bytes] =
				(uint8_t)next_random(&random);
		struct packet packet = packet_of(copy, from->size_bytes, 1);
		packet.link_type = from->link_type;
		packet.wire_bytes += (uint32_t)(next_random(&random) % 3) * 100;
		assert_same(from->name, &packet);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_encapsulation_leads_to_its_flow),
		cmocka_unit_test(every_prefix_survives_and_both_paths_agree),
		cmocka_unit_test(mutated_packets_are_decoded_alike_by_both_paths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
