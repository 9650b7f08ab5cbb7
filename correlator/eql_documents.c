/* The documents that satisfy a step of the query. See eql_search.h.
 *
 * A document is matched by its own fields. One that is no ECS, but a Windows event as a forwarder
 * sent it, is matched as what the sensor makes of it, and by those own fields that the result
 * lacks.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "collector/input/event_file.h"
#include "collector/input/normaliser.h"
#include "correlator/eql_search.h"
#include "correlator/exit_code.h"
#include "correlator/output.h"

static_assert((int)DOCUMENT_PADDING >= (int)NORMALISER_PADDING, "the normaliser reads that far");

enum { EVENT_TEXT_BYTES = 4 * EVENT_SIZE_MAX }; /* an event as JSON */

/* What is needed only while documents are read. */
struct reader {
	struct eql_search *search;
	struct normaliser *normaliser; /* NULL: documents are as they are */
	struct event_builder *own;     /* what a document says itself */
	struct event_builder *joined;  /* what it means, and what it says besides */
	struct match_scratch *scratch;
	step_id *steps;
	size_t room;
	uint64_t document_count;
	uint64_t bad_count;
	uint64_t untimed_count;
	uint64_t refused_count;
	bool seen[FIELD_MAX];
};

bool eql_is_event_log(const char *path)
{
	static const char magic[] = "ElfFile";
	char bytes[sizeof(magic)] = { 0 };
	FILE *file = fopen(path, "rb");
	if (!file)
		return false;
	const bool is_log = fread(bytes, 1, sizeof(bytes), file) == sizeof(bytes) &&
			    memcmp(bytes, magic, sizeof(magic)) == 0;
	fclose(file);
	return is_log;
}

/* --- hits ------------------------------------------------------------------------------------- */

static bool keep_hit(struct reader *reader, const struct hit *hit, const struct event *event)
{
	struct eql_search *search = reader->search;
	if (search->hit_count == reader->room) {
		const size_t room = reader->room * 2 + 256;
		struct hit *larger = realloc(search->hits, room * sizeof(*larger));
		if (!larger)
			return false;
		search->hits = larger;
		reader->room = room;
	}
	struct hit *kept = &search->hits[search->hit_count];
	*kept = *hit;
	kept->event = malloc(event->size_bytes);
	kept->steps = arena_take(search->arena, (hit->step_count + 1) * sizeof(step_id));
	if (!kept->event || !kept->steps) {
		free(kept->event);
		return false;
	}
	memcpy(kept->event, event, event->size_bytes);
	memcpy(kept->steps, reader->steps, hit->step_count * sizeof(step_id));
	json_incref(kept->tiebreaker);
	search->hit_count++;
	return true;
}

static const struct event *end_event(const struct reader *reader, struct event_builder *builder,
				     uint64_t time_ns)
{
	struct event *header = event_header(builder);
	header->datasets = UINT32_MAX;
	header->tiebreaker = UINT64_MAX;
	header->identity = reader->search->hit_count + 1;
	header->time_ns = time_ns;
	return event_end(builder);
}

/* --- documents -------------------------------------------------------------------------------- */

/* The time that rules order by. A sample knows no time: the order of the documents. */
static bool find_time(const struct eql_search *search, const json_t *document,
		      const struct event *normalised, uint64_t *out_time_ns)
{
	const char *name = eql_timestamp_field(search);
	*out_time_ns = UINT64_MAX;
	if (search->rule->kind == RULE_SAMPLE) {
		*out_time_ns = search->hit_count;
		return true;
	}
	if (normalised && strcmp(name, "@timestamp") == 0) {
		*out_time_ns = normalised->time_ns;
		return true;
	}
	const json_t *value = document ? document_find(document, name) : NULL;
	return value && document_value_time(value, out_time_ns);
}

/* What the sensor makes of a document that is no ECS; or NULL. */
static const struct event *normalise(const struct reader *reader, const json_t *document,
				     const struct document_text *text)
{
	const struct event *event;
	if (!reader->normaliser || document_find(document, EQL_CATEGORY_FIELD))
		return NULL;
	return normaliser_json(reader->normaliser, text->bytes, text->size_bytes, 0, &event) ==
			       NORMALISED
		       ? event
		       : NULL;
}

