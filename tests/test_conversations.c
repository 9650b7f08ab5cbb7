/* Every shared capture through the tracker, against what tshark saw in it: packets and bytes in
 * all, and each TCP and UDP conversation with its packets, its bytes, and who opened it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/packet/decode.h"
#include "collector/packet/flow_key.h"
#include "tests/support_packet.h"
#include "tests/support_pcap.h"
#include "tests/support_shared.h"

enum { CONVERSATIONS_MAX = 4096, COLUMNS_MAX = 40 };

/* Where tshark and the tracker are meant to differ: damaged files only. */
static const struct {
	const char *file;
	const char *why;
} deviations[] = {
	{ "ndpi-fuzz-2006-06-26-2594.pcap",
	  "fuzzed call set-up: tshark puts media packets of other addresses into the conversation "
	  "that it announced" },
	{ "ndpi-ip_fragmented_garbage.pcap",
	  "garbage: two TCP headers that say they are 16 and 8 bytes long are malformed here" },
};

/* One five-tuple, either way. */
struct conversation {
	struct flow_key key;
	struct ip_address source; /* of the first flow */
	uint16_t source_port;
	uint32_t flow_count;
	uint64_t packet_count;
	uint64_t frame_bytes;
	bool has_fragments; /* which tshark counts once a datagram */
	uint32_t expected_flow_count;
	uint64_t expected_packet_count;
	uint64_t expected_frame_bytes;
};

struct comparison {
	struct counters counters;
	struct tracker *tracker;
	struct found found;
	size_t count;
	struct conversation conversations[CONVERSATIONS_MAX];
};

static struct conversation *conversation_of(struct comparison *comparison,
					    const struct endpoints *ends)
{
	struct flow_key key;
	const struct hash_seed seed = { { 0, 0 } };
	flow_key_make(ends, NULL, 0, &seed, &key);
	for (size_t i = 0; i < comparison->count; i++)
		if (flow_key_equal(&comparison->conversations[i].key, &key))
			return &comparison->conversations[i];
	assert_true(comparison->count < CONVERSATIONS_MAX);
	struct conversation *added = &comparison->conversations[comparison->count++];
	*added = (struct conversation){ .key = key };
	return added;
}

static bool has_ports(uint8_t ip_protocol)
{
	return ip_protocol == 6 || ip_protocol == 17;
}

static void take_packet(void *context, const struct packet *packet)
{
	struct comparison *comparison = context;
	tracker_packets(comparison->tracker, packet, 1);
	struct decoded decoded;
	decode_packet(packet, &decoded);
	if (decoded.verdict == DECODE_FLOW && has_ports(decoded.ends.ip_protocol))
		conversation_of(comparison, &decoded.ends)->frame_bytes += packet->wire_bytes;
}

static void take_flow(struct comparison *comparison, const struct flow_event *event)
{
	if (event->kind != FLOW_END || !has_ports(event->ip_protocol))
		return;
	const struct endpoints ends = { .source = event->source,
					.destination = event->destination,
					.source_port = event->source_port,
					.destination_port = event->destination_port,
					.ip_protocol = event->ip_protocol };
	struct conversation *conversation = conversation_of(comparison, &ends);
	if (conversation->flow_count++ == 0) {
		conversation->source = event->source;
		conversation->source_port = event->source_port;
	}
	conversation->packet_count +=
		event->from_source.packet_count + event->from_destination.packet_count;
	conversation->has_fragments |= (event->flags & FLOW_FRAGMENTS) != 0;
}

static void run_file(struct comparison *comparison, const char *path)
{
	const struct tracker_settings settings = {
		.max_flows = CONVERSATIONS_MAX,
		.tcp_idle_ns = UINT64_MAX, /* tshark knows no time-outs */
		.tcp_closing_ns = UINT64_MAX,
		.udp_idle_ns = UINT64_MAX,
		.other_idle_ns = UINT64_MAX,
	};
	const struct tracker_sink sink = found_sink(&comparison->found);
	comparison->tracker = tracker_open(&settings, &sink, &comparison->counters);
	assert_non_null(comparison->tracker);
	assert_true(pcap_each(path, take_packet, comparison));
	tracker_finish(comparison->tracker);
	tracker_close(comparison->tracker);
	assert_true(counter_identities_hold(&comparison->counters, stdout));
	for (size_t i = 0; i < comparison->found.event_count; i++)
		take_flow(comparison, &comparison->found.events[i]);
}

/* --- tables of expected values ---------------------------------------------------------------- */

struct tsv {
	char *text;
	char *header[COLUMNS_MAX];
	char *row[COLUMNS_MAX];
	char *next;
};

