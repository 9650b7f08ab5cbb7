#include "correlator/host_watch.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "collector/base/hard.h"
#include "collector/base/hash.h"
#include "collector/base/table.h"

enum {
	ROWS_MAX = HARD(16384, 8), /* one per host and dataset */
	NAME_BYTES = 128,
	LAG_BUCKETS = 48, /* each twice as wide as the one before, from a millisecond on */
	KINDS_MAX = 24,
	GAP_MAX = 1000000, /* a larger step is another log, or a cleared one */
};

struct kind {
	char action[48];
	uint64_t count;
};

struct row {
	char host[NAME_BYTES];
	char source[NAME_BYTES];
	uint64_t event_count;
	uint64_t last_event_ns; /* its own time */
	uint64_t last_received_ns;
	uint64_t lags[LAG_BUCKETS];
	uint64_t last_record;
	uint64_t missing_count; /* record numbers that were stepped over */
	struct kind kinds[KINDS_MAX];
	size_t kind_count;
	uint64_t other_kinds; /* events of kinds beyond the table */
};

struct host_watch {
	struct hash_seed seed;
	struct table *table;
	struct row *rows;
	uint32_t row_count;
	uint64_t left_out; /* events of hosts beyond the table */
};

struct row_key {
	const char *host;
	const char *source;
};

static bool row_equal(const void *records, uint32_t slot, const void *key)
{
	const struct row *row = (const struct row *)records + slot;
	const struct row_key *wanted = key;
	return strcasecmp(row->host, wanted->host) == 0 && strcmp(row->source, wanted->source) == 0;
}

struct host_watch *host_watch_open(void)
{
	struct host_watch *watch = calloc(1, sizeof(*watch));
	if (!watch)
		return NULL;
	watch->seed = hash_seed_make();
	watch->rows = calloc(ROWS_MAX, sizeof(struct row));
	watch->table = watch->rows ? table_open(ROWS_MAX, row_equal, watch->rows) : NULL;
	if (watch->table)
		return watch;
	host_watch_close(watch);
	return NULL;
}

void host_watch_close(struct host_watch *watch)
{
	if (!watch)
		return;
	table_close(watch->table);
	free(watch->rows);
	free(watch);
}

static struct row *row_of(struct host_watch *watch, const struct row_key *key)
{
	const uint64_t words[] = { hash_folded_text(key->host, strlen(key->host)),
				   hash_bytes(&watch->seed, key->source, strlen(key->source)) };
	const uint64_t hash = hash_bytes(&watch->seed, words, sizeof(words));
	const uint32_t slot = table_find(watch->table, hash, key);
	if (slot != TABLE_NONE)
		return &watch->rows[slot];
	if (watch->row_count == ROWS_MAX || !table_insert(watch->table, hash, watch->row_count))
		return NULL;
	struct row *row = &watch->rows[watch->row_count++];
	snprintf(row->host, sizeof(row->host), "%s", key->host);
	snprintf(row->source, sizeof(row->source), "%s", key->source);
	return row;
}

static void count_kind(struct row *row, const char *action)
{
	for (size_t i = 0; i < row->kind_count; i++) {
		if (strncmp(row->kinds[i].action, action, sizeof(row->kinds[i].action) - 1) == 0) {
			row->kinds[i].count++;
			return;
		}
	}
	if (row->kind_count == KINDS_MAX) {
		row->other_kinds++;
		return;
	}
	struct kind *kind = &row->kinds[row->kind_count++];
	snprintf(kind->action, sizeof(kind->action), "%s", action);
	kind->count = 1;
}

static size_t lag_bucket(uint64_t lag_ns)
{
	size_t bucket = 0;
	for (uint64_t ms = lag_ns / 1000000; ms > 0 && bucket < LAG_BUCKETS - 1; ms /= 2)
		bucket++;
	return bucket;
}

static void count_record(struct row *row, uint64_t record)
{
	if (record == UINT64_MAX)
		return;
	if (row->last_record && record > row->last_record + 1 &&
	    record - row->last_record <= GAP_MAX)
		row->missing_count += record - row->last_record - 1;
	else if (record < row->last_record && row->missing_count > 0 &&
		 row->last_record - record <= GAP_MAX)
		row->missing_count--; /* it was only late */
	if (record > row->last_record || row->last_record - record > GAP_MAX)
		row->last_record = record;
}

void host_watch_event(struct host_watch *watch, const struct event *event)
{
	const struct event_text *host = event_text(event, FIELD_host_name);
	const struct event_text *action = event_text(event, FIELD_event_action);
	const int dataset = event->datasets ? __builtin_ctz(event->datasets) : 0;
	if (!host)
		return;
	char name[NAME_BYTES];
	snprintf(name, sizeof(name), "%s", host->bytes);
	const struct row_key key = { name, dataset_name((enum dataset)dataset) };
	struct row *row = row_of(watch, &key);
	if (!row) {
		watch->left_out++;
		return;
	}
	row->event_count++;
	if (event->time_ns > row->last_event_ns)
		row->last_event_ns = event->time_ns;
	row->last_received_ns = event->received_ns;
	if (event->received_ns > event->time_ns)
		row->lags[lag_bucket(event->received_ns - event->time_ns)]++;
	else
		row->lags[0]++;
	count_record(row, event->tiebreaker);
	count_kind(row, action ? action->bytes : "other");
}

/* The upper end of the bucket that holds this share of all events, in seconds. */
static double lag_quantile(const struct row *row, double share)
{
	uint64_t seen = 0;
	for (size_t i = 0; i < LAG_BUCKETS; i++) {
		seen += row->lags[i];
		if ((double)seen >= share * (double)row->event_count)
			return (double)(UINT64_C(1) << i) / 1000;
	}
	return 0;
}

static json_t *row_json(const struct row *row)
{
	char last_event[TIME_TEXT_MAX];
	char last_received[TIME_TEXT_MAX];
	time_format_iso8601(row->last_event_ns, 3, last_event);
	time_format_iso8601(row->last_received_ns, 3, last_received);
	json_t *kinds = json_object();
	for (size_t i = 0; i < row->kind_count; i++)
		json_object_set_new(kinds, row->kinds[i].action,
				    json_integer((json_int_t)row->kinds[i].count));
	if (row->other_kinds)
		json_object_set_new(kinds, "(others)", json_integer((json_int_t)row->other_kinds));
	return json_pack("{s:s, s:s, s:I, s:s, s:s, s:f, s:f, s:I, s:o}", "host", row->host,
			 "source", row->source, "events", (json_int_t)row->event_count,
			 "last_event", last_event, "last_received", last_received, "lag_p50_s",
			 lag_quantile(row, 0.5), "lag_p99_s", lag_quantile(row, 0.99),
			 "missing_records", (json_int_t)row->missing_count, "kinds", kinds);
}

static int by_name(const void *left, const void *right)
{
	const struct row *a = *(const struct row *const *)left;
	const struct row *b = *(const struct row *const *)right;
	const int order = strcasecmp(a->host, b->host);
	return order ? order : strcmp(a->source, b->source);
}

json_t *host_watch_json(const struct host_watch *watch)
{
	json_t *array = json_array();
	const struct row **sorted = calloc((size_t)watch->row_count + 1, sizeof(void *));
	for (uint32_t i = 0; sorted && i < watch->row_count; i++)
		sorted[i] = &watch->rows[i];
	if (sorted)
		qsort(sorted, watch->row_count, sizeof(void *), by_name);
	for (uint32_t i = 0; sorted && i < watch->row_count; i++)
		json_array_append_new(array, row_json(sorted[i]));
	free(sorted);
	return array;
}
