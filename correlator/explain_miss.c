/* Why an alert did not fire: collects what rules see of one host, and prints what came nearest. See
 * explain_parts.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "correlator/explain_parts.h"
#include "rules/explain.h"

/* --- collecting; the correlator's thread --------------------------------------------------------
 */

static bool is_of_host(const struct event *event, const char *host)
{
	const struct event_text *name = event_text(event, FIELD_host_name);
	return name && explain_same_host(host, name->bytes, name->size_bytes);
}

static bool make_room(struct miss_search *search)
{
	if (search->witness_count < search->witness_room)
		return true;
	const size_t room = search->witness_room ? 2 * search->witness_room : 1024;
	struct witness *larger = realloc(search->witnesses, room * sizeof(*larger));
	if (!larger)
		return false;
	search->witnesses = larger;
	search->witness_room = room;
	return true;
}

static bool keep(struct miss_search *search, const struct event *event, const step_id *steps,
		 size_t step_count)
{
	const size_t size_bytes = event->size_bytes + step_count * sizeof(*steps);
	if (search->witness_count == WITNESSES_MAX ||
	    size_bytes > WITNESS_BYTES_MAX - search->witness_bytes || !make_room(search))
		return false;
	struct event *copy = malloc(size_bytes); /* the steps behind it */
	if (!copy)
		return false;
	memcpy(copy, event, event->size_bytes);
	step_id *copied_steps = (void *)((char *)copy + event->size_bytes);
	if (step_count)
		memcpy(copied_steps, steps, step_count * sizeof(*steps));
	search->witnesses[search->witness_count++] =
		(struct witness){ copy, copied_steps, step_count };
	search->witness_bytes += size_bytes;
	return true;
}

void miss_search_take_event(void *context, const struct event *event, const step_id *steps,
			    size_t step_count)
{
	struct miss_search *search = context;
	if (is_of_host(event, search->arguments->host) && !keep(search, event, steps, step_count))
		search->left_out_count++;
}

static bool alert_is_of_host(const struct alert *alert, const char *host)
{
	for (size_t i = 0; i < alert->event_count; i++)
		if (alert->events[i] && is_of_host(alert->events[i], host))
			return true;
	return false;
}

void miss_search_take_alert(void *context, const struct alert *alert)
{
	struct miss_search *search = context;
	if (alert->rule != search->rule || !alert_is_of_host(alert, search->arguments->host))
		return;
	struct found_alert *alerts =
		search->alert_count < FOUND_ALERTS_MAX
			? realloc(search->alerts, (search->alert_count + 1) * sizeof(*alerts))
			: NULL;
	if (!alerts) {
		search->more_alert_count++;
		return;
	}
	search->alerts = alerts;
	struct found_alert *found = &alerts[search->alert_count++];
	memcpy(found->id, alert->id, sizeof(found->id));
	found->event_count = 0;
	for (size_t i = 0; i < alert->event_count && i < RULE_STAGES_MAX; i++)
		if (alert->events[i])
			found->events[found->event_count++] = alert->events[i]->identity;
}

void miss_search_release(struct miss_search *search)
{
	for (size_t i = 0; i < search->witness_count; i++)
		free(search->witnesses[i].event);
	free(search->witnesses);
	free(search->alerts);
}

/* --- counting ------------------------------------------------------------------------------------
 */

static int by_time(const void *left, const void *right)
{
	const struct event *a = ((const struct witness *)left)->event;
	const struct event *b = ((const struct witness *)right)->event;
	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	return (a->identity > b->identity) - (a->identity < b->identity);
}

static size_t count_category(const struct miss_search *search, const char *category)
{
	size_t count = 0;
	for (size_t i = 0; i < search->witness_count; i++)
		count += witness_has_category(&search->witnesses[i], category);
	return count;
}

static size_t count_satisfying(const struct miss_search *search, step_id step)
{
	size_t count = 0;
	for (size_t i = 0; i < search->witness_count; i++)
		count += witness_satisfies(&search->witnesses[i], step);
	return count;
}

