#include "collector/input/input_spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "collector/base/cursor.h"
#include "collector/base/hard.h"
#include "collector/base/log.h"

enum {
	SEGMENTS_MAX = 4096,
	HEAD_BYTES = 8,	  /* size and checksum */
	PREFIX_BYTES = 9, /* received_ns and kind */
	NAME_DIGITS = 12,
	PENDING_FIRST_BYTES = 64 << 10,
};

static const uint64_t default_bytes = HARD(UINT64_C(2) << 30, UINT64_C(1) << 20);
static const uint64_t default_age_ns = UINT64_C(4) * 3600 * 1000000000;
static const uint64_t default_segment_bytes = HARD(UINT64_C(64) << 20, UINT64_C(16) << 10);

struct segment {
	uint64_t number;
	uint64_t size_bytes;
	uint64_t newest_ns; /* received_ns of its last document */
};

struct input_spool {
	struct input_spool_settings settings;
	struct counters *counters;
	int folder;
	int file; /* of the last segment, open for appending; -1 = none yet */
	struct segment segments[SEGMENTS_MAX];
	size_t segment_count;
	uint8_t *pending; /* appended, not committed */
	size_t pending_bytes;
	size_t pending_room;
	uint64_t pending_newest_ns;
};

static void name_of(uint64_t number, char out_name[32])
{
	snprintf(out_name, 32, "%0*" PRIu64 ".spool", NAME_DIGITS, number);
}

/* --- reading what earlier runs left ----------------------------------------------------------- */

/* Hands over the whole records of a segment; returns the bytes that they take. */
static size_t read_records(const uint8_t *bytes, size_t size_bytes, struct segment *segment,
			   input_spool_document_fn *found, void *context)
{
	struct cursor cursor = cursor_over(bytes, size_bytes);
	size_t good_bytes = 0;
	while (cursor_left(&cursor) > 0) {
		const uint32_t record_bytes = cursor_le32(&cursor);
		const uint32_t checksum = cursor_le32(&cursor);
		const uint8_t *record = cursor_take(&cursor, record_bytes);
		if (!record || record_bytes < PREFIX_BYTES ||
		    crc32(0, record, record_bytes) != checksum)
			break;
		struct cursor body = cursor_over(record, record_bytes);
		segment->newest_ns = cursor_le64(&body);
		const enum document_kind kind = (enum document_kind)cursor_u8(&body);
		if (found)
			found(context, kind, segment->newest_ns, (const char *)body.at,
			      cursor_left(&body));
		good_bytes = size_bytes - cursor_left(&cursor);
	}
	return good_bytes;
}

static int read_segment(struct input_spool *spool, struct segment *segment,
			input_spool_document_fn *found, void *context)
{
	char name[32];
	name_of(segment->number, name);
	const int file = openat(spool->folder, name, O_RDWR | O_CLOEXEC);
	struct stat status;
	if (file < 0 || fstat(file, &status) != 0)
		return file < 0 ? -errno : (close(file), -EIO);
	size_t good_bytes = 0;
	int error = 0;
	if (status.st_size > 0) {
		void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
		if (bytes == MAP_FAILED) {
			error = -errno;
		} else {
			good_bytes = read_records(bytes, (size_t)status.st_size, segment, found,
						  context);
			munmap(bytes, (size_t)status.st_size);
		}
	}
	segment->size_bytes = good_bytes;
	if (!error && good_bytes < (size_t)status.st_size) {
		log_warnx("spool %s/%s: %zu bytes at its end are no whole record (a crash, before "
			  "it was acknowledged); cut off",
			  spool->settings.path, name, (size_t)status.st_size - good_bytes);
		if (ftruncate(file, (off_t)good_bytes) != 0)
			error = -errno;
	}
	close(file);
	return error;
}

static int by_number(const void *left, const void *right)
{
	const uint64_t a = ((const struct segment *)left)->number;
	const uint64_t b = ((const struct segment *)right)->number;
	return (a > b) - (a < b);
}

