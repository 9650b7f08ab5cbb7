/* exit_code.h: what the exit status of every command means (docs/operator.md). */
#pragma once

enum exit_code {
	EXIT_DONE = 0,
	EXIT_USAGE = 2,
	EXIT_CONFIGURATION = 3,
	EXIT_RULES = 4,
	EXIT_PERMISSION = 5,
	EXIT_INPUT = 6,		/* missing or corrupt */
	EXIT_LOSS = 7,		/* above --max-loss */
	EXIT_UNDELIVERABLE = 8, /* alerts that no destination took */
	EXIT_INTERRUPTED = 130, /* by a signal, after the summary */
};
