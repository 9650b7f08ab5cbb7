#include "collector/input/event_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "collector/base/hard.h"
#include "collector/base/log.h"
#include "collector/input/evtx.h"
#include "collector/input/json.h"

enum {
	FIRST_BUFFER_BYTES = HARD(256 * 1024, 256),
	GZIP_BUFFER_BYTES = 128 * 1024,
	COMPLAINTS_PER_FILE = 5, /* then only a total */
};

enum format { FORMAT_LINES, FORMAT_ARRAY, FORMAT_EVTX };

struct event_file {
	struct normaliser *normaliser;
	gzFile stream; /* plain or gzip */
	struct evtx *evtx;
	enum format format;
	char *buffer; /* JSON_PADDING bytes longer than buffer_bytes */
	size_t buffer_bytes;
	size_t start; /* of what is not read yet */
	size_t end;
	bool at_end; /* nothing more will come from the stream */
	uint64_t line;
	uint64_t done_bytes;
	uint64_t total_bytes;
	uint64_t bad_count;
	bool has_fault;
	struct complaint fault;
	char path[COMPLAINT_FILE_MAX];
};

static void set_fault(struct event_file *file, const char *text)
{
	if (!file->has_fault)
		complain(&file->fault, file->path, (uint32_t)file->line, 0, "%s", text);
	file->has_fault = true;
}

/* Doubles the buffer. False: at its limit, or no memory. */
static bool grow(struct event_file *file)
{
	const size_t larger = file->buffer_bytes * 2;
	if (larger > 2 * (size_t)JSON_TEXT_MAX)
		return false;
	char *buffer = realloc(file->buffer, larger + JSON_PADDING);
	if (!buffer)
		return false;
	file->buffer = buffer;
	file->buffer_bytes = larger;
	return true;
}

/* Reads more behind what is there, making room first. False: nothing more, or what is there fills
 * the largest buffer. */
static bool fill(struct event_file *file)
{
	if (file->at_end)
		return false;
	if (file->start > 0) {
		memmove(file->buffer, file->buffer + file->start, file->end - file->start);
		file->end -= file->start;
		file->start = 0;
	}
	if (file->end == file->buffer_bytes && !grow(file))
		return false;
	const int got = gzread(file->stream, file->buffer + file->end,
			       (unsigned)(file->buffer_bytes - file->end));
	int error = Z_OK;
	const char *text = gzerror(file->stream, &error);
	file->done_bytes = (uint64_t)gzoffset(file->stream);
	if (got > 0)
		file->end += (size_t)got;
	if (got <= 0 || error != Z_OK)
		file->at_end = true;
	if (error != Z_OK && error != Z_STREAM_END)
		set_fault(file, error == Z_BUF_ERROR ? "the gzip stream ends too early" : text);
	return got > 0;
}

/* A bad text of the file: counted by the normaliser, told here. */
static void tell(struct event_file *file, uint64_t line, enum normaliser_result result)
{
	static const char *const reasons[] = {
		[NORMALISER_BAD_JSON] = "not a JSON object, or not one whole event",
		[NORMALISER_UNMAPPED] = "an event of a shape that no dialect knows",
		[NORMALISER_NO_TIME] = "an event without a usable time",
		[NORMALISER_TOO_LARGE] = "an event larger than 4 MiB",
	};
	file->bad_count++;
	if (file->bad_count <= COMPLAINTS_PER_FILE)
		log_warnx("%s:%llu: %s, skipped", file->path, (unsigned long long)line,
			  reasons[result]);
}

static const struct event *normalise(struct event_file *file, const char *text, size_t size_bytes,
				     uint64_t line)
{
	const struct event *event = NULL;
	const enum normaliser_result result =
		normaliser_json(file->normaliser, text, size_bytes, 0, &event);
	if (result == NORMALISED)
		return event;
	tell(file, line, result);
	return NULL;
}

/* A text that does not fit: everything up to the next line end goes. */
static void drop_line(struct event_file *file)
{
	const struct event *event;
	/* an oversized text is refused before it is looked at */
	const enum normaliser_result result = normaliser_json(file->normaliser, file->buffer,
							      (size_t)JSON_TEXT_MAX + 1, 0, &event);
	tell(file, file->line, result);
	for (;;) {
		char *newline = memchr(file->buffer + file->start, '\n', file->end - file->start);
		if (newline) {
			file->start = (size_t)(newline + 1 - file->buffer);
			return;
		}
		file->start = file->end;
		if (!fill(file))
			return;
	}
}

