/* model_ruleset.h: what ruleset.h should answer, without an index and without sharing: every query
 * compiled alone, every one asked for every event. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "collector/event.h"

struct model_query;

/* An EQL event query. NULL: refused. */
struct model_query *model_query_open(struct fields *fields, const char *query, size_t size_bytes);
void model_query_close(struct model_query *query);
bool model_query_match(struct model_query *query, const struct event *event);
