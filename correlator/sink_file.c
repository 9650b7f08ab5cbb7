/* Alerts in a file, one a line, appended. Opens it again when somebody moved
 * it away (logrotate). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "correlator/sink_descriptor.h"

enum { FILE_MODE = 0640 }; /* alerts hold command lines */

static int file_connect(struct sink *sink)
{
	struct descriptor_sink *file = (struct descriptor_sink *)sink;
	if (file->fd < 0)
		file->fd = open(file->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, FILE_MODE);
	return file->fd < 0 ? -errno : 1;
}

/* Between messages only: the caller checks before it begins one. */
static int file_check(struct sink *sink)
{
	struct descriptor_sink *file = (struct descriptor_sink *)sink;
	struct stat open_file;
	struct stat named;
	if (fstat(file->fd, &open_file) != 0)
		return -errno;
	if (stat(file->path, &named) == 0 && named.st_ino == open_file.st_ino &&
	    named.st_dev == open_file.st_dev)
		return 0;
	close(file->fd);
	file->fd = -1;
	return file_connect(sink) == 1 ? 0 : -errno;
}

static void file_close(struct sink *sink)
{
	struct descriptor_sink *file = (struct descriptor_sink *)sink;
	if (file->fd >= 0) {
		fdatasync(file->fd);
		close(file->fd);
	}
	free(file);
}

bool sink_file_open(const struct output_url *url, struct complaint *complaint,
		    struct sink **out_sink)
{
	static const struct sink_operations operations = {
		.connect = file_connect,
		.check = file_check,
		.send = descriptor_send,
		.unconfirmed = descriptor_unconfirmed,
		.wait = descriptor_wait,
		.disconnect = descriptor_disconnect,
		.close = file_close,
	};
	struct descriptor_sink *file = calloc(1, sizeof(*file));
	if (!file)
		return complain(complaint, NULL, 0, 0, "output %.200s: out of memory", url->text);
	file->sink.operations = &operations;
	file->sink.resumes = true;
	file->fd = -1;
	snprintf(file->path, sizeof(file->path), "%s", url->target);
	const int error = file_connect(&file->sink);
	if (error < 0 || (url->truncate && ftruncate(file->fd, 0) != 0)) {
		complain(complaint, NULL, 0, 0, "output %.200s: cannot open it: %s", url->text,
			 strerror(error < 0 ? -error : errno));
		file_close(&file->sink);
		return false;
	}
	*out_sink = &file->sink;
	return true;
}
