/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interfaces of this host and their addresses: asked for at first use, kept up to date by what rtnetlink(7) tells
 * from then on. Where a sandbox allows no netlink the table is empty.
 */
#ifndef LAYER_INTERFACE_H
#define LAYER_INTERFACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <net/if.h>
#include <sys/socket.h>

#include <hawser/hawser.h>

#include "base/list.h"

struct interfaces;

struct interface {
    unsigned index, flags; /* IFF_UP, IFF_RUNNING, IFF_LOOPBACK */
    unsigned mtu;
    unsigned hardware; /* ARPHRD_ETHER */
    char name[IF_NAMESIZE];
    char kind[16]; /* of a device made by software: "veth", "wireguard"; else "" */
};

struct interface_address {
    unsigned index; /* of its interface */
    int family;
    uint8_t bytes[16]; /* 4 of them for IPv4 */
    unsigned prefix, scope;
    unsigned flags; /* IFA_F_TEMPORARY, IFA_F_DEPRECATED, IFA_F_TENTATIVE */
};

/* Is told in dispatch after a change of interfaces, addresses or routes; changes within 10 ms are one. */
struct interfaces_user {
    struct list link;
    void (*changed)(struct interfaces_user *user);
};

int interfaces_of(hawser_context *context, struct interfaces **ret_interfaces); /* -ENOMEM */
/* Joins, and leaves by interfaces_leave(). Routes are watched from the first joining on. */
void interfaces_join(struct interfaces *interfaces, struct interfaces_user *user);
void interfaces_leave(struct interfaces_user *user);
/* Takes in what the kernel told since the last dispatch. What was given out before is no longer valid. */
void interfaces_refresh(struct interfaces *interfaces);
uint64_t interfaces_generation(const struct interfaces *interfaces); /* grows with each change */

/* Until the next refresh or return to the loop: */
const struct interface *interfaces_list(const struct interfaces *interfaces, size_t *ret_count);
const struct interface_address *interfaces_addresses(const struct interfaces *interfaces, size_t *ret_count);
const struct interface *interfaces_by_index(const struct interfaces *interfaces, unsigned index);
const struct interface *interfaces_by_name(const struct interfaces *interfaces, const char *name);
/* Who holds an address: a socket address of IPv4 or IPv6. NULL: nobody. */
const struct interface_address *interfaces_holder(const struct interfaces *interfaces, const struct sockaddr *address);

/* The interface that the connection fd was bound to, else the one that holds its local address; else untouched. */
void interface_find(hawser_context *context, int fd, const struct sockaddr_storage *local, char *interface,
                    size_t size);

#endif
