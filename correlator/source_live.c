#include "correlator/source_live.h"

#include <errno.h>
#include <time.h>

#include "collector/base/log.h"

enum { NS_PER_SECOND = 1000000000 };

static const uint64_t watermark_step_ns = NS_PER_SECOND / 10;

/* On a silent interface: a packet received this long ago would have been handed over by now. */
static const uint64_t delivery_ns = NS_PER_SECOND;

/* The kernel half wakes nobody: that would cost 6 us a record. */
static const struct timespec kernel_nap = { .tv_nsec = NS_PER_SECOND / 1000 };

static void push_flow(void *context, const struct flow_event *flow)
{
	source_push_flow(context, flow);
}

static void push_name(void *context, const struct wire_name *name)
{
	source_push_name(context, name);
}

static uint64_t wall_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* Tells how far it is; not more often than every watermark_step_ns. */
static void tell_time(struct source *source, uint64_t now_ns, uint64_t *told_ns)
{
	if (now_ns < *told_ns + watermark_step_ns)
		return;
	*told_ns = now_ns;
	source_push_watermark(source, now_ns);
}

static void read_packets(struct source *source, struct live_source *self, struct tracker *tracker)
{
	struct packet packets[PACKET_BATCH];
	struct counters *counters = source_counters(source);
	uint64_t told_ns = 0;
	while (!source_stopping(source)) {
		const int count = capture_live_next(self->capture, packets);
		if (count < 0) {
			self->error = -count;
			log_errorx("capture: the interface is gone");
			break;
		}
		/* Up to when everything was seen. */
		const uint64_t now_ns =
			count > 0 ? packets[count - 1].time_ns : wall_ns() - delivery_ns;
		tracker_packets(tracker, packets, (size_t)count);
		tracker_expire(tracker, now_ns);
		tell_time(source, now_ns, &told_ns);
		source_flush(source);
		if (count < PACKET_BATCH)
			capture_live_count_drops(self->capture, self->counts_interface, counters);
	}
	capture_live_count_drops(self->capture, self->counts_interface, counters);
}

static void poll_kernel(struct source *source, struct live_source *self, struct tracker *tracker)
{
	struct counters *counters = source_counters(source);
	uint64_t told_ns = 0;
	while (!source_stopping(source)) {
		const size_t crossed = capture_xdp_poll(self->kernel, tracker, counters, 0);
		const uint64_t now_ns = wall_ns() - delivery_ns;
		tracker_expire(tracker, now_ns);
		tell_time(source, now_ns, &told_ns);
		source_flush(source);
		if (crossed == 0)
			nanosleep(&kernel_nap, NULL);
	}
	capture_xdp_detach(self->kernel);
	capture_xdp_poll(self->kernel, tracker, counters, 1);
}

void live_source_run(struct source *source, void *context)
{
	struct live_source *self = context;
	const struct tracker_sink sink = { .context = source,
					   .flow = push_flow,
					   .name = push_name };
	struct tracker *tracker = tracker_open(&self->tracker, &sink, source_counters(source));
	if (!tracker) {
		self->error = errno;
		log_error("capture: no memory for the flow table; lower its size");
		return;
	}
	if (self->kernel)
		poll_kernel(source, self, tracker);
	else
		read_packets(source, self, tracker);
	tracker_finish(tracker);
	tracker_close(tracker);
}
