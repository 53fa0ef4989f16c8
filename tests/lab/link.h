/* SPDX-License-Identifier: Apache-2.0 */
/* A link between two network namespaces, all in user space: two TUN devices, and for each direction rules (what a
 * middlebox does), then loss (single or in bursts), then a drop-tail queue that empties at a rate, then delay, of which
 * some packets have more. Each direction has dice of its own: the fate of its n-th packet is the seed's alone. */
#ifndef LAB_LINK_H
#define LAB_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { PACKET = 2048, LINKS = 16, RULES = 32, NAME = 16, LANES = 2 };

enum rule_action { RULE_PASS, RULE_DROP, RULE_RST, RULE_STRIP_MPTCP, RULE_ACTIONS, RULE_MSS };

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
    size_t larger;  /* only packets above this size */
    uint64_t first; /* only that many packets are acted on */
    unsigned mss;   /* of RULE_MSS: the most that the option says afterwards */
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
void clamp_mss(struct parsed *packet, unsigned most);
/* The source's (or destination's) IPv4 address and port become others. */
void rewrite(struct parsed *packet, bool source, const uint8_t address[4], unsigned port);
/* A RST as the other end would send it back to this packet's source, or (onward) as this packet's source would send it. */
size_t make_reset(const struct parsed *packet, bool onward, uint8_t ret_data[PACKET]);

struct packet {
    int64_t leaves;  /* the queue, its last bit sent */
    int64_t arrives; /* at the other end */
    size_t size;
    uint8_t data[PACKET];
};

/* Packets [arrived, sent) are under way, [sent, end) wait in the queue; indexes only grow. */
struct lane {
    struct packet *packets;
    uint64_t arrived, sent, end;
};

/* Loss in bursts (Gilbert's model): in the bad state all is lost. */
struct burst {
    double enter, leave; /* 0..1, for each packet; enter 0: none */
    bool bad;
};

struct direction {
    int from, to;
    double ns_per_byte; /* 0: no bound */
    int64_t delay_ns;
    size_t queue; /* bytes; 0: as many as there are slots */
    double loss;  /* 0..1 */
    struct burst burst;
    double reorder; /* 0..1: packets that take later_ns more */
    int64_t later_ns;
    bool cut;                 /* what is sent vanishes, and what is under way */
    bool unplugged;           /* and so too where one end has no carrier */
    unsigned short dice[3];   /* of loss */
    unsigned short order[3];  /* of reorder */
    struct lane lanes[LANES]; /* 1: of those that are overtaken */
    size_t queued;            /* bytes, in both lanes */
    int64_t free_at;
    uint64_t entered, passed, dropped;
};

struct nat; /* nat.c */

struct link {
    char name[NAME];
    struct nat *nat; /* between rules and loss; NULL: none */
    struct direction directions[2];
    struct rule rules[RULES];
    size_t rule_count;
    bool no_carrier[2];
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
/* Throws the dice anew: the same seed and the same packets meet the same fate. */
void link_seed(struct link *link, uint64_t seed);
/* Of this device: whether its cable is in. */
int link_carrier(struct link *link, int side, bool carrier);

int nat_set(struct link *link, const char *address); /* negative: no such address */
void nat_rebind(struct link *link);
bool nat_pass(struct link *link, int direction, struct parsed *packet);

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
