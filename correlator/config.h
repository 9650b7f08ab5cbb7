/* config.h: the configuration file of the service, a TOML file (docs/configuration.md).
 *
 * One row per key, in config.c. An unknown key, a wrong kind of value and a value out of range are
 * complaints with their place. Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "collector/base/arena.h"
#include "collector/base/complaint.h"
#include "correlator/speakers.h"

struct config_texts {
	const char *const *items;
	size_t count;
};

struct config {
	struct arena *arena; /* of all texts */

	struct config_texts inputs;
	struct config_texts rules;
	struct config_texts outputs;
	const char *tap; /* "file:PATH"; NULL = none */
	const char *tap_speed;
	const char *host_name;
	const char *control; /* path of the socket; NULL = none */
	uint64_t horizon_ns;
	uint64_t lateness_ns;

	const char *spool_path; /* NULL = none */
	uint64_t spool_max_bytes;
	uint64_t spool_max_age_ns;
	const char *output_spool_path;
	uint64_t output_spool_max_bytes;

	uint64_t max_flows; /* 0 = defaults, as are all below */
	uint64_t max_hosts;
	uint64_t max_processes;
	uint64_t max_connections;
	uint64_t max_facts;
	uint64_t store_bytes;
	uint64_t max_senders;
	uint64_t max_senders_per_peer;
	uint64_t document_bytes;
	uint64_t backlog_bytes;

	struct speakers speakers;
	bool verbose;
};

/* Reads the file and then the settings ("KEY=VALUE", a TOML value or a bare text), which win. False
 * when anything was refused. config_release frees in any case. */
bool config_read(const char *path, const char *const *settings, size_t setting_count,
		 struct config *out_config, struct complaints *complaints);
void config_release(struct config *config);

/* "key  kind  what it means", one a line. */
void config_print_keys(FILE *stream);
