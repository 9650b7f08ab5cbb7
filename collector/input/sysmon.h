/* sysmon.h: the longer parts of the Sysmon dialect. */
#pragma once

#include <stdbool.h>

#include "collector/input/mapping.h"

/* header times and @timestamp; `own_clock`: UtcTime is that of the network and
 * DNS trace sessions */
void sysmon_map_time(struct mapping *mapping, bool own_clock);

/* A GUID with its braces, as it came; the zero GUID is absent. */
void map_guid(struct mapping *mapping, uint16_t field, uint16_t slot);

/* "SHA1=..,MD5=..": lower case; all-zero ones dropped */
enum sysmon_hashes { SYSMON_HASHES_PROCESS, SYSMON_HASHES_FILE, SYSMON_HASHES_DLL };
void sysmon_map_hashes(struct mapping *mapping, enum sysmon_hashes owner);

void sysmon_map_dns(struct mapping *mapping);
void sysmon_map_registry(struct mapping *mapping);

/* file.* of a loaded image or driver; dll.* too for an image */
void sysmon_map_image(struct mapping *mapping, bool dll);