/* Did a host speak of it, or the wire alone? */
static bool is_reported(const struct event *event)
{
	size_t count;
	const struct event_value *sources =
		event_find(event, FIELD_procspan_evidence_sources, &count);
	for (size_t i = 0; i < count; i++) {
		const struct event_text *text = event_at(event, &sources[i]);
		if (sources[i].type == VALUE_TEXT && strcmp(text->bytes, "wire") != 0)
			return true;
	}
	return count == 0;
}

static size_t count_reported_connections(const struct miss_search *search)
{
	size_t count = 0;
	for (size_t i = 0; i < search->witness_count; i++)
		count += witness_has_category(&search->witnesses[i], "network") &&
			 is_reported(search->witnesses[i].event);
	return count;
}

/* --- printing ------------------------------------------------------------------------------------
 */

static void print_host_name(void *context, const struct host_report *host)
{
	fprintf(context, "  %s", host->name);
}

static void print_category(const struct miss_search *search, const char *category, FILE *out)
{
	const size_t count = count_category(search, category);
	fprintf(out, "        %s events: %zu", category ? category : "all", count);
	if (category && strcmp(category, "network") == 0) {
		const size_t reported = count_reported_connections(search);
		fprintf(out,
			", of which this host reported %zu and %zu are known from the wire alone",
			reported, count - reported);
		if (reported == 0)
			fputs("; this host sent no network events", out);
	} else if (count == 0) {
		fputs("; this host sent none", out);
	}
	fputc('\n', out);
}

/* What the rule asks for and what there is of it. */
static void print_data(const struct miss_search *search, const struct explainer *explainer,
		       FILE *out)
{
	const struct rule *rule = search->rule;
	for (size_t i = 0; i < rule->stage_count; i++) {
		const char *category = explainer_category(explainer, rule->stages[i].step);
		bool said = false;
		for (size_t j = 0; j < i && !said; j++) {
			const char *earlier = explainer_category(explainer, rule->stages[j].step);
			said = earlier == category ||
			       (earlier && category && strcmp(earlier, category) == 0);
		}
		if (!said)
			print_category(search, category, out);
	}
}

enum { ALERTS_SHOWN = 16 };

static void print_alerts(const struct miss_search *search, FILE *out)
{
	const size_t count = search->alert_count + (size_t)search->more_alert_count;
	fprintf(out, "alerts  %zu of this rule on this host\n", count);
	for (size_t i = 0; i < search->alert_count && i < ALERTS_SHOWN; i++)
		fprintf(out, "        %s\n", search->alerts[i].id);
}

static void print_misses(struct explainer *explainer, step_id step, const struct witness *witness,
			 FILE *out)
{
	struct miss misses[MISSES_MAX];
	const size_t count = explainer_misses(explainer, step, witness->event, misses);
	for (size_t i = 0; i < count; i++) {
		const bool alternative = i > 0 && misses[i].number == misses[i - 1].number;
		fprintf(out, "        %s", alternative ? "and " : "");
		miss_print(explainer, &misses[i], witness->event, out);
		fputc('\n', out);
	}
	if (count == 0)
		fputs("        it names no connection: a lookup, a bind or a listen\n", out);
}

static void print_near(const char *words, const struct witness *witness, FILE *out)
{
	fprintf(out, "      %s", words);
	explain_print_line(witness->event, out);
	fputc('\n', out);
}

