#include "correlator/destination.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/hard.h"
#include "collector/base/log.h"

#define MS(milliseconds) ((uint64_t)(milliseconds)*1000000)

enum {
	QUEUE_BYTES_MAX = HARD(16 * 1024 * 1024, 16 * 1024), /* one message more may stand in it */
	SENDS_PER_TURN = 256,  /* then the other destinations have theirs */
	FRAME_PREFIX_MAX = 16, /* "1048576 " */
	RETRY_FIRST_MS = 100,  /* doubled each time, and half of it at random */
	RETRY_LAST_MS = 30 * 1000,
	CONNECT_TIMEOUT_MS = 10 * 1000, /* name, connection and TLS handshake together */
	STALL_TIMEOUT_MS = 60 * 1000,	/* nothing taken, nothing confirmed: connect again */
	CONFIRM_POLL_MS = 2,		/* nobody tells when bytes are confirmed */
	NAME_POLL_MS = 10,		/* nor when a name server answers */
};

/* A message as it goes out. */
struct frame {
	struct frame *next;
	uint64_t alert;
	bool ours; /* of this run: the ledger knows it */
	struct spool_place end;
	size_t size_bytes;
	char bytes[];
};

struct destination {
	struct output_url url;
	struct sink *sink;
	struct spool *spool; /* or NULL */
	struct ledger *ledger;
	struct counters *counters;
	uint64_t run;
	uint64_t give_up_ns;

	struct frame *head;   /* the oldest that is not done */
	struct frame *unsent; /* the first that the sink has not wholly; NULL = all sent */
	struct frame **tail;
	size_t queue_bytes;
	bool spool_unread;   /* the spool may hold more than the queue */
	size_t offset_bytes; /* of `unsent`, that the sink has */
	uint64_t lost_count; /* since the last word about it */

	bool ready;
	bool trying;		/* connect is under way since attempt_ns */
	bool blocked;		/* the sink said EAGAIN */
	bool complained;	/* the log knows that it is away */
	uint32_t failure_count; /* in a row */
	uint64_t random;
	uint64_t attempt_ns;
	uint64_t retry_ns;
	uint64_t progress_ns; /* when it last took or confirmed something, or had nothing to do */
	char error[256];
};

bool destination_open(const struct destination_settings *settings, struct complaint *complaint,
		      struct destination **out_destination)
{
	struct destination *destination = calloc(1, sizeof(*destination));
	if (!destination)
		return complain(complaint, NULL, 0, 0, "output %.200s: out of memory",
				settings->url.text);
	destination->url = settings->url;
	destination->ledger = settings->ledger;
	destination->counters = settings->counters;
	destination->run = settings->run;
	destination->random = settings->run | 1;
	destination->give_up_ns = settings->give_up_ns;
	destination->tail = &destination->head;
	const struct spool_settings spool = {
		.directory = settings->spool_directory,
		.max_bytes = settings->spool_max_bytes,
		.unsynced = settings->spool_unsynced,
	};
	if (!sink_open(&settings->url, complaint, &destination->sink) ||
	    (settings->spool_directory &&
	     !spool_open(&spool, settings->counters, complaint, &destination->spool))) {
		destination_close(destination);
		return false;
	}
	destination->spool_unread = destination->spool != NULL;
	*out_destination = destination;
	return true;
}

/* The oldest frame leaves the queue. */
static void drop_head(struct destination *destination)
{
	struct frame *frame = destination->head;
	destination->head = frame->next;
	if (!destination->head)
		destination->tail = &destination->head;
	if (destination->unsent == frame)
		destination->unsent = frame->next;
	destination->queue_bytes -= frame->size_bytes;
	free(frame);
}

void destination_close(struct destination *destination)
{
	if (!destination)
		return;
	while (destination->head) {
		if (!destination->spool) {
			ledger_settle(destination->ledger, destination->head->alert, false);
			destination->lost_count++;
		}
		drop_head(destination);
	}
	if (destination->lost_count)
		log_warnx("output %s: %" PRIu64 " alerts lost: %s", destination->url.text,
			  destination->lost_count,
			  destination->error[0] ? destination->error
						: "it did not take them in time");
	spool_close(destination->spool);
	if (destination->sink)
		destination->sink->operations->disconnect(destination->sink);
	sink_close(destination->sink);
	free(destination);
}

const struct output_url *destination_url(const struct destination *destination)
{
	return &destination->url;
}

const char *destination_error(const struct destination *destination)
{
	return destination->error;
}

/* --- the queue -------------------------------------------------------------------------------- */

