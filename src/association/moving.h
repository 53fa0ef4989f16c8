/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of an association goes to another process beside its session (docs/moving.md): the same fields are written by export.c
 * and read by import.c.
 */
#ifndef ASSOCIATION_MOVING_H
#define ASSOCIATION_MOVING_H

#include "association/association.h"
#include "base/coder.h"

#define MOVING_TEXT 1024
#define MOVING_LINES 8192 /* more endpoints, a line each */

/* Owned by who fills it in; texts are "" where there is none. */
struct moving_line {
    bool child, wants_told, has_ways;
    int64_t linger, line_dead, reestablish;
    char endpoint[MOVING_TEXT];
    char paths[MOVING_TEXT], stacks[MOVING_TEXT], others[MOVING_LINES];
    char first_stack[24];
    uint8_t secret[JOIN_SECRET];
    struct join_end ours, theirs;
    /* who we are, and what we believe */
    char identity[KEY_NAME_SIZE]; /* the peer knows us by it; "": it does not */
    char trust[MOVING_TEXT], trust_file[MOVING_TEXT], server_name[MOVING_TEXT], service[MOVING_TEXT], alpn[256];
    uint64_t min_verification;
    bool early_data, present_certificate, no_tickets;
    /* the peer */
    char peer_name[MOVING_TEXT], peer_key_name[KEY_NAME_SIZE], peer_alpn[64];
    uint64_t verification;
    uint8_t spki[1024];
    size_t spki_size;
    /* when it was exported, and by which boot of a host */
    int64_t boot_time, real_time;
    char boot_id[40];
};

void moving_line(struct coder *coder, struct moving_line *line);
void moving_properties(struct coder *coder, hawser_properties **properties);
void moving_takings(struct coder *coder, hawser_association *association);
void moving_told(struct coder *coder, hawser_association *association); /* addresses that the peer told */
void moving_tickets(struct coder *coder, hawser_association *association);
void moving_clocks(struct moving_line *line); /* now */

#endif