static bool read_row(struct tsv *tsv, char *row[COLUMNS_MAX])
{
	if (!tsv->next || !*tsv->next)
		return false;
	char *line = strsep(&tsv->next, "\n");
	for (int i = 0; i < COLUMNS_MAX; i++)
		row[i] = strsep(&line, "\t");
	return true;
}

static bool tsv_open(struct tsv *tsv, const char *relative)
{
	memset(tsv, 0, sizeof(*tsv));
	const char *path = shared_path(relative);
	size_t size;
	if (path)
		tsv->text = read_whole_file(path, 1, &size);
	tsv->next = tsv->text;
	return tsv->text && read_row(tsv, tsv->header);
}

static const char *column(const struct tsv *tsv, const char *name)
{
	for (int i = 0; i < COLUMNS_MAX && tsv->header[i]; i++)
		if (strcmp(tsv->header[i], name) == 0)
			return tsv->row[i];
	return NULL;
}

static uint64_t number(const struct tsv *tsv, const char *name)
{
	return strtoull(column(tsv, name), NULL, 10);
}

/* --- comparing -------------------------------------------------------------------------------- */

static struct endpoints ends_of_row(const struct tsv *tsv)
{
	struct endpoints ends = {
		.source_port = (uint16_t)number(tsv, "src_port"),
		.destination_port = (uint16_t)number(tsv, "dst_port"),
		.ip_protocol = strcmp(column(tsv, "proto"), "tcp") == 0 ? 6 : 17,
	};
	const char *source = column(tsv, "src_ip");
	const char *destination = column(tsv, "dst_ip");
	assert_true(ip_address_parse(source, strlen(source), &ends.source));
	assert_true(ip_address_parse(destination, strlen(destination), &ends.destination));
	return ends;
}

static int expect_row(struct comparison *comparison, const struct tsv *tsv, const char *file)
{
	const struct endpoints ends = ends_of_row(tsv);
	struct conversation *conversation = conversation_of(comparison, &ends);
	const char *oriented_by = column(tsv, "oriented_by");
	const bool first = conversation->expected_flow_count++ == 0;
	conversation->expected_packet_count += number(tsv, "packets");
	conversation->expected_frame_bytes += number(tsv, "wire_bytes");
	if (!first || !oriented_by || strcmp(oriented_by, "syn") != 0)
		return 0;
	if (ip_address_equal(&conversation->source, &ends.source) &&
	    conversation->source_port == ends.source_port)
		return 0;
	print_error("%s: %s port %d: the other end is said to have opened it\n", file,
		    column(tsv, "src_ip"), ends.source_port);
	return 1;
}

static int compare(const struct comparison *comparison, const char *file)
{
	int failures = 0;
	for (size_t i = 0; i < comparison->count; i++) {
		const struct conversation *c = &comparison->conversations[i];
		const bool counted_alike =
			c->has_fragments ? c->packet_count >= c->expected_packet_count
					 : c->packet_count == c->expected_packet_count &&
						   c->frame_bytes == c->expected_frame_bytes;
		if (c->flow_count == c->expected_flow_count && counted_alike)
			continue;
		if (c->has_fragments && c->expected_flow_count == 0)
			continue; /* some are missing: tshark waits for the whole datagram */
		char low[IP_ADDRESS_TEXT_MAX];
		char high[IP_ADDRESS_TEXT_MAX];
		ip_address_format(&c->key.low, low);
		ip_address_format(&c->key.high, high);
		print_error("%s: protocol %u %s:%d %s:%d: flows %u, expected %u; packets %" PRIu64
			    ", expected %" PRIu64 "; bytes %" PRIu64 ", expected %" PRIu64 "\n",
			    file, c->key.ip_protocol, low, c->key.low_port, high, c->key.high_port,
			    c->flow_count, c->expected_flow_count, c->packet_count,
			    c->expected_packet_count, c->frame_bytes, c->expected_frame_bytes);
		failures++;
	}
	return failures;
}

static const char *deviation_of(const char *file)
{
	for (size_t i = 0; i < sizeof(deviations) / sizeof(deviations[0]); i++)
		if (strcmp(deviations[i].file, file) == 0)
			return deviations[i].why;
	return NULL;
}

/* One capture against the rows of a table whose `file_column` names it. */
static int compare_file(struct comparison *comparison, const char *table, const char *file_column,
			const char *file)
{
	struct tsv tsv;
	int failures = 0;
	if (tsv_open(&tsv, table))
		while (read_row(&tsv, tsv.row))
			if (strcmp(column(&tsv, file_column), file) == 0)
				failures += expect_row(comparison, &tsv, file);
	free(tsv.text);
	failures += compare(comparison, file);
	if (failures && deviation_of(file)) {
		print_message("%s: %d conversations differ: %s\n", file, failures,
			      deviation_of(file));
		return 0;
	}
	return failures;
}

