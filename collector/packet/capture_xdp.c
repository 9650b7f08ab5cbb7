/* Order is everything: a sweep first copies the kernel's counts, then empties the ring, then takes
 * the counts. So whatever crossed before the copy was made is in the tracker before the counts are,
 * and what crossed later has taken the smaller counts along, which the ledger knows to ignore
 * afterwards. */
#include "collector/packet/capture_xdp.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bpf/tap_exclusion.h"
#include "bpf/tap_ledger.h"
#include "bpf/tap_record.h"
#include "collector/base/hard.h"

#include "bpf/tap.skel.h" /* made by the Makefile; wants the types of tap_record.h */

enum {
	MAX_FLOWS = HARD(1 << 17, 16),
	RING_BYTES = HARD(16 << 20, 1 << 18),
	MAX_UNWANTED = 1024,
	SWEEP_FLOWS = 4096,  /* read from the kernel in one call */
	FORGET_SILENCES = 4, /* an entry silent for this many silences is removed */
	LINKTYPE_ETHERNET = 1,
	NS_PER_SECOND = 1000000000,
};

static const uint64_t sweep_every_ns = (uint64_t)CAPTURE_XDP_SWEEP_MS * 1000000;
static const uint64_t default_silence_ns = NS_PER_SECOND;

struct swept {
	struct tap_flow_key *keys;
	struct tap_flow *flows;
	size_t count;
	size_t room;
};

struct capture_xdp {
	struct tap *skeleton;
	struct ring_buffer *ring;
	struct tap_ledger *ledger;
	struct tap_counts *cpu_counts; /* as read, one per possible CPU */
	struct swept swept;
	struct tap_counts known; /* what the counters already have */
	int cpu_count;
	int link; /* -1: detached */
	uint16_t number;
	uint64_t silence_ns;
	uint64_t swept_ns;	 /* TAI */
	int64_t tai_ahead_ns;	 /* of Unix time */
	struct tracker *tracker; /* during a poll */
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* Whole seconds, so reading two clocks one after the other does no harm. */
static int64_t tai_ahead_ns(void)
{
	const int64_t ahead_ns = (int64_t)(clock_ns(CLOCK_TAI) - clock_ns(CLOCK_REALTIME));
	return (ahead_ns + NS_PER_SECOND / 2) / NS_PER_SECOND * NS_PER_SECOND;
}

/* --- opening ---------------------------------------------------------------------------------- */

static int refuse(struct complaint *complaint, int status, const char *interface)
{
	const char *remedy = "the pcap backend works without it";
	if (status == -EPERM || status == -EACCES)
		remedy = "needs root, or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON";
	else if (status == -EBUSY || status == -EEXIST)
		remedy = "another XDP program is attached; `ip link set INTERFACE xdp off` "
			 "removes it";
	else if (status == -ENODEV)
		remedy = "`ip link` lists the interfaces";
	else if (status == -EOPNOTSUPP)
		remedy = "the driver cannot; the generic mode or the pcap backend can";
	complain(complaint, "", 0, 0, "kernel tap on %s: %s; %s", interface, strerror(-status),
		 remedy);
	return status == -EACCES ? -EPERM : status == -EEXIST ? -EBUSY : status;
}

static uint32_t or_default(uint32_t setting, uint32_t value)
{
	return setting ? setting : value;
}

/* The kernel wants powers of two, of whole pages. */
static uint32_t ring_size(uint32_t wanted_bytes)
{
	uint32_t bytes = (uint32_t)sysconf(_SC_PAGESIZE);
	while (bytes < wanted_bytes && bytes < 1U << 30)
		bytes *= 2;
	return bytes;
}

static int load(struct capture_xdp *capture, const struct capture_xdp_settings *settings,
		uint32_t max_flows)
{
	struct tap *skeleton = capture->skeleton = tap__open();
	if (!skeleton)
		return -errno;
	const uint32_t first = or_default(settings->first_packets, CAPTURE_XDP_NAMED_PACKETS);
	/* Both generations while one replaces the other. */
	const uint32_t unwanted = 2 * or_default(settings->max_unwanted, MAX_UNWANTED);
	skeleton->rodata->first_packets = first;
	skeleton->rodata->kept_bytes =
		first == CAPTURE_XDP_FLOW_PACKETS ? TAP_SMALL_BYTES : TAP_LARGE_BYTES;
	skeleton->rodata->vlan_in_key = settings->vlan_in_key != 0;
	skeleton->rodata->silence_ns = capture->silence_ns;
	bpf_map__set_max_entries(skeleton->maps.flows, max_flows);
	bpf_map__set_max_entries(skeleton->maps.records,
				 ring_size(or_default(settings->ring_bytes, RING_BYTES)));
	bpf_map__set_max_entries(skeleton->maps.unwanted4, unwanted);
	bpf_map__set_max_entries(skeleton->maps.unwanted6, unwanted);
	return tap__load(skeleton);
}

/* A link, because the program then goes with the process, however that ends. */
static int attach(struct capture_xdp *capture, const struct capture_xdp_settings *settings)
{
	static const uint32_t flags[][2] = {
		[CAPTURE_XDP_ANY] = { XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE },
		[CAPTURE_XDP_NATIVE] = { XDP_FLAGS_DRV_MODE, 0 },
		[CAPTURE_XDP_GENERIC] = { XDP_FLAGS_SKB_MODE, 0 },
	};
	const int interface = (int)if_nametoindex(settings->interface);
	if (interface == 0)
		return -ENODEV;
	int status = -EINVAL;
	for (size_t i = 0; i < 2 && flags[settings->mode][i]; i++) {
		LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags[settings->mode][i]);
		status = bpf_link_create(bpf_program__fd(capture->skeleton->progs.tap), interface,
					 BPF_XDP, &options);
		if (status >= 0) {
			capture->link = status;
			return 0;
		}
		if (status != -EOPNOTSUPP && status != -ERANGE)
			return status;
	}
	return status;
}

