/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hawser/1 (docs/protocol.md sections 3, 4, 6 and 8) at a small size: one side sends MESSAGES messages to the other over
 * one or two strands. Either strand may die with what it carries, the second one joins at any time, and the two ends
 * learn of both separately. Checked: no deadlock (an invalid end state), every message has exactly one outcome, is
 * delivered at most once, whole and after its antecedents, and acked only when delivered; no credit is lost; the receiver
 * never holds more than it allowed; and as long as one strand lives both ends end cleanly.
 *
 * Abstractions. A message is some chunks, the first FLOW of which lie below HELLO's flow credit. Which chunk goes next and
 * on which strand is left open, so that every schedule is covered. ACK frames are not shown: an acknowledgement may come any
 * time after the bytes or never, so when a strand dies its sender either resends all it carried (no ACK came) or just what
 * did not arrive (all came); a receiver must bear both.
 *
 * script/model runs it in several sizes. What it is run without, to see that the rule is needed:
 *   NO_RESERVATION     flow credit is given chunk by chunk instead of for the whole message
 *   CHARGE_BY_CHUNK    association credit is taken as bytes are sent instead of at the opening
 *   NO_REFUND          EXPIRE does not tell what opening had cost: the receiver gives back only what it saw opened
 *   NO_RESEND          what a dead strand carried is not sent again
 *   NO_DEDUPLICATION   the receiver does not remember which ids are settled
 *   NO_ANTECEDENT_RULE a message may be opened before all bytes of its antecedents were sent
 */
#ifndef SIZE_1
#define SIZE_1 3
#endif
#ifndef SIZE_2
#define SIZE_2 3 /* 0: there is no such message */
#endif
#ifndef SIZE_3
#define SIZE_3 1
#endif
#ifndef ANTECEDENTS_3
#define ANTECEDENTS_3 1 /* bits of messages */
#endif
#ifndef ANTECEDENTS_2
#define ANTECEDENTS_2 0
#endif
#ifndef CANCELLABLE
#define CANCELLABLE 0 /* bits of messages that the program may take back at any time */
#endif
#ifndef FLOW
#define FLOW 1 /* chunks of a message that need no flow credit */
#endif
#ifndef CREDIT
#define CREDIT 3 /* association credit, in chunks */
#endif
#ifndef POOL
#define POOL 2 /* chunks of memory that flow credit may promise */
#endif
#ifndef STRANDS
#define STRANDS 1
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef ROOM
#define ROOM 2 /* frames a strand holds */
#endif

#define MESSAGES 3
#define ALL 7
#define ABSENT (SIZE_2 == 0 -> 2 : 0)
#define BIT(m) (1 << (m))
#define SIZE(m) ((m) == 0 -> SIZE_1 : ((m) == 1 -> SIZE_2 : SIZE_3))
#define WHOLE(m) ((1 << SIZE(m)) - 1)
#define ANTECEDENTS(m) ((m) == 0 -> 0 : ((m) == 1 -> ANTECEDENTS_2 : ANTECEDENTS_3))
#define CHARGE(m) (SIZE(m) < FLOW -> SIZE(m) : FLOW)
#define BEYOND(m) (SIZE(m) - CHARGE(m))

#define DATA 1
#define EXPIRE 2
#define CLOSE 3
#define OUTCOME 4
#define CREDITS 5
#define FLOW_CREDIT 6

#define UNSETTLED 0
#define DELIVERED 1 /* at the sender: acked */
#define LOST 2      /* at the sender: failed, and the receiver says or will say that it was not delivered */
#define MAYBE 3     /* at the sender: the line ended before the receiver said */

/* type, message or total, chunk or kind, antecedents that the opening frame lists */
chan forth[STRANDS] = [ROOM] of {byte, byte, byte, byte};
chan back[STRANDS] = [ROOM] of {byte, byte, byte, byte};
bool dead[STRANDS];

/* What one end knows of each strand. */
bool s_up[STRANDS], r_up[STRANDS], s_lost[STRANDS], r_lost[STRANDS];

/* The sender. Masks are of chunks where they are per message, else of messages. */
byte s_sent[MESSAGES], s_again[MESSAGES], s_flow[MESSAGES], s_end[MESSAGES];
byte s_opened, s_complete /* all bytes sent once */, s_settled_mask = ABSENT, s_expire, s_answered, s_cancelled;
byte s_total = CREDIT, s_spent;
bool s_close_sent, s_close_again, s_got_close, s_done;
typedef carried {
    byte chunks[MESSAGES];
    byte expires;
    bool close;
};
carried s_on[STRANDS];

