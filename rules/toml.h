/* toml.h: a TOML file as a plain tree. For rule files and the configuration file.
 *
 * toml++ does the parsing; this header is all that anybody else sees of it. The tree is plain data
 * in the caller's arena: walk it, and let the arena free it. Hostile files are refused before they
 * can cost more than a bounded amount of time, stack and memory. No thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "collector/base/arena.h"
#include "collector/base/complaint.h"

enum {
	TOML_SIZE_MAX = 2 * 1024 * 1024, /* bytes of a file */
	TOML_NESTING_MAX = 64,		 /* arrays and inline tables inside each other */
	TOML_KEY_DOTS_MAX = 32,		 /* dots in one key or [header] */
	TOML_HEADERS_MAX = 16 * 1024,	 /* headers and key dots of a file together */
};

enum toml_kind {
	TOML_TABLE,
	TOML_ARRAY,
	TOML_TEXT,
	TOML_INTEGER,
	TOML_DOUBLE,
	TOML_BOOLEAN,
	TOML_TIME, /* dates and times; without a zone they are UTC */
};

/* One value. `key` is its name in the table that holds it, NULL for the root and
 * for array items. */
struct toml_node {
	enum toml_kind kind;
	uint32_t line; /* where the value starts in the file; 1-based */
	uint32_t column;
	const char *key;
	size_t count; /* of items, or of bytes of text */
	union {
		const struct toml_node *items; /* a table's are sorted by key, bytewise */
		const char *text;	       /* NUL-terminated; may hold NULs inside */
		int64_t integer;
		double number;
		bool truth;
		int64_t unix_ns;
	};
};

/* The root table in `arena`, or NULL and a complaint. */
const struct toml_node *toml_parse(const char *file, const char *text, size_t size_bytes,
				   struct arena *arena, struct complaint *complaint);

/* The value of a key; NULL when the table (which may be NULL, or no table) does not have it. */
const struct toml_node *toml_get(const struct toml_node *table, const char *key);

/* "a table", "an integer"...: for complaints. */
const char *toml_kind_name(enum toml_kind kind);

/* Where byte `offset` of a text value is in the file: the value may start after a line break, and
 * escapes are longer in the file than in the value. `file_text` is what was parsed. */
void toml_locate(const struct toml_node *node, const char *file_text, size_t file_size_bytes,
		 size_t offset, uint32_t *out_line, uint32_t *out_column);

#ifdef __cplusplus
}
#endif
