/* field_query.h: what "this field is this value" means to Elasticsearch's term, match and range
 * queries, as a query tree. KQL and the filters of rule files are made of it. No thread.
 *
 * The value comes as text and is read as the field's type says. A field of unknown type equals the
 * text, and the number or truth value that the text may be. Subfields (process.name.caseless,
 * process.command_line.text) stand for their field, compared otherwise. Elasticsearch analyses text
 * fields; here a value on those is a case-insensitive part of the text.
 */
#pragma once

#include "collector/base/arena.h"
#include "collector/field.h"
#include "rules/ast.h"
#include "rules/expression.h"

struct field_queries {
	const struct fields *fields;
	struct arena *arena;
	char refusal[192]; /* why a function returned NULL; "" = no memory */
};

/* A glob that is all `*` asks whether the field exists. */
struct expression *field_query_is(struct field_queries *queries, struct text name,
				  const struct glob *value, bool insensitive, struct place place);

struct expression *field_query_exists(struct field_queries *queries, struct text name,
				      struct place place);

struct expression *field_query_range(struct field_queries *queries, struct text name,
				     enum operation operation, struct text value,
				     struct place place);
