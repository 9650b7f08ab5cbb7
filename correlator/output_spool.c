#include "correlator/output_spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "collector/base/hard.h"
#include "collector/base/log.h"

enum {
	SEGMENT_BYTES = HARD(1024 * 1024, 2048), /* then the next one is begun */
	RECORD_BYTES_MAX = 2 * 1024 * 1024,
	RECORD_MAGIC = 0x54524c41, /* "ALRT" */
	PATH_BYTES = 4096,
	DIRECTORY_MODE = 0700,
	FILE_MODE = 0600, /* alerts hold command lines */
};

struct record_header {
	uint32_t magic;
	uint32_t size_bytes;
	uint64_t run;
	uint64_t alert;
	uint32_t checksum; /* CRC-32 of the header before it and the bytes */
	uint32_t unused;
};

struct spool {
	char directory[PATH_BYTES - 64];
	struct counters *counters;
	uint64_t max_bytes;
	uint64_t total_bytes;
	bool unsynced;
	bool dirty;
	int lock_fd;
	int position_fd;
	int write_fd; /* -1 = begin a segment */
	int read_fd;  /* -1 = open read_place.segment */
	uint64_t oldest_segment;
	uint64_t next_segment; /* the number after the last one */
	uint64_t write_offset_bytes;
	struct spool_place read_place;
	char *record; /* RECORD_BYTES_MAX, grown as needed */
	size_t record_room_bytes;
};

static void segment_path(const struct spool *spool, uint64_t segment, char out_path[PATH_BYTES])
{
	snprintf(out_path, PATH_BYTES, "%s/%016" PRIu64 ".alerts", spool->directory, segment);
}

/* --- opening ---------------------------------------------------------------------------------- */

static int open_file(const struct spool *spool, const char *name)
{
	char path[PATH_BYTES];
	snprintf(path, sizeof(path), "%s/%s", spool->directory, name);
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC, FILE_MODE);
}

/* Finds the segments that are there: oldest, newest and all their bytes. */
static bool scan(struct spool *spool)
{
	DIR *entries = opendir(spool->directory);
	if (!entries)
		return false;
	uint64_t oldest = UINT64_MAX;
	uint64_t newest = 0;
	for (struct dirent *entry; (entry = readdir(entries));) {
		char *end;
		const uint64_t segment = strtoull(entry->d_name, &end, 10);
		struct stat status;
		if (end == entry->d_name || strcmp(end, ".alerts") != 0 ||
		    fstatat(dirfd(entries), entry->d_name, &status, 0) != 0)
			continue;
		spool->total_bytes += (uint64_t)status.st_size;
		oldest = segment < oldest ? segment : oldest;
		newest = segment > newest ? segment : newest;
	}
	closedir(entries);
	spool->next_segment = newest + 1;
	spool->oldest_segment = oldest == UINT64_MAX ? spool->next_segment : oldest;
	return true;
}

static void read_position(struct spool *spool)
{
	char text[64] = "";
	char *end = text;
	struct spool_place place = { 0 };
	if (pread(spool->position_fd, text, sizeof(text) - 1, 0) > 0) {
		place.segment = strtoull(text, &end, 10);
		place.offset_bytes = strtoull(end, NULL, 10);
	}
	if (place.segment != spool->oldest_segment) /* or unreadable: all of it again */
		place = (struct spool_place){ spool->oldest_segment, 0 };
	spool->read_place = place;
}

static void write_position(struct spool *spool, struct spool_place place)
{
	char text[64];
	const int size = snprintf(text, sizeof(text), "%020" PRIu64 " %020" PRIu64 "\n",
				  place.segment, place.offset_bytes);
	if (pwrite(spool->position_fd, text, (size_t)size, 0) != size)
		log_warn("output spool %s: cannot write its position; alerts may be sent twice",
			 spool->directory);
}

