/* Alerts on standard output, one a line. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "correlator/sink_descriptor.h"

static int stdout_connect(struct sink *sink)
{
	(void)sink;
	return 1;
}

static void stdout_close(struct sink *sink)
{
	free(sink);
}

bool sink_stdout_open(const struct output_url *url, struct complaint *complaint,
		      struct sink **out_sink)
{
	static const struct sink_operations operations = {
		.connect = stdout_connect,
		.check = descriptor_check,
		.send = descriptor_send,
		.unconfirmed = descriptor_unconfirmed,
		.wait = descriptor_wait,
		.disconnect = descriptor_disconnect,
		.close = stdout_close,
	};
	struct descriptor_sink *sink = calloc(1, sizeof(*sink));
	if (!sink)
		return complain(complaint, NULL, 0, 0, "output %.200s: out of memory", url->text);
	sink->sink.operations = &operations;
	sink->sink.resumes = true;
	sink->fd = STDOUT_FILENO;
	*out_sink = &sink->sink;
	return true;
}
