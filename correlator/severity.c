#include "correlator/severity.h"

#include <stddef.h>

static const struct {
	const char *name;
	int risk_first, risk_last; /* Elastic's bands */
	int syslog;
	int cef_first, cef_last; /* ArcSight's: 0-3 Low, 4-6 Medium, 7-8 High, 9-10 Very-High */
	int eve;
	int elastic;
} bands[] = {
	[SEVERITY_LOW] = { "low", 0, 21, 5, 1, 3, 3, 21 },
	[SEVERITY_MEDIUM] = { "medium", 22, 47, 4, 4, 6, 2, 47 },
	[SEVERITY_HIGH] = { "high", 48, 73, 3, 7, 8, 1, 73 },
	[SEVERITY_CRITICAL] = { "critical", 74, 100, 2, 9, 10, 1, 99 },
};

struct severity severity_of(enum rule_severity severity, int risk_score)
{
	const size_t i = (size_t)severity < sizeof(bands) / sizeof(bands[0]) ? severity : 0;
	int risk = risk_score < bands[i].risk_first ? bands[i].risk_first : risk_score;
	risk = risk > bands[i].risk_last ? bands[i].risk_last : risk;
	/* low: 1 + risk/11 (21 is 2); the others spread their risks evenly over their values. */
	const int values = bands[i].cef_last - bands[i].cef_first + 1;
	const int risks = bands[i].risk_last - bands[i].risk_first + 1;
	const int step =
		i == SEVERITY_LOW ? risk / 11 : (risk - bands[i].risk_first) * values / risks;
	return (struct severity){
		.name = bands[i].name,
		.syslog = bands[i].syslog,
		.cef = bands[i].cef_first + step,
		.elastic = bands[i].elastic,
		.eve = bands[i].eve,
	};
}
