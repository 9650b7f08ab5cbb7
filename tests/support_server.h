/* support_server.h: a server (collector/input/server.h) on a thread of its own, and plain clients
 * for it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/input/server.h"

struct served;

/* Serves these listeners (NULL-terminated) until served_close. `spool` NULL = none; `settings` NULL
 * = defaults, else its limits count. Fails the test when it cannot. */
struct served *served_open(const char *const *urls, const char *spool,
			   const struct server_settings *settings);
uint16_t served_port(const struct served *served, size_t listener);

/* Everything handed on so far, in order: kinds and texts. Waits (at most ten seconds) until there
 * are `count`; returns how many there are. Documents are borrowed until served_close. */
size_t served_wait(struct served *served, size_t count);
const char *served_document(struct served *served, size_t index);
enum document_kind served_kind(struct served *served, size_t index);

/* The engine has no room as long as this is set. */
void served_block(struct served *served, bool blocked);
uint64_t served_counter(const struct served *served, enum counter counter);
void served_close(struct served *served);

/* A connection to 127.0.0.1, with ten seconds of patience. */
int client_connect(uint16_t port);
void client_send(int fd, const void *bytes, size_t size_bytes);

/* Reads until `size_bytes` came or the other side closed; how many came. */
size_t client_read(int fd, void *out_bytes, size_t size_bytes);

/* A Lumberjack window of JSON events `{"n":first}`.., compressed or not; returns its malloc'ed
 * bytes. */
char *client_window(uint32_t first, uint32_t count, bool compressed, size_t *out_size);
