#include "rules/dataset_fields.h"

#include <string.h>

enum { PATTERNS_MAX = 80, CATEGORIES_MAX = 12 };

static const char *const patterns[DATASET_COUNT][PATTERNS_MAX] = {
#define PRODUCES(dataset, ...) [DATASET_##dataset] = { __VA_ARGS__ },
#include "rules/dataset_fields.def"
#undef PRODUCES
};

/* Datasets that are not here may have any category. */
static const char *const categories[DATASET_COUNT][CATEGORIES_MAX] = {
	[DATASET_sysmon] = { "process", "network", "file", "driver", "registry", "configuration",
			     "library" },
	[DATASET_security] = { "process", "network", "iam", "authentication", "file",
			       "configuration", "registry" },
	[DATASET_powershell] = { "process" },
	[DATASET_powershell_operational] = { "process" },
	[DATASET_endpoint_process] = { "process" },
	[DATASET_endpoint_network] = { "network" },
	[DATASET_endpoint_file] = { "file" },
	[DATASET_endpoint_registry] = { "registry" },
	[DATASET_endpoint_library] = { "library", "driver" },
	[DATASET_endpoint_security] = { "authentication", "session" },
	[DATASET_endpoint_api] = { "api", "intrusion_detection" },
	[DATASET_flow] = { "network" },
};

bool dataset_has_field(enum dataset dataset, const char *name)
{
	for (size_t i = 0; i < PATTERNS_MAX && patterns[dataset][i]; i++) {
		const char *pattern = patterns[dataset][i];
		const size_t size = strlen(pattern);
		const bool family = pattern[size - 1] == '*';
		if (family ? strncmp(name, pattern, size - 1) == 0 : strcmp(name, pattern) == 0)
			return true;
	}
	return false;
}

bool dataset_has_category(enum dataset dataset, const char *category)
{
	if (!categories[dataset][0])
		return true;
	for (size_t i = 0; i < CATEGORIES_MAX && categories[dataset][i]; i++)
		if (strcmp(categories[dataset][i], category) == 0)
			return true;
	return false;
}
