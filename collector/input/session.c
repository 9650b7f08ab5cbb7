#include "collector/input/session.h"

#include "collector/base/hard.h"

void session_limits_default(struct session_limits *limits)
{
	*limits = (struct session_limits){
		.document_bytes = HARD(4U << 20, 64U << 10),
		.inflated_bytes = 100U << 20,
		.window_events = 65536,
	};
}