/* The receiver. */
byte r_have[MESSAGES], r_lists[MESSAGES], r_end[MESSAGES], r_granted[MESSAGES];
byte r_opened, r_settled_mask = ABSENT, r_outcome /* to be sent */, r_flow_due;
byte r_total = CREDIT, r_reserved, r_held;
bool r_credit_due, r_close_sent, r_close_again, r_got_close, r_done;
bool r_strandless; /* it saw its last strand die before the other joined: the line fails, by section 8 */
bool r_left;       /* the same, but both CLOSEs were through on its side */
typedef answers {
    byte outcomes;
    bool close;
};
answers r_on[STRANDS];

#define S_CAN(s) (s_up[s] && !s_lost[s] && (dead[s] || nfull(forth[s])))
#define R_CAN(s) (r_up[s] && !r_lost[s] && (dead[s] || nfull(back[s])))
#define BOTH_GONE(lost, up) (lost[0] && (STRANDS == 1 || lost[STRANDS - 1] || !up[STRANDS - 1]))

/* What is written to a strand that has died but is not known to have is gone. */
#define S_PUT(s, type, a, b, c) if :: dead[s] :: else -> forth[s]!type, a, b, c fi
#define R_PUT(s, type, a, b) if :: dead[s] :: else -> back[s]!type, a, b, 0 fi

#ifdef CHARGE_BY_CHUNK
#define OPENING_COST(m) 1
#define CHUNK_COST(c) (c < FLOW -> 1 : 0)
#else
#define OPENING_COST(m) CHARGE(m)
#define CHUNK_COST(c) 0
#endif

#ifdef NO_ANTECEDENT_RULE
#define MAY_OPEN(m) true
#else
#define MAY_OPEN(m) ((ANTECEDENTS(m) & ~(s_complete | s_settled_mask)) == 0)
#endif

inline s_settle(m, kind)
{
    assert(s_end[m] == UNSETTLED);
    s_end[m] = kind;
    s_settled_mask = s_settled_mask | BIT(m);
    s_again[m] = 0;
}

inline s_send_chunk(s, m, c)
{
    S_PUT(s, DATA, m, c, ((c == 0) -> (ANTECEDENTS(m) & ~s_settled_mask) : 0));
    s_on[s].chunks[m] = s_on[s].chunks[m] | BIT(c);
    s_again[m] = s_again[m] & ~BIT(c);
    s_sent[m] = s_sent[m] | BIT(c);
    if
    :: s_sent[m] == WHOLE(m) -> s_complete = s_complete | BIT(m)
    :: else
    fi
}

#define NEXT(m) (s_sent[m] == 0 -> 0 : (s_sent[m] == 1 -> 1 : (s_sent[m] == 3 -> 2 : 3)))
#define ALLOWED(m, c) (c < SIZE(m) && (c < FLOW || c < s_flow[m]) && s_spent + CHUNK_COST(c) <= s_total)
#define AGAIN(m) ((s_again[m] & 1) -> 0 : ((s_again[m] & 2) -> 1 : ((s_again[m] & 4) -> 2 : 3)))

inline s_step_message(s, m)
{
    if
    :: !(s_opened & BIT(m)) ->
        s_opened = s_opened | BIT(m);
        s_spent = s_spent + OPENING_COST(m);
        s_send_chunk(s, m, 0)
    :: (s_opened & BIT(m)) && s_again[m] ->
        c = AGAIN(m);
        s_send_chunk(s, m, c)
    :: (s_opened & BIT(m)) && s_again[m] == 0 ->
        c = NEXT(m);
        s_spent = s_spent + CHUNK_COST(c);
        s_send_chunk(s, m, c)
    fi
}

#define CAN_SEND(m)                                                                                     \
    (!(s_settled_mask & BIT(m)) && !(s_cancelled & BIT(m)) &&                                           \
     ((!(s_opened & BIT(m)) && MAY_OPEN(m) && s_spent + OPENING_COST(m) <= s_total) ||                  \
      ((s_opened & BIT(m)) && (s_again[m] || ALLOWED(m, NEXT(m))))))

#define CAN_CANCEL(m) ((CANCELLABLE & BIT(m)) && !(s_settled_mask & BIT(m)) && !(s_cancelled & BIT(m)) && !s_close_sent)

inline s_cancel(m)
{
    s_cancelled = s_cancelled | BIT(m);
    s_expire = s_expire | BIT(m);
    s_again[m] = 0;
    if
    :: !(s_complete & BIT(m)) -> s_settle(m, LOST)
    :: else /* it may have been delivered: the receiver knows */
    fi
}