static void print_end(const struct chain *chain, struct explainer *explainer,
		      const struct rule *rule, FILE *out)
{
	const double apart_s = (double)chain->apart_ns / 1e9;
	switch (chain->end) {
	case CHAIN_NO_DATA:
		fprintf(out, "      no %s event has the same join key\n",
			explainer_category(explainer, rule->stages[chain->stage].step)
				? explainer_category(explainer, rule->stages[chain->stage].step)
				: "other");
		return;
	case CHAIN_CONDITIONS:
		print_near("nearest: ", chain->near, out);
		print_misses(explainer, rule->stages[chain->stage].step, chain->near, out);
		return;
	case CHAIN_FORBIDDEN:
		print_near("excluded by: ", chain->near, out);
		return;
	case CHAIN_EARLY:
		print_near("too early: ", chain->near, out);
		fprintf(out, "        it came %.3f s before the step before it\n", apart_s);
		return;
	case CHAIN_LATE:
		print_near("too late: ", chain->near, out);
		fprintf(out, "        maxspan = %.3f s is exceeded by %.3f s\n",
			(double)rule->maxspan_ns / 1e9, apart_s);
		return;
	case CHAIN_COMPLETE:
		fputs("      all steps are satisfied; other events of the same key make the alert, "
		      "or "
		      "exclude it\n",
		      out);
		return;
	}
}

static void print_chain(const struct miss_search *search, const struct chain *chain,
			struct explainer *explainer, FILE *out)
{
	const struct rule *rule = search->rule;
	fprintf(out, "nearest miss: %zu of %u steps\n", chain->length, rule->stage_count);
	for (size_t i = 0; i < chain->length; i++) {
		fprintf(out, "  %zu   ", i + 1);
		if (chain->witnesses[i])
			explain_print_line(chain->witnesses[i]->event, out);
		else
			fputs("an event that must not be there", out);
		fputc('\n', out);
	}
	if (chain->stage == RULE_STAGES_MAX)
		fputs("  until\n", out);
	else if (chain->end != CHAIN_COMPLETE)
		fprintf(out,
			"  %zu   %s; events of this host that satisfy it, wherever they are: %zu\n",
			chain->stage + 1,
			chain->end == CHAIN_FORBIDDEN ? "there was one" : "not satisfied",
			count_satisfying(search, rule->stages[chain->stage].step));
	print_end(chain, explainer, rule, out);
	if (chain->cut)
		fputs("      there are too many events to follow all that satisfy the first step\n",
		      out);
}

static void print_nothing(const struct miss_search *search, FILE *out)
{
	if (search->alert_count || search->more_alert_count)
		fputs("nothing else came near: what satisfies the first step is in those alerts\n",
		      out);
	else
		fprintf(out, "no event%s%s is of the kind that the first step asks for\n",
			search->arguments->process ? " of " : "",
			search->arguments->process ? search->arguments->process : "");
}

static bool check_rule(const struct rule *rule, FILE *out)
{
	if (rule->kind != RULE_NOT_RUN)
		return true;
	fprintf(out, "        this rule is not run: %s\n",
		rule->not_run_because ? rule->not_run_because : "");
	return false;
}

void explain_miss(const struct replay_engine *engine, struct miss_search *search, FILE *out)
{
	const struct rule *rule = search->rule;
	const char *host = search->arguments->host;
	struct explainer *explainer = explainer_open(engine->ruleset, engine->fields);
	struct chain *chain = calloc(1, sizeof(*chain));
	fprintf(out, "rule    %s (%s)\n", rule->name ? rule->name : "", rule->id ? rule->id : "");
	const bool runs = explainer && chain && check_rule(rule, out);
	if (runs)
		fprintf(out, "host    %s: %zu events\n", host, search->witness_count);
	if (runs && search->witness_count == 0) {
		fputs("        nothing is known of this host; known are", out);
		correlator_each_host(pipeline_correlator(engine->pipeline), out, print_host_name);
		fputc('\n', out);
	} else if (runs) {
		print_data(search, explainer, out);
		print_alerts(search, out);
		qsort(search->witnesses, search->witness_count, sizeof(struct witness), by_time);
		if (chain_find_nearest(search, explainer, chain))
			print_chain(search, chain, explainer, out);
		else
			print_nothing(search, out);
		fputs("clock\n", out);
		explain_print_clocks(pipeline_correlator(engine->pipeline), host, out);
	}
	if (search->left_out_count)
		fprintf(out, "%" PRIu64 " events of this host were too many to keep\n",
			search->left_out_count);
	free(chain);
	explainer_close(explainer);
}