static int list_segments(struct input_spool *spool)
{
	const int copy = openat(spool->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = copy < 0 ? NULL : fdopendir(copy);
	if (!entries)
		return -errno;
	for (struct dirent *entry; (entry = readdir(entries));) {
		char *end = NULL;
		const uint64_t number = strtoull(entry->d_name, &end, 10);
		if (end != entry->d_name + NAME_DIGITS || strcmp(end, ".spool") != 0)
			continue;
		if (spool->segment_count == SEGMENTS_MAX) {
			closedir(entries);
			return -EMFILE;
		}
		spool->segments[spool->segment_count++] = (struct segment){ .number = number };
	}
	closedir(entries);
	qsort(spool->segments, spool->segment_count, sizeof(spool->segments[0]), by_number);
	return 0;
}

static int read_all(struct input_spool *spool, input_spool_document_fn *found, void *context)
{
	int error = list_segments(spool);
	for (size_t i = 0; i < spool->segment_count && !error; i++)
		error = read_segment(spool, &spool->segments[i], found, context);
	return error;
}

int input_spool_open(const struct input_spool_settings *settings, struct counters *counters,
		     input_spool_document_fn *found, void *context, struct input_spool **out_spool)
{
	struct input_spool *spool = calloc(1, sizeof(*spool));
	if (!spool)
		return -ENOMEM;
	spool->settings = *settings;
	spool->counters = counters;
	spool->file = -1;
	if (!spool->settings.max_bytes)
		spool->settings.max_bytes = default_bytes;
	if (!spool->settings.max_age_ns)
		spool->settings.max_age_ns = default_age_ns;
	if (!spool->settings.segment_bytes)
		spool->settings.segment_bytes = default_segment_bytes;
	if (mkdir(settings->path, 0700) != 0 && errno != EEXIST) {
		const int error = -errno;
		free(spool);
		return error;
	}
	spool->folder = open(settings->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = spool->folder < 0 || flock(spool->folder, LOCK_EX | LOCK_NB) != 0 ? -errno : 0;
	if (!error)
		error = read_all(spool, found, context);
	if (error) {
		input_spool_close(spool);
		return error;
	}
	*out_spool = spool;
	return 0;
}

void input_spool_close(struct input_spool *spool)
{
	if (!spool)
		return;
	input_spool_commit(spool);
	if (spool->file >= 0)
		close(spool->file);
	if (spool->folder >= 0)
		close(spool->folder);
	free(spool->pending);
	free(spool);
}

/* --- appending -------------------------------------------------------------------------------- */

static bool make_room(struct input_spool *spool, size_t size_bytes)
{
	if (spool->pending_room - spool->pending_bytes >= size_bytes)
		return true;
	size_t room = spool->pending_room ? spool->pending_room : PENDING_FIRST_BYTES;
	while (room - spool->pending_bytes < size_bytes)
		room *= 2;
	uint8_t *larger = realloc(spool->pending, room);
	if (!larger)
		return false;
	spool->pending = larger;
	spool->pending_room = room;
	return true;
}

int input_spool_append(struct input_spool *spool, enum document_kind kind, uint64_t received_ns,
		       const char *bytes, size_t size_bytes)
{
	const uint32_t record_bytes = (uint32_t)(PREFIX_BYTES + size_bytes);
	if (size_bytes > UINT32_MAX / 2 || !make_room(spool, HEAD_BYTES + record_bytes))
		return -ENOMEM;
	uint8_t *const head = spool->pending + spool->pending_bytes;
	uint8_t *const record = head + HEAD_BYTES;
	memcpy(record, &received_ns, sizeof(received_ns));
	record[8] = (uint8_t)kind;
	memcpy(record + PREFIX_BYTES, bytes, size_bytes);
	const uint32_t checksum = (uint32_t)crc32(0, record, record_bytes);
	memcpy(head, &record_bytes, sizeof(record_bytes));
	memcpy(head + 4, &checksum, sizeof(checksum));
	spool->pending_bytes += HEAD_BYTES + record_bytes;
	spool->pending_newest_ns = received_ns;
	return 0;
}

static struct segment *last_segment(struct input_spool *spool)
{
	return spool->segment_count ? &spool->segments[spool->segment_count - 1] : NULL;
}

static void remove_oldest(struct input_spool *spool, const char *why)
{
	char name[32];
	name_of(spool->segments[0].number, name);
	if (unlinkat(spool->folder, name, 0) != 0)
		log_warn("spool %s/%s: cannot remove", spool->settings.path, name);
	log_info("spool %s/%s: %s, %" PRIu64 " bytes forgotten", spool->settings.path, name, why,
		 spool->segments[0].size_bytes);
	counter_add(spool->counters, COUNTER_spool_bytes_forgotten, spool->segments[0].size_bytes);
	spool->segment_count--;
	memmove(spool->segments, spool->segments + 1,
		spool->segment_count * sizeof(spool->segments[0]));
}

/* Opens the last segment, or a new one when it is full. */
static int open_for_append(struct input_spool *spool)
{
	struct segment *last = last_segment(spool);
	const bool full = !last || last->size_bytes >= spool->settings.segment_bytes;
	if (spool->file >= 0 && !full)
		return 0;
	if (spool->file >= 0)
		close(spool->file);
	spool->file = -1;
	if (full && spool->segment_count == SEGMENTS_MAX)
		remove_oldest(spool, "too many segments");
	const uint64_t number = full ? (last ? last->number + 1 : 1) : last->number;
	char name[32];
	name_of(number, name);
	spool->file = openat(spool->folder, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (spool->file < 0 || fsync(spool->folder) != 0) /* the name must survive, too */
		return -errno;
	if (full)
		spool->segments[spool->segment_count++] = (struct segment){ .number = number };
	return 0;
}

int input_spool_commit(struct input_spool *spool)
{
	if (spool->pending_bytes == 0)
		return 0;
	int error = open_for_append(spool);
	if (error)
		return error;
	struct segment *segment = last_segment(spool);
	size_t written = 0;
	while (written < spool->pending_bytes) {
		const ssize_t count = write(spool->file, spool->pending + written,
					    spool->pending_bytes - written);
		if (count < 0 && errno != EINTR) {
			error = -errno;
			break;
		}
		written += count > 0 ? (size_t)count : 0;
	}
	if (!error && fdatasync(spool->file) != 0)
		error = -errno;
	if (error) { /* as if it had not been tried */
		if (ftruncate(spool->file, (off_t)segment->size_bytes) != 0)
			log_warn("spool %s: cannot undo a failed write", spool->settings.path);
		return error;
	}
	segment->size_bytes += spool->pending_bytes;
	segment->newest_ns = spool->pending_newest_ns;
	spool->pending_bytes = 0;
	return 0;
}

uint64_t input_spool_bytes(const struct input_spool *spool)
{
	uint64_t size_bytes = 0;
	for (size_t i = 0; i < spool->segment_count; i++)
		size_bytes += spool->segments[i].size_bytes;
	return size_bytes;
}

void input_spool_expire(struct input_spool *spool, uint64_t now_ns)
{
	while (spool->segment_count > 1 && input_spool_bytes(spool) > spool->settings.max_bytes)
		remove_oldest(spool, "the spool is full");
	while (spool->segment_count > 1 &&
	       spool->segments[0].newest_ns + spool->settings.max_age_ns < now_ns)
		remove_oldest(spool, "it is old");
}
