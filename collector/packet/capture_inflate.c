#include "collector/packet/capture_inflate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum {
	INPUT_BYTES = 128 * 1024,
	MAGIC_BYTES = 4,
	GZIP_WINDOW = 15 + 16,	  /* 32 KiB, with a gzip header (zlib.h, inflateInit2) */
	ZSTD_WINDOW_LOG_MAX = 27, /* 128 MiB, as the zstd tool: more is refused */
	FAULT_MAX = 200,
};

enum packing { UNKNOWN, PLAIN, GZIP, ZSTD };

struct capture_inflate {
	int descriptor;
	enum packing packing;
	bool input_ended;
	bool ended;
	bool between; /* at a place where the data may end: before a member or frame */
	z_stream gzip;
	ZSTD_DCtx *zstd;
	size_t at; /* input[at .. filled] is still to be inflated */
	size_t filled;
	_Atomic uint64_t consumed; /* written by the reading thread */
	char fault[FAULT_MAX];
	uint8_t input[INPUT_BYTES];
};

static bool is_gzip(const uint8_t *bytes, size_t size_bytes)
{
	return size_bytes >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

/* A frame, or one of the sixteen kinds of skippable ones. */
static bool is_zstd(const uint8_t *bytes, size_t size_bytes)
{
	if (size_bytes < MAGIC_BYTES)
		return false;
	return memcmp(bytes, "\x28\xb5\x2f\xfd", MAGIC_BYTES) == 0 ||
	       ((bytes[0] & 0xf0) == 0x50 && memcmp(bytes + 1, "\x2a\x4d\x18", 3) == 0);
}

bool capture_inflate_wanted(const uint8_t *bytes, size_t size_bytes)
{
	return is_gzip(bytes, size_bytes) || is_zstd(bytes, size_bytes);
}

struct capture_inflate *capture_inflate_open(int descriptor)
{
	struct capture_inflate *packed = malloc(sizeof(*packed));
	if (!packed) {
		close(descriptor);
		errno = ENOMEM;
		return NULL;
	}
	memset(packed, 0, offsetof(struct capture_inflate, input));
	packed->descriptor = descriptor;
	return packed;
}

void capture_inflate_close(struct capture_inflate *packed)
{
	if (!packed)
		return;
	if (packed->packing == GZIP)
		inflateEnd(&packed->gzip);
	ZSTD_freeDCtx(packed->zstd);
	close(packed->descriptor);
	free(packed);
}

const char *capture_inflate_fault(const struct capture_inflate *packed)
{
	return packed->fault[0] ? packed->fault : NULL;
}

uint64_t capture_inflate_consumed(const struct capture_inflate *packed)
{
	/* relaxed: only for a progress line. */
	return atomic_load_explicit(&packed->consumed, memory_order_relaxed);
}

/* Where in the file the input that is not inflated yet begins. */
static uint64_t position(const struct capture_inflate *packed)
{
	return capture_inflate_consumed(packed) - (packed->filled - packed->at);
}

static void end_with_fault(struct capture_inflate *packed, const char *what, const char *why)
{
	snprintf(packed->fault, sizeof(packed->fault), "%s at byte %" PRIu64 ": %s", what,
		 position(packed), why);
	packed->ended = true;
}

/* Reads more input behind what is left of it. */
static void fill_input(struct capture_inflate *packed)
{
	const size_t left = packed->filled - packed->at;
	memmove(packed->input, packed->input + packed->at, left);
	packed->at = 0;
	packed->filled = left;
	ssize_t got;
	do
		got = read(packed->descriptor, packed->input + left, INPUT_BYTES - left);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		end_with_fault(packed, "reading failed", strerror(errno));
	if (got <= 0) {
		packed->input_ended = true;
		return;
	}
	packed->filled += (size_t)got;
	/* relaxed: only for a progress line. */
	atomic_fetch_add_explicit(&packed->consumed, (uint64_t)got, memory_order_relaxed);
}

static void recognise(struct capture_inflate *packed)
{
	while (packed->filled < MAGIC_BYTES && !packed->input_ended)
		fill_input(packed);
	packed->packing = PLAIN;
	packed->between = true;
	if (is_gzip(packed->input, packed->filled)) {
		if (inflateInit2(&packed->gzip, GZIP_WINDOW) == Z_OK)
			packed->packing = GZIP;
		else
			end_with_fault(packed, "gzip", "out of memory");
	} else if (is_zstd(packed->input, packed->filled)) {
		packed->zstd = ZSTD_createDCtx();
		packed->packing = ZSTD;
		if (packed->zstd)
			ZSTD_DCtx_setParameter(packed->zstd, ZSTD_d_windowLogMax,
					       ZSTD_WINDOW_LOG_MAX);
		else
			end_with_fault(packed, "zstd", "out of memory");
	}
}

static size_t copy_plain(struct capture_inflate *packed, uint8_t *out_bytes, size_t size_bytes)
{
	const size_t left = packed->filled - packed->at;
	const size_t size = left < size_bytes ? left : size_bytes;
	memcpy(out_bytes, packed->input + packed->at, size);
	packed->at += size;
	return size;
}

/* Another member may follow; anything else there is padding, as gzip has it. */
static void begin_gzip_member(struct capture_inflate *packed)
{
	while (packed->filled - packed->at < 2 && !packed->input_ended)
		fill_input(packed);
	if (is_gzip(packed->input + packed->at, packed->filled - packed->at))
		inflateReset(&packed->gzip);
	else
		packed->ended = true;
}

static size_t inflate_gzip(struct capture_inflate *packed, uint8_t *out_bytes, size_t size_bytes)
{
	if (packed->between)
		begin_gzip_member(packed);
	if (packed->ended)
		return 0;
	z_stream *gzip = &packed->gzip;
	gzip->next_in = packed->input + packed->at;
	gzip->avail_in = (uInt)(packed->filled - packed->at);
	gzip->next_out = out_bytes;
	gzip->avail_out = (uInt)size_bytes;
	const int result = inflate(gzip, Z_NO_FLUSH);
	packed->at = packed->filled - gzip->avail_in;
	packed->between = result == Z_STREAM_END;
	if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
		end_with_fault(packed, "gzip data is corrupt",
			       gzip->msg ? gzip->msg : "it cannot be inflated");
	return size_bytes - gzip->avail_out;
}

static size_t inflate_zstd(struct capture_inflate *packed, uint8_t *out_bytes, size_t size_bytes)
{
	if (packed->between && packed->at == packed->filled)
		return 0; /* a frame is over, and no other one follows */
	ZSTD_inBuffer input = { packed->input, packed->filled, packed->at };
	ZSTD_outBuffer output = { out_bytes, size_bytes, 0 };
	const size_t result = ZSTD_decompressStream(packed->zstd, &output, &input);
	packed->at = input.pos;
	packed->between = result == 0;
	if (ZSTD_isError(result))
		end_with_fault(packed, "zstd data is corrupt", ZSTD_getErrorName(result));
	return output.pos;
}

static size_t inflate_some(struct capture_inflate *packed, uint8_t *out_bytes, size_t size_bytes)
{
	switch (packed->packing) {
	case GZIP:
		return inflate_gzip(packed, out_bytes, size_bytes);
	case ZSTD:
		return inflate_zstd(packed, out_bytes, size_bytes);
	case PLAIN:
	case UNKNOWN:
		break;
	}
	return copy_plain(packed, out_bytes, size_bytes);
}

size_t capture_inflate_read(struct capture_inflate *packed, uint8_t *out_bytes, size_t size_bytes)
{
	if (packed->packing == UNKNOWN)
		recognise(packed);
	size_t done = 0;
	while (done < size_bytes && !packed->ended) {
		if (packed->at == packed->filled && !packed->input_ended)
			fill_input(packed);
		if (packed->ended)
			break;
		const size_t before = packed->at;
		const size_t got = inflate_some(packed, out_bytes + done, size_bytes - done);
		done += got;
		/* Nothing more in, nothing more out: this is the end, in the right place or not. */
		if (got == 0 && packed->at == before && packed->input_ended && !packed->ended) {
			if (!packed->between)
				end_with_fault(packed, "compressed data is cut",
					       "the file ends inside of it");
			packed->ended = true;
		}
	}
	return done;
}
