/* SPDX-License-Identifier: Apache-2.0 */
/* Why an association failed, in words. */
#include <errno.h>
#include <string.h>

#include "layer/sctp.h"

/* RFC 9260 section 3.3.10, and RFC 5061, RFC 3758 behind it. */
static const char *cause_text(unsigned cause)
{
    static const char *const texts[] = {
        [1] = "invalid stream",
        [2] = "a mandatory parameter is missing",
        [3] = "its cookie was stale",
        [4] = "out of resources",
        [5] = "an address that it cannot resolve",
        [6] = "a chunk that it does not know",
        [7] = "an invalid mandatory parameter",
        [8] = "parameters that it does not know",
        [9] = "no user data in a chunk",
        [10] = "a cookie came while it was shutting down",
        [11] = "the association was begun anew with other addresses",
        [12] = "its program ended it",
        [13] = "a violation of the protocol",
    };

    return cause < sizeof texts / sizeof *texts && texts[cause] ? texts[cause] : "it gave no reason that is known";
}

static int lost(struct sctp_layer *sctp, const struct sctp_assoc_change *change, bool by_peer)
{
    struct layer *layer = &sctp->layer;

    if (!by_peer)
        return layer_fail(layer, -ETIMEDOUT, "the peer acknowledges nothing any more");
    return layer_fail(layer, -ECONNRESET, "the peer aborted the association: %s", cause_text(change->sac_error));
}

int sctp_fail_change(struct sctp_layer *sctp, const struct sctp_assoc_change *change, size_t size)
{
    struct layer *layer = &sctp->layer;
    bool by_peer = size > sizeof *change; /* the ABORT chunk follows */

    switch (change->sac_state) {
    case SCTP_RESTART:
        return layer_fail(layer, -ECONNRESET, "the peer began a new association in this one's place");
    case SCTP_CANT_STR_ASSOC:
        if (by_peer)
            return layer_fail(layer, -ECONNREFUSED, "the peer refused the association: %s",
                              cause_text(change->sac_error));
        return layer_fail(layer, -ETIMEDOUT, "the peer does not answer INIT");
    default:
        return lost(sctp, change, by_peer);
    }
}

int sctp_fail_code(struct sctp_layer *sctp, int code, const char *doing)
{
    switch (code) {
    case ECONNRESET:
        return layer_fail(&sctp->layer, -code, "the peer aborted the association");
    case ECONNREFUSED:
        return layer_fail(&sctp->layer, -code, "the peer refused the association");
    case ETIMEDOUT:
        return layer_fail(&sctp->layer, -code, "the peer does not answer");
    case ECONNABORTED:
        return layer_fail(&sctp->layer, -ETIMEDOUT, "the peer acknowledges nothing any more");
    default:
        return layer_fail(&sctp->layer, code ? -code : -EIO, "%s: %s", doing, strerror(code ? code : EIO));
    }
}
