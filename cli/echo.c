/* SPDX-License-Identifier: Apache-2.0 */
#include "echo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum piece_kind { PIECE_MESSAGE, PIECE_BEGIN, PIECE_PART };

struct piece { /* what is still to be sent, in order */
    STAILQ_ENTRY(piece) link;
    enum piece_kind kind;
    hawser_message_id id; /* the peer's */
    uint64_t total;
    int niceness;
    bool last;
    size_t size;
    uint8_t data[];
};

struct answer { /* an echo under way in parts */
    LIST_ENTRY(answer) link;
    hawser_message_id id, ours;
};

struct echo {
    struct peer *peer;
    STAILQ_HEAD(, piece) pieces;
    LIST_HEAD(, answer) answers;
    bool paused;
};

int echo_new(struct peer *peer, struct echo **ret_echo)
{
    struct echo *echo = calloc(1, sizeof(*echo));

    if (!echo)
        return -ENOMEM;
    echo->peer = peer;
    STAILQ_INIT(&echo->pieces);
    LIST_INIT(&echo->answers);
    *ret_echo = echo;
    return 0;
}

static struct answer *find(struct echo *echo, hawser_message_id id)
{
    struct answer *answer;

    LIST_FOREACH(answer, &echo->answers, link)
    {
        if (answer->id == id)
            return answer;
    }
    return NULL;
}

static void forget(struct answer *answer)
{
    LIST_REMOVE(answer, link);
    free(answer);
}

/* A protocol that is not ours has no place for which message is answered. */
static hawser_message_id answers(const struct echo *echo, const struct piece *piece)
{
    return echo->peer->bare ? 0 : piece->id;
}

static int send_begin(struct echo *echo, const struct piece *piece)
{
    struct answer *answer = calloc(1, sizeof(*answer));
    int r;

    if (!answer)
        return -ENOMEM;
    answer->id = piece->id;
    r = hawser_send_begin(echo->peer->association, piece->total,
                          HAWSER_MESSAGE(.niceness = piece->niceness, .reply_to = answers(echo, piece)), &answer->ours);
    if (r < 0) {
        free(answer);
        return r;
    }
    LIST_INSERT_HEAD(&echo->answers, answer, link);
    return 0;
}

static int send_part(struct echo *echo, const struct piece *piece, const void *data)
{
    struct answer *answer = find(echo, piece->id);
    int r;

    if (!answer)
        return 0; /* it ended meanwhile */
    r = hawser_send_part(echo->peer->association, answer->ours, data, piece->size, piece->last);
    if (r == -EAGAIN)
        return r;
    if (r < 0 || piece->last)
        forget(answer);
    return r;
}

static int send_piece(struct echo *echo, const struct piece *piece, const void *data)
{
    switch (piece->kind) {
    case PIECE_MESSAGE:
        return hawser_send(echo->peer->association, data, piece->size,
                           HAWSER_MESSAGE(.niceness = piece->niceness, .reply_to = answers(echo, piece)), NULL);
    case PIECE_BEGIN:
        return send_begin(echo, piece);
    case PIECE_PART:
        break;
    }
    return send_part(echo, piece, data);
}

static void failed(struct echo *echo, int code)
{
    if (code != -ESHUTDOWN && code != -ENOTCONN && code != -ENOENT)
        complain(echo->peer->server->tool, "a message is not sent back: %s", hawser_strerror(code));
}

/* Sends now, or keeps a copy when something is waiting already or the queue is full. */
static void send_or_keep(struct echo *echo, const struct piece *piece, const void *data)
{
    struct piece *kept;
    int r = STAILQ_EMPTY(&echo->pieces) ? send_piece(echo, piece, data) : -EAGAIN;

    if (r >= 0)
        return;
    kept = r == -EAGAIN ? malloc(sizeof(*kept) + piece->size) : NULL;
    if (!kept) {
        failed(echo, r == -EAGAIN ? -ENOMEM : r);
        return;
    }
    *kept = *piece;
    if (data && piece->size > 0)
        memcpy(kept->data, data, piece->size);
    STAILQ_INSERT_TAIL(&echo->pieces, kept, link);
    if (!echo->paused)
        hawser_pause(echo->peer->association);
    echo->paused = true;
}

void echo_message(struct echo *echo, const hawser_received *message)
{
    struct piece piece = {
        .kind = PIECE_MESSAGE, .id = message->id, .niceness = message->niceness, .size = message->size};

    send_or_keep(echo, &piece, message->data);
}

void echo_begin(struct echo *echo, hawser_message_id id, uint64_t size, int niceness)
{
    struct piece piece = {.kind = PIECE_BEGIN, .id = id, .total = size, .niceness = niceness};

    send_or_keep(echo, &piece, NULL);
}

void echo_part(struct echo *echo, hawser_message_id id, const void *data, size_t size, bool last)
{
    struct piece piece = {.kind = PIECE_PART, .id = id, .size = size, .last = last};

    send_or_keep(echo, &piece, data);
}

void echo_abandon(struct echo *echo, hawser_message_id id)
{
    struct answer *answer = find(echo, id);

    if (!answer)
        return;
    hawser_cancel(echo->peer->association, answer->ours);
    forget(answer);
}

void echo_continue(struct echo *echo)
{
    struct piece *piece;

    while ((piece = STAILQ_FIRST(&echo->pieces))) {
        int r = send_piece(echo, piece, piece->data);

        if (r == -EAGAIN)
            return;
        if (r < 0)
            failed(echo, r);
        STAILQ_REMOVE_HEAD(&echo->pieces, link);
        free(piece);
    }
    if (echo->paused) {
        echo->paused = false;
        hawser_resume(echo->peer->association);
    }
}

void echo_free(struct echo *echo)
{
    struct piece *piece;
    struct answer *answer;

    if (!echo)
        return;
    while ((piece = STAILQ_FIRST(&echo->pieces))) {
        STAILQ_REMOVE_HEAD(&echo->pieces, link);
        free(piece);
    }
    while ((answer = LIST_FIRST(&echo->answers)))
        forget(answer);
    free(echo);
}
