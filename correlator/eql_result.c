/* From documents that satisfy a step to what a query answers. See eql_search.h. */
#include "correlator/eql_search.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "correlator/event_json.h"
#include "correlator/sequence.h"

enum { NS_PER_MS = 1000000, KEY_TEXT_MAX = 64 };

#define STORE_BYTES_MAX ((size_t)16 << 30)

/* --- order ------------------------------------------------------------------------------------ */

static int number_order(double left, double right)
{
	return (left > right) - (left < right);
}

/* No value last, numbers before texts. */
static int tiebreaker_order(const json_t *left, const json_t *right)
{
	if (!left || !right)
		return (left == NULL) - (right == NULL);
	if (json_is_integer(left) && json_is_integer(right)) {
		const json_int_t a = json_integer_value(left);
		const json_int_t b = json_integer_value(right);
		return (a > b) - (a < b);
	}
	if (json_is_number(left) && json_is_number(right))
		return number_order(json_number_value(left), json_number_value(right));
	if (json_is_string(left) && json_is_string(right))
		return strcmp(json_string_value(left), json_string_value(right));
	return json_is_number(left) ? -1 : 1;
}

static int by_tiebreaker(const void *left, const void *right)
{
	const struct hit *const *a = left;
	const struct hit *const *b = right;
	return tiebreaker_order((*a)->tiebreaker, (*b)->tiebreaker);
}

/* Tiebreakers of any type to numbers that are ordered as they are. */
static void rank_tiebreakers(struct hit **sorted, size_t count)
{
	qsort(sorted, count, sizeof(struct hit *), by_tiebreaker);
	uint64_t rank = 0;
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && by_tiebreaker(&sorted[i - 1], &sorted[i]) != 0)
			rank++;
		sorted[i]->event->tiebreaker = sorted[i]->tiebreaker ? rank : UINT64_MAX;
	}
}

static int event_order(const struct event *a, const struct event *b)
{
	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	if (a->tiebreaker != b->tiebreaker)
		return a->tiebreaker < b->tiebreaker ? -1 : 1;
	return (a->identity > b->identity) - (a->identity < b->identity);
}

static int by_event(const void *left, const void *right)
{
	const struct hit *const *a = left;
	const struct hit *const *b = right;
	return event_order((*a)->event, (*b)->event);
}

/* --- which of the results --------------------------------------------------------------------- */

struct range {
	size_t begin;
	size_t end;
};

static void cut(struct range *range, bool tail, uint64_t count)
{
	if (count >= range->end - range->begin)
		return;
	if (tail)
		range->begin = range->end - count;
	else
		range->end = range->begin + count;
}

/* The pipes, then the size: the latest results, unless the query asks for the first ones. A sample
 * has no latest. */
static struct range choose(const struct eql_search *search, size_t count)
{
	const struct query_ast *query = search->query;
	struct range range = { 0, count };
	bool tail = query->kind != QUERY_SAMPLE;
	for (size_t i = 0; i < query->pipe_count; i++) {
		tail = query->pipes[i].tail;
		cut(&range, tail, query->pipes[i].count);
	}
	cut(&range, tail, search->arguments->size);
	return range;
}

/* --- printing --------------------------------------------------------------------------------- */

/* As it came, on one line: line breaks in JSON are only between tokens. */
static void print_document(FILE *out, const struct document_text *text)
{
	const char *at = text->bytes;
	const char *const end = at + text->size_bytes;
	while (at < end) {
		const char *line_end = at;
		while (line_end < end && *line_end != '\n' && *line_end != '\r')
			line_end++;
		fwrite(at, 1, (size_t)(line_end - at), out);
		at = line_end + 1;
	}
}