/* `document` may be NULL (a record of an event log), or `normalised`. */
static const struct event *make_event(struct reader *reader, const json_t *document,
				      const struct event *normalised, uint64_t time_ns)
{
	const struct fields *fields = reader->search->fields;
	uint64_t refused_count = 0;
	event_begin(reader->own);
	if (document)
		refused_count = document_add_to_event(document, fields, reader->own, reader->seen);
	const struct event *own = end_event(reader, reader->own, time_ns);
	if (!normalised) {
		reader->refused_count += refused_count;
		return own;
	}
	event_begin(reader->joined);
	event_add_missing_from(reader->joined, normalised);
	event_add_missing_from(reader->joined, own);
	for (size_t i = 0; i < normalised->value_count; i++)
		reader->seen[normalised->values[i].field] = true;
	return end_event(reader, reader->joined, time_ns);
}

/* The steps that it satisfies. False when it is no hit. */
static bool match(struct reader *reader, const struct event *event, struct hit *hit)
{
	const struct eql_search *search = reader->search;
	hit->step_count = ruleset_match(search->ruleset, reader->scratch, event, reader->steps);
	if (hit->step_count == 0)
		return false;
	if (hit->has_time || search->rule->kind != RULE_SEQUENCE)
		return true;
	reader->untimed_count++;
	return false;
}

static bool search_document(struct reader *reader, const json_t *document,
			    const struct document_text *text)
{
	const struct eql_search *search = reader->search;
	const char *tiebreaker_field = search->arguments->tiebreaker_field;
	struct hit hit = { .text = *text };
	uint64_t time_ns;
	const struct event *normalised = normalise(reader, document, text);
	hit.has_time = find_time(search, document, normalised, &time_ns);
	const struct event *event = make_event(reader, document, normalised, time_ns);
	if (!match(reader, event, &hit))
		return true;
	if (tiebreaker_field)
		hit.tiebreaker = (json_t *)(uintptr_t)document_find(document, tiebreaker_field);
	return keep_hit(reader, &hit, event);
}

static bool search_documents(struct reader *reader, struct document_file *file)
{
	struct document_text text;
	bool ok = true;
	while (ok && document_file_next(file, &text)) {
		json_t *document = document_parse(&text);
		reader->document_count++;
		if (document) {
			ok = search_document(reader, document, &text);
		} else {
			reader->bad_count++;
			document_file_resume(file, &text);
		}
		json_decref(document);
	}
	reader->bad_count += document_file_skipped_count(file);
	return ok;
}

/* --- event logs ------------------------------------------------------------------------------- */

/* The text of a record is the event in ECS. */
static bool write_text(const struct eql_search *search, const struct event *event, struct hit *hit)
{
	static char text[EVENT_TEXT_BYTES];
	const size_t size_bytes = event_format_json(event, search->fields, text, sizeof(text));
	if (size_bytes >= sizeof(text))
		return false;
	hit->text.bytes = arena_copy_text(search->arena, text, size_bytes);
	hit->text.size_bytes = size_bytes;
	return hit->text.bytes != NULL;
}

static bool search_record(struct reader *reader, const struct event *normalised)
{
	const struct eql_search *search = reader->search;
	const char *tiebreaker_field = search->arguments->tiebreaker_field;
	struct hit hit = { 0 };
	uint64_t time_ns;
	hit.has_time = find_time(search, NULL, normalised, &time_ns);
	const struct event *event = make_event(reader, NULL, normalised, time_ns);
	if (!match(reader, event, &hit))
		return true;
	if (!write_text(search, normalised, &hit))
		return false;
	json_t *document = tiebreaker_field ? document_parse(&hit.text) : NULL;
	if (document)
		hit.tiebreaker = (json_t *)(uintptr_t)document_find(document, tiebreaker_field);
	const bool kept = keep_hit(reader, &hit, event);
	json_decref(document);
	return kept;
}

static void print_complaint(const struct complaint *complaint, FILE *err)
{
	fputs("error ", err);
	complaint_print(complaint, err);
	putc('\n', err);
}

