/* kql.h: Kibana's query language (`language = "kuery"`) to the same tree as EQL.
 *
 * Source: Kibana's kuery grammar and its translation to Elasticsearch queries. Keywords compare
 * exactly, `*` is the only wildcard, addresses take networks, `not` is true where the field is
 * absent, and names with a `*` stand for every known field that fits. Elasticsearch analyses text
 * fields (messages, script blocks, names that end in .text): a value on those is a case-insensitive
 * part of the text. No state, any thread.
 */
#pragma once

#include "collector/base/arena.h"
#include "collector/base/complaint.h"
#include "collector/field.h"
#include "rules/ast.h"
#include "rules/eql.h"

/* NULL after one complaint or more. `fields` gives the types of the fields named. */
const struct expression *kql_parse(const char *text, size_t size_bytes,
				   const struct query_source *source, const struct fields *fields,
				   struct arena *arena, struct complaints *complaints);
