/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of an association that is moved, for both ways. */
#include "association/moving.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "association/taking.h"
#include "association/weave_internal.h"

static void moving_moves(struct coder *coder, struct join_moves *moves)
{
    uint64_t count = moves->count;

    code_below(coder, &moves->epoch, UINT64_C(1) << 61);
    code_count(coder, &count, JOIN_HOLDERS_MAX);
    moves->count = (unsigned)count;
    for (unsigned i = 0; i < moves->count; i++)
        code_fixed(coder, moves->holders[i], JOIN_HOLDER);
    if (coder->reading && (moves->epoch ? count == 0 || count > moves->epoch : count != 0))
        coder_fail(coder, -EBADMSG);
}

static void moving_peer(struct coder *coder, struct moving_line *line)
{
    code_text(coder, line->peer_name, sizeof line->peer_name);
    code_text(coder, line->peer_key_name, sizeof line->peer_key_name);
    code_text(coder, line->peer_alpn, sizeof line->peer_alpn);
    code_below(coder, &line->verification, HAWSER_VERIFICATION_KEY + 1);
    if (coder->reading) {
        const uint8_t *spki = code_get(coder, &line->spki_size);

        if (line->spki_size > sizeof line->spki) {
            coder_fail(coder, -EBADMSG);
            line->spki_size = 0;
        } else if (line->spki_size) {
            memcpy(line->spki, spki, line->spki_size);
        }
    } else {
        code_put(coder, line->spki, line->spki_size);
    }
}

static void moving_secure(struct coder *coder, struct moving_line *line)
{
    code_text(coder, line->identity, sizeof line->identity);
    code_text(coder, line->trust, sizeof line->trust);
    code_text(coder, line->trust_file, sizeof line->trust_file);
    code_text(coder, line->server_name, sizeof line->server_name);
    code_text(coder, line->service, sizeof line->service);
    code_text(coder, line->alpn, sizeof line->alpn);
    code_below(coder, &line->min_verification, HAWSER_VERIFICATION_KEY + 1);
    code_flag(coder, &line->early_data);
    code_flag(coder, &line->present_certificate);
    code_flag(coder, &line->no_tickets);
}

static bool is_time(int64_t time)
{
    return time >= 0 && (time <= INT64_MAX / 4 || time == NEVER);
}

void moving_line(struct coder *coder, struct moving_line *line)
{
    code_signed(coder, &line->boot_time);
    code_signed(coder, &line->real_time);
    code_text(coder, line->boot_id, sizeof line->boot_id);
    code_flag(coder, &line->child);
    code_flag(coder, &line->wants_told);
    code_flag(coder, &line->has_ways);
    code_signed(coder, &line->linger);
    code_signed(coder, &line->line_dead);
    code_signed(coder, &line->reestablish);
    code_text(coder, line->endpoint, sizeof line->endpoint);
    code_text(coder, line->paths, sizeof line->paths);
    code_text(coder, line->stacks, sizeof line->stacks);
    code_text(coder, line->others, sizeof line->others);
    code_text(coder, line->first_stack, sizeof line->first_stack);
    code_fixed(coder, line->secret, sizeof line->secret);
    moving_moves(coder, &line->ours.moves);
    code_fixed(coder, line->ours.secret, sizeof line->ours.secret);
    moving_moves(coder, &line->theirs.moves);
    code_fixed(coder, line->theirs.secret, sizeof line->theirs.secret);
    moving_secure(coder, line);
    moving_peer(coder, line);
    if (coder->reading && (!is_time(line->linger) || !is_time(line->line_dead) || !is_time(line->reestablish)))
        coder_fail(coder, -EBADMSG);
}

