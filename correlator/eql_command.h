/* eql_command.h: `procspan eql QUERY --events F...`: search files of events as Elasticsearch would,
 * and print what was found. Main thread only.
 *
 * A document is matched as it is, when it is in ECS: when it has an event.category. Windows events
 * as forwarders send them are matched as the sensor's normalisation sees them
 * (collector/input/normaliser.h), and by those of their own fields that it leaves free.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct eql_arguments {
	const char *query;
	const char *const *event_paths; /* NDJSON, JSON arrays, gzip of either; .evtx */
	size_t event_path_count;
	/* A file, or the text itself, of a JSON object of field to Elasticsearch type; NULL =
	 * none. With one, a field that nobody knows is refused unless it is optional, as with a
	 * mapping: known are those of the schema, of ECS and of the documents. */
	const char *schema;
	const char *timestamp_field;  /* NULL = @timestamp */
	const char *category_field;   /* NULL = event.category */
	const char *tiebreaker_field; /* NULL = none: documents of equal time in their order */
	uint64_t size;		      /* results at most; UINT64_MAX = all */
	uint64_t samples_per_key;     /* of a sample; 0 = 1 */
	bool raw;		      /* no normalisation: documents as they are */
	bool explain;		      /* print the compiled program, and search only when there are
					 files */
};

/* One JSON object a line on `out`: the document as it came (a record of
 * an event log: its event in ECS) for an event query,
 * {"join_keys":[...],"events":[...]} for a sequence or sample, null in the slot of a missing event.
 * Words on `err`. Returns an exit code: 0, 3 (schema), 4 (query refused), 6 (a file is missing or
 * damaged). */
int eql_command(const struct eql_arguments *arguments, FILE *out, FILE *err);