static bool enqueue(struct destination *destination, uint64_t alert, bool ours,
		    struct spool_place end, const char *bytes, size_t size_bytes)
{
	struct frame *frame = malloc(sizeof(*frame) + FRAME_PREFIX_MAX + size_bytes + 1);
	if (!frame)
		return false;
	size_t size = 0;
	if (destination->url.framing == FRAMING_OCTETS)
		size = (size_t)snprintf(frame->bytes, FRAME_PREFIX_MAX, "%zu ", size_bytes);
	memcpy(frame->bytes + size, bytes, size_bytes);
	size += size_bytes;
	if (destination->url.framing == FRAMING_LINE)
		frame->bytes[size++] = '\n';
	frame->next = NULL;
	frame->alert = alert;
	frame->ours = ours;
	frame->end = end;
	frame->size_bytes = size;
	*destination->tail = frame;
	destination->tail = &frame->next;
	destination->queue_bytes += size;
	if (!destination->unsent)
		destination->unsent = frame;
	return true;
}

/* Reads on in the spool while there is room. */
static void refill(struct destination *destination)
{
	struct spool_record record;
	while (destination->spool_unread && destination->queue_bytes < QUEUE_BYTES_MAX) {
		destination->spool_unread = spool_next(destination->spool, &record);
		if (destination->spool_unread &&
		    !enqueue(destination, record.alert, record.run == destination->run, record.end,
			     record.bytes, record.size_bytes))
			return; /* out of memory: it stays on disk, for the next start */
	}
}

bool destination_has_room(struct destination *destination, uint64_t now_ns)
{
	if (destination->spool || destination->queue_bytes < QUEUE_BYTES_MAX)
		return true;
	return now_ns - destination->progress_ns > destination->give_up_ns;
}

void destination_push(struct destination *destination, uint64_t alert, const char *bytes,
		      size_t size_bytes)
{
	bool kept = false;
	if (size_bytes > 0 && destination->spool) {
		kept = spool_append(destination->spool, destination->run, alert, bytes, size_bytes);
		destination->spool_unread = true;
	}
	if (size_bytes > 0 && !destination->spool && destination->queue_bytes < QUEUE_BYTES_MAX)
		kept = enqueue(destination, alert, true, (struct spool_place){ 0 }, bytes,
			       size_bytes);
	if (kept)
		return;
	destination->lost_count++;
	ledger_settle(destination->ledger, alert, false);
}

/* --- sending ---------------------------------------------------------------------------------- */

/* Half to the whole of the delay: receivers that come back are not met by everybody at once. */
static uint64_t with_jitter(struct destination *destination, uint64_t delay_ns)
{
	destination->random ^= destination->random << 13; /* xorshift64 (Marsaglia, 2003) */
	destination->random ^= destination->random >> 7;
	destination->random ^= destination->random << 17;
	return delay_ns / 2 + destination->random % (delay_ns / 2 + 1);
}

/* The connection is no more: everything unconfirmed goes out again on the next one. */
static void fail(struct destination *destination, int error, uint64_t now_ns)
{
	struct sink *sink = destination->sink;
	snprintf(destination->error, sizeof(destination->error), "%s",
		 sink->error[0] ? sink->error : strerror(-error));
	sink->error[0] = '\0';
	sink->operations->disconnect(sink);
	if (!sink->resumes) {
		destination->unsent = destination->head;
		destination->offset_bytes = 0;
	}
	destination->ready = false;
	destination->trying = false;
	destination->blocked = false;
	counter_add(destination->counters, COUNTER_output_connections_failed, 1);

	uint64_t delay_ns = MS(RETRY_FIRST_MS);
	for (uint32_t i = 0; i < destination->failure_count && delay_ns < MS(RETRY_LAST_MS); i++)
		delay_ns *= 2;
	if (delay_ns > MS(RETRY_LAST_MS))
		delay_ns = MS(RETRY_LAST_MS);
	destination->failure_count++;
	destination->retry_ns = now_ns + with_jitter(destination, delay_ns);
	if (destination->complained)
		return;
	destination->complained = true;
	log_warnx("output %s: %s; trying again", destination->url.text, destination->error);
}

/* True when the sink is ready to send. */
static bool get_ready(struct destination *destination, uint64_t now_ns)
{
	if (destination->ready)
		return true;
	if (now_ns < destination->retry_ns)
		return false;
	if (!destination->trying)
		destination->attempt_ns = now_ns;
	destination->trying = true;
	const int result = destination->sink->operations->connect(destination->sink);
	if (result < 0)
		fail(destination, result, now_ns);
	else if (result == 0 && now_ns - destination->attempt_ns > MS(CONNECT_TIMEOUT_MS))
		fail(destination, -ETIMEDOUT, now_ns);
	destination->ready = result == 1;
	if (destination->ready)
		destination->trying = false;
	return destination->ready;
}

