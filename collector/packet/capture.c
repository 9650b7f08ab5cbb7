/* Merges files by time. A heap holds every file that has something left, by the time of its next
 * packet. The first one hands over packets until the second one's next packet comes first, so files
 * that do not overlap are read in long runs.
 *
 * At open each file is looked into for the time of its first packet and closed again; it is opened
 * for good when that time has come. So a thousand files of an hour each are open one after the
 * other.
 */
#include "collector/packet/capture.h"

#include <stdlib.h>
#include <string.h>

#include "collector/base/hard.h"
#include "collector/packet/capture_file.h"

enum {
	FILES_MAX = UINT16_MAX + 1,
	THREADS_MAX = 4, /* that inflate at once */
	THREAD_WORTH_BYTES =
		HARD(64 << 10, 1 << 10), /* a smaller file is inflated before one runs */
};

struct entry {
	const char *path; /* in names */
	struct capture_file *file;
	uint64_t head_ns;
	uint64_t size_bytes;
	bool threaded;
	bool used; /* packets of the current batch may point into it */
};

struct capture {
	struct entry *entries;
	size_t count;
	uint16_t *heap; /* numbers of entries, earliest first */
	size_t heap_count;
	uint16_t *used; /* the entries that are */
	size_t used_count;
	size_t thread_count;
	uint64_t done_bytes; /* of closed files */
	uint64_t total_bytes;
	char *names;
	struct complaints faults;
};

/* --- the heap --------------------------------------------------------------------------------- */

static bool is_before(const struct capture *capture, uint16_t left, uint16_t right)
{
	const uint64_t left_ns = capture->entries[left].head_ns;
	const uint64_t right_ns = capture->entries[right].head_ns;
	return left_ns != right_ns ? left_ns < right_ns : left < right;
}

static void swap(uint16_t *left, uint16_t *right)
{
	const uint16_t held = *left;
	*left = *right;
	*right = held;
}

static void sift_down(struct capture *capture, size_t at)
{
	uint16_t *heap = capture->heap;
	for (;;) {
		size_t first = at;
		for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++) {
			if (child < capture->heap_count &&
			    is_before(capture, heap[child], heap[first]))
				first = child;
		}
		if (first == at)
			return;
		swap(&heap[at], &heap[first]);
		at = first;
	}
}

static void heap_push(struct capture *capture, uint16_t number)
{
	uint16_t *heap = capture->heap;
	size_t at = capture->heap_count++;
	heap[at] = number;
	for (; at > 0 && is_before(capture, heap[at], heap[(at - 1) / 2]); at = (at - 1) / 2)
		swap(&heap[at], &heap[(at - 1) / 2]);
}

static void heap_pop(struct capture *capture)
{
	capture->heap[0] = capture->heap[--capture->heap_count];
	sift_down(capture, 0);
}

/* The last time at which the first file still comes before all others. */
static uint64_t limit_of_first(const struct capture *capture)
{
	const uint16_t *heap = capture->heap;
	if (capture->heap_count < 2)
		return UINT64_MAX;
	uint16_t second = heap[1];
	if (capture->heap_count > 2 && is_before(capture, heap[2], second))
		second = heap[2];
	const uint64_t second_ns = capture->entries[second].head_ns;
	return heap[0] < second ? second_ns : second_ns - 1; /* then it is after the first: not 0 */
}

/* --- opening and closing ---------------------------------------------------------------------- */

static void close_file(struct capture *capture, struct entry *entry)
{
	capture->done_bytes += entry->size_bytes;
	capture->thread_count -= entry->threaded;
	capture_file_close(entry->file);
	entry->file = NULL;
	entry->threaded = false;
}

/* Opens the file for good. False: it has gone since we looked, which is a fault. */
static bool open_file(struct capture *capture, uint16_t number)
{
	struct entry *entry = &capture->entries[number];
	struct complaint complaint;
	entry->threaded =
		capture->thread_count < THREADS_MAX && entry->size_bytes >= THREAD_WORTH_BYTES;
	entry->file = capture_file_open(entry->path, number,
					entry->threaded ? CAPTURE_READ_THREADED : CAPTURE_READ,
					&complaint);
	if (!entry->file) {
		entry->threaded = false;
		*complaints_next(&capture->faults) = complaint;
		return false;
	}
	/* A mapped file has no thread to count. */
	entry->threaded = entry->threaded && entry->file->source.stream;
	capture->thread_count += entry->threaded;
	return true;
}

/* Looks at the first packet's time. Pipes cannot be opened twice and stay open. */
static bool look_into(struct capture *capture, uint16_t number, struct complaints *complaints)
{
	struct entry *entry = &capture->entries[number];
	struct complaint complaint;
	struct capture_file *file =
		capture_file_open(entry->path, number, CAPTURE_PEEK, &complaint);
	if (!file) {
		*complaints_next(complaints) = complaint;
		return false;
	}
	file->fill(file, NULL, 0, UINT64_MAX);
	/* A file without packets comes first, for its fault to be told. */
	entry->head_ns = file->state == CAPTURE_STATE_HEAD ? file->head_ns : 0;
	entry->size_bytes = file->source.size_bytes;
	capture->total_bytes += entry->size_bytes;
	if (file->source.can_reopen)
		capture_file_close(file);
	else
		entry->file = file;
	return true;
}

