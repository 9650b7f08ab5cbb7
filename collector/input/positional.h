/* positional.h: names for values that came without. Fluent Bit and others send EventData as a list;
 * which value is which depends on provider, event id, version and how many there are. */
#pragma once

#include "collector/input/keys.h"
#include "collector/input/raw.h"

/* Sets the slots of the positional values: by the table of field orders when the event is in it and
 * nothing was named, else as param1, param2, ... as Winlogbeat calls unnamed values. */
void positional_name_values(struct raw_event *raw, const struct keys *keys);
