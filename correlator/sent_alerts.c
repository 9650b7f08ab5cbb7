#include "correlator/sent_alerts.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/base/hard.h"
#include "collector/base/log.h"
#include "collector/base/ring.h"

enum {
	ID_BYTES = 16,
	RING_BYTES = HARD(1 << 20, 1 << 13),
	ROOM_AT_FIRST = 1024,
	ROOM_MAX = HARD(1 << 23, 1 << 14), /* ids; then the oldest half is forgotten */
	TAIL_BYTES = 64 * 1024 * 1024,	   /* of the delivered file that is looked at */
	BATCH = 512,			   /* records per write */
};

/* As it stands in the file and in the ring. */
struct record {
	uint8_t id[ID_BYTES];
	uint64_t time_ns;
};

struct numbered {
	uint64_t number;
	struct record record;
};

struct entry {
	struct record record;
	uint32_t sent_count; /* by earlier runs, updates included */
	uint32_t said_count; /* in this run; both 0 = free */
};

struct sent_alerts {
	struct entry *entries; /* open addressing; room is a power of two */
	size_t room;
	size_t count;
	uint64_t max_age_ns;
	uint64_t wanted_count;
	struct ring *ring; /* of struct numbered, from the correlator's thread to the main thread */

	/* the main thread's */
	int file;
	bool has_next;
	struct numbered next; /* taken from the ring, not yet delivered */
	bool complained;
};

/* --- the set ---------------------------------------------------------------------------------- */

static size_t place_of(const struct sent_alerts *sent, const uint8_t id[ID_BYTES])
{
	uint64_t hash; /* ids are hashes */
	memcpy(&hash, id, sizeof(hash));
	hash *= UINT64_C(0x9e3779b97f4a7c15);
	size_t place = (size_t)(hash >> 20) & (sent->room - 1);
	for (;; place = (place + 1) & (sent->room - 1)) {
		const struct entry *entry = &sent->entries[place];
		if (entry->sent_count + entry->said_count == 0 ||
		    memcmp(entry->record.id, id, ID_BYTES) == 0)
			return place;
	}
}

/* Twice the room, without those that came before `since_ns`. */
static bool rebuild(struct sent_alerts *sent, size_t room, uint64_t since_ns)
{
	struct entry *old = sent->entries;
	const size_t old_room = sent->room;
	struct entry *entries = calloc(room, sizeof(*entries));
	if (!entries)
		return false;
	sent->entries = entries;
	sent->room = room;
	sent->count = 0;
	for (size_t i = 0; i < old_room; i++) {
		if (old[i].sent_count + old[i].said_count == 0 || old[i].record.time_ns < since_ns)
			continue;
		entries[place_of(sent, old[i].record.id)] = old[i];
		sent->count++;
	}
	free(old);
	return true;
}

static bool make_room(struct sent_alerts *sent, uint64_t now_ns)
{
	if (2 * (sent->count + 1) <= sent->room)
		return true;
	const uint64_t since_ns = now_ns > sent->max_age_ns ? now_ns - sent->max_age_ns : 0;
	if (!rebuild(sent, sent->room, since_ns))
		return false;
	if (4 * sent->count <= sent->room)
		return true;
	if (sent->room < ROOM_MAX)
		return rebuild(sent, 2 * sent->room, since_ns);
	return 2 * (sent->count + 1) <= sent->room;
}

/* NULL: no room. */
static struct entry *entry_of(struct sent_alerts *sent, const struct record *record)
{
	struct entry *entry = &sent->entries[place_of(sent, record->id)];
	if (entry->sent_count + entry->said_count > 0)
		return entry;
	if (!make_room(sent, record->time_ns))
		return NULL;
	entry = &sent->entries[place_of(sent, record->id)];
	entry->record = *record;
	sent->count++;
	return entry;
}

