/* toml_reader.h: values out of a TOML tree, checked: a wrong kind or a missing key is a complaint.
 *
 * A reader goes on after a complaint, so that a file shows all its faults at once; `failed` tells.
 * Texts are copied into the reader's arena. No thread.
 */
#pragma once

#include "rules/rule.h"
#include "rules/toml.h"

struct toml_reader {
	const char *file;
	struct arena *arena; /* where texts and lists are kept */
	struct complaints *complaints;
	bool failed;
};

/* Complains about a node, or about the whole file when it is NULL. Returns false. */
bool toml_refuse(struct toml_reader *reader, const struct toml_node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The value of `key` when it has this kind; NULL when it is absent or refused. */
const struct toml_node *toml_read(struct toml_reader *reader, const struct toml_node *table,
				  const char *key, enum toml_kind kind);

/* The same, refusing its absence. */
const struct toml_node *toml_require(struct toml_reader *reader, const struct toml_node *table,
				     const char *key, enum toml_kind kind);

/* NULL when absent or refused. */
const char *toml_read_text(struct toml_reader *reader, const struct toml_node *table,
			   const char *key);
const char *toml_require_text(struct toml_reader *reader, const struct toml_node *table,
			      const char *key);

/* `otherwise` when absent; outside of `least`..`most` is refused. */
int64_t toml_read_integer(struct toml_reader *reader, const struct toml_node *table,
			  const char *key, int64_t least, int64_t most, int64_t otherwise);
bool toml_read_boolean(struct toml_reader *reader, const struct toml_node *table, const char *key,
		       bool otherwise);

/* An array of strings; a single string is a list of one. */
struct text_list toml_read_list(struct toml_reader *reader, const struct toml_node *table,
				const char *key);

/* An array of tables, empty when absent: `*out_count` of them. */
const struct toml_node *toml_read_tables(struct toml_reader *reader, const struct toml_node *table,
					 const char *key, size_t *out_count);

/* Zeroed room for `count` things of `size_bytes` in the reader's arena; refuses when
 * there is none. */
void *toml_read_room(struct toml_reader *reader, size_t count, size_t size_bytes);
