/* SPDX-License-Identifier: Apache-2.0 */
/* --require, --prefer, --avoid, --prohibit, --property, --interface and --proxy, as a set of properties. */
#ifndef CLI_WANT_H
#define CLI_WANT_H

#include "tool.h"

/* Applies what the command line says, in its order; says what is wrong. -HAWSER_EPROPERTY */
int wants_apply(struct tool *tool, hawser_properties *properties);
/* A set with what the command line says. -HAWSER_EPROPERTY, -ENOMEM: said. */
int wants_properties(struct tool *tool, hawser_properties **ret_properties);

#endif