static void start(struct comparison *comparison)
{
	found_clear(&comparison->found);
	memset(comparison, 0, sizeof(*comparison));
}

static void decoder_captures_hold_the_conversations_that_tshark_sees(void **state)
{
	(void)state;
	static struct comparison comparison;
	struct tsv tsv;
	int failures = 0;
	if (!tsv_open(&tsv, "data/decoder/expected.tsv"))
		skip();
	while (read_row(&tsv, tsv.row)) {
		char relative[512];
		const char *file = column(&tsv, "file");
		snprintf(relative, sizeof(relative), "data/decoder/%s", file);
		start(&comparison);
		run_file(&comparison, shared_path(relative));
		const uint64_t packets = counter_read(&comparison.counters, COUNTER_packets_seen);
		const uint64_t bytes = counter_read(&comparison.counters, COUNTER_packets_bytes);
		if (packets != number(&tsv, "packets") || bytes != number(&tsv, "wire_bytes")) {
			print_error("%s: %" PRIu64 " packets, %" PRIu64 " bytes\n", file, packets,
				    bytes);
			failures++;
		}
		failures +=
			compare_file(&comparison, "data/decoder/expected.flows.tsv", "file", file);
	}
	start(&comparison);
	free(tsv.text);
	assert_int_equal(failures, 0);
}

static const char *const pairs[][2] = {
	{ "LSASS_campaign_01", "metasploit_logonpasswords_lsass_memory_dump.pcapng" },
	{ "aadinternals_export_adfsdatabaseconfig_remotely",
	  "aadinternals_export_adfsdatabaseconfig_remotely_20210427020247.pcapng" },
	{ "covenant_dcom_iertutil_dll_hijack",
	  "covenant_dcom_iertutil_dll_hijack_WORKSTATION5_2020-10-09183000.cap" },
	{ "covenant_dcom_iertutil_dll_hijack",
	  "covenant_dcom_iertutil_dll_hijack_WORKSTATION6_2020-10-09183000.cap" },
	{ "covenant_psremoting_command", "covenant_psremoting_command_2020-08-06115603.cap" },
	{ "covenant_sharpsc_stop_dcerpc_smb_svcctl",
	  "covenant_sharpsc_stop_dcerpc_smb_svcctl_2020-08-06031938.cap" },
	{ "empire_find_localadmin_smb_svcctl_OpenSCManager",
	  "empire_find_localadmin_smb_svcctl_OpenSCManager_2020-09-22021559.cap" },
	{ "empire_powerview_ldap_ntsecuritydescriptor",
	  "empire_powerview_ldap_ntsecuritydescriptor_2020-09-21130944.cap" },
	{ "empire_psexec_dcerpc_tcp_svcctl",
	  "empire_psexec_dcerpc_tcp_svcctl_WORKSTATION5_2020-09-20121608.cap" },
	{ "empire_psexec_dcerpc_tcp_svcctl",
	  "empire_psexec_dcerpc_tcp_svcctl_WORKSTATION6_2020-09-20121608.cap" },
	{ "log4shell_java_serialized",
	  "pcap_log4shell_cve2021_44228_java_serialized_2022-05-13045800.pcapng" },
	{ "mimikatz_CVE-2020-1472_Unauthenticated_NetrServerAuthenticate2",
	  "mimikatz_CVE-2020-1472_Unauthenticated_NetrServerAuthenticate2_2020-09-16233923.cap" },
	{ "schtask_modification", "schtask_modification_2020-12-1907505969.pcapng" },
};

static void paired_captures_hold_the_conversations_that_tshark_sees(void **state)
{
	(void)state;
	static struct comparison comparison;
	int failures = 0;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		char relative[512];
		snprintf(relative, sizeof(relative), "data/pairs/%s/%s.gz", pairs[i][0],
			 pairs[i][1]);
		const char *path = shared_path(relative);
		if (!path)
			skip();
		start(&comparison);
		run_file(&comparison, path);
		snprintf(relative, sizeof(relative), "data/pairs/%s/flows.tsv", pairs[i][0]);
		failures += compare_file(&comparison, relative, "pcap", pairs[i][1]);
	}
	start(&comparison);
	assert_int_equal(failures, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decoder_captures_hold_the_conversations_that_tshark_sees),
		cmocka_unit_test(paired_captures_hold_the_conversations_that_tshark_sees),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