static int search_event_log(struct reader *reader, const char *path)
{
	FILE *err = reader->search->err;
	struct event_file *file;
	struct complaint complaint;
	/* of its own: that of the documents is there only without --raw */
	struct normaliser *normaliser =
		normaliser_open(reader->search->fields, &reader->search->counters);
	if (!normaliser)
		return EXIT_INPUT;
	if (!event_file_open(path, normaliser, &complaint, &file)) {
		print_complaint(&complaint, err);
		normaliser_close(normaliser);
		return EXIT_INPUT;
	}
	int code = EXIT_DONE;
	const struct event *event;
	while (code == EXIT_DONE && (event = event_file_next(file))) {
		reader->document_count++;
		if (!search_record(reader, event))
			code = EXIT_INPUT;
	}
	if (event_file_fault(file)) {
		print_complaint(event_file_fault(file), err);
		code = EXIT_INPUT;
	}
	event_file_close(file);
	normaliser_close(normaliser);
	return code;
}

/* --- all files -------------------------------------------------------------------------------- */

static void print_warnings(const struct reader *reader)
{
	FILE *err = reader->search->err;
	const struct fields *fields = reader->search->fields;
	if (reader->bad_count)
		fprintf(err, "warn eql: %" PRIu64 " lines or documents are no JSON objects\n",
			reader->bad_count);
	if (reader->untimed_count)
		fprintf(err, "warn eql: %" PRIu64 " documents without a time in `%s` left out\n",
			reader->untimed_count, eql_timestamp_field(reader->search));
	if (reader->refused_count)
		fprintf(err, "warn eql: %" PRIu64 " values are not of their field's type\n",
			reader->refused_count);
	for (uint16_t i = FIELD_KNOWN_COUNT; i < fields_count(fields); i++)
		if (fields_wanted(fields, i) && !reader->seen[i] && reader->document_count)
			fprintf(err, "warn eql: no document has the field `%s`\n",
				fields_name(fields, i));
}

static int search_file(struct reader *reader, const char *path)
{
	struct eql_search *search = reader->search;
	struct complaint complaint;
	struct document_file *file;
	if (eql_is_event_log(path))
		return search_event_log(reader, path);
	if (!document_file_open(path, &complaint, &file)) {
		print_complaint(&complaint, search->err);
		return EXIT_INPUT;
	}
	search->files[search->file_count++] = file;
	return search_documents(reader, file) ? EXIT_DONE : EXIT_INPUT;
}

/* With another category field the documents are somebody's own. */
static bool wants_normaliser(const struct eql_arguments *arguments)
{
	const char *category = arguments->category_field;
	return !arguments->raw && (!category || strcmp(category, EQL_CATEGORY_FIELD) == 0);
}

static bool reader_open(struct reader *reader)
{
	struct eql_search *search = reader->search;
	search->files = arena_take(search->arena, (search->arguments->event_path_count + 1) *
							  sizeof(struct document_file *));
	reader->own = event_builder_open(search->fields, &search->counters);
	reader->joined = event_builder_open(search->fields, &search->counters);
	reader->scratch = match_scratch_open(search->ruleset);
	reader->steps = calloc(ruleset_step_count(search->ruleset) + 1U, sizeof(step_id));
	if (wants_normaliser(search->arguments)) {
		reader->normaliser = normaliser_open(search->fields, &search->counters);
		if (!reader->normaliser)
			return false;
	}
	return search->files && reader->own && reader->joined && reader->scratch && reader->steps;
}

static void reader_close(struct reader *reader)
{
	normaliser_close(reader->normaliser);
	event_builder_close(reader->own);
	event_builder_close(reader->joined);
	match_scratch_close(reader->scratch);
	free(reader->steps);
	free(reader);
}

int eql_search_files(struct eql_search *search)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	if (!reader)
		return EXIT_INPUT;
	reader->search = search;
	int code = reader_open(reader) ? EXIT_DONE : EXIT_INPUT;
	const bool opened = code == EXIT_DONE;
	for (size_t i = 0; opened && i < search->arguments->event_path_count; i++)
		if (search_file(reader, search->arguments->event_paths[i]) != EXIT_DONE)
			code = EXIT_INPUT;
	if (opened)
		print_warnings(reader);
	reader_close(reader);
	return code;
}
