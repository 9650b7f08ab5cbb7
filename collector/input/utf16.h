/* utf16.h: UTF-16LE, as Windows sends it, to UTF-8 and back. Lone surrogates become U+FFFD. */
#pragma once

#include <stddef.h>

/* A byte order mark at the beginning is dropped; an odd last byte is ignored. Writes at most
 * `room_bytes` whole characters; returns how many bytes it wrote. Three bytes of room for every two
 * of input are always enough. */
size_t utf8_from_utf16le(const void *bytes, size_t size_bytes, char *out_text, size_t room_bytes);

/* With a byte order mark in front. Two bytes of room for every byte of input, and four more, are
 * always enough. Invalid UTF-8 becomes U+FFFD. */
size_t utf16le_from_utf8(const char *text, size_t size_bytes, void *out_bytes, size_t room_bytes);