static size_t key_text(const struct event *event, const struct event_value *value, char *out)
{
	const void *at = event_at(event, value);
	const uint64_t *ns = at;
	switch ((enum value_type)value->type) {
	case VALUE_INTEGER:
		return (size_t)snprintf(out, KEY_TEXT_MAX, "%" PRId64, *(const int64_t *)at);
	case VALUE_DOUBLE:
		return (size_t)snprintf(out, KEY_TEXT_MAX, "%.15g", *(const double *)at);
	case VALUE_BOOLEAN:
		return (size_t)snprintf(out, KEY_TEXT_MAX, "%s",
					*(const int64_t *)at ? "true" : "false");
	case VALUE_TIME: /* as Elasticsearch: milliseconds */
		if (*ns % NS_PER_MS == 0)
			return (size_t)snprintf(out, KEY_TEXT_MAX, "%" PRIu64, *ns / NS_PER_MS);
		return (size_t)snprintf(out, KEY_TEXT_MAX, "%" PRIu64 ".%06" PRIu64,
					*ns / NS_PER_MS, *ns % NS_PER_MS);
	case VALUE_ADDRESS:
		return ip_address_format(at, out);
	case VALUE_TEXT:
		break;
	}
	return 0;
}

/* Keys are printed as text, whatever they are; null as null. */
static void print_key(FILE *out, const struct event *event, const struct event_value *value)
{
	char text[KEY_TEXT_MAX];
	const struct event_text *own = value ? event_at(event, value) : NULL;
	json_t *json = NULL;
	if (value && value->type == VALUE_TEXT)
		json = json_clean_text(own->bytes, own->size_bytes);
	else if (value)
		json = json_clean_text(text, key_text(event, value, text));
	if (!json || json_dumpf(json, out, JSON_ENCODE_ANY | JSON_COMPACT) != 0)
		fputs("null", out);
	json_decref(json);
}

/* --- event queries ---------------------------------------------------------------------------- */

static void print_events(const struct eql_search *search, struct hit **sorted)
{
	qsort(sorted, search->hit_count, sizeof(struct hit *), by_event);
	const struct range range = choose(search, search->hit_count);
	for (size_t i = range.begin; i < range.end; i++) {
		print_document(search->out, &sorted[i]->text);
		putc('\n', search->out);
	}
}

/* --- sequences and samples -------------------------------------------------------------------- */

struct found {
	const struct event *last; /* of the hits */
	const struct event *key_event;
	const struct event_value **keys; /* of key_event */
	const struct hit **hits;	 /* by stage; NULL = missing */
	size_t order;			 /* in which it was found */
};

struct results {
	struct eql_search *search;
	struct found *found;
	size_t count;
	size_t room;
	bool out_of_memory;
};

static const struct hit *hit_of(const struct eql_search *search, const struct event *event)
{
	return event ? &search->hits[event->identity - 1] : NULL;
}

static bool make_room(struct results *results)
{
	if (results->count < results->room)
		return true;
	const size_t room = results->room * 2 + 64;
	struct found *larger = realloc(results->found, room * sizeof(*larger));
	if (!larger)
		return false;
	results->found = larger;
	results->room = room;
	return true;
}

static void keep_match(void *context, enum match_change change, const struct sequence_match *match)
{
	struct results *results = context;
	struct eql_search *search = results->search;
	const struct rule *rule = search->rule;
	const struct event *event;
	const struct event_value *values[RULE_KEYS_MAX] = { NULL };
	struct found found = {
		.hits = arena_take(search->arena, match->event_count * sizeof(const struct hit *)),
		.keys = arena_take(search->arena,
				   (rule->key_count + 1U) * sizeof(const struct event_value *)),
		.order = results->count,
	};
	if (change != MATCH_NEW || !found.hits || !found.keys || !make_room(results)) {
		results->out_of_memory = true;
		return;
	}
	for (size_t i = 0; i < match->event_count; i++) {
		found.hits[i] = hit_of(search, match->events[i]);
		const struct event *own = found.hits[i] ? found.hits[i]->event : NULL;
		if (own && (!found.last || event_order(own, found.last) > 0))
			found.last = own;
	}
	/* The match's events go when this returns; the hits stay and are the same bytes. */
	const size_t key_count = sequence_match_keys(match, &event, values);
	found.key_event = hit_of(search, event)->event;
	for (size_t i = 0; i < key_count; i++)
		if (values[i])
			found.keys[i] = &found.key_event->values[values[i] - event->values];
	results->found[results->count++] = found;
}

