/* output_probe: does this destination take messages? For people who set one up. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "correlator/destination.h"
#include "correlator/format.h"
#include "correlator/output.h"

enum { PROBE_SECONDS = 5 };

static const struct rule probe_rule = {
	.kind = RULE_EVENT,
	.id = "00000000-0000-0000-0000-000000000000",
	.name = "procspan output test",
	.description = "Somebody tests whether alerts arrive here. Nothing has happened.",
	.version = "1",
	.severity = SEVERITY_LOW,
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The probe as a message, in the caller's buffer of url->max_size bytes. */
static size_t format_probe(const struct output_url *url, char *message)
{
	char host_name[256] = "";
	gethostname(host_name, sizeof(host_name) - 1);
	struct fields *fields = fields_open();
	struct facts *facts = malloc(sizeof(*facts));
	size_t size = 0;
	if (fields && facts) {
		struct alert alert = { .rule = &probe_rule };
		alert_identify(&alert, 0);
		alert.time_ns = clock_ns(CLOCK_REALTIME);
		const struct format_context context = {
			.fields = fields,
			.facts = facts,
			.host_name = host_name,
			.process_id = (int)getpid(),
			.facility = url->facility,
			.syslog_header = output_url_is_syslog(url),
			.sequence_id = 1,
			.max_size = url->max_size,
		};
		bool truncated;
		size = format_function(url->format)(&context, &alert, message, &truncated);
	}
	free(facts);
	fields_close(fields);
	return size;
}

static bool wait_until_taken(struct destination *destination)
{
	const uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + PROBE_SECONDS * 1000000000ULL;
	for (;;) {
		const uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
		uint64_t wait_ns = end_ns - now_ns;
		destination_advance(destination, now_ns);
		if (destination_is_idle(destination))
			return true;
		if (now_ns >= end_ns || *destination_error(destination))
			return false; /* what failed once is what people want to hear about */
		struct pollfd wait = destination_wait(destination, now_ns, &wait_ns);
		poll(&wait, 1, (int)(wait_ns / 1000000) + 1);
	}
}

int output_probe(const char *url, struct complaint *complaint)
{
	struct counters *counters = calloc(1, sizeof(*counters));
	struct destination_settings settings = { .counters = counters };
	struct destination *destination = NULL;
	char *message = NULL;
	int result = -EINVAL;
	settings.ledger = ledger_open(counters);
	if (!counters || !settings.ledger) {
		complain(complaint, NULL, 0, 0, "output %.200s: out of memory", url);
		result = -ENOMEM;
	} else if (output_url_parse(url, complaint, &settings.url) &&
		   destination_open(&settings, complaint, &destination)) {
		message = malloc(settings.url.max_size);
		const size_t size = message ? format_probe(&settings.url, message) : 0;
		destination_push(destination, ledger_add(settings.ledger, 1), message, size);
		result = size && wait_until_taken(destination) ? 0 : -ETIMEDOUT;
		if (result != 0)
			complain(complaint, NULL, 0, 0, "output %.200s: %s", url,
				 *destination_error(destination) ? destination_error(destination)
								 : "it did not take the message");
	}
	free(message);
	destination_close(destination);
	ledger_close(settings.ledger);
	free(counters);
	return result;
}
