/* support_eql.h: parsing and the public rule files' queries, for the tests of the language. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "collector/base/complaint.h"

/* Calls `use` with the query of every EQL rule file below a folder of the shared data, in no order.
 * Returns how many there were; 0 when the data is not there. */
typedef void rule_query_fn(void *context, const char *file, const char *query, size_t size_bytes);
size_t each_rule_query(const char *relative, rule_query_fn *use, void *context);

/* Does any complaint hold this text? */
bool complaints_mention(const struct complaints *complaints, const char *text);

/* Prints them all, for a test that is about to fail. */
void complaints_print(const struct complaints *complaints);
