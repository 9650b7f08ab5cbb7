/* predicate.h: one question about one event: "is some value of process.name one of ...?"
 *
 * A predicate is true or false, never null: an event without the field answers false (and its
 * negation, which the program holds, true). Predicates live in a program set, each once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "collector/base/cidr.h"
#include "rules/node.h"
#include "rules/regex.h"
#include "rules/text_set.h"
#include "rules/wildcard.h"

enum predicate_kind {
	PREDICATE_EXISTS,   /* the field has a value */
	PREDICATE_TEXTS,    /* a value is one of these texts */
	PREDICATE_NUMBERS,  /* a value is one of these numbers */
	PREDICATE_COMPARE,  /* a value compares with the constant */
	PREDICATE_NETWORKS, /* a value lies in one of these networks */
	PREDICATE_LIKE,	    /* a value fits one of these wildcard patterns */
	PREDICATE_REGEX,    /* a value fits one of these expressions */
	PREDICATE_SCRIPT,   /* an expression is true for some choice of its fields' values */
};

struct predicate {
	enum predicate_kind kind;
	enum operation operation; /* COMPARE */
	uint16_t field;		  /* all but SCRIPT */
	bool insensitive;
	uint32_t cost;
	const char *key; /* as printed: equal for equal predicates */
	uint32_t hash;	 /* of key */

	/* What it was made of. */
	const struct value
		*values; /* TEXTS, NUMBERS, LIKE, REGEX: sorted, each once; COMPARE: one */
	size_t value_count;
	const struct ip_prefix *networks; /* NETWORKS */
	size_t network_count;
	struct node *script; /* SCRIPT */
	uint16_t script_fields[SCRIPT_FIELDS_MAX];
	size_t script_field_count;

	/* What answers. */
	union {
		struct text_set *texts;
		struct cidr_set *cidr;
		struct wildcard *wildcard;
		struct regex *regex;
	};
};

struct program_scratch {
	const struct program_set *set;
	uint32_t round;	   /* of the event at hand */
	uint32_t *answers; /* by predicate: the round it was asked in, twice, and its answer */
	struct text_room room;
	struct wildcard_scratch *wildcards;
	struct regex_scratch *regexes;
};

/* Evaluates it, without remembering. */
bool predicate_test(const struct predicate *predicate, struct program_scratch *scratch,
		    const struct event *event);

void predicate_print(const struct predicate *predicate, const struct fields *fields, FILE *stream);
