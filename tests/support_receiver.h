/* support_receiver.h: receivers of alerts on loopback, each a thread of its own, for tests. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum receiver_kind {
	RECEIVER_UDP,
	RECEIVER_TCP,
	RECEIVER_TLS,
	RECEIVER_UNIX_DATAGRAM,
	RECEIVER_UNIX_STREAM,
};

struct receiver;

/* Listens on 127.0.0.1:port (0 = any), or at `path`. NULL: the address is taken. TLS uses the
 * certificate of support_receiver_certificate. */
struct receiver *receiver_open(enum receiver_kind kind, uint16_t port, const char *path);
uint16_t receiver_port(const struct receiver *receiver);

/* Waits (at most ten seconds) until `count` bytes-lines or datagrams have come; how many have. */
size_t receiver_wait(struct receiver *receiver, size_t message_count);

/* Everything received so far, octet counts and newlines undone, one message a string. Borrowed
 * until the next call. */
const char *receiver_message(struct receiver *receiver, size_t index);

/* Stops reading, so that the sender's buffers fill; and goes on. */
void receiver_pause(struct receiver *receiver, bool paused);
bool receiver_saw_close_notify(struct receiver *receiver);
void receiver_close(struct receiver *receiver);

/* A self-signed certificate for 127.0.0.1, made once per process: PEM files below `directory`, and
 * its SHA-256 as RFC 5425 writes it. */
struct certificate {
	char certificate_path[256];
	char key_path[256];
	char fingerprint[128];
};
const struct certificate *receiver_certificate(const char *directory);
