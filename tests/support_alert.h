/* support_alert.h: a rule, events and alerts for the tests of what leaves procspan. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "collector/event.h"
#include "correlator/alert.h"

/* What a sample alert is made of; NULL leaves the field out. */
struct sample {
	const char *command_line;
	const char *user;
	const char *process_name;
	const char *parent_command_line;
	const char *host;
	size_t command_line_bytes; /* 0 = strlen */
};

/* The words of the first rule, with all its metadata. Static. */
const struct rule *sample_rule(void);

/* A cmd.exe start and its connection to 93.184.216.34:443, as one malloc'ed block each; free with
 * sample_alert_free. `sample` NULL: harmless values. */
struct fields *sample_fields(void); /* one for the whole test, everything wanted */
void sample_alert_make(const struct sample *sample, struct alert *out_alert);
void sample_alert_free(struct alert *alert);
