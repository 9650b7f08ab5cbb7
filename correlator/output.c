#include "correlator/output.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "collector/base/hard.h"
#include "collector/base/hash.h"
#include "collector/base/log.h"
#include "collector/base/ring.h"
#include "correlator/destination.h"
#include "correlator/format.h"

enum {
	RING_BYTES = HARD(4 * 1024 * 1024, 8192),
	DESTINATIONS_MAX = 64,
	HOST_NAME_BYTES = 256,
	IDLE_WAIT_MS = 500,
	ALERTS_PER_TURN = 64, /* then the destinations have theirs */
};

#define NS_PER_MS 1000000ULL
static const uint64_t give_up_default_ns = 5000 * NS_PER_MS;
static const uint64_t spool_default_bytes = 256ULL * 1024 * 1024;

/* What stands in the ring: a packed alert, or a pointer to one that is too large for a ring. */
struct letter {
	void *outside; /* malloc'ed; NULL = the alert follows */
};

struct output { /* NOLINT(clang-analyzer-optin.performance.Padding): one per process */
	struct counters counters; /* the output thread's; first, because it is aligned to a line */
	struct ring *ring;
	int wake_fd; /* eventfd: the thread sleeps in poll, not in a nap */
	bool has_thread;
	bool is_live; /* the clock may show in the bytes */
	pthread_t thread;

