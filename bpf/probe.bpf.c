/* The parser alone, for tests that compare it with the decoder, and a program that does nothing,
 * to measure what running one costs. */
#include "bpf/tap_parse.bpf.h"

struct tap_probe probe;

SEC("xdp")
int probe_parse(struct xdp_md *context)
{
	const void *at = (const void *)(long)context->data;
	const void *end = (const void *)(long)context->data_end;
	struct tap_parsed parsed = {};
	probe.usual = tap_parse(at, end, (__u32)(context->data_end - context->data), &parsed);
	probe.key = parsed.key;
	probe.ip_bytes = parsed.ip_bytes;
	probe.tcp_flags = parsed.tcp_flags;
	return XDP_PASS;
}

SEC("xdp")
int probe_floor(struct xdp_md *context)
{
	(void)context;
	return XDP_PASS;
}
