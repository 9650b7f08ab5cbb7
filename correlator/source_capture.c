#include "correlator/source_capture.h"

#include <errno.h>
#include <time.h>

#include "collector/base/log.h"

enum { NS_PER_SECOND = 1000000000 };

/* How far packet time moves between two watermarks. */
static const uint64_t watermark_step_ns = NS_PER_SECOND / 10;

static void push_flow(void *context, const struct flow_event *flow)
{
	source_push_flow(context, flow);
}

static void push_name(void *context, const struct wire_name *name)
{
	source_push_name(context, name);
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* Sleeps until as much real time has passed since `started_ns` as packet time since the first
 * packet. */
static void pace(const struct source *source, const struct capture_source *self,
		 uint64_t started_ns, uint64_t packet_ns)
{
	const struct timespec step = { .tv_nsec = NS_PER_SECOND / 1000 };
	while (packet_ns > self->first_ns && !source_stopping(source) &&
	       monotonic_ns() - started_ns < packet_ns - self->first_ns)
		nanosleep(&step, NULL);
}

static void read_packets(struct source *source, struct capture_source *self,
			 struct tracker *tracker)
{
	struct packet packets[PACKET_BATCH];
	const uint64_t started_ns = monotonic_ns();
	uint64_t told_ns = 0;
	for (size_t count;
	     !source_stopping(source) && (count = capture_next(self->capture, packets)) > 0;) {
		const uint64_t now_ns = packets[count - 1].time_ns;
		if (self->first_ns == 0)
			self->first_ns = packets[0].time_ns;
		if (self->real_time)
			pace(source, self, started_ns, now_ns);
		tracker_packets(tracker, packets, count);
		tracker_expire(tracker, now_ns);
		if (now_ns > self->last_ns)
			self->last_ns = now_ns;
		if (now_ns < told_ns + watermark_step_ns)
			continue;
		told_ns = now_ns;
		source_push_watermark(source, now_ns);
		source_flush(source);
		uint64_t done_bytes;
		uint64_t total_bytes;
		capture_progress(self->capture, &done_bytes, &total_bytes);
		source_progress(source, done_bytes, total_bytes);
	}
}

void capture_source_run(struct source *source, void *context)
{
	struct capture_source *self = context;
	const struct tracker_sink sink = { .context = source,
					   .flow = push_flow,
					   .name = push_name };
	struct tracker *tracker = tracker_open(&self->tracker, &sink, source_counters(source));
	if (!tracker) {
		self->error = errno;
		log_error("capture: no memory for the flow table; lower --max-flows");
		return;
	}
	source_await_events(source);
	read_packets(source, self, tracker);
	tracker_finish(tracker);
	tracker_close(tracker);
}
