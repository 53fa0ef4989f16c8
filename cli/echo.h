/* SPDX-License-Identifier: Apache-2.0 */
/* Sends messages back as they come, in parts where they come in parts. What the queue does not take is kept, and the peer
 * is paused meanwhile. */
#ifndef CLI_ECHO_H
#define CLI_ECHO_H

#include "server.h"

int echo_new(struct peer *peer, struct echo **ret_echo);
void echo_free(struct echo *echo);

void echo_message(struct echo *echo, const hawser_received *message);
void echo_begin(struct echo *echo, hawser_message_id id, uint64_t size, int niceness);
void echo_part(struct echo *echo, hawser_message_id id, const void *data, size_t size, bool last);
void echo_abandon(struct echo *echo, hawser_message_id id);
/* At HAWSER_WRITABLE. */
void echo_continue(struct echo *echo);

#endif