static bool copy_names(struct capture *capture, const char *const *paths)
{
	size_t size_bytes = 1;
	for (size_t i = 0; i < capture->count; i++)
		size_bytes += strlen(paths[i]) + 1;
	capture->names = malloc(size_bytes);
	if (!capture->names)
		return false;
	char *at = capture->names;
	for (size_t i = 0; i < capture->count; i++) {
		const size_t size = strlen(paths[i]) + 1;
		memcpy(at, paths[i], size);
		capture->entries[i].path = at;
		at += size;
	}
	return true;
}

static struct capture *allocate(const char *const *paths, size_t count)
{
	struct capture *capture = calloc(1, sizeof(*capture));
	if (!capture)
		return NULL;
	capture->count = count;
	capture->entries = calloc(count + 1, sizeof(capture->entries[0]));
	capture->heap = calloc(count + 1, sizeof(capture->heap[0]));
	capture->used = calloc(count + 1, sizeof(capture->used[0]));
	if (capture->entries && capture->heap && capture->used && copy_names(capture, paths))
		return capture;
	capture_close(capture);
	return NULL;
}

bool capture_open_files(const char *const *paths, size_t count, struct complaints *complaints,
			struct capture **out_capture)
{
	if (count > FILES_MAX)
		return complain(complaints_next(complaints), "", 0, 0,
				"%zu captures at once, at most %d can be merged", count, FILES_MAX);
	struct capture *capture = allocate(paths, count);
	if (!capture)
		return complain(complaints_next(complaints), "", 0, 0, "out of memory");
	bool all = true;
	for (size_t i = 0; i < count; i++)
		all &= look_into(capture, (uint16_t)i, complaints);
	if (!all) {
		capture_close(capture);
		return false;
	}
	for (size_t i = 0; i < count; i++)
		heap_push(capture, (uint16_t)i);
	*out_capture = capture;
	return true;
}

void capture_close(struct capture *capture)
{
	if (!capture)
		return;
	for (size_t i = 0; capture->entries && i < capture->count; i++)
		capture_file_close(capture->entries[i].file);
	free(capture->entries);
	free(capture->heap);
	free(capture->used);
	free(capture->names);
	free(capture);
}

/* --- reading ---------------------------------------------------------------------------------- */

static void record_fault(struct capture *capture, const struct entry *entry)
{
	if (entry->file->faulted)
		complain(complaints_next(&capture->faults), entry->path, 0, 0, "%s",
			 entry->file->fault);
}

/* The packets of the last batch are no longer looked at: files that ended are closed, and those
 * that had to wait for this go on. */
static void begin_batch(struct capture *capture)
{
	for (size_t i = 0; i < capture->used_count; i++) {
		const uint16_t number = capture->used[i];
		struct entry *entry = &capture->entries[number];
		struct capture_file *file = entry->file;
		entry->used = false;
		capture_source_begin(&file->source);
		const bool waited = file->state == CAPTURE_STATE_LATER;
		if (waited) {
			file->fill(file, NULL, 0, UINT64_MAX);
			entry->head_ns = file->head_ns;
		}
		if (file->state == CAPTURE_STATE_END) {
			if (waited)
				record_fault(capture, entry);
			close_file(capture, entry);
		} else if (waited) {
			heap_push(capture, number);
		}
	}
	capture->used_count = 0;
}

/* After a file handed packets over, or came to its end without one. */
static void mark_used(struct capture *capture, uint16_t number)
{
	struct entry *entry = &capture->entries[number];
	if (entry->used)
		return;
	if (entry->file->state == CAPTURE_STATE_END && !entry->file->source.pinned) {
		close_file(capture, entry);
		return;
	}
	entry->used = true;
	capture->used[capture->used_count++] = number;
}

/* Puts the first file where it belongs after it handed packets over. */
static void settle_first(struct capture *capture, struct entry *entry)
{
	switch (entry->file->state) {
	case CAPTURE_STATE_HEAD:
		entry->head_ns = entry->file->head_ns;
		sift_down(capture, 0);
		break;
	case CAPTURE_STATE_LATER:
		heap_pop(capture);
		break;
	case CAPTURE_STATE_END:
		record_fault(capture, entry);
		heap_pop(capture);
		break;
	}
}

size_t capture_next(struct capture *capture, struct packet packets[PACKET_BATCH])
{
	begin_batch(capture);
	size_t count = 0;
	while (count < PACKET_BATCH && capture->heap_count > 0) {
		const uint16_t number = capture->heap[0];
		struct entry *entry = &capture->entries[number];
		if (!entry->file && !open_file(capture, number)) {
			heap_pop(capture);
			continue;
		}
		struct capture_file *file = entry->file;
		count += file->fill(file, packets + count, PACKET_BATCH - count,
				    limit_of_first(capture));
		settle_first(capture, entry);
		/* What comes next is not known before it has its blocks back. */
		const bool later = file->state == CAPTURE_STATE_LATER;
		mark_used(capture, number);
		if (later)
			break;
	}
	return count;
}

const struct complaints *capture_faults(const struct capture *capture)
{
	return &capture->faults;
}

void capture_progress(const struct capture *capture, uint64_t *out_done_bytes,
		      uint64_t *out_total_bytes)
{
	uint64_t done_bytes = capture->done_bytes;
	for (size_t i = 0; i < capture->count; i++) {
		const struct entry *entry = &capture->entries[i];
		if (entry->file && entry->size_bytes > 0)
			done_bytes += capture_source_consumed(&entry->file->source);
	}
	*out_done_bytes = done_bytes;
	*out_total_bytes = capture->total_bytes;
}
