/* server_tail.c: standard input, and files that grow. A followed file that was renamed is read to
 * its end before the new one of its name is begun; one that was truncated is read from its start.
 * Looked at ten times a second. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/base/log.h"
#include "collector/input/server_inside.h"

enum { READ_PER_TURN_BYTES = 1024 * 1024 };

struct tail {
	int fd; /* -1 = not there (yet), or at its end for good */
	dev_t device;
	ino_t inode;
	uint64_t offset_bytes;
	void *session;
	char *bytes; /* read and not consumed */
	size_t used_bytes;
	size_t room_bytes;
	bool started;
	bool seen_before; /* a file that comes later is read from its start */
	bool skipping;	  /* a line above the limit */
};

bool tail_open(struct listener *listener, struct complaint *complaint)
{
	const struct session_limits *limits = &listener->server->settings.limits;
	struct tail *tail = calloc(1, sizeof(*tail));
	listener->tail = tail;
	if (tail) {
		tail->fd = -1;
		tail->room_bytes = limits->document_bytes + READ_PER_TURN_BYTES;
		tail->session = listener->url->protocol->open(limits);
		tail->bytes = malloc(tail->room_bytes);
	}
	return (tail && tail->session && tail->bytes) ||
	       complain(complaint, NULL, 0, 0, "listener %.200s: no memory", listener->url->text);
}

/* Opens the file of that name, if there is one. */
static void begin(struct listener *listener)
{
	struct tail *tail = listener->tail;
	tail->fd = open(listener->url->host, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat status;
	if (tail->fd >= 0 && fstat(tail->fd, &status) == 0) {
		tail->device = status.st_dev;
		tail->inode = status.st_ino;
		tail->offset_bytes = 0;
		if (listener->url->from_end && !tail->seen_before) {
			const off_t end = lseek(tail->fd, 0, SEEK_END);
			tail->offset_bytes = end > 0 ? (uint64_t)end : 0;
		}
	}
	tail->seen_before = true;
}

void tail_start(struct listener *listener)
{
	struct tail *tail = listener->tail;
	if (!tail)
		return;
	tail->started = true;
	if (listener->url->transport == LISTENER_STDIN) {
		tail->fd = STDIN_FILENO;
		const int flags = fcntl(tail->fd, F_GETFL);
		if (flags >= 0)
			fcntl(tail->fd, F_SETFL, flags | O_NONBLOCK);
		return;
	}
	begin(listener);
}

static void consume(struct listener *listener)
{
	struct tail *tail = listener->tail;
	const struct session_sink sink = server_plain_sink(listener->server);
	const ssize_t consumed =
		listener->url->protocol->feed(tail->session, tail->bytes, tail->used_bytes, &sink);
	if (consumed < 0) {
		log_warnx("input %s: a line above the limit, left out", listener->url->text);
		tail->used_bytes = 0;
		tail->skipping = true;
		return;
	}
	tail->used_bytes -= (size_t)consumed;
	memmove(tail->bytes, tail->bytes + consumed, tail->used_bytes);
}

/* No more of this file: what it ended with counts, though no LF came. */
static void end(struct listener *listener)
{
	struct tail *tail = listener->tail;
	const struct session_protocol *protocol = listener->url->protocol;
	const struct session_sink sink = server_plain_sink(listener->server);
	if (protocol->end && tail->used_bytes > 0 && !tail->skipping)
		protocol->end(tail->session, tail->bytes, tail->used_bytes, &sink);
	tail->used_bytes = 0;
	tail->skipping = false;
	if (tail->fd > STDIN_FILENO)
		close(tail->fd);
	tail->fd = -1;
}

/* Forgets bytes up to the end of the line that is too long. */
static void skip_line(struct tail *tail)
{
	const char *newline = memchr(tail->bytes, '\n', tail->used_bytes);
	const size_t skipped = newline ? (size_t)(newline + 1 - tail->bytes) : tail->used_bytes;
	tail->skipping = !newline;
	tail->used_bytes -= skipped;
	memmove(tail->bytes, tail->bytes + skipped, tail->used_bytes);
}

/* What is there now, up to a turn's worth. Returns 1 when there may be more, 0 at the end. */
static int read_some(struct listener *listener)
{
	struct tail *tail = listener->tail;
	const ssize_t size =
		read(tail->fd, tail->bytes + tail->used_bytes, tail->room_bytes - tail->used_bytes);
	if (size < 0)
		return errno == EAGAIN || errno == EINTR ? 1 : 0;
	tail->used_bytes += (size_t)size;
	tail->offset_bytes += (size_t)size;
	if (tail->skipping)
		skip_line(tail);
	if (tail->used_bytes > 0 && size > 0 && !tail->skipping)
		consume(listener);
	return size > 0;
}

/* At its end: was it truncated, renamed or removed? */
static void look_around(struct listener *listener)
{
	struct tail *tail = listener->tail;
	struct stat named;
	struct stat opened;
	if (fstat(tail->fd, &opened) == 0 && (uint64_t)opened.st_size < tail->offset_bytes) {
		log_info("input %s: truncated, reading from its start", listener->url->text);
		lseek(tail->fd, 0, SEEK_SET);
		tail->offset_bytes = 0;
		tail->used_bytes = 0;
		tail->skipping = false;
	} else if (stat(listener->url->host, &named) == 0 &&
		   (named.st_dev != tail->device || named.st_ino != tail->inode)) {
		log_info("input %s: another file has its name", listener->url->text);
		end(listener);
		begin(listener);
	}
}

void tail_read(struct listener *listener)
{
	struct tail *tail = listener->tail;
	if (!tail || !tail->started)
		return;
	const bool follows = listener->url->transport == LISTENER_FOLLOW;
	if (tail->fd < 0) {
		if (follows)
			begin(listener);
		return;
	}
	for (size_t done = 0;
	     done < (size_t)8 * READ_PER_TURN_BYTES && !listener->server->congested;) {
		const uint64_t before = tail->offset_bytes;
		const int more = read_some(listener);
		done += tail->offset_bytes - before;
		if (more && tail->offset_bytes == before)
			return; /* a pipe without bytes */
		if (more)
			continue;
		if (follows)
			look_around(listener);
		else
			end(listener);
		return;
	}
}

void tail_close(struct listener *listener)
{
	struct tail *tail = listener->tail;
	if (!tail)
		return;
	if (tail->fd > STDIN_FILENO)
		close(tail->fd);
	if (tail->session)
		listener->url->protocol->close(tail->session);
	free(tail->bytes);
	free(tail);
	listener->tail = NULL;
}