static int take_record(void *context, void *data, size_t size_bytes);

static int prepare(struct capture_xdp *capture, const struct capture_xdp_settings *settings)
{
	const uint32_t max_flows = or_default(settings->max_flows, MAX_FLOWS);
	capture->cpu_count = libbpf_num_possible_cpus();
	if (capture->cpu_count <= 0)
		return -EIO;
	int status = load(capture, settings, max_flows);
	if (status != 0)
		return status;
	capture->cpu_counts = calloc((size_t)capture->cpu_count, sizeof(struct tap_counts));
	capture->swept.room = (size_t)max_flows + SWEEP_FLOWS;
	capture->swept.keys = calloc(capture->swept.room, sizeof(*capture->swept.keys));
	capture->swept.flows = calloc(capture->swept.room, sizeof(*capture->swept.flows));
	capture->ledger = tap_ledger_open(max_flows);
	if (!capture->cpu_counts || !capture->swept.keys || !capture->swept.flows ||
	    !capture->ledger)
		return -ENOMEM;
	capture->ring = ring_buffer__new(bpf_map__fd(capture->skeleton->maps.records), take_record,
					 capture, NULL);
	return capture->ring ? attach(capture, settings) : -errno;
}

int capture_xdp_open(const struct capture_xdp_settings *settings, struct capture_xdp **out_capture,
		     struct complaint *complaint)
{
	struct capture_xdp *capture = calloc(1, sizeof(*capture));
	if (!capture)
		return refuse(complaint, -ENOMEM, settings->interface);
	libbpf_set_print(NULL); /* the complaint says it */
	capture->link = -1;
	capture->number = settings->capture;
	capture->silence_ns = settings->silence_ns ? settings->silence_ns : default_silence_ns;
	capture->tai_ahead_ns = tai_ahead_ns();
	const int status = prepare(capture, settings);
	if (status != 0) {
		capture_xdp_close(capture);
		return refuse(complaint, status, settings->interface);
	}
	*out_capture = capture;
	return 0;
}

void capture_xdp_detach(struct capture_xdp *capture)
{
	if (capture->link >= 0)
		close(capture->link);
	capture->link = -1;
}

void capture_xdp_close(struct capture_xdp *capture)
{
	if (!capture)
		return;
	capture_xdp_detach(capture);
	ring_buffer__free(capture->ring);
	tap__destroy(capture->skeleton);
	tap_ledger_close(capture->ledger);
	free(capture->cpu_counts);
	free(capture->swept.keys);
	free(capture->swept.flows);
	free(capture);
}

int capture_xdp_exclude(struct capture_xdp *capture, const struct ip_prefix *prefixes, size_t count)
{
	return tap_exclusion_replace(
		&capture->skeleton->bss->exclusion, bpf_map__fd(capture->skeleton->maps.unwanted4),
		bpf_map__fd(capture->skeleton->maps.unwanted6), prefixes, count);
}

/* --- reading ---------------------------------------------------------------------------------- */

static uint64_t unix_ns(const struct capture_xdp *capture, uint64_t tai_ns)
{
	return tai_ns - (uint64_t)capture->tai_ahead_ns;
}

/* Hands on what is new in these counts. */
static void take_counts(struct capture_xdp *capture, const struct tap_flow_key *key,
			const struct tap_flow *flow)
{
	struct tracker_count count = {
		.capture = capture->number,
		.tcp_flags = (uint8_t)flow->tcp_flags,
		.last_ns = unix_ns(capture, flow->last_ns),
		.ends = { .source_port = key->source_port,
			  .destination_port = key->destination_port,
			  .ip_protocol = key->ip_protocol },
	};
	if (!tap_ledger_take(capture->ledger, key, flow, &count.packet_count, &count.ip_bytes))
		return;
	memcpy(&count.ends.source, key->source, sizeof(count.ends.source));
	memcpy(&count.ends.destination, key->destination, sizeof(count.ends.destination));
	memcpy(count.vlan_ids, key->vlan_ids, sizeof(count.vlan_ids));
	tracker_counted(capture->tracker, &count);
}