	/* The output thread's own from here on. */
	struct ledger *ledger;
	struct destination *destinations[DESTINATIONS_MAX];
	uint64_t sequence_ids[DESTINATIONS_MAX];
	size_t destination_count;
	struct format_context context;
	struct facts facts;
	uint64_t finished_ns; /* when the last alert came; 0 = more may come */
	char host_name[HOST_NAME_BYTES];
	char message[MESSAGE_SIZE_MAX];
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* --- the output thread ------------------------------------------------------------------------ */

static void deliver(struct output *output, const struct alert *alert)
{
	const uint64_t number = ledger_add(output->ledger, (uint16_t)output->destination_count);
	if (number == UINT64_MAX)
		return; /* counted there */
	struct format_context *context = &output->context;
	if (output->is_live) {
		struct timex state = { .modes = 0 };
		context->now_ns = clock_ns(CLOCK_REALTIME);
		context->clock_is_synced = adjtimex(&state) != TIME_ERROR;
	}
	for (size_t i = 0; i < output->destination_count; i++) {
		const struct output_url *url = destination_url(output->destinations[i]);
		bool truncated = false;
		context->facility = url->facility;
		context->max_size = url->max_size;
		context->syslog_header = output_url_is_syslog(url);
		context->sequence_id = ++output->sequence_ids[i];
		const size_t size =
			format_function(url->format)(context, alert, output->message, &truncated);
		counter_add(&output->counters, COUNTER_output_messages_truncated, truncated);
		destination_push(output->destinations[i], number, output->message, size);
	}
}

static bool all_have_room(struct output *output, uint64_t now_ns)
{
	for (size_t i = 0; i < output->destination_count; i++)
		if (!destination_has_room(output->destinations[i], now_ns))
			return false;
	return true;
}

/* Formats and hands out what the ring holds, while every destination has room. */
static bool take_alerts(struct output *output, uint64_t now_ns)
{
	bool moved = false;
	for (int i = 0; i < ALERTS_PER_TURN && all_have_room(output, now_ns); i++) {
		size_t size;
		const struct letter *letter = ring_next(output->ring, &size);
		if (!letter)
			break;
		struct alert alert;
		alert_unpack(letter->outside ? letter->outside : letter + 1, &alert);
		deliver(output, &alert);
		free(letter->outside);
		ring_release(output->ring);
		moved = true;
	}
	return moved;
}

static bool advance_all(struct output *output, uint64_t now_ns)
{
	bool moved = false;
	for (size_t i = 0; i < output->destination_count; i++)
		moved |= destination_advance(output->destinations[i], now_ns);
	return moved;
}

/* The ring is at its end, and every destination is done or hopeless. */
static bool is_over(struct output *output, uint64_t now_ns)
{
	if (!ring_drained(output->ring))
		return false;
	if (!output->finished_ns)
		output->finished_ns = now_ns;
	for (size_t i = 0; i < output->destination_count; i++)
		if (!destination_is_idle(output->destinations[i]) &&
		    !destination_gave_up(output->destinations[i], output->finished_ns, now_ns))
			return false;
	return true;
}

/* Sleeps until an alert comes, a socket can go on, or a destination wants to try again. */
static void wait_for_work(struct output *output, uint64_t now_ns)
{
	struct pollfd polls[DESTINATIONS_MAX + 1];
	uint64_t wait_ns = IDLE_WAIT_MS * NS_PER_MS;
	if (output->finished_ns)
		wait_ns = 20 * NS_PER_MS; /* somebody may give up any time now */
	for (size_t i = 0; i < output->destination_count; i++)
		polls[i] = destination_wait(output->destinations[i], now_ns, &wait_ns);
	polls[output->destination_count] =
		(struct pollfd){ .fd = output->wake_fd, .events = POLLIN };
	const int wait_ms = (int)((wait_ns + NS_PER_MS - 1) / NS_PER_MS);
	poll(polls, output->destination_count + 1, wait_ms);
	uint64_t count;
	const ssize_t size = read(output->wake_fd, &count, sizeof(count));
	(void)size; /* nothing to read is fine too */
}

static void *run(void *argument)
{
	struct output *output = argument;
	for (;;) {
		const uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
		bool moved = advance_all(output, now_ns);
		moved |= take_alerts(output, now_ns);
		if (is_over(output, now_ns))
			return NULL;
		if (!moved)
			wait_for_work(output, now_ns);
	}
}

/* --- the correlator's side -------------------------------------------------------------------- */

static void wake(const struct output *output)
{
	const uint64_t one = 1;
	const ssize_t size = write(output->wake_fd, &one, sizeof(one));
	(void)size; /* a full counter wakes as well */
}

void output_alert(struct output *output, const struct alert *alert)
{
	const size_t packed_bytes = alert_packed_bytes(alert);
	struct letter *letter;
	void *outside = NULL;
	size_t size = sizeof(*letter) + packed_bytes;
	if (size > ring_record_max(output->ring)) {
		while (!(outside = malloc(packed_bytes)))
			ring_nap(); /* memory comes back as the output thread gets on */
		size = sizeof(*letter);
	}
	while (!(letter = ring_reserve(output->ring, size)))
		ring_nap();
	letter->outside = outside;
	alert_pack(alert, outside ? outside : letter + 1);
	ring_commit(output->ring);
	wake(output);
}

const struct counters *output_counters(const struct output *output)
{
	return &output->counters;
}

/* --- opening and closing ---------------------------------------------------------------------- */

static void free_output(struct output *output)
{
	for (size_t i = 0; i < output->destination_count; i++)
		destination_close(output->destinations[i]);
	ledger_close(output->ledger);
	ring_close(output->ring);
	if (output->wake_fd >= 0)
		close(output->wake_fd);
}

/* Spool directories are named by what they are for, so that a restart finds its own. */
static bool spool_directory(const char *parent, const struct output_url *url,
			    struct complaint *complaint, char *out, size_t size)
{
	static const struct hash_seed seed = { { 0x73706f6f6c, 0x6f7574707574 } };
	char name[URL_VALUE_MAX + 64];
	const int length = snprintf(name, sizeof(name), "%d %s %u %s", (int)url->sink, url->target,
				    url->port, format_name(url->format));
	if (mkdir(parent, 0700) != 0 && errno != EEXIST)
		return complain(complaint, NULL, 0, 0, "output spool %.200s: %s", parent,
				strerror(errno));
	snprintf(out, size, "%s/%016llx", parent,
		 (unsigned long long)hash_bytes(&seed, name, (size_t)length));
	return true;
}

static bool add_destination(struct output *output, const struct output_settings *settings,
			    const char *text, uint64_t run, struct complaint *complaint)
{
	char directory[4096];
	struct destination_settings destination = {
		.spool_max_bytes =
			settings->spool_max_bytes ? settings->spool_max_bytes : spool_default_bytes,
		.spool_unsynced = settings->spool_unsynced,
		.run = run,
		.give_up_ns = settings->give_up_ns ? settings->give_up_ns : give_up_default_ns,
		.ledger = output->ledger,
		.counters = &output->counters,
	};
	if (!output_url_parse(text, complaint, &destination.url))
		return false;
	if (settings->spool_path && output_url_spools(&destination.url)) {
		if (!spool_directory(settings->spool_path, &destination.url, complaint, directory,
				     sizeof(directory)))
			return false;
		destination.spool_directory = directory;
	}
	if (!destination_open(&destination, complaint,
			      &output->destinations[output->destination_count]))
		return false;
	output->destination_count++;
	return true;
}

static void set_context(struct output *output, const struct output_settings *settings,
			const struct fields *fields)
{
	if (settings->host_name)
		snprintf(output->host_name, sizeof(output->host_name), "%s", settings->host_name);
	else
		gethostname(output->host_name, sizeof(output->host_name) - 1);
	output->is_live = settings->fixed_process_id == 0;
	output->context = (struct format_context){
		.fields = fields,
		.facts = &output->facts,
		.host_name = output->host_name,
		.process_id = output->is_live ? (int)getpid() : settings->fixed_process_id,
	};
}

/* Signals are the main thread's, and a closed pipe is an error here, not the end. */
static bool start_thread(struct output *output)
{
	sigset_t all;
	sigset_t before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	output->has_thread = pthread_create(&output->thread, NULL, run, output) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return output->has_thread;
}

void output_want_fields(struct fields *fields)
{
	facts_want_fields(fields);
}

bool output_open(const struct output_settings *settings, const struct fields *fields,
		 struct complaint *complaint, struct output **out_output)
{
	struct output *output = aligned_alloc(64, (sizeof(*output) + 63) / 64 * 64);
	if (!output)
		return complain(complaint, NULL, 0, 0, "output: out of memory");
	memset(output, 0, sizeof(*output));
	set_context(output, settings, fields);
	output->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	output->ring = ring_open(RING_BYTES);
	output->ledger = ledger_open(&output->counters);
	bool opened = output->wake_fd >= 0 && output->ring && output->ledger;
	if (!opened)
		complain(complaint, NULL, 0, 0, "output: %s", strerror(errno));
	else if (settings->url_count == 0 || settings->url_count > DESTINATIONS_MAX)
		opened = complain(complaint, NULL, 0, 0, "found %zu outputs, expected 1 to %d",
				  settings->url_count, DESTINATIONS_MAX);
	const uint64_t run_number = hash_seed_make().words[0];
	for (size_t i = 0; opened && i < settings->url_count; i++)
		opened =
			add_destination(output, settings, settings->urls[i], run_number, complaint);
	if (opened && !start_thread(output))
		opened = complain(complaint, NULL, 0, 0, "output: cannot start a thread");
	if (!opened) {
		free_output(output);
		free(output);
		return false;
	}
	*out_output = output;
	return true;
}

bool output_close(struct output *output, struct counters *counters)
{
	if (!output)
		return true;
	ring_finish(output->ring);
	wake(output);
	pthread_join(output->thread, NULL);
	free_output(output);
	const bool kept = counter_read(&output->counters, COUNTER_alerts_lost_output) == 0;
	counters_sum(counters, &output->counters);
	free(output);
	return kept;
}