inline s_receive(s)
{
    back[s]?type, a, b, _;
    if
    :: type == OUTCOME ->
        if
        :: s_answered & BIT(a) /* told again after a strand died */
        :: else ->
            s_answered = s_answered | BIT(a);
            if
            :: s_end[a] == UNSETTLED -> s_settle(a, b)
            :: else -> assert(b != DELIVERED) /* what was cancelled unsent cannot have arrived */
            fi;
        fi
    :: type == CREDITS -> s_total = (a > s_total -> a : s_total)
    :: type == FLOW_CREDIT -> s_flow[a] = (b > s_flow[a] -> b : s_flow[a])
    :: type == CLOSE -> s_got_close = true
    fi;
    type = 0;
    a = 0;
    b = 0
}

/* The sender learns that strand s died. */
inline s_strand_lost(s)
{
    s_lost[s] = true;
#ifndef NO_RESEND
    if
    :: true -> every = true  /* no ACK had come */
    :: true -> every = false /* all had */
    fi;
    a = 0;
    do
    :: a < MESSAGES ->
        if
        :: !(s_settled_mask & BIT(a)) && !(s_cancelled & BIT(a)) ->
            b = (every -> 0 : r_have[a]);
            s_again[a] = s_again[a] | (s_on[s].chunks[a] & ~(r_end[a] && !every -> 255 : b))
        :: else
        fi;
        s_on[s].chunks[a] = 0;
        a++
    :: else -> break
    od;
    s_expire = s_expire | (s_on[s].expires & ~s_answered);
    s_close_again = s_close_again || (s_on[s].close && !r_got_close);
#endif
    s_on[s].expires = 0;
    s_on[s].close = false;
    every = false;
    a = 0;
    b = 0
}

inline s_fail_all()
{
    a = 0;
    do
    :: a < MESSAGES ->
        if
        :: !(s_settled_mask & BIT(a)) -> s_settle(a, ((s_complete & BIT(a)) -> MAYBE : LOST))
        :: else
        fi;
        a++
    :: else -> break
    od;
    a = 0
}

/* Every EXPIRE was answered, so that CLOSE says the truth: all of ours have ended, on both sides. */
#define S_ALL_ENDED (s_settled_mask == ALL && (s_cancelled & ~s_answered) == 0)

#define S_STRAND(s)                                                                                     \
    :: atomic { S_CAN(s) && CAN_SEND(0) -> s_step_message(s, 0); c = 0 }                                \
    :: atomic { S_CAN(s) && CAN_SEND(1) -> s_step_message(s, 1); c = 0 }                                \
    :: atomic { S_CAN(s) && CAN_SEND(2) -> s_step_message(s, 2); c = 0 }                                \
    :: atomic { S_CAN(s) && s_expire ->                                                                 \
        a = ((s_expire & 1) -> 0 : ((s_expire & 2) -> 1 : 2));                                          \
        S_PUT(s, EXPIRE, a, ((s_opened & BIT(a)) -> 1 : 0), 0);                                         \
        s_expire = s_expire & ~BIT(a);                                                                  \
        s_on[s].expires = s_on[s].expires | BIT(a);                                                     \
        a = 0 }                                                                                         \
    :: atomic { S_CAN(s) && ((S_ALL_ENDED && !s_close_sent) || s_close_again) ->                        \
        S_PUT(s, CLOSE, 0, 0, 0);                                                                       \
        s_close_sent = true;                                                                            \
        s_close_again = false;                                                                          \
        s_on[s].close = true }                                                                          \
    :: atomic { s_up[s] && !s_lost[s] && nempty(back[s]) -> s_receive(s) }                              \
    :: atomic { s_up[s] && !s_lost[s] && empty(back[s]) && (dead[s] || r_done) -> s_strand_lost(s) }

