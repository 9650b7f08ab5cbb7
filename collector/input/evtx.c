/* The only file that knows libevtx (Debian 12: 20181227). */
#include "collector/input/evtx.h"

#include <libevtx.h>
#include <stdlib.h>
#include <string.h>

enum { XML_BYTES_MAX = 4 * 1024 * 1024 };

struct evtx {
	libevtx_file_t *file;
	int record_count;
	int next; /* index of the record to read */
	char *xml;
	size_t room_bytes;
	const char *fault;
};

struct evtx *evtx_open(const char *path, struct complaint *complaint)
{
	struct evtx *evtx = calloc(1, sizeof(*evtx));
	if (!evtx) {
		complain(complaint, path, 0, 0, "no memory");
		return NULL;
	}
	if (libevtx_file_initialize(&evtx->file, NULL) != 1 ||
	    libevtx_file_open(evtx->file, path, LIBEVTX_OPEN_READ, NULL) != 1 ||
	    libevtx_file_get_number_of_records(evtx->file, &evtx->record_count, NULL) != 1) {
		complain(complaint, path, 0, 0, "found no readable .evtx file");
		evtx_close(evtx);
		return NULL;
	}
	if (libevtx_file_is_corrupted(evtx->file, NULL) == 1)
		evtx->fault = "the event log file is corrupted";
	return evtx;
}

void evtx_close(struct evtx *evtx)
{
	if (!evtx)
		return;
	if (evtx->file)
		libevtx_file_free(&evtx->file, NULL);
	free(evtx->xml);
	free(evtx);
}

/* Is `at` the start of a GUID that is the whole value of an element or attribute named ...Guid? */
static bool is_guid_value(const char *xml, const char *at, const char *end)
{
	static const char *const before[] = { "Guid\">", "GUID\">", "Guid=\"",
					      "tyID=\"" /* ActivityID */ };
	enum { GUID_BYTES = 38 };
	if (at - xml < 6 || end - at < GUID_BYTES || at[GUID_BYTES - 1] != '}')
		return false;
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++)
		if (memcmp(at - 6, before[i], 6) == 0)
			return true;
	return false;
}

/* libevtx writes GUIDs in upper case, Windows and every forwarder in lower. */
static void lower_guids(char *xml, size_t size_bytes)
{
	char *const end = xml + size_bytes;
	for (char *at = xml; (at = memchr(at, '{', (size_t)(end - at))) != NULL; at++)
		if (is_guid_value(xml, at, end))
			for (; *at != '}'; at++)
				if (*at >= 'A' && *at <= 'F')
					*at = (char)(*at | 0x20);
}

/* The record's XML into evtx->xml; its size, or 0. */
static size_t read_xml(struct evtx *evtx, libevtx_record_t *record)
{
	size_t size_bytes = 0; /* with the NUL at its end */
	if (libevtx_record_get_utf8_xml_string_size(record, &size_bytes, NULL) != 1 ||
	    size_bytes < 2 || size_bytes > XML_BYTES_MAX)
		return 0;
	if (size_bytes > evtx->room_bytes) {
		char *larger = realloc(evtx->xml, size_bytes);
		if (!larger)
			return 0;
		evtx->xml = larger;
		evtx->room_bytes = size_bytes;
	}
	if (libevtx_record_get_utf8_xml_string(record, (uint8_t *)evtx->xml, size_bytes, NULL) != 1)
		return 0;
	lower_guids(evtx->xml, size_bytes - 1);
	return size_bytes - 1;
}

bool evtx_next(struct evtx *evtx, const char **out_xml, size_t *out_size_bytes,
	       uint64_t *out_number)
{
	libevtx_record_t *record = NULL;
	if (evtx->next >= evtx->record_count)
		return false;
	*out_size_bytes = 0;
	if (libevtx_file_get_record_by_index(evtx->file, evtx->next, &record, NULL) == 1) {
		*out_size_bytes = read_xml(evtx, record);
		libevtx_record_free(&record, NULL);
	}
	*out_xml = evtx->xml;
	*out_number = (uint64_t)++evtx->next;
	return true;
}

const char *evtx_fault(const struct evtx *evtx)
{
	return evtx->fault;
}

void evtx_progress(const struct evtx *evtx, uint64_t total_bytes, uint64_t *out_done_bytes)
{
	*out_done_bytes = evtx->record_count ? total_bytes * (uint64_t)evtx->next /
						       (uint64_t)evtx->record_count
					     : total_bytes;
}
