/* bench_seed.h: the first rule that procspan was made for, and made rules to load beside it. */
#pragma once

#include "rules/ruleset.h"

extern const char bench_seed_query[];

/* The seed rule alone, compiled. NULL with errno. */
struct ruleset *bench_seed_rules(struct fields *fields);

enum { BENCH_QUERY_BYTES = 512, BENCH_MADE_RULES = 300 };

/* Query number 0 .. BENCH_MADE_RULES - 1, of the kinds that public rules are of. */
void bench_make_query(unsigned number, char query[BENCH_QUERY_BYTES]);