/* White space and the byte order mark around a line. */
static void trim(const char **text, size_t *size_bytes)
{
	static const char mark[] = "\xef\xbb\xbf";
	if (*size_bytes >= 3 && memcmp(*text, mark, 3) == 0) {
		*text += 3;
		*size_bytes -= 3;
	}
	while (*size_bytes > 0 && (unsigned char)(*text)[*size_bytes - 1] <= ' ')
		(*size_bytes)--;
	while (*size_bytes > 0 && (unsigned char)**text <= ' ') {
		(*text)++;
		(*size_bytes)--;
	}
}

/* The next line, without its end. NULL: no more. */
static const char *next_line(struct event_file *file, size_t *out_size_bytes)
{
	size_t looked_at = 0;
	for (;;) {
		char *from = file->buffer + file->start;
		const size_t left = file->end - file->start;
		char *newline = memchr(from + looked_at, '\n', left - looked_at);
		if (newline || (file->at_end && left > 0)) {
			file->line++;
			*out_size_bytes = newline ? (size_t)(newline - from) : left;
			file->start += *out_size_bytes + (newline != NULL);
			return from;
		}
		looked_at = left;
		if (fill(file) || file->at_end) {
			if (file->at_end && file->end == file->start)
				return NULL;
			continue;
		}
		file->line++;
		drop_line(file);
		looked_at = 0;
	}
}

static const struct event *next_of_lines(struct event_file *file)
{
	size_t size_bytes;
	const char *text;
	while ((text = next_line(file, &size_bytes)) != NULL) {
		trim(&text, &size_bytes);
		if (size_bytes == 0)
			continue;
		const struct event *event = normalise(file, text, size_bytes, file->line);
		if (event)
			return event;
	}
	return NULL;
}

/* How far the object that begins at `start` reaches. 0: its end is not in the buffer yet.
 * *looked_at and the scan's state go on where they stopped. */
struct scan {
	size_t looked_at;
	size_t depth;
	bool in_string;
	bool escaped;
};

static size_t scan_object(const char *text, size_t left, struct scan *scan)
{
	for (size_t i = scan->looked_at; i < left; i++) {
		const char character = text[i];
		if (scan->in_string) {
			if (scan->escaped)
				scan->escaped = false;
			else if (character == '\\')
				scan->escaped = true;
			else if (character == '"')
				scan->in_string = false;
			continue;
		}
		if (character == '"')
			scan->in_string = true;
		else if (character == '{' || character == '[')
			scan->depth++;
		else if ((character == '}' || character == ']') && --scan->depth == 0)
			return i + 1;
	}
	scan->looked_at = left;
	return 0;
}

/* Moves to the next element of the array. False: its end, or the file's. */
static bool next_element(struct event_file *file)
{
	for (;; file->start++) {
		if (file->start == file->end && !fill(file)) {
			set_fault(file, "the array is not closed");
			return false;
		}
		const char character = file->buffer[file->start];
		if (character == '\n')
			file->line++;
		if (character == ']') {
			file->start = file->end;
			file->at_end = true;
			return false;
		}
		if (character != ',' && (unsigned char)character > ' ')
			return true;
	}
}

static uint64_t count_lines(const char *text, size_t size_bytes)
{
	uint64_t count = 0;
	for (const char *end = text + size_bytes; (text = memchr(text, '\n', (size_t)(end - text)));
	     text++)
		count++;
	return count;
}

static const struct event *next_of_array(struct event_file *file)
{
	while (!(file->at_end && file->start == file->end) && next_element(file)) {
		struct scan scan = { 0 };
		size_t size_bytes = 0;
		if (file->buffer[file->start] != '{') {
			set_fault(file, "an element of the array is not an object");
			return NULL;
		}
		while ((size_bytes = scan_object(file->buffer + file->start,
						 file->end - file->start, &scan)) == 0)
			if (!fill(file)) {
				set_fault(file, file->at_end ? "the array is not closed"
							     : "an element is larger than 4 MiB");
				file->start = file->end;
				file->at_end = true;
				return NULL;
			}
		const char *text = file->buffer + file->start;
		const uint64_t line = file->line + 1;
		file->line += count_lines(text, size_bytes);
		file->start += size_bytes;
		const struct event *event = normalise(file, text, size_bytes, line);
		if (event)
			return event;
	}
	return NULL;
}