static int by_keys(const struct found *a, const struct found *b, size_t key_count)
{
	int order = 0;
	for (size_t i = 0; i < key_count && order == 0; i++)
		order = join_value_compare(a->key_event, a->keys[i], b->key_event, b->keys[i]);
	return order ? order : (a->order > b->order) - (a->order < b->order);
}

struct found_order {
	size_t key_count;
	bool sample;
};

static int by_found(const void *left, const void *right, void *context)
{
	const struct found *a = left;
	const struct found *b = right;
	const struct found_order *by = context;
	const int order = by->sample ? 0 : event_order(a->last, b->last);
	return order ? order : by_keys(a, b, by->key_count);
}

static void print_found(const struct eql_search *search, const struct found *found)
{
	fputs("{\"join_keys\":[", search->out);
	for (size_t i = 0; i < search->rule->key_count; i++) {
		fputs(i ? "," : "", search->out);
		print_key(search->out, found->key_event, found->keys[i]);
	}
	fputs("],\"events\":[", search->out);
	for (size_t i = 0; i < search->rule->stage_count; i++) {
		fputs(i ? "," : "", search->out);
		if (found->hits[i])
			print_document(search->out, &found->hits[i]->text);
		else
			fputs("null", search->out);
	}
	fputs("]}\n", search->out);
}

/* Everything through the sequence state, in a store of this size. *out_evicted: it
 * was too small. */
static bool run_sequences(struct results *results, struct hit **sorted, size_t store_bytes,
			  bool *out_evicted)
{
	struct eql_search *search = results->search;
	const struct sequence_settings settings = {
		.store_bytes = store_bytes,
		.settle = 1,
		.samples_per_key = (uint32_t)search->arguments->samples_per_key,
		.seed = hash_seed_make(),
	};
	results->count = 0;
	struct sequences *sequences = sequences_open_rules(&search->rule, 1, &settings, keep_match,
							   results, &search->counters);
	if (!sequences)
		return false;
	for (size_t i = 0; i < search->hit_count; i++)
		sequences_add(sequences, sorted[i]->event, sorted[i]->steps, sorted[i]->step_count);
	sequences_finish(sequences);
	*out_evicted = sequences_evicted_count(sequences, 0) > 0;
	sequences_close(sequences);
	return !results->out_of_memory;
}

static bool print_sequences(struct eql_search *search, struct hit **sorted)
{
	struct results results = { .search = search };
	size_t store_bytes = (size_t)1 << 20;
	for (size_t i = 0; i < search->hit_count; i++)
		store_bytes += 16 * (size_t)search->hits[i].event->size_bytes;
	qsort(sorted, search->hit_count, sizeof(struct hit *), by_event);
	bool evicted = true;
	bool ok = true;
	for (; ok && evicted && store_bytes <= STORE_BYTES_MAX; store_bytes *= 4)
		ok = run_sequences(&results, sorted, store_bytes, &evicted);
	if (ok && evicted)
		fputs("warn eql: too many partial sequences to keep, the answer is not complete\n",
		      search->err);
	struct found_order by = { search->rule->key_count, search->rule->kind == RULE_SAMPLE };
	if (ok && results.count > 0)
		qsort_r(results.found, results.count, sizeof(struct found), by_found, &by);
	const struct range range = choose(search, ok ? results.count : 0);
	for (size_t i = range.begin; i < range.end; i++)
		print_found(search, &results.found[i]);
	free(results.found);
	return ok;
}

bool eql_print_results(struct eql_search *search)
{
	struct hit **sorted = calloc(search->hit_count + 1, sizeof(struct hit *));
	if (!sorted)
		return false;
	for (size_t i = 0; i < search->hit_count; i++)
		sorted[i] = &search->hits[i];
	rank_tiebreakers(sorted, search->hit_count);
	bool ok = true;
	if (search->rule->kind == RULE_EVENT)
		print_events(search, sorted);
	else
		ok = print_sequences(search, sorted);
	free(sorted);
	return ok;
}