bool spool_open(const struct spool_settings *settings, struct counters *counters,
		struct complaint *complaint, struct spool **out_spool)
{
	struct spool *spool = calloc(1, sizeof(*spool));
	if (!spool)
		return complain(complaint, NULL, 0, 0, "output spool: out of memory");
	spool->counters = counters;
	spool->max_bytes = settings->max_bytes;
	spool->unsynced = settings->unsynced;
	spool->lock_fd = spool->position_fd = spool->write_fd = spool->read_fd = -1;
	snprintf(spool->directory, sizeof(spool->directory), "%s", settings->directory);
	if (mkdir(spool->directory, DIRECTORY_MODE) != 0 && errno != EEXIST)
		goto refuse;
	spool->lock_fd = open_file(spool, "lock");
	if (spool->lock_fd < 0)
		goto refuse;
	if (flock(spool->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		complain(complaint, NULL, 0, 0, "output spool %.200s: another process uses it",
			 settings->directory);
		spool_close(spool);
		return false;
	}
	spool->position_fd = open_file(spool, "position");
	if (spool->position_fd < 0 || !scan(spool))
		goto refuse;
	read_position(spool);
	*out_spool = spool;
	return true;

refuse:
	complain(complaint, NULL, 0, 0, "output spool %.200s: %s", settings->directory,
		 strerror(errno));
	spool_close(spool);
	return false;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void spool_close(struct spool *spool)
{
	if (!spool)
		return;
	spool_sync(spool);
	close_fd(&spool->write_fd);
	close_fd(&spool->read_fd);
	close_fd(&spool->position_fd);
	close_fd(&spool->lock_fd);
	free(spool->record);
	free(spool);
}

/* --- writing ---------------------------------------------------------------------------------- */

static uint32_t checksum_of(const struct record_header *header, const char *bytes)
{
	uLong checksum = crc32(0, (const Bytef *)header, offsetof(struct record_header, checksum));
	return (uint32_t)crc32(checksum, (const Bytef *)bytes, header->size_bytes);
}

static bool begin_segment(struct spool *spool)
{
	char path[PATH_BYTES];
	spool_sync(spool);
	close_fd(&spool->write_fd);
	segment_path(spool, spool->next_segment, path);
	spool->write_fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
	if (spool->write_fd < 0)
		return false;
	spool->next_segment++;
	spool->write_offset_bytes = 0;
	return true;
}

static bool write_all(int fd, const void *bytes, size_t size_bytes, uint64_t offset_bytes)
{
	for (size_t done = 0; done < size_bytes;) {
		const ssize_t size = pwrite(fd, (const char *)bytes + done, size_bytes - done,
					    (off_t)(offset_bytes + done));
		if (size <= 0 && errno != EINTR)
			return false;
		done += size > 0 ? (size_t)size : 0;
	}
	return true;
}

bool spool_append(struct spool *spool, uint64_t run, uint64_t alert, const char *bytes,
		  size_t size_bytes)
{
	struct record_header header = {
		.magic = RECORD_MAGIC,
		.size_bytes = (uint32_t)size_bytes,
		.run = run,
		.alert = alert,
	};
	const uint64_t record_bytes = sizeof(header) + size_bytes;
	bool kept = size_bytes <= RECORD_BYTES_MAX &&
		    record_bytes <= spool->max_bytes - spool->total_bytes &&
		    spool->total_bytes <= spool->max_bytes;
	if (kept && (spool->write_fd < 0 || spool->write_offset_bytes >= SEGMENT_BYTES))
		kept = begin_segment(spool);
	if (kept) {
		header.checksum = checksum_of(&header, bytes);
		/* The header last: a record with a header is whole. */
		kept = write_all(spool->write_fd, bytes, size_bytes,
				 spool->write_offset_bytes + sizeof(header)) &&
		       write_all(spool->write_fd, &header, sizeof(header),
				 spool->write_offset_bytes);
	}
	if (!kept) {
		counter_add(spool->counters, COUNTER_output_spool_refused, 1);
		return false;
	}
	spool->write_offset_bytes += record_bytes;
	spool->total_bytes += record_bytes;
	spool->dirty = true;
	return true;
}

void spool_sync(struct spool *spool)
{
	if (spool->dirty && !spool->unsynced && spool->write_fd >= 0 &&
	    fdatasync(spool->write_fd) != 0)
		log_warn("output spool %s: cannot sync", spool->directory);
	spool->dirty = false;
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool being_written(const struct spool *spool, uint64_t segment)
{
	return spool->write_fd >= 0 && segment + 1 == spool->next_segment;
}

/* Room for a record; false: none. */
static bool make_room(struct spool *spool, size_t size_bytes)
{
	if (size_bytes <= spool->record_room_bytes)
		return true;
	char *larger = realloc(spool->record, size_bytes);
	if (!larger)
		return false;
	spool->record = larger;
	spool->record_room_bytes = size_bytes;
	return true;
}

enum found { FOUND_RECORD, FOUND_END, FOUND_RUBBISH };

static enum found read_record(struct spool *spool, struct record_header *out_header)
{
	const off_t at = (off_t)spool->read_place.offset_bytes;
	const ssize_t got = pread(spool->read_fd, out_header, sizeof(*out_header), at);
	if (got == 0)
		return FOUND_END;
	if (got != (ssize_t)sizeof(*out_header) || out_header->magic != RECORD_MAGIC ||
	    out_header->size_bytes > RECORD_BYTES_MAX ||
	    !make_room(spool, out_header->size_bytes + 1))
		return FOUND_RUBBISH;
	const ssize_t size = pread(spool->read_fd, spool->record, out_header->size_bytes,
				   at + (off_t)sizeof(*out_header));
	if (size != (ssize_t)out_header->size_bytes ||
	    checksum_of(out_header, spool->record) != out_header->checksum)
		return FOUND_RUBBISH;
	return FOUND_RECORD;
}

static bool open_for_reading(struct spool *spool)
{
	char path[PATH_BYTES];
	if (spool->read_fd < 0) {
		segment_path(spool, spool->read_place.segment, path);
		spool->read_fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	return spool->read_fd >= 0;
}

bool spool_next(struct spool *spool, struct spool_record *out_record)
{
	while (spool->read_place.segment < spool->next_segment) {
		struct record_header header;
		const enum found found =
			open_for_reading(spool) ? read_record(spool, &header) : FOUND_END;
		if (found == FOUND_RECORD) {
			spool->read_place.offset_bytes += sizeof(header) + header.size_bytes;
			*out_record = (struct spool_record){
				.run = header.run,
				.alert = header.alert,
				.end = spool->read_place,
				.size_bytes = header.size_bytes,
				.bytes = spool->record,
			};
			return true;
		}
		if (being_written(spool, spool->read_place.segment))
			return false;
		if (found == FOUND_RUBBISH) {
			counter_add(spool->counters, COUNTER_output_spool_unreadable, 1);
			log_warnx("output spool %s: segment %" PRIu64
				  " is not whole after byte %" PRIu64,
				  spool->directory, spool->read_place.segment,
				  spool->read_place.offset_bytes);
		}
		close_fd(&spool->read_fd);
		spool->read_place = (struct spool_place){ spool->read_place.segment + 1, 0 };
	}
	return false;
}

/* Removes a segment that nobody needs. */
static void forget_segment(struct spool *spool, uint64_t segment)
{
	char path[PATH_BYTES];
	struct stat status;
	segment_path(spool, segment, path);
	if (stat(path, &status) == 0 && unlink(path) == 0)
		spool->total_bytes -= (uint64_t)status.st_size < spool->total_bytes
					      ? (uint64_t)status.st_size
					      : spool->total_bytes;
}

void spool_release(struct spool *spool, struct spool_place place)
{
	for (; spool->oldest_segment < place.segment; spool->oldest_segment++)
		forget_segment(spool, spool->oldest_segment);
	write_position(spool, place);
	/* The segment being written, all of it taken: begin afresh rather than grow a used one. */
	if (being_written(spool, place.segment) &&
	    place.offset_bytes == spool->write_offset_bytes &&
	    place.offset_bytes >= SEGMENT_BYTES) {
		close_fd(&spool->write_fd);
		close_fd(&spool->read_fd);
		forget_segment(spool, place.segment);
		spool->oldest_segment = spool->next_segment;
		spool->read_place = (struct spool_place){ spool->next_segment, 0 };
	}
}
