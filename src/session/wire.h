/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of docs/protocol.md. */
#ifndef SESSION_WIRE_H
#define SESSION_WIRE_H

enum frame_type {
    FRAME_PADDING,
    FRAME_HELLO,
    FRAME_DATA,
    FRAME_STREAM,
    FRAME_ACK,
    FRAME_OUTCOME,
    FRAME_EXPIRE,
    FRAME_CREDIT,
    FRAME_FLOW_CREDIT,
    FRAME_STREAM_CREDIT,
    FRAME_STREAM_RESET,
    FRAME_PING,
    FRAME_PONG,
    FRAME_CLOSE,
    FRAME_ABORT,
    FRAME_JOIN, /* these two are read before a session sees the strand, and ignored after that */
    FRAME_JOIN_OK,
    FRAME_STRAND,
    FRAME_TELL,
};

#define FRAME_BODY_MAX 16384
#define FRAME_LONG_MAX (1048576 + 4096) /* DATA and STREAM */
#define REASON_MAX 255

enum data_flag { DATA_FIRST = 1, DATA_LAST = 2, DATA_PROPERTIES = 4 };
enum stream_flag { STREAM_FIRST = 1, STREAM_LAST = 2 };

enum property {
    PROPERTY_END = 0,
    PROPERTY_ANTECEDENTS = 1,
    PROPERTY_NICENESS = 2,
    PROPERTY_TIMESTAMP = 3,
    PROPERTY_STAMP = 4,
    PROPERTY_COORDINATES = 5,
    PROPERTY_LIFETIME = 6,
    PROPERTY_FLAGS = 8,
    PROPERTY_REPLY_TO = 10,
    PROPERTY_RELIABILITY = 12,
};
enum property_flag { MESSAGE_ORDERED = 1, MESSAGE_ANTECEDENT_LOST = 2, MESSAGE_REPLAYABLE = 4 };

enum outcome_kind {
    OUTCOME_DELIVERED,
    OUTCOME_LATE,
    OUTCOME_LOST,
    OUTCOME_REFUSED,
    OUTCOME_LARGE,
    OUTCOME_PARTIAL,
    OUTCOME_KINDS,
};
enum expire_kind {
    EXPIRE_EXPIRED = 0,
    EXPIRE_CANCELLED = 1,
    EXPIRE_OPENED = 2, /* added to these two */
    EXPIRE_GIVEN_UP = 4,
    EXPIRE_SKIPPED = 5,
    EXPIRE_KINDS,
};

enum parameter {
    PARAMETER_CREDIT = 1,
    PARAMETER_FLOW_CREDIT,
    PARAMETER_OPEN_FLOWS,
    PARAMETER_MAX_MESSAGE,
    PARAMETER_GAPS,
    PARAMETER_NAME,
    PARAMETER_IDLE,
};

enum strand_told { STRAND_CARRIES, STRAND_STANDBY, STRAND_SUSPECTED, STRAND_TOLD_KINDS };

#define VERSION 1
/* Microseconds of any clock and of a lifetime, so that sums and differences of a few of them are no overflow. */
#define CLOCK_MAX (UINT64_C(1) << 60)
#define BEFORE_CREDIT 262144
#define BEFORE_FLOW_CREDIT 65536
#define BEFORE_OPEN_FLOWS 128
#define BEFORE_GAPS 131072
#define MESSAGE_COST 128
#define ANTECEDENT_COST 64
#define ARRIVING_ABOVE 65536

#endif