static const struct event *next_of_evtx(struct event_file *file)
{
	const char *xml;
	size_t size_bytes;
	uint64_t number;
	while (evtx_next(file->evtx, &xml, &size_bytes, &number)) {
		const struct event *event = NULL;
		evtx_progress(file->evtx, file->total_bytes, &file->done_bytes);
		const enum normaliser_result result =
			normaliser_xml(file->normaliser, xml, size_bytes, 0, &event);
		if (result == NORMALISED)
			return event;
		tell(file, number, result);
	}
	if (evtx_fault(file->evtx))
		set_fault(file, evtx_fault(file->evtx));
	file->done_bytes = file->total_bytes;
	return NULL;
}

const struct event *event_file_next(struct event_file *file)
{
	switch (file->format) {
	case FORMAT_LINES:
		return next_of_lines(file);
	case FORMAT_ARRAY:
		return next_of_array(file);
	case FORMAT_EVTX:
		return next_of_evtx(file);
	}
	return NULL;
}

/* Looks at the first character that counts. False: none of the formats. */
static bool recognise(struct event_file *file)
{
	static const char evtx_magic[] = "ElfFile";
	fill(file);
	if (file->end >= sizeof(evtx_magic) &&
	    memcmp(file->buffer, evtx_magic, sizeof(evtx_magic)) == 0) {
		file->format = FORMAT_EVTX;
		return true;
	}
	const char *text = file->buffer;
	size_t size_bytes = file->end;
	trim(&text, &size_bytes);
	file->format = size_bytes > 0 && *text == '[' ? FORMAT_ARRAY : FORMAT_LINES;
	if (file->format == FORMAT_ARRAY)
		file->start = (size_t)(text + 1 - file->buffer);
	return size_bytes == 0 || *text == '{' || *text == '[';
}

static bool open_stream(struct event_file *file, const char *path, struct complaint *complaint)
{
	struct stat status;
	file->stream = gzopen(path, "rb");
	if (!file->stream || stat(path, &status) != 0)
		return complain(complaint, path, 0, 0, "cannot be opened: %s", strerror(errno));
	if (S_ISDIR(status.st_mode))
		return complain(complaint, path, 0, 0, "is a directory, expected a file of events");
	gzbuffer(file->stream, GZIP_BUFFER_BYTES);
	file->total_bytes = (uint64_t)status.st_size;
	file->buffer = malloc(FIRST_BUFFER_BYTES + JSON_PADDING);
	if (!file->buffer)
		return complain(complaint, path, 0, 0, "no memory");
	file->buffer_bytes = FIRST_BUFFER_BYTES;
	if (!recognise(file))
		return complain(complaint, path, 0, 0,
				"found neither JSON lines nor a JSON array nor an .evtx file");
	if (file->format != FORMAT_EVTX)
		return true;
	file->evtx = evtx_open(path, complaint);
	return file->evtx != NULL;
}

bool event_file_open(const char *path, struct normaliser *normaliser, struct complaint *complaint,
		     struct event_file **out_file)
{
	struct event_file *file = calloc(1, sizeof(*file));
	if (!file)
		return complain(complaint, path, 0, 0, "no memory");
	file->normaliser = normaliser;
	const size_t path_bytes = strnlen(path, sizeof(file->path) - 1);
	memcpy(file->path, path, path_bytes);
	if (!open_stream(file, path, complaint)) {
		event_file_close(file);
		return false;
	}
	*out_file = file;
	return true;
}

void event_file_close(struct event_file *file)
{
	if (!file)
		return;
	if (file->bad_count > COMPLAINTS_PER_FILE)
		log_warnx("%s: %llu events skipped in all", file->path,
			  (unsigned long long)file->bad_count);
	evtx_close(file->evtx);
	if (file->stream)
		gzclose(file->stream);
	free(file->buffer);
	free(file);
}

const struct complaint *event_file_fault(const struct event_file *file)
{
	return file->has_fault ? &file->fault : NULL;
}

void event_file_progress(const struct event_file *file, uint64_t *out_done_bytes,
			 uint64_t *out_total_bytes)
{
	*out_done_bytes = file->done_bytes;
	*out_total_bytes = file->total_bytes;
}
