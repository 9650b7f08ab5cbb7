#include "correlator/sink.h"

static sink_open_fn *const openers[SINK_COUNT] = {
#define SINK(identifier, ...) sink_##identifier##_open,
#include "correlator/sinks.def"
#undef SINK
};

bool sink_open(const struct output_url *url, struct complaint *complaint, struct sink **out_sink)
{
	return openers[url->sink](url, complaint, out_sink);
}

void sink_close(struct sink *sink)
{
	if (sink)
		sink->operations->close(sink);
}
