/* Sequences over a loaded ruleset. */
#include "correlator/sequence.h"

#include <errno.h>
#include <stdlib.h>

struct sequences *sequences_open(const struct ruleset *ruleset,
				 const struct sequence_settings *settings, sequence_match_fn *found,
				 void *context, struct counters *counters)
{
	const uint32_t rule_count = ruleset_rule_count(ruleset);
	const struct rule **rules = calloc(rule_count + 1, sizeof(const struct rule *));
	if (!rules)
		return NULL;
	for (uint32_t i = 0; i < rule_count; i++)
		rules[i] = ruleset_rule(ruleset, i);
	struct sequences *sequences =
		sequences_open_rules(rules, rule_count, settings, found, context, counters);
	const int error = errno;
	free(rules);
	errno = error;
	return sequences;
}
