/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAYER_INTERFACE_H
#define LAYER_INTERFACE_H

#include <stddef.h>
#include <sys/socket.h>

#include <hawser/hawser.h>

/* The interface that the connection fd was bound to, else the one that holds its local address; else untouched. */
void interface_find(hawser_context *context, int fd, const struct sockaddr_storage *local, char *interface,
                    size_t size);

#endif
