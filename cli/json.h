/* SPDX-License-Identifier: Apache-2.0 */
/* The writer of JSON is the library's, for its reports. */
#include "base/json.h" /* IWYU pragma: export */
