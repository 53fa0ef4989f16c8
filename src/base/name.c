/* SPDX-License-Identifier: Apache-2.0 */
/* The words for enumerations, as programs print them and machines read them: they never change. */
#include <hawser/hawser.h>

#define NAME_OF(names, value)                                                                                          \
    ((size_t)(value) < sizeof(names) / sizeof *(names) && (names)[(size_t)(value)] ? (names)[(size_t)(value)]          \
                                                                                   : "unknown")

const char *hawser_verification_name(hawser_verification verification)
{
    static const char *const names[] = {
        [HAWSER_VERIFICATION_NONE] = "none", [HAWSER_VERIFICATION_ADDRESS] = "address",
        [HAWSER_VERIFICATION_TOFU] = "tofu", [HAWSER_VERIFICATION_DANE] = "dane",
        [HAWSER_VERIFICATION_PKI] = "pki",   [HAWSER_VERIFICATION_KERBEROS] = "kerberos",
        [HAWSER_VERIFICATION_KEY] = "key",
    };

    return NAME_OF(names, verification);
}

const char *hawser_attempt_outcome_name(hawser_attempt_outcome outcome)
{
    static const char *const names[] = {
        [HAWSER_ATTEMPT_WON] = "won",
        [HAWSER_ATTEMPT_LOST] = "lost",
        [HAWSER_ATTEMPT_FAILED] = "failed",
        [HAWSER_ATTEMPT_SKIPPED] = "skipped",
    };

    return NAME_OF(names, outcome);
}

const char *hawser_strand_state_name(hawser_strand_state state)
{
    static const char *const names[] = {
        [HAWSER_STRAND_OPENING] = "opening",     [HAWSER_STRAND_ACTIVE] = "active", [HAWSER_STRAND_STANDBY] = "standby",
        [HAWSER_STRAND_SUSPECTED] = "suspected", [HAWSER_STRAND_CLOSED] = "closed",
    };

    return NAME_OF(names, state);
}

const char *hawser_outcome_name(hawser_outcome outcome)
{
    static const char *const names[] = {
        [HAWSER_ACKED] = "acked",
        [HAWSER_EXPIRED] = "expired",
        [HAWSER_SEND_FAILED] = "failed",
        [HAWSER_HANDED_OVER] = "handed-over",
    };

    return NAME_OF(names, outcome);
}

const char *hawser_event_name(hawser_event_type type)
{
    static const char *const names[] = {
        [HAWSER_ACCEPTED] = "accepted",
        [HAWSER_ESTABLISHED] = "established",
        [HAWSER_RECEIVED] = "received",
        [HAWSER_RECEIVED_MANY] = "received-many",
        [HAWSER_ARRIVING] = "arriving",
        [HAWSER_PART] = "part",
        [HAWSER_ABANDONED] = "abandoned",
        [HAWSER_OUTCOME] = "outcome",
        [HAWSER_SENT] = "sent",
        [HAWSER_WRITABLE] = "writable",
        [HAWSER_STREAM_OPENED] = "stream-opened",
        [HAWSER_STREAM_READABLE] = "stream-readable",
        [HAWSER_STREAM_WRITABLE] = "stream-writable",
        [HAWSER_STREAM_CLOSED] = "stream-closed",
        [HAWSER_PATHS_CHANGED] = "paths",
        [HAWSER_ENDED] = "ended",
        [HAWSER_CLOSED] = "closed",
        [HAWSER_OFFERED] = "offered",
    };

    _Static_assert(sizeof names / sizeof *names == HAWSER_EVENT_COUNT_, "every event has a name");
    return NAME_OF(names, type);
}

const char *hawser_carries_name(hawser_carries carries)
{
    static const char *const names[] = {
        [HAWSER_CARRIES_NOTHING] = "-",       [HAWSER_CARRIES_BYTES] = "bytes",
        [HAWSER_CARRIES_STREAMS] = "streams", [HAWSER_CARRIES_DATAGRAMS] = "datagrams",
        [HAWSER_CARRIES_UNITS] = "units",
    };

    return NAME_OF(names, carries);
}