/* "e12be7b2-bbb8-82d4-8ee4-dbbe083570f7" */
static bool read_id(const char *text, uint8_t out_id[ID_BYTES])
{
	size_t digits = 0;
	memset(out_id, 0, ID_BYTES);
	for (; *text && digits < (size_t)2 * ID_BYTES; text++) {
		static const char hex[] = "0123456789abcdef";
		const char *digit = strchr(hex, *text);
		if (*text == '-')
			continue;
		if (!digit)
			return false;
		out_id[digits / 2] = (uint8_t)(out_id[digits / 2] << 4 | (digit - hex));
		digits++;
	}
	return *text == '\0' && digits == (size_t)2 * ID_BYTES;
}

/* --- what earlier runs left ------------------------------------------------------------------- */

static int read_journal(struct sent_alerts *sent, uint64_t since_ns)
{
	struct record records[BATCH];
	ssize_t size;
	while ((size = read(sent->file, records, sizeof(records))) > 0) {
		for (size_t i = 0; i < (size_t)size / sizeof(records[0]); i++) {
			if (records[i].time_ns < since_ns)
				continue;
			struct entry *entry = entry_of(sent, &records[i]);
			if (entry)
				entry->sent_count++;
		}
		if ((size_t)size % sizeof(records[0]) != 0)
			break; /* a crash cut it */
	}
	return size < 0 ? -errno : 0;
}

static bool write_all(int file, const void *bytes, size_t size_bytes)
{
	for (size_t written = 0; written < size_bytes;) {
		const ssize_t size =
			write(file, (const char *)bytes + written, size_bytes - written);
		if (size < 0 && errno != EINTR)
			return false;
		written += size > 0 ? (size_t)size : 0;
	}
	return true;
}

/* The journal anew, with what is known: nothing old, nothing cut. */
static int write_anew(struct sent_alerts *sent, const char *path)
{
	char aside[4096];
	snprintf(aside, sizeof(aside), "%s.new", path);
	const int file = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_APPEND, 0600);
	bool good = file >= 0;
	for (size_t i = 0; good && i < sent->room; i++)
		for (uint32_t j = 0; good && j < sent->entries[i].sent_count; j++)
			good = write_all(file, &sent->entries[i].record, sizeof(struct record));
	if (!good || fdatasync(file) != 0 || rename(aside, path) != 0) {
		const int error = errno ? errno : EIO;
		if (file >= 0)
			close(file);
		return -error;
	}
	close(sent->file);
	sent->file = file;
	return 0;
}

struct tally {
	struct sent_alerts *found;
	uint64_t now_ns;
};

static void tally_line(struct tally *tally, const char *line, size_t size_bytes)
{
	json_t *alert = json_loadb(line, size_bytes, 0, NULL);
	const json_t *event = alert ? json_object_get(alert, "event") : NULL;
	const char *id = event ? json_string_value(json_object_get(event, "id")) : NULL;
	struct record record = { .time_ns = tally->now_ns };
	if (id && read_id(id, record.id)) {
		struct entry *entry = entry_of(tally->found, &record);
		if (entry)
			entry->sent_count++;
	}
	json_decref(alert);
}

/* The alerts at the end of a delivered file. `found` is a set of its own: a file and the journal
 * tell of the same alerts. */
static void read_delivered(struct sent_alerts *found, const char *path, uint64_t now_ns)
{
	FILE *file = fopen(path, "r");
	if (!file)
		return; /* nothing was delivered yet */
	struct tally tally = { found, now_ns };
	char *line = NULL;
	size_t room = 0;
	if (fseek(file, 0, SEEK_END) == 0 && ftell(file) > TAIL_BYTES)
		fseek(file, -(long)TAIL_BYTES, SEEK_END); /* the first line is cut: no JSON */
	else
		rewind(file);
	for (ssize_t size; (size = getline(&line, &room, file)) > 0;)
		tally_line(&tally, line, (size_t)size);
	free(line);
	fclose(file);
}

