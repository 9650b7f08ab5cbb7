/* dataset_fields.h: which fields and categories events of a dataset can have (dataset_fields.def).
 * Any thread. */
#pragma once

#include "collector/event.h"

bool dataset_has_field(enum dataset dataset, const char *name);

/* event.category of a dataset's events, where the dataset says it ("process" for
 * endpoint.events.process). */
bool dataset_has_category(enum dataset dataset, const char *category);
