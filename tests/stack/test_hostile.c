/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"
const struct suite_test hostile_tests[] = {{NULL, NULL}};