static void join(struct sent_alerts *sent, const struct sent_alerts *found)
{
	for (size_t i = 0; i < found->room; i++) {
		if (found->entries[i].sent_count == 0)
			continue;
		struct entry *entry = entry_of(sent, &found->entries[i].record);
		if (entry && entry->sent_count < found->entries[i].sent_count)
			entry->sent_count = found->entries[i].sent_count;
	}
}

/* --- opening and closing ---------------------------------------------------------------------- */

static struct sent_alerts *open_set(uint64_t max_age_ns)
{
	struct sent_alerts *sent = calloc(1, sizeof(*sent));
	if (!sent)
		return NULL;
	sent->file = -1;
	sent->max_age_ns = max_age_ns;
	if (rebuild(sent, ROOM_AT_FIRST, 0))
		return sent;
	free(sent);
	return NULL;
}

bool sent_alerts_open(const char *path, const char *delivered_file, uint64_t max_age_ns,
		      uint64_t now_unix_ns, struct complaint *complaint,
		      struct sent_alerts **out_sent)
{
	struct sent_alerts *sent = open_set(max_age_ns);
	struct sent_alerts *found = open_set(max_age_ns);
	int error = sent && found ? 0 : -ENOMEM;
	if (!error) {
		sent->ring = ring_open(RING_BYTES);
		sent->file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		error = !sent->ring || sent->file < 0 ? -errno : 0;
	}
	if (!error)
		error = read_journal(sent, now_unix_ns > max_age_ns ? now_unix_ns - max_age_ns : 0);
	if (!error && delivered_file) {
		read_delivered(found, delivered_file, now_unix_ns);
		join(sent, found);
	}
	if (!error)
		error = write_anew(sent, path);
	sent_alerts_close(found);
	if (error) {
		sent_alerts_close(sent);
		return complain(complaint, path, 0, 0, "the journal of alerts: %s",
				strerror(-error));
	}
	*out_sent = sent;
	return true;
}

void sent_alerts_close(struct sent_alerts *sent)
{
	if (!sent)
		return;
	if (sent->file >= 0)
		close(sent->file);
	ring_close(sent->ring);
	free(sent->entries);
	free(sent);
}

/* --- running ---------------------------------------------------------------------------------- */

bool sent_alerts_wants(struct sent_alerts *sent, const struct alert *alert, uint64_t now_unix_ns)
{
	struct numbered numbered = { .record = { .time_ns = now_unix_ns } };
	if (read_id(alert->id, numbered.record.id)) {
		struct entry *entry = entry_of(sent, &numbered.record);
		if (entry) {
			entry->said_count++;
			if (entry->said_count <= entry->sent_count ||
			    (alert->kind == ALERT_NEW && entry->said_count > 1))
				return false;
		}
	}
	numbered.number = sent->wanted_count++;
	/* No room: a destination is away for long; then this one may be sent twice. */
	void *room = ring_reserve(sent->ring, sizeof(numbered));
	if (room) {
		memcpy(room, &numbered, sizeof(numbered));
		ring_commit(sent->ring);
	}
	return true;
}

static bool next_delivered(struct sent_alerts *sent, uint64_t delivered_count)
{
	if (!sent->has_next) {
		size_t size_bytes;
		const void *record = ring_next(sent->ring, &size_bytes);
		if (!record)
			return false;
		memcpy(&sent->next, record, sizeof(sent->next));
		sent->has_next = true;
		ring_release(sent->ring);
	}
	return sent->next.number < delivered_count;
}

void sent_alerts_keep(struct sent_alerts *sent, uint64_t delivered_count)
{
	struct record records[BATCH];
	size_t count;
	do {
		for (count = 0; count < BATCH && next_delivered(sent, delivered_count); count++) {
			records[count] = sent->next.record;
			sent->has_next = false;
		}
		if (count == 0)
			return;
		const bool kept = write_all(sent->file, records, count * sizeof(records[0])) &&
				  fdatasync(sent->file) == 0;
		if (!kept && !sent->complained)
			log_error("the journal of alerts: a restart may send some again");
		sent->complained = !kept;
	} while (count == BATCH);
}
