/* SPDX-License-Identifier: Apache-2.0 */
/* The names that all public headers share; <hawser/hawser.h> brings them. */
#ifndef HAWSER_TYPES_H
#define HAWSER_TYPES_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hawser_context hawser_context;
/* Also what hawser_listen() gives: a rump with one event (S2.53). */
typedef struct hawser_association hawser_association;
typedef struct hawser_stream hawser_stream;
typedef struct hawser_identity hawser_identity;
typedef struct hawser_shared hawser_shared;
typedef struct hawser_buffer hawser_buffer;
typedef struct hawser_framer hawser_framer;   /* <hawser/layer.h> */
typedef struct hawser_message hawser_message; /* a received message that a program keeps */
typedef uint64_t hawser_message_id; /* consecutive from 1 in one direction of an association; 0 is no message */

/* The size of a message or stream that is not known beforehand. */
#define HAWSER_SIZE_UNKNOWN UINT64_MAX

#ifdef __cplusplus
}
#endif

#endif
