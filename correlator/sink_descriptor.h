/* sink_descriptor.h: writing to a file descriptor that is not a socket. For stdout and files. */
#pragma once

#include "correlator/sink.h"

struct descriptor_sink {
	struct sink sink;
	int fd;
	char path[URL_VALUE_MAX]; /* "" = not ours to open or close */
};

/* Only what the descriptor takes without waiting. */
ssize_t descriptor_send(struct sink *sink, const char *bytes, size_t size_bytes);
struct pollfd descriptor_wait(struct sink *sink, bool blocked);
bool descriptor_unconfirmed(struct sink *sink);
int descriptor_check(struct sink *sink);
void descriptor_disconnect(struct sink *sink);