active proctype sender()
{
    byte type, a, b, c;
    bool every;

    s_up[0] = true;
    do
    S_STRAND(0)
#if STRANDS > 1
    S_STRAND(1)
    :: atomic { !s_up[1] && !s_lost[0] -> s_up[1] = true }
#endif
#if CANCELLABLE & 1
    :: atomic { CAN_CANCEL(0) -> s_cancel(0) }
#endif
#if CANCELLABLE & 2
    :: atomic { CAN_CANCEL(1) -> s_cancel(1) }
#endif
#if CANCELLABLE & 4
    :: atomic { CAN_CANCEL(2) -> s_cancel(2) }
#endif
    :: atomic { s_close_sent && s_got_close && ((r_got_close && !s_close_again) || BOTH_GONE(s_lost, s_up)) ->
        assert(r_total - s_spent == CREDIT); /* all credit came back, or is on its way */
        break }
    :: atomic { BOTH_GONE(s_lost, s_up) && !(s_close_sent && s_got_close) ->
        assert(DEATHS >= STRANDS || !s_up[STRANDS - 1] || r_strandless || r_left);
        s_fail_all();
        break }
    od;
    atomic {
        s_done = true;
        a = 0;
        do
        :: a < MESSAGES ->
            assert(s_end[a] != UNSETTLED || (ABSENT & BIT(a)));
            assert(s_end[a] != DELIVERED || r_end[a] == DELIVERED);
            assert(s_end[a] != LOST || r_end[a] != DELIVERED);
            a++
        :: else -> break
        od;
        a = 0
    }
}

#define R_WAITS(m) ((r_lists[m] & ~r_settled_mask) != 0)
#define R_CAN_DELIVER(m) ((r_opened & BIT(m)) && r_end[m] == UNSETTLED && r_have[m] == WHOLE(m) && !R_WAITS(m))

inline r_settle(m, kind)
{
#ifndef NO_DEDUPLICATION
    assert(r_end[m] == UNSETTLED);
#endif
    r_end[m] = kind;
    r_settled_mask = r_settled_mask | BIT(m);
    r_outcome = r_outcome | BIT(m);
    if
    :: r_opened & BIT(m) ->
        r_held = r_held - CHARGE(m);
        r_reserved = r_reserved - r_granted[m];
        r_total = r_total + CHARGE(m);
        r_credit_due = true
    :: else
    fi;
    r_granted[m] = 0;
    r_have[m] = 0;
    r_opened = r_opened & ~BIT(m);
    r_flow_due = r_flow_due & ~BIT(m)
}

byte deliveries[MESSAGES];
inline r_deliver(m)
{
    deliveries[m]++;
    assert(deliveries[m] == 1);
    /* Whatever the frame listed: each antecedent has ended, and can no longer be delivered after this one. */
    assert((ANTECEDENTS(m) & ~(r_settled_mask | s_settled_mask)) == 0);
    r_settle(m, DELIVERED)
}

inline r_receive(s)
{
    forth[s]?type, a, b, d;
    if
    :: type == DATA ->
        if
#ifndef NO_DEDUPLICATION
        :: r_end[a] != UNSETTLED
#endif
        :: else ->
            if
            :: !(r_opened & BIT(a)) ->
                r_opened = r_opened | BIT(a);
                r_held = r_held + CHARGE(a);
#ifndef CHARGE_BY_CHUNK
                assert(r_held <= CREDIT)
#endif
            :: else
            fi;
            if
            :: b == 0 && !(r_have[a] & 1) -> r_lists[a] = d
            :: else
            fi;
            assert(b < FLOW || b < FLOW + r_granted[a]);
            r_have[a] = r_have[a] | BIT(b)
        fi
    :: type == EXPIRE ->
        if
        :: r_end[a] == UNSETTLED ->
#ifndef NO_REFUND
            if
            :: b && !(r_opened & BIT(a)) -> /* its opening is lost, or still on its way */
                r_total = r_total + CHARGE(a);
                r_credit_due = true
            :: else
            fi;
#endif
            r_settle(a, LOST)
        :: else -> r_outcome = r_outcome | BIT(a)
        fi
    :: type == CLOSE -> r_got_close = true
    fi;
    type = 0;
    a = 0;
    b = 0;
    d = 0
}

inline r_strand_lost(s)
{
    r_lost[s] = true;
#ifndef NO_RESEND
    if
    :: true -> r_outcome = r_outcome | r_on[s].outcomes
    :: true -> r_outcome = r_outcome | (r_on[s].outcomes & ~s_answered)
    fi;
    /* Totals: it does no harm to tell them again. */
    r_credit_due = r_total > CREDIT;
    a = 0;
    do
    :: a < MESSAGES ->
        r_flow_due = r_flow_due | (r_granted[a] -> BIT(a) : 0);
        a++
    :: else -> break
    od;
    a = 0;
    r_close_again = r_close_again || (r_on[s].close && !s_got_close);
#endif
    r_on[s].outcomes = 0;
    r_on[s].close = false
}

