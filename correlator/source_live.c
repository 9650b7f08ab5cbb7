#include "correlator/source_live.h"

#include <errno.h>
#include <time.h>

#include "collector/base/log.h"

enum { NS_PER_SECOND = 1000000000 };

static const uint64_t watermark_step_ns = NS_PER_SECOND / 10;

/* On a silent interface: a packet received this long ago would have been handed over by now. */
static const uint64_t delivery_ns = NS_PER_SECOND;

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

/* Up to when everything was seen: the latest packet, or the clock's time when there is none. */
static uint64_t complete_ns(const struct packet *packets, int count)
{
	return count > 0 ? packets[count - 1].time_ns : wall_ns() - delivery_ns;
}

static void read_packets(struct source *source, struct live_source *self, struct tracker *tracker)
{
	struct packet packets[PACKET_BATCH];
	uint64_t told_ns = 0;
	while (!source_stopping(source)) {
		const int count = capture_live_next(self->capture, packets);
		if (count < 0) {
			self->error = -count;
			log_error("capture: the interface is gone");
			return;
		}
		const uint64_t now_ns = complete_ns(packets, count);
		tracker_packets(tracker, packets, (size_t)count);
		tracker_expire(tracker, now_ns);
		if (now_ns >= told_ns + watermark_step_ns) {
			told_ns = now_ns;
			source_push_watermark(source, now_ns);
			capture_live_count_drops(self->capture, self->counts_interface,
						 source_counters(source));
		}
		source_flush(source);
	}
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
	read_packets(source, self, tracker);
	capture_live_count_drops(self->capture, self->counts_interface, source_counters(source));
	tracker_finish(tracker);
	tracker_close(tracker);
}
