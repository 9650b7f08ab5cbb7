/* libpcap gives a block of its ring back to the kernel inside of the call that reads its last
 * packet, so a batch is copied out before it is used. The headers would have been read into the
 * cache anyway. */
#include "collector/packet/capture_live.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/base/hard.h"
#include "collector/packet/capture_fanout.h"

enum {
	SNAP_BYTES = 4096,
	RING_BYTES = HARD(32 << 20, 1 << 20),
	SNAP_BYTES_MAX = 256 * 1024,
	TAG_BYTES = 4,	    /* a VLAN tag that is put back may go past the snap length */
	BLOCK_FILL_MS = 10, /* a block of the ring that is not full is handed over after this */
	COPY_ALIGNMENT = 16,
	NS_PER_SECOND = 1000000000,
	LINKTYPE_RAW = 101,
};

struct capture_live {
	pcap_t *handle;
	int poll_descriptor;
	uint16_t link_type;
	uint16_t number; /* packet.capture */
	bool begun;	 /* no packet from before the group was complete can follow */
	uint64_t started_ns;
	uint32_t snap_bytes;
	uint32_t kernel_dropped; /* as libpcap counted last; wraps */
	uint32_t interface_dropped;
	struct packet *packets; /* the batch being filled */
	size_t packet_count;
	size_t copied_bytes;
	uint8_t *copies; /* PACKET_BATCH packets of the snap length */
};

static size_t aligned(size_t bytes)
{
	return (bytes + COPY_ALIGNMENT - 1) & ~(size_t)(COPY_ALIGNMENT - 1);
}

static size_t slot_bytes(const struct capture_live *capture)
{
	return aligned((size_t)capture->snap_bytes + TAG_BYTES);
}

static uint64_t wall_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* --- opening ---------------------------------------------------------------------------------- */

static int refuse(struct complaint *complaint, int error, const char *interface, const char *what,
		  const char *remedy)
{
	complain(complaint, "", 0, 0, "capture on %s: %s; %s", interface, what, remedy);
	return -error;
}

static int refuse_activation(pcap_t *handle, int status, const char *interface,
			     struct complaint *complaint)
{
	const char *detail = pcap_geterr(handle);
	switch (status) {
	case PCAP_ERROR_PERM_DENIED:
	case PCAP_ERROR_PROMISC_PERM_DENIED:
		return refuse(complaint, EPERM, interface, "not permitted",
			      "run as root, or give the binary CAP_NET_RAW: setcap cap_net_raw+ep");
	case PCAP_ERROR_NO_SUCH_DEVICE:
		return refuse(complaint, ENODEV, interface, "there is no such interface",
			      "`ip link` lists them");
	case PCAP_ERROR_IFACE_NOT_UP:
		return refuse(complaint, ENETDOWN, interface, "the interface is down",
			      "`ip link set INTERFACE up`");
	default:
		return refuse(complaint, EIO, interface,
			      *detail ? detail : pcap_statustostr(status), "`dmesg` may say more");
	}
}

static void set_options(pcap_t *handle, const struct capture_live_settings *settings,
			uint32_t snap_bytes)
{
	/* Cannot fail: the handle is not active, and the values are in range. No immediate mode: it
	   would do without TPACKET_V3. */
	pcap_set_snaplen(handle, (int)snap_bytes);
	pcap_set_promisc(handle, 1);
	pcap_set_timeout(handle, BLOCK_FILL_MS);
	pcap_set_buffer_size(handle,
			     (int)(settings->ring_bytes ? settings->ring_bytes : RING_BYTES));
	pcap_set_tstamp_precision(handle, PCAP_TSTAMP_PRECISION_NANO);
}

/* An empty filter is set too: it is what makes the kernel cut packets at the snap length. */
static int set_filter(struct capture_live *capture, const struct capture_live_settings *settings,
		      struct complaint *complaint)
{
	struct bpf_program program;
	const char *text = settings->filter ? settings->filter : "";
	if (pcap_compile(capture->handle, &program, text, 1, PCAP_NETMASK_UNKNOWN) != 0)
		return refuse(complaint, EINVAL, settings->interface, pcap_geterr(capture->handle),
			      "pcap-filter(7) describes the language");
	const int status = pcap_setfilter(capture->handle, &program);
	pcap_freecode(&program);
	if (status != 0)
		return refuse(complaint, EIO, settings->interface, pcap_geterr(capture->handle),
			      "try it without a filter");
	return 0;
}

static int activate(struct capture_live *capture, const struct capture_live_settings *settings,
		    struct complaint *complaint)
{
	char text[PCAP_ERRBUF_SIZE] = "";
	capture->handle = pcap_create(settings->interface, text);
	if (!capture->handle)
		return refuse(complaint, ENODEV, settings->interface, text, "`ip link` lists them");
	set_options(capture->handle, settings, capture->snap_bytes);
	const int status = pcap_activate(capture->handle);
	if (status < 0)
		return refuse_activation(capture->handle, status, settings->interface, complaint);
	const int link_type = pcap_datalink(capture->handle);
	capture->link_type = link_type == DLT_RAW ? LINKTYPE_RAW : (uint16_t)link_type;
	/* Else a silent interface would keep pcap_dispatch from returning. */
	if (pcap_setnonblock(capture->handle, 1, text) != 0)
		return refuse(complaint, EIO, settings->interface, text, "`dmesg` may say more");
	capture->poll_descriptor = pcap_get_selectable_fd(capture->handle);
	return set_filter(capture, settings, complaint);
}