/* It took something: it is well. */
static void progress(struct destination *destination, uint64_t now_ns)
{
	destination->progress_ns = now_ns;
	destination->failure_count = 0;
	destination->error[0] = '\0';
	if (destination->complained)
		log_warnx("output %s: delivering again", destination->url.text);
	destination->complained = false;
}

/* The head is done with: taken, or too large for ever. */
static void finish_head(struct destination *destination, bool taken)
{
	const struct frame *frame = destination->head;
	if (destination->spool)
		spool_release(destination->spool, frame->end);
	if (frame->ours)
		ledger_settle(destination->ledger, frame->alert, taken);
	else
		counter_add(destination->counters, COUNTER_output_spool_resent, 1);
	if (taken)
		counter_add(destination->counters, COUNTER_output_messages_sent, 1);
	else
		destination->lost_count++;
	drop_head(destination);
}

/* Everything sent is done once the other side has all of it. */
static bool confirm(struct destination *destination, uint64_t now_ns)
{
	struct sink *sink = destination->sink;
	if (destination->head == destination->unsent || sink->operations->unconfirmed(sink))
		return false;
	while (destination->head && destination->head != destination->unsent)
		finish_head(destination, true);
	progress(destination, now_ns);
	return true;
}

/* One call of the sink. False: not now. */
static bool send_some(struct destination *destination, uint64_t now_ns)
{
	struct frame *frame = destination->unsent;
	const ssize_t size = destination->sink->operations->send(
		destination->sink, frame->bytes + destination->offset_bytes,
		frame->size_bytes - destination->offset_bytes);
	destination->blocked = size == -EAGAIN;
	if (size ==
	    -EMSGSIZE) { /* never will; nothing before it is open, datagrams are done at once */
		confirm(destination, now_ns);
		if (destination->head == frame)
			finish_head(destination, false);
		return true;
	}
	if (size < 0) {
		if (size != -EAGAIN)
			fail(destination, (int)size, now_ns);
		return false;
	}
	destination->offset_bytes += (size_t)size;
	if (destination->offset_bytes == frame->size_bytes) {
		destination->unsent = frame->next;
		destination->offset_bytes = 0;
	}
	destination->progress_ns = now_ns;
	return true;
}

bool destination_advance(struct destination *destination, uint64_t now_ns)
{
	if (destination->spool)
		spool_sync(destination->spool);
	refill(destination);
	if (!destination->head) {
		destination->progress_ns = now_ns;
		if (!destination->ready)
			return false;
	}
	if (!get_ready(destination, now_ns))
		return false;
	const int gone = destination->offset_bytes && destination->sink->resumes
				 ? 0
				 : destination->sink->operations->check(destination->sink);
	if (gone < 0) {
		fail(destination, gone, now_ns);
		return false;
	}
	bool moved = false;
	for (int i = 0; i < SENDS_PER_TURN && destination->unsent; i++) {
		if (!send_some(destination, now_ns))
			break;
		moved = true;
	}
	if (destination->ready)
		moved |= confirm(destination, now_ns);
	if (destination->ready && destination->head &&
	    now_ns - destination->progress_ns > MS(STALL_TIMEOUT_MS))
		fail(destination, -ETIMEDOUT, now_ns);
	return moved;
}

bool destination_is_idle(const struct destination *destination)
{
	return !destination->head && !destination->spool_unread;
}

bool destination_gave_up(const struct destination *destination, uint64_t since_ns, uint64_t now_ns)
{
	const uint64_t last_ns =
		destination->progress_ns > since_ns ? destination->progress_ns : since_ns;
	return now_ns - last_ns > destination->give_up_ns;
}

static void at_most(uint64_t *wait_ns, uint64_t limit_ns)
{
	if (*wait_ns > limit_ns)
		*wait_ns = limit_ns;
}

struct pollfd destination_wait(const struct destination *destination, uint64_t now_ns,
			       uint64_t *wait_ns)
{
	struct sink *sink = destination->sink;
	if (!destination->ready && !destination->trying) {
		if (destination->head)
			at_most(wait_ns, destination->retry_ns > now_ns
						 ? destination->retry_ns - now_ns
						 : 0);
		return (struct pollfd){ .fd = -1 };
	}
	if (destination->trying)
		at_most(wait_ns, MS(NAME_POLL_MS));
	else if (destination->head && !destination->unsent)
		at_most(wait_ns, MS(CONFIRM_POLL_MS));
	else if (destination->unsent && !destination->blocked)
		at_most(wait_ns, 0);
	return sink->operations->wait(sink, destination->blocked);
}
