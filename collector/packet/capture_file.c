#include "collector/packet/capture_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAGIC_BYTES = 4 };

static bool begin(struct capture_file *file, const char *path, struct complaint *complaint)
{
	if (capture_source_need(&file->source, MAGIC_BYTES) != CAPTURE_GOT) {
		if (file->source.fault)
			return complain(complaint, path, 0, 0, "%s", file->source.fault);
		return complain(complaint, path, 0, 0,
				"%zu bytes are too short for a capture (pcap, pcapng)",
				capture_source_left(&file->source));
	}
	uint8_t magic[MAGIC_BYTES];
	memcpy(magic, file->source.at, MAGIC_BYTES);
	if (capture_pcap_is(magic))
		return capture_pcap_begin(file, path, complaint);
	if (capture_pcapng_is(magic))
		return capture_pcapng_begin(file, path, complaint);
	return complain(complaint, path, 0, 0,
			"begins with %02x %02x %02x %02x, expected a capture (pcap, pcapng)",
			magic[0], magic[1], magic[2], magic[3]);
}

struct capture_file *capture_file_open(const char *path, uint16_t number,
				       enum capture_source_use use, struct complaint *complaint)
{
	struct capture_file *file = calloc(1, sizeof(*file));
	if (!file) {
		complain(complaint, path, 0, 0, "out of memory");
		return NULL;
	}
	file->number = number;
	if (!capture_source_open(&file->source, path, use, complaint) ||
	    !begin(file, path, complaint)) {
		capture_file_close(file);
		return NULL;
	}
	return file;
}

void capture_file_close(struct capture_file *file)
{
	if (!file)
		return;
	capture_source_close(&file->source);
	free(file->interfaces);
	free(file);
}

size_t capture_file_fault(struct capture_file *file, size_t handed, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(file->fault, sizeof(file->fault), format, arguments);
	va_end(arguments);
	file->faulted = true;
	file->state = CAPTURE_STATE_END;
	return handed;
}

size_t capture_file_short(struct capture_file *file, size_t handed, enum capture_got got,
			  const char *what, uint64_t offset, uint64_t size_bytes)
{
	const struct capture_source *source = &file->source;
	if (got == CAPTURE_LATER) {
		file->state = CAPTURE_STATE_LATER;
		return handed;
	}
	if (source->fault)
		return capture_file_fault(file, handed, "%s", source->fault);
	if (source->skip_bytes == 0 && source->end_offset == offset) {
		file->state = CAPTURE_STATE_END; /* it ends where a new one would begin */
		return handed;
	}
	if (offset > source->end_offset)
		return capture_file_fault(file, handed,
					  "%s before offset %" PRIu64
					  "%s ends behind the file, which has %" PRIu64 " bytes",
					  what, offset,
					  source->inflated ? " of the inflated data" : "",
					  source->end_offset);
	return capture_file_fault(file, handed,
				  "%s at offset %" PRIu64 "%s says %" PRIu64
				  " bytes, file ends after %" PRIu64,
				  what, offset, source->inflated ? " of the inflated data" : "",
				  size_bytes, source->end_offset - offset);
}
