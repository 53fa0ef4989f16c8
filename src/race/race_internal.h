/* SPDX-License-Identifier: Apache-2.0 */
/* What a race is made of: private to race.c and race_tree.c. */
#ifndef RACE_RACE_INTERNAL_H
#define RACE_RACE_INTERNAL_H

#include "base/list.h"
#include "race/race.h"

/* The root, a path, or a stack. Children are nodes, or below a stack candidates. race_tree.c */
struct race_node {
    struct list link; /* in the parent's children */
    struct list children;
    struct race_node *parent;
    unsigned number;
    int rank;
    int64_t head_start; /* after which it starts beside those before it; 0: the race's attempt delay */
    bool failover;
    bool is_stack; /* its children are candidates */
    bool started;
    bool hurry;         /* a child failed: the next one is not waited for */
    bool reached;       /* a transport's handshake was done below it: it has had its parent's timer start afresh */
    int64_t last_start; /* of a child, or since when its timer runs afresh */
    unsigned begun;     /* a stack's: how many of its candidates have begun */
};

enum candidate_state { CANDIDATE_WAITING, CANDIDATE_RUNNING, CANDIDATE_OVER };

struct race_candidate {
    struct list link; /* in its stack's children, in the order added */
    struct race_node *stack;
    struct race_spec spec;
    unsigned sequence; /* as added */
    unsigned turn;     /* in its stack, from 1; 0: it has not begun */
    enum candidate_state state;
};

struct race {
    const struct memory *memory;
    struct race_config config;
    struct race_node root;
    int64_t attempt_delay;
    unsigned asked, answered;
    int64_t first_address; /* since when candidates wait for the questions; RACE_NEVER: none does */
    unsigned count, sequence;
    bool opened;   /* the first may start, or has */
    bool complete; /* no more candidates will come */
    bool decided;
};

/* What a node has below it. */
struct race_below {
    unsigned waiting, running;
};
struct race_below race_below(const struct race_node *node);

/* The stack's node for a spec, made when there is none; NULL: no memory. */
struct race_node *race_node_for(struct race *race, const struct race_spec *spec);
/* Nodes without children go, upwards; those that have begun keep what they began. */
void race_node_prune(struct race *race, struct race_node *node);
/* A stack's candidates: as they began, then as they would. Room for RACE_CANDIDATES_MAX; returns how many. */
unsigned race_stack_order(const struct race *race, const struct race_node *stack, struct race_candidate **ret_order);
void race_tree_free(struct race *race);
/* When the next start is due below a node that may start; RACE_NEVER: none by itself. */
int64_t race_node_due(const struct race *race, const struct race_node *node, int64_t now);
/* Finds the next candidate to start below a node by now, and marks the nodes on its way; NULL: none is due. */
struct race_candidate *race_node_next(struct race *race, struct race_node *node, int64_t now);

#endif