/* Memory beyond the flow credit is promised in order of age, to a message that has opened. */
#define R_WANTS(m) ((r_opened & BIT(m)) && (r_have[m] & 1) && r_granted[m] < BEYOND(m))
#ifdef NO_RESERVATION
#define R_GRANT(m) 1
#define R_FIRST(m) true
#else
#define R_GRANT(m) BEYOND(m)
#define R_FIRST(m) ((m == 0 || !R_WANTS(0)) && (m <= 1 || !R_WANTS(1)))
#endif
#define R_CAN_GRANT(m) (R_WANTS(m) && R_FIRST(m) && r_reserved + R_GRANT(m) <= POOL)

inline r_grant(m)
{
    r_granted[m] = r_granted[m] + R_GRANT(m);
    r_reserved = r_reserved + R_GRANT(m);
    r_flow_due = r_flow_due | BIT(m)
}

#define R_STRAND(s)                                                                                     \
    :: atomic { r_up[s] && !r_lost[s] && nempty(forth[s]) -> r_receive(s) }                             \
    :: atomic { R_CAN(s) && r_outcome ->                                                                \
        a = ((r_outcome & 1) -> 0 : ((r_outcome & 2) -> 1 : 2));                                        \
        R_PUT(s, OUTCOME, a, r_end[a]);                                                                 \
        r_outcome = r_outcome & ~BIT(a);                                                                \
        r_on[s].outcomes = r_on[s].outcomes | BIT(a);                                                   \
        a = 0 }                                                                                         \
    :: atomic { R_CAN(s) && r_flow_due ->                                                               \
        a = ((r_flow_due & 1) -> 0 : ((r_flow_due & 2) -> 1 : 2));                                      \
        R_PUT(s, FLOW_CREDIT, a, FLOW + r_granted[a]);                                                  \
        r_flow_due = r_flow_due & ~BIT(a);                                                              \
        a = 0 }                                                                                         \
    :: atomic { R_CAN(s) && r_credit_due ->                                                             \
        R_PUT(s, CREDITS, r_total, 0);                                                                  \
        r_credit_due = false }                                                                         \
    :: atomic { R_CAN(s) && ((r_got_close && !r_close_sent && r_outcome == 0) || r_close_again) ->      \
        R_PUT(s, CLOSE, 0, 0);                                                                          \
        r_close_sent = true;                                                                            \
        r_close_again = false;                                                                          \
        r_on[s].close = true }                                                                          \
    :: atomic { r_up[s] && !r_lost[s] && empty(forth[s]) && (dead[s] || s_done) -> r_strand_lost(s) }

active proctype receiver()
{
    byte type, a, b, d;

    r_up[0] = true;
    do
    R_STRAND(0)
#if STRANDS > 1
    R_STRAND(1)
    :: atomic { s_up[1] && !r_up[1] && !s_done -> r_up[1] = true }
#endif
    :: atomic { R_CAN_DELIVER(0) -> r_deliver(0) }
    :: atomic { R_CAN_DELIVER(1) -> r_deliver(1) }
    :: atomic { R_CAN_DELIVER(2) -> r_deliver(2) }
    :: atomic { R_CAN_GRANT(0) -> r_grant(0) }
    :: atomic { R_CAN_GRANT(1) -> r_grant(1) }
    :: atomic { R_CAN_GRANT(2) -> r_grant(2) }
    :: atomic { r_got_close && r_close_sent && ((s_got_close && !r_close_again) || BOTH_GONE(r_lost, r_up)) ->
        r_left = !s_got_close;
        break }
    :: atomic { BOTH_GONE(r_lost, r_up) && !(r_got_close && r_close_sent) ->
        r_strandless = true;
        break }
    od;
    atomic {
        r_done = true;
        /* A line that ended cleanly left nothing behind. */
        assert(r_strandless || (r_held == 0 && r_reserved == 0))
    }
}

#if DEATHS > 0
/* Strands die with the end of what they carry, each direction at a place of its own. */
inline cut(queue)
{
    n = len(queue);
    select(keep : 0 .. ROOM);
    do
    :: n > 0 ->
        queue?type, a, b, c;
        n--;
        if
        :: keep > 0 ->
            keep--;
            queue!type, a, b, c
        :: else
        fi
    :: else -> break
    od;
    n = 0;
    keep = 0;
    type = 0;
    a = 0;
    b = 0;
    c = 0
}

active proctype fate()
{
    byte deaths, n, keep, type, a, b, c;

    do
    :: atomic { deaths < DEATHS && !dead[0] ->
        dead[0] = true;
        cut(forth[0]);
        cut(back[0]);
        deaths++ }
#if STRANDS > 1
    :: atomic { deaths < DEATHS && !dead[1] && s_up[1] ->
        dead[1] = true;
        cut(forth[1]);
        cut(back[1]);
        deaths++ }
#endif
    :: break
    od
}
#endif