void moving_clocks(struct moving_line *line)
{
    struct timespec now;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? 0 : read(fd, line->boot_id, sizeof line->boot_id - 1);

    if (fd >= 0)
        close(fd);
    line->boot_id[size > 0 ? size : 0] = '\0';
    line->boot_id[strcspn(line->boot_id, "\n")] = '\0';
    clock_gettime(CLOCK_BOOTTIME, &now);
    line->boot_time = now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
    clock_gettime(CLOCK_REALTIME, &now);
    line->real_time = now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

/* -------------------------------------------------------------------------------------------------------- properties */

static void property_write(struct coder *coder, const hawser_properties *properties, const char *name)
{
    int size = hawser_properties_get(properties, name, NULL, 0);
    char *text = size < 0 ? NULL : malloc((size_t)size + 1);

    if (!text) {
        coder_fail(coder, -ENOMEM);
        return;
    }
    (void)hawser_properties_get(properties, name, text, (size_t)size + 1);
    code_put(coder, name, strlen(name));
    code_put(coder, text, (size_t)size);
    free(text);
}

static char *text_read(struct coder *coder)
{
    size_t size;
    const uint8_t *bytes = code_get(coder, &size);
    char *text = bytes && !memchr(bytes, 0, size) ? strndup((const char *)bytes, size) : NULL;

    if (!text)
        coder_fail(coder, -EBADMSG);
    return text;
}

static void property_read(struct coder *coder, hawser_properties *properties)
{
    char *name = text_read(coder), *value = text_read(coder);

    if (code_ok(coder) && hawser_properties_set(properties, name, value) < 0)
        coder_fail(coder, -EBADMSG);
    free(name);
    free(value);
}

void moving_properties(struct coder *coder, hawser_properties **properties)
{
    const struct property_values *values = *properties ? properties_values(*properties) : NULL;
    hawser_property_info info;
    uint64_t count = 0;

    for (unsigned i = 0; values && hawser_property_info_get(i, &info) == 0; i++)
        count += property_given(values, info.name);
    code_count(coder, &count, 64);
    if (coder->reading && count && hawser_properties_new(properties) < 0)
        coder_fail(coder, -ENOMEM);
    while (coder->reading && code_more(coder, &count))
        property_read(coder, *properties);
    for (unsigned i = 0; !coder->reading && values && hawser_property_info_get(i, &info) == 0; i++)
        if (property_given(values, info.name))
            property_write(coder, *properties, info.name);
}

/* ----------------------------------------------------------------------------------------- what arrives in parts */

static struct taking *taking_make(struct coder *coder, hawser_association *association, uint64_t id)
{
    struct taking *taking = taking_find(association, id) ? NULL : calloc(1, sizeof *taking);

    if (!taking) {
        coder_fail(coder, -EBADMSG);
        return NULL;
    }
    taking->id = id;
    taking->fd = -1;
    HASH_ADD(hh, association->taking, id, sizeof taking->id, taking);
    if (taking->failed) {
        coder_fail(coder, -ENOMEM);
        free(taking);
        return NULL;
    }
    return taking;
}

static void moving_taking(struct coder *coder, hawser_association *association, struct taking *taking)
{
    uint64_t id = taking ? taking->id : 0, gaps = taking && taking->take == SESSION_TAKE_GAPS, count;
    uint64_t niceness = taking ? (uint64_t)(taking->niceness + 100) : 0;

    code_number(coder, &id);
    code_below(coder, &gaps, 2);
    code_below(coder, &niceness, 256);
    if (!code_ok(coder) || (!taking && !(taking = taking_make(coder, association, id))))
        return;
    taking->take = gaps ? SESSION_TAKE_GAPS : coder->reading ? SESSION_TAKE_PARTS : taking->take;
    taking->niceness = (int)niceness - 100;
    code_number(coder, &taking->reply_to);
    code_number(coder, &taking->size);
    code_number(coder, &taking->came);
    code_signed(coder, &taking->marks.timestamp);
    code_flag(coder, &taking->marks.has_timestamp);
    count = taking->marks.coordinate_count;
    code_count(coder, &count, SESSION_COORDINATES_MAX);
    taking->marks.coordinate_count = (uint8_t)count;
    for (unsigned i = 0; i < count; i++) {
        uint64_t value = taking->marks.coordinates[i];

        code_below(coder, &value, UINT64_C(1) << 32);
        taking->marks.coordinates[i] = (uint32_t)value;
    }
}

/* What went into the program's own memory comes whole there, and needs no note. */
static bool goes_on(const struct taking *taking)
{
    return taking->take != SESSION_TAKE_INTO;
}

void moving_takings(struct coder *coder, hawser_association *association)
{
    struct taking *taking, *next;
    uint64_t count = 0;

    HASH_ITER(hh, association->taking, taking, next)
    count += goes_on(taking);
    code_count(coder, &count, 1u << 20);
    while (coder->reading && code_more(coder, &count))
        moving_taking(coder, association, NULL);
    if (coder->reading)
        return;
    HASH_ITER(hh, association->taking, taking, next)
    {
        if (goes_on(taking))
            moving_taking(coder, association, taking);
    }
}

/* ---------------------------------------------------------------------------------------- what the peer told, tickets */

void moving_told(struct coder *coder, hawser_association *association)
{
    uint8_t body[TOLD_BODY_MAX];
    size_t size = 0;

    if (!coder->reading) {
        if (association->weave)
            size = told_write(association->weave->told, association->weave->told_count, body);
        code_put(coder, body, size);
        return;
    }
    const uint8_t *told = code_get(coder, &size);

    if (size > TOLD_BODY_MAX)
        coder_fail(coder, -EBADMSG);
    else if (size)
        weave_told(association, TOLD_ADDRESSES, told, size);
}

static void ticket_write(struct coder *coder, hawser_association *association, const char *label)
{
    struct ticket ticket;
    uint8_t *data = NULL;
    size_t size = 0;

    if (ticket_take(association->context, label, &ticket) == 0) {
        if (ticket_encode(&ticket, label, &data, &size) < 0)
            size = 0;
        ticket_clear(&ticket);
    }
    code_put(coder, data, size);
    if (size)
        gnutls_memset(data, 0, size);
    free(data);
}

/* One that we may not use, or cannot keep, costs a full handshake, and nothing else. */
static void ticket_read(struct coder *coder, hawser_association *association, const char *label)
{
    struct ticket ticket;
    size_t size;
    const uint8_t *data = code_get(coder, &size);

    if (size == 0 || !*label || ticket_decode(data, size, label, &ticket) < 0)
        return;
    (void)ticket_save(association->context, label, &ticket);
    ticket_clear(&ticket);
}

void moving_tickets(struct coder *coder, hawser_association *association)
{
    uint64_t count = association->child ? 0 : SECURITY_OVERS;

    code_count(coder, &count, SECURITY_OVERS);
    for (unsigned over = 0; over < count && code_ok(coder); over++) {
        char label[TICKET_LABEL_SIZE];

        if (ticket_label(&association->secure->tls, (enum security_over)over, label, sizeof label) < 0)
            *label = '\0';
        if (coder->reading)
            ticket_read(coder, association, label);
        else if (*label)
            ticket_write(coder, association, label);
        else
            code_put(coder, NULL, 0);
    }
}