static struct tap_flow_key reverse_of(const struct tap_flow_key *key)
{
	struct tap_flow_key reverse = *key;
	memcpy(reverse.source, key->destination, sizeof(reverse.source));
	memcpy(reverse.destination, key->source, sizeof(reverse.destination));
	reverse.source_port = key->destination_port;
	reverse.destination_port = key->source_port;
	return reverse;
}

static int take_record(void *context, void *data, size_t size_bytes)
{
	struct capture_xdp *capture = context;
	const struct tap_record *record = data;
	if (size_bytes < sizeof(*record))
		return 0; /* not ours */
	if (record->before.born_ns)
		take_counts(capture, &record->key, &record->before);
	if (record->reverse.born_ns) {
		const struct tap_flow_key reverse = reverse_of(&record->key);
		take_counts(capture, &reverse, &record->reverse);
	}
	const struct packet packet = {
		.time_ns = unix_ns(capture, record->time_ns),
		.bytes = record->bytes,
		.captured_bytes = record->captured_bytes,
		.wire_bytes = record->wire_bytes,
		.link_type = LINKTYPE_ETHERNET,
		.capture = capture->number,
	};
	tracker_packets(capture->tracker, &packet, 1);
	return 0;
}

/* Copies the kernel's table. It changes meanwhile, so an entry may be seen twice or, in one sweep,
 * not at all: neither does harm. */
static void copy_flows(struct capture_xdp *capture)
{
	struct swept *swept = &capture->swept;
	const int map = bpf_map__fd(capture->skeleton->maps.flows);
	uint32_t cursor = 0;
	bool has_cursor = false;
	swept->count = 0;
	while (swept->count < swept->room) {
		uint32_t count = SWEEP_FLOWS;
		if (count > swept->room - swept->count)
			count = (uint32_t)(swept->room - swept->count);
		const int status = bpf_map_lookup_batch(map, has_cursor ? &cursor : NULL, &cursor,
							swept->keys + swept->count,
							swept->flows + swept->count, &count, NULL);
		if (status != 0 && status != -ENOENT)
			return;
		swept->count += count;
		has_cursor = true;
		if (status == -ENOENT)
			return;
	}
}

static void take_swept(struct capture_xdp *capture)
{
	const int map = bpf_map__fd(capture->skeleton->maps.flows);
	const uint64_t forget_ns = FORGET_SILENCES * capture->silence_ns;
	tap_ledger_turn(capture->ledger);
	for (size_t i = 0; i < capture->swept.count; i++) {
		const struct tap_flow *flow = &capture->swept.flows[i];
		const struct tap_flow_key *key = &capture->swept.keys[i];
		take_counts(capture, key, flow);
		/* The kernel would let its next packet cross anyway, so nothing is being counted.
		 */
		if (capture->swept_ns > flow->last_ns &&
		    capture->swept_ns - flow->last_ns > forget_ns &&
		    bpf_map_delete_elem(map, key) == 0)
			tap_ledger_retire(capture->ledger, key);
	}
}

/* What the kernel half neither handed over nor counted in a flow. */
static void add_counts(struct capture_xdp *capture, struct counters *counters)
{
	const uint32_t zero = 0;
	struct tap_counts now = { 0 };
	if (bpf_map_lookup_elem(bpf_map__fd(capture->skeleton->maps.counts), &zero,
				capture->cpu_counts) != 0)
		return;
	for (int i = 0; i < capture->cpu_count; i++) {
		now.seen_bytes += capture->cpu_counts[i].seen_bytes;
		now.excluded += capture->cpu_counts[i].excluded;
		now.lost += capture->cpu_counts[i].lost;
	}
	const uint64_t excluded = now.excluded - capture->known.excluded;
	counter_add(counters, COUNTER_packets_seen, excluded);
	counter_add(counters, COUNTER_packets_excluded, excluded);
	counter_add(counters, COUNTER_packets_dropped_kernel, now.lost - capture->known.lost);
	capture->known = now;
}

size_t capture_xdp_poll(struct capture_xdp *capture, struct tracker *tracker,
			struct counters *counters, int sweep)
{
	const uint64_t now_ns = clock_ns(CLOCK_TAI);
	const bool due = sweep || now_ns - capture->swept_ns >= sweep_every_ns;
	capture->tracker = tracker;
	if (due) {
		capture->swept_ns = now_ns;
		capture->tai_ahead_ns = tai_ahead_ns();
		copy_flows(capture);
	}
	const int crossed = ring_buffer__consume(capture->ring);
	if (due) {
		take_swept(capture);
		add_counts(capture, counters);
	}
	return crossed > 0 ? (size_t)crossed : 0;
}
