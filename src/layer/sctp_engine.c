/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usrsctp has one stack a process, whose calls must come from one thread (its locks meet otherwise): it belongs to the
 * context that has associations of it, and another context is told so. It runs without its timer and receiving threads;
 * one thread stays ("SCTP iterator", which only walks lists when addresses change). The stack ends with its last
 * association.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "layer/sctp.h"

#define TICK 10000       /* microseconds, while packets come and go */
#define TICK_IDLE 100000 /* heartbeats and the like */
#define ACTIVE_FOR 500000
#define FINISH_TRIES 200

static struct engine {
    _Atomic(hawser_context *) owner;
    pid_t process; /* that started the stack: its thread is in no child */
    bool started;
    struct sctp_layer *layers; /* by id */
    struct loop_timer timer;
    int64_t ticked, active; /* when its clock was moved, and when a packet passed */
    uintptr_t last_id;
    uint8_t buffer[SCTP_UNIT];
} engine;

/* usrsctp's output: queued, since what sends could call into the stack again. Also comes for who is gone. */
static int output(void *address, void *data, size_t size, uint8_t tos, uint8_t dont_fragment)
{
    struct sctp_layer *sctp;

    (void)tos;
    (void)dont_fragment;
    HASH_FIND(hh, engine.layers, &address, sizeof address, sctp);
    if (!sctp)
        return 0;
    engine.active = engine.ticked;
    return sctp_packet_queue(sctp, data, size);
}

static void configure(void)
{
    usrsctp_sysctl_set_sctp_ecn_enable(0); /* not seen through DTLS */
    usrsctp_sysctl_set_sctp_auto_asconf(0);
    usrsctp_sysctl_set_sctp_asconf_enable(0); /* one address each: AF_CONN */
    usrsctp_sysctl_set_sctp_auth_enable(0);
    usrsctp_sysctl_set_sctp_reconfig_enable(0);
    usrsctp_sysctl_set_sctp_nrsack_enable(0);
    usrsctp_sysctl_set_sctp_pktdrop_enable(0);
    usrsctp_sysctl_set_sctp_do_drain(0); /* what a SACK's gaps have said stays true: sctp_fates.c */
    usrsctp_sysctl_set_sctp_no_csum_on_loopback(0);
    usrsctp_sysctl_set_sctp_blackhole(2); /* no ABORT to strangers: they are not ours to answer */
    usrsctp_sysctl_set_sctp_default_ss_module(SCTP_SS_PRIORITY);
    usrsctp_sysctl_set_sctp_max_chunks_on_queue(16384);
    usrsctp_sysctl_set_sctp_nr_incoming_streams_default(SCTP_STREAMS);
    usrsctp_sysctl_set_sctp_nr_outgoing_streams_default(SCTP_STREAMS);
    usrsctp_sysctl_set_sctp_sendspace(SCTP_SEND_BUFFER);
    usrsctp_sysctl_set_sctp_recvspace(SCTP_RECEIVE_BUFFER);
    usrsctp_sysctl_set_sctp_initial_cwnd(10);      /* packets, as RFC 6928 for TCP */
    usrsctp_sysctl_set_sctp_max_burst_default(10); /* which this would bound */
    /* The minimum of one second (RFC 9260 section 16) is for networks of another time: as Linux's TCP. Fifteen time-outs in
     * a row, half a minute, end the association, and the path no sooner, since it is the only one. */
    usrsctp_sysctl_set_sctp_rto_min_default(200);
    usrsctp_sysctl_set_sctp_rto_initial_default(1000);
    usrsctp_sysctl_set_sctp_rto_max_default(2000);
    usrsctp_sysctl_set_sctp_init_rto_max_default(2000);
    usrsctp_sysctl_set_sctp_init_rtx_max_default(8);
    usrsctp_sysctl_set_sctp_assoc_rtx_max_default(15);
    usrsctp_sysctl_set_sctp_path_rtx_max_default(15);
    usrsctp_sysctl_set_sctp_delayed_sack_time_default(40);
    usrsctp_sysctl_set_sctp_heartbeat_interval_default(25000);
}

static void start(void)
{
    sigset_t all, before;

    sigfillset(&all); /* the program's handlers run on the program's threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    usrsctp_init_nothreads(0, output, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    configure();
    engine.started = true;
    engine.process = getpid();
}

static bool finish(void)
{
    if (engine.started && usrsctp_finish() == 0)
        engine.started = false;
    return !engine.started;
}

/* Endpoints that are closed can outlive their association by some timers. */
static void finish_now(void)
{
    for (int i = 0; i < FINISH_TRIES && !finish(); i++)
        usrsctp_handle_timers(1000);
}

void sctp_engine_tick(void)
{
    int64_t now = loop_clock();
    int64_t elapsed = (now - engine.ticked) / 1000;

    if (elapsed <= 0)
        return;
    engine.ticked += elapsed * 1000;
    usrsctp_handle_timers((uint32_t)(elapsed < 10000 ? elapsed : 10000)); /* after a sleep of the system: no storm */
}

static void set_timer(hawser_context *context)
{
    int64_t now = loop_clock();

    loop_timer_set(context, &engine.timer, now + (now - engine.active < ACTIVE_FOR ? TICK : TICK_IDLE));
}

static void on_timer(struct loop_timer *timer, int64_t now)
{
    struct sctp_layer *sctp, *next;

    (void)timer;
    sctp_engine_tick();
    HASH_ITER(hh, engine.layers, sctp, next)
    {
        sctp_measure(sctp, now);
        if (sctp->socket && (usrsctp_get_events(sctp->socket) & (SCTP_EVENT_READ | SCTP_EVENT_ERROR)))
            loop_defer(sctp->layer.context, &sctp->news);
    }
    set_timer(engine.owner);
}

int sctp_engine_join(struct sctp_layer *sctp)
{
    hawser_context *context = sctp->layer.context, *none = NULL;

    if (engine.owner != context && !atomic_compare_exchange_strong(&engine.owner, &none, context))
        return layer_fail(&sctp->layer, -EBUSY,
                          "one context of a process has SCTP at a time (libusrsctp has one stack), and another one has "
                          "it now");
    if (engine.started && engine.process != getpid()) {
        if (!engine.layers)
            engine.owner = NULL;
        return layer_fail(&sctp->layer, -EBUSY, "this process was forked from one that had SCTP, and cannot use it");
    }
    if (!engine.started)
        start();
    if (!engine.layers) {
        engine.ticked = engine.active = loop_clock();
        loop_timer_init(&engine.timer, on_timer);
        set_timer(context);
    }
    sctp->id = ++engine.last_id;
    sctp->joined = true;
    HASH_ADD(hh, engine.layers, id, sizeof sctp->id, sctp);
    usrsctp_register_address((void *)sctp->id);
    return 0;
}

void sctp_engine_part(struct sctp_layer *sctp)
{
    if (!sctp->joined)
        return;
    sctp->joined = false;
    usrsctp_deregister_address((void *)sctp->id);
    HASH_DELETE(hh, engine.layers, sctp);
    if (engine.layers)
        return;
    loop_timer_clear(engine.owner, &engine.timer);
    finish_now();
    engine.owner = NULL;
}

uint8_t *sctp_engine_buffer(void)
{
    return engine.buffer;
}
