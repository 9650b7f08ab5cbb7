/* facts.h: an alert as short texts, for formats that are tables of keys.
 *
 * The output thread's own; texts are borrowed from the alert, its rule, or `scratch`, until the
 * next facts_gather.
 */
#pragma once

#include "correlator/headline.h"
#include "correlator/text.h"

enum fact {
#define FACT(name, help) FACT_##name,
#include "correlator/facts.def"
#undef FACT
	FACT_COUNT
};

enum { FACTS_SCRATCH_BYTES = 64 * 1024, FACT_SHORT_MAX = 256 };

struct facts {
	struct headline headline;
	struct text values[FACT_COUNT]; /* bytes NULL = not known */
	size_t used_bytes;
	char scratch[FACTS_SCRATCH_BYTES];
};

/* Everything but free text (command lines, the rule's prose) is cut at FACT_SHORT_MAX bytes. */
void facts_gather(const struct alert *alert, const struct fields *fields, const char *sensor,
		  struct facts *out_facts);

/* Every field that facts_gather looks at, and those that an analyst asks for next. */
void facts_want_fields(struct fields *fields);
