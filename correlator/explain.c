/* Runs the replay and asks it why, or why not. See explain.h. */
#include "correlator/explain.h"

#include <stdlib.h>
#include <strings.h>
#include <string.h>

#include "collector/base/log.h"
#include "correlator/exit_code.h"
#include "correlator/explain_parts.h"

enum { WAIT_MS = 1000 };

/* Returns an exit code. */
static int run_to_the_end(struct replay_engine *engine, const struct correlator_sink *sink)
{
	const int code = replay_engine_start(engine, sink);
	if (code != EXIT_DONE)
		return code;
	while (!pipeline_wait(engine->pipeline, WAIT_MS))
		;
	return replay_engine_faults(engine) ? EXIT_INPUT : EXIT_DONE;
}

static int explain_why(struct replay_engine *engine, const char *alert_id, FILE *out)
{
	struct alert_search search = { .id = alert_id };
	const struct correlator_sink sink = { .context = &search, .alert = alert_search_take };
	int code = run_to_the_end(engine, &sink);
	if (search.block) {
		explain_alert(engine, &search, out);
	} else if (search.out_of_memory) {
		log_error("alert %s", alert_id);
		code = EXIT_PERMISSION;
	} else if (code == EXIT_DONE) {
		fprintf(stderr,
			"procspan explain: these inputs and rules give no alert %s; ids are the "
			"same "
			"for the same inputs and rules\n",
			alert_id);
		code = EXIT_INPUT;
	}
	replay_engine_stop(engine); /* before what it reports to */
	alert_search_release(&search);
	return code;
}

static const struct rule *find_rule(const struct ruleset *ruleset, const char *wanted)
{
	for (uint32_t i = 0; i < ruleset_rule_count(ruleset); i++) {
		const struct rule *rule = ruleset_rule(ruleset, i);
		if ((rule->id && strcmp(rule->id, wanted) == 0) ||
		    (rule->name && strcasecmp(rule->name, wanted) == 0))
			return rule;
	}
	return NULL;
}

static int explain_why_not(struct replay_engine *engine, const struct explain_arguments *arguments,
			   FILE *out)
{
	struct miss_search search = {
		.arguments = arguments,
		.rule = find_rule(engine->ruleset, arguments->rule),
	};
	const struct correlator_sink sink = { .context = &search,
					      .alert = miss_search_take_alert,
					      .event = miss_search_take_event };
	if (!search.rule) {
		fprintf(stderr, "procspan explain: no rule has the id or name `%s`\n",
			arguments->rule);
		return EXIT_RULES;
	}
	const int code = run_to_the_end(engine, &sink);
	if (code == EXIT_DONE || code == EXIT_INPUT)
		explain_miss(engine, &search, out);
	replay_engine_stop(engine); /* before what it reports to */
	miss_search_release(&search);
	return code;
}

int explain_run(const struct explain_arguments *arguments, FILE *out)
{
	struct replay_engine engine;
	log_set_level(LOG_ERROR); /* bad lines are `replay`'s to tell */
	int code = replay_engine_open(&engine, &arguments->replay);
	if (code == EXIT_DONE)
		code = arguments->alert_id ? explain_why(&engine, arguments->alert_id, out)
					   : explain_why_not(&engine, arguments, out);
	replay_engine_close(&engine);
	return code;
}