static int open_one(const struct capture_live_settings *settings, struct complaint *complaint,
		    struct capture_live **out_capture)
{
	struct capture_live *capture = calloc(1, sizeof(*capture));
	if (!capture)
		return refuse(complaint, ENOMEM, settings->interface, "no memory", "free some");
	capture->number = settings->capture;
	capture->snap_bytes = settings->snap_bytes ? settings->snap_bytes : SNAP_BYTES;
	if (capture->snap_bytes > SNAP_BYTES_MAX)
		capture->snap_bytes = SNAP_BYTES_MAX;
	capture->copies = malloc(PACKET_BATCH * slot_bytes(capture));
	int status = capture->copies ? activate(capture, settings, complaint)
				     : refuse(complaint, ENOMEM, settings->interface, "no memory",
					      "choose a shorter snap length");
	if (status != 0) {
		capture_live_close(capture);
		return status;
	}
	*out_capture = capture;
	return 0;
}

static int open_all(const struct capture_live_settings *settings, size_t count,
		    struct capture_live **captures, struct complaint *complaint)
{
	int group = -1;
	for (size_t i = 0; i < count; i++) {
		int status = open_one(settings, complaint, &captures[i]);
		if (status != 0)
			return status;
		if (count == 1)
			continue;
		status = capture_fanout_join(pcap_fileno(captures[i]->handle), &group);
		if (status != 0)
			return refuse(complaint, -status, settings->interface,
				      "the kernel refuses to share it between threads",
				      "use one thread");
	}
	return 0;
}

int capture_live_open(const struct capture_live_settings *settings, size_t count,
		      struct capture_live **out_captures, struct complaint *complaint)
{
	struct capture_live *captures[CAPTURE_LIVE_HANDLES_MAX] = { NULL };
	if (count == 0 || count > CAPTURE_LIVE_HANDLES_MAX)
		return refuse(complaint, EINVAL, settings->interface, "too many threads",
			      "1 to 64 can share an interface");
	const int status = open_all(settings, count, captures, complaint);
	const uint64_t started_ns = wall_ns();
	for (size_t i = 0; i < count && captures[i]; i++) {
		if (status != 0) {
			capture_live_close(captures[i]);
			continue;
		}
		/* Until the last one joined, packets went to several handles. */
		captures[i]->started_ns = started_ns;
		out_captures[i] = captures[i];
	}
	return status;
}

void capture_live_close(struct capture_live *capture)
{
	if (!capture)
		return;
	if (capture->handle)
		pcap_close(capture->handle);
	free(capture->copies);
	free(capture);
}

/* --- reading ---------------------------------------------------------------------------------- */

static void take_packet(u_char *context, const struct pcap_pkthdr *header, const u_char *bytes)
{
	struct capture_live *capture = (struct capture_live *)(void *)context;
	/* Nanoseconds, as asked for, in a field named otherwise. */
	const uint64_t time_ns =
		(uint64_t)header->ts.tv_sec * NS_PER_SECOND + (uint64_t)header->ts.tv_usec;
	if (!capture->begun && time_ns < capture->started_ns)
		return;
	capture->begun = true;
	const size_t room = slot_bytes(capture);
	const uint32_t kept = header->caplen < room ? header->caplen : (uint32_t)room;
	uint8_t *copy = capture->copies + capture->copied_bytes;
	memcpy(copy, bytes, kept);
	capture->copied_bytes += aligned(kept);
	capture->packets[capture->packet_count++] = (struct packet){
		.time_ns = time_ns,
		.bytes = copy,
		.captured_bytes = kept,
		.wire_bytes = header->len,
		.link_type = capture->link_type,
		.capture = capture->number,
	};
}

static int dispatch(struct capture_live *capture, struct packet *packets)
{
	capture->packets = packets;
	capture->packet_count = 0;
	capture->copied_bytes = 0;
	const int status =
		pcap_dispatch(capture->handle, PACKET_BATCH, take_packet, (u_char *)capture);
	if (status == PCAP_ERROR)
		return -ENETDOWN;
	if (status == 0)
		capture->begun = true; /* the ring was empty */
	return (int)capture->packet_count;
}

int capture_live_next(struct capture_live *capture, struct packet packets[PACKET_BATCH])
{
	const int count = dispatch(capture, packets);
	if (count != 0)
		return count;
	struct pollfd wanted = { .fd = capture->poll_descriptor, .events = POLLIN };
	if (poll(&wanted, 1, CAPTURE_LIVE_WAIT_MS) <= 0)
		return 0;
	return dispatch(capture, packets);
}

void capture_live_count_drops(struct capture_live *capture, int with_interface,
			      struct counters *counters)
{
	struct pcap_stat now;
	if (pcap_stats(capture->handle, &now) != 0)
		return;
	/* 32-bit differences stay right when the totals wrap. */
	counter_add(counters, COUNTER_packets_dropped_kernel,
		    (uint32_t)(now.ps_drop - capture->kernel_dropped));
	capture->kernel_dropped = now.ps_drop;
	if (with_interface)
		counter_add(counters, COUNTER_packets_dropped_interface,
			    (uint32_t)(now.ps_ifdrop - capture->interface_dropped));
	capture->interface_dropped = now.ps_ifdrop;
}
