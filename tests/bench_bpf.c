/* What the kernel half of the tap costs per packet, by BPF_PROG_TEST_RUN: nanoseconds above a
 * program that does nothing, which is measured beside it in the same way. The targets are issue
 * figures: excluded 15, tracked 110 at 64k flows, a new flow 250. */
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/tap_exclusion.h"
#include "bpf/tap_record.h"

#include "bpf/probe.skel.h" /* made by the Makefile; want the types of tap_record.h */
#include "bpf/tap.skel.h"

enum {
	REPEAT = 1000000,
	FLOWS = 1 << 16,
	RUNS = 3, /* the best of them counts: the others shared the machine */
	UNWANTED_MAX = 1000,
	FRAME_BYTES = 64,
	DRAIN_EVERY = 1024,
};

/* TCP with ACK alone from 10.0.0.0/8 to 192.168.1.1:443. */
static void make_frame(unsigned char frame[FRAME_BYTES], unsigned flow)
{
	static const unsigned char head[] = {
		2, 0,  0,    0,	   0, 2,    2,	0, 0, 0, 0,  1, 8, 0, 0x45, 0,
		0, 50, 0,    1,	   0, 0,    64, 6, 0, 0, 10, 0, 0, 1, 192,  168,
		1, 1,  0x9c, 0x40, 1, 0xbb, 0,	0, 0, 1, 0,  0, 0, 1, 0x50, 0x10,
	};
	memset(frame, 0, FRAME_BYTES);
	memcpy(frame, head, sizeof(head));
	frame[28] = (unsigned char)(flow >> 8);
	frame[29] = (unsigned char)flow;
	frame[34] = (unsigned char)(0x80 | flow >> 16);
}

static double run_once(int program, const unsigned char *frame, int repeat)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = FRAME_BYTES,
		    .repeat = repeat);
	if (bpf_prog_test_run_opts(program, &options) != 0) {
		fprintf(stderr, "BPF_PROG_TEST_RUN: %s\n", strerror(errno));
		exit(1);
	}
	return options.duration;
}

/* One packet again and again. */
static double same_packet(int program)
{
	unsigned char frame[FRAME_BYTES];
	make_frame(frame, 0);
	double best = 1e9;
	for (int i = 0; i < RUNS; i++) {
		const double now = run_once(program, frame, REPEAT);
		best = now < best ? now : best;
	}
	return best;
}

static int ignore(void *context, void *data, size_t size)
{
	(void)context;
	(void)data;
	(void)size;
	return 0;
}

/* Every packet of another flow, once each; the mean. `ring` is emptied in between. */
static double all_flows(int program, struct ring_buffer *ring)
{
	double sum = 0;
	for (unsigned flow = 0; flow < FLOWS; flow++) {
		unsigned char frame[FRAME_BYTES];
		make_frame(frame, flow * 40503U % FLOWS);
		sum += run_once(program, frame, 1);
		if (ring && flow % DRAIN_EVERY == 0)
			ring_buffer__consume(ring);
	}
	return sum / FLOWS;
}

static struct tap *load(void)
{
	struct tap *tap = tap__open();
	if (!tap)
		return NULL;
	tap->rodata->first_packets = 1;
	tap->rodata->silence_ns = UINT64_C(3600) * 1000000000;
	bpf_map__set_max_entries(tap->maps.flows, 2 * FLOWS);
	bpf_map__set_max_entries(tap->maps.records, 16 << 20);
	bpf_map__set_max_entries(tap->maps.unwanted4, 2 * UNWANTED_MAX);
	bpf_map__set_max_entries(tap->maps.unwanted6, 2 * UNWANTED_MAX);
	if (tap__load(tap) == 0)
		return tap;
	tap__destroy(tap);
	return NULL;
}

/* The packet's two networks and `count` - 2 others, as narrow as given. */
static void exclude(struct tap *tap, size_t count, unsigned bits)
{
	static struct ip_prefix prefixes[UNWANTED_MAX];
	for (size_t i = 0; i < count; i++) {
		char text[64];
		const int size = i == 0	  ? snprintf(text, sizeof(text), "10.0.0.0/%u", bits)
				 : i == 1 ? snprintf(text, sizeof(text), "192.168.1.0/%u", bits)
					  : snprintf(text, sizeof(text), "10.%zu.%zu.0/24", i / 250,
						     i % 250);
		ip_prefix_parse(text, (size_t)size, &prefixes[i]);
	}
	if (tap_exclusion_replace(&tap->bss->exclusion, bpf_map__fd(tap->maps.unwanted4),
				  bpf_map__fd(tap->maps.unwanted6), prefixes, count) != 0)
		fprintf(stderr, "exclusion: %s\n", strerror(errno));
}

static void print(const char *what, double ns, double floor_ns, double target_ns)
{
	printf("%-46s %7.1f ns %8.1f above the floor", what, ns, ns - floor_ns);
	if (target_ns > 0)
		printf("   target %.0f", target_ns);
	printf("\n");
}

int main(void)
{
	libbpf_set_print(NULL);
	struct probe *probe = probe__open_and_load();
	struct tap *tap = load();
	if (!probe || !tap) {
		printf("skipped: the kernel does not load BPF programs (%s)\n", strerror(errno));
		probe__destroy(probe);
		tap__destroy(tap);
		return 0;
	}
	const int floor = bpf_program__fd(probe->progs.probe_floor);
	const int program = bpf_program__fd(tap->progs.tap);
	struct ring_buffer *ring =
		ring_buffer__new(bpf_map__fd(tap->maps.records), ignore, NULL, NULL);

	const double same_floor = same_packet(floor);
	print("nothing", same_floor, same_floor, 0);
	print("parsed", same_packet(bpf_program__fd(probe->progs.probe_parse)), same_floor, 0);
	print("counted, one flow", same_packet(program), same_floor, 0);
	exclude(tap, 2, 16);
	print("excluded, 2 networks of /16", same_packet(program), same_floor, 15);
	exclude(tap, 2, 24);
	print("excluded, 2 networks of /24", same_packet(program), same_floor, 15);
	exclude(tap, UNWANTED_MAX, 24);
	print("excluded, 1,000 networks of /24", same_packet(program), same_floor, 15);
	exclude(tap, 0, 0);

	/* A call each, so the floor is that of a call, and its caches are cold. */
	const double each_floor = all_flows(floor, NULL);
	print("nothing, a call each", each_floor, each_floor, 0);
	print("new flow, 65,536 of them", all_flows(program, ring), each_floor, 250);
	print("counted, 65,536 flows", all_flows(program, ring), each_floor, 110);
	ring_buffer__free(ring);
	probe__destroy(probe);
	tap__destroy(tap);
	return 0;
}
