/* SPDX-License-Identifier: Apache-2.0 */
/* A link between two network namespaces, all in user space: two TUN devices, and for each direction rules (what a
 * middlebox does), then loss, then a drop-tail queue that empties at a rate, then delay. */
#ifndef LAB_LINK_H
#define LAB_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { PACKET = 2048, LINKS = 16, RULES = 32, NAME = 16 };

enum rule_action { RULE_PASS, RULE_DROP, RULE_RST, RULE_STRIP_MPTCP, RULE_ACTIONS };

/* What is 0 matches everything. */
struct rule {
    char id[NAME];
    unsigned directions; /* bit 0: left to right; bit 1: right to left */
    int family;          /* 4 or 6 */
    int protocol;
    uint8_t source[16], destination[16], either[16]; /* IPv4 addresses are mapped */
    bool has_source, has_destination, has_either;
    unsigned source_port, destination_port, port;
    bool syn, synack, data, mptcp;
    uint64_t first; /* only that many packets are acted on */
    enum rule_action action;
    uint64_t hits;
};

/* Where the parts of a packet are. */
struct parsed {
    uint8_t *data;
    size_t size;
    int family, protocol;
    uint8_t source[16], destination[16];
    uint8_t *transport; /* NULL: none that we know */
    size_t transport_size;
    unsigned source_port, destination_port;
    bool syn, synack, has_data;
    uint8_t *mptcp; /* option 30, NULL: none */
};

bool parse(uint8_t *data, size_t size, struct parsed *ret_packet);
bool rule_matches(const struct rule *rule, unsigned direction, const struct parsed *packet);
void strip_mptcp(struct parsed *packet);
/* A RST as the other end would send it back to this packet's source, or (onward) as this packet's source would send it. */
size_t make_reset(const struct parsed *packet, bool onward, uint8_t ret_data[PACKET]);

struct packet {
    int64_t leaves;  /* the queue, its last bit sent */
    int64_t arrives; /* at the other end */
    size_t size;
    uint8_t data[PACKET];
};

/* Packets [arrived, sent) are under way, [sent, end) wait in the queue; indexes only grow. */
struct direction {
    int from, to;
    double ns_per_byte; /* 0: no bound */
    int64_t delay_ns;
    size_t queue; /* bytes; 0: as many as there are slots */
    double loss;  /* 0..1 */
    struct packet *packets;
    uint64_t arrived, sent, end;
    size_t queued;
    int64_t free_at;
    uint64_t entered, passed, dropped;
};

struct link {
    char name[NAME];
    struct direction directions[2];
    struct rule rules[RULES];
    size_t rule_count;
    bool cut;
    FILE *capture;
};

int64_t now_ns(void);
/* Negative: errno, with words on stderr. */
int link_open(struct link *link, const char *name, const char *const pids[2], const char *const devices[2]);
void link_close(struct link *link);
void link_take(struct link *link, int64_t now);    /* what the hosts sent */
void link_advance(struct link *link, int64_t now); /* what arrives */
int64_t link_next(const struct link *link, int64_t otherwise);
bool link_empty(const struct link *link);
/* Of this device: whether its cable is in. */
int link_carrier(struct link *link, int side, bool carrier);

int capture_open(struct link *link, const char *path);
void capture_packet(struct link *link, const uint8_t *data, size_t size);
int capture_close(struct link *link);

/* Runs one line of commands, and puts its answer, one JSON object, to stdout. */
void command(char *line);
void command_answer_waits(void); /* to who waits for packets, or for their end */

extern struct link *links[LINKS];

/* The machine itself: one thread a processor looks how late it is woken. */
void stall_start(void);
int64_t stall_worst_us(void); /* since last asked */
int64_t stall_total_us(void); /* sum of what was above 2 ms; since last asked */

#endif
