/* eql_search.h: what the parts of `procspan eql` share. Only for correlator/eql_*.c.
 *
 *	eql_command.c   the query and its fields
 *	eql_documents.c which documents satisfy a step of it (hits)
 *	eql_result.c    hits to results: sequences, order, pipes, printing
 */
#pragma once

#include "collector/base/arena.h"
#include "correlator/document.h"
#include "correlator/eql_command.h"
#include "rules/ast.h"
#include "rules/ruleset.h"

#define EQL_CATEGORY_FIELD "event.category" /* unless another one is named */

/* A document that satisfies at least one step. */
struct hit {
	struct document_text text;
	struct event *event; /* identity = place among the hits + 1; the search frees it */
	step_id *steps;
	size_t step_count;
	json_t *tiebreaker; /* or NULL */
	bool has_time;
};

struct eql_search {
	const struct eql_arguments *arguments;
	FILE *out;
	FILE *err;
	struct arena *arena;
	struct fields *fields;
	struct counters counters;
	struct ruleset *ruleset;
	const struct rule *rule;
	const struct query_ast *query;
	struct document_file **files;
	size_t file_count;
	struct hit *hits;
	size_t hit_count;
};

/* Where a document's time is. */
const char *eql_timestamp_field(const struct eql_search *search);

/* Is it a Windows event log (.evtx), by its first bytes? */
bool eql_is_event_log(const char *path);

/* Reads every file and keeps the hits. Returns an exit code; what can be read is searched
 * nevertheless. */
int eql_search_files(struct eql_search *search);

/* Prints what the hits amount to. False without memory. */
bool eql_print_results(struct eql_search *search);
