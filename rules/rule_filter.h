/* rule_filter.h: [[rule.filters]], Elasticsearch queries that every event of a rule must satisfy
 * besides its query. No thread.
 *
 * Known are wildcard, prefix, term, terms, match, match_phrase, exists, range, bool, match_all, and
 * meta.negate and meta.disabled. Any other is refused: to leave a filter out would change what the
 * rule means.
 */
#pragma once

#include "collector/field.h"
#include "rules/ast.h"
#include "rules/toml_reader.h"

/* One condition for the array `filters`, in `arena`; NULL when there is none or after a complaint
 * (reader->failed tells). */
const struct expression *rule_filters_read(struct toml_reader *reader,
					   const struct toml_node *filters,
					   const struct fields *fields, struct arena *arena);
