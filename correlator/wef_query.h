/* wef_query.h: which events Windows clients are asked to forward: those that attribution and the
 * rules can use. */
#pragma once

/* A <QueryList>. */
extern const char wef_query[];
