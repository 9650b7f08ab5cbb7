/* severity.h: one alert's severity in every scale that receivers use.
 *
 * Mapped by band (low, medium, high, critical), with the risk score choosing the place inside the
 * band: risk/10 would make a medium alert of 22 a "Low" of CEF.
 */
#pragma once

#include "rules/rule.h"

struct severity {
	const char *name; /* "low" */
	int syslog;	  /* RFC 5424, table 2: 5 notice .. 2 critical */
	int cef;	  /* 0..10; also LEEF's sev */
	int elastic;	  /* event.severity: 21, 47, 73, 99 */
	int eve;	  /* Suricata: 1 is worst, 3 */
};

/* A risk score outside its severity's band counts as the nearest end of it. */
struct severity severity_of(enum rule_severity severity, int risk_score);
