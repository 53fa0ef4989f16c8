/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The weave: which strands an association that we opened is to have, and how it gets them: one on each path that the
 * program wants, others in place of what died, and one at all when the last is gone (docs/multipath.md). Of one that came
 * by a listener it knows only how long to wait for the peer. The accepting side opens nothing.
 */
#ifndef ASSOCIATION_WEAVE_H
#define ASSOCIATION_WEAVE_H

#include "association/association.h"
#include "association/join_word.h"
#include "association/told.h"

/* hawser_associate_options.paths, looked at: "all", or interfaces and types with commas, each with a stack or not
 * ("eth0,wlan0=quic/udp"). -EINVAL, with what is wrong in reason. */
int weave_check(const hawser_context *context, const char *paths, char *reason, size_t reason_size);

/* What opening again takes beside the endpoint; weave.c */
struct ways {
    char *paths, *stacks; /* NULL: none were given */
    char *others;         /* more endpoints, a line each; NULL: none */
    struct layer_address
        local; /* where to leave from, by any port: the first strand had the one given; size 0: anywhere */
    char local_interface[32];
};
/* NULL where nothing of it was given. -ENOMEM */
int ways_new(const hawser_associate_options *options, struct ways **ret_ways);
void ways_free(struct ways *ways);

/* Established over hawser/1, as opener: strands on other paths are wanted from here on, where the program wants any. */
int weave_begin(hawser_association *association, struct strand *first);
/* Imported: there is one, for what the peer told (-ENOMEM); and the line has no strand yet. */
int weave_keep(hawser_association *association);
void weave_moved(hawser_association *association);
void weave_free(hawser_association *association);

void weave_joined(hawser_association *association, struct strand *strand);                       /* it is in */
void weave_refused(hawser_association *association, struct strand *strand, enum join_code code); /* it cannot be */
void weave_gone(hawser_association *association, struct strand *strand);                         /* it is being freed */
void weave_stranded(hawser_association *association, int code, const char *reason); /* the last one was lost */
void weave_suspicion(hawser_association *association); /* a strand is suspected, or is not any more */
void weave_told(hawser_association *association, unsigned kind, const uint8_t *body, size_t size);
/* In dispatch, after the rest: what is due. */
void weave_work(hawser_association *association);
int64_t weave_due(const hawser_association *association);

/* The host's interfaces or addresses changed. */
void weave_paths_changed(hawser_association *association);
/* Tells the session what the layers know of a strand; of each, where there are several and the last time is a while ago. */
void weave_measure_strand(struct strand *strand);
void weave_measure(hawser_association *association);

#endif
