/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system's trust anchors: reading them takes some ten milliseconds of the processor, so the worker does it while
 * the first handshake's packets are on their way, and a resumed session, which shows no certificate, needs none.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "security/trust.h"

/* Where GnuTLS reads them on this system; the question is only whether they are still the same. */
#define SYSTEM_FILE "/etc/ssl/certs/ca-certificates.crt"

static void work(struct loop_job *job)
{
    struct system_anchors *anchors = container_of(job, struct system_anchors, job);

    if (anchors->list || gnutls_x509_trust_list_init(&anchors->list, 0) < 0)
        return;
    if (gnutls_x509_trust_list_add_system_trust(anchors->list, 0, 0) <= 0) {
        gnutls_x509_trust_list_deinit(anchors->list, 1);
        anchors->list = NULL;
    }
}

static void done(struct loop_job *job)
{
    struct system_anchors *anchors = container_of(job, struct system_anchors, job);

    anchors->ready = anchors->list;
}

/*
 * GnuTLS takes itself apart at the program's end, which may come while the worker reads, since a context need not be
 * released before exit(). With this reference it does not.
 */
void anchors_init(struct system_anchors *anchors)
{
    loop_job_init(&anchors->job, work, done);
    anchors->gnutls_held = gnutls_global_init() == 0;
}

void anchors_release(hawser_context *context, struct system_anchors *anchors)
{
    bool unfinished = loop_check(context) < 0 && !anchors->ready;

    loop_job_cancel(context, &anchors->job);
    if (anchors->list && !unfinished) /* a forked child has what its parent's worker had half written, and leaves it */
        gnutls_x509_trust_list_deinit(anchors->list, 1);
    if (anchors->gnutls_held)
        gnutls_global_deinit();
}

void trust_prepare(const struct trust *trust)
{
    struct security *security = trust->pki && !trust->anchors ? security_of(trust->context) : NULL;

    if (security && !security->anchors.ready)
        loop_job_start(trust->context, &security->anchors.job);
}

gnutls_x509_trust_list_t security_system_anchors(hawser_context *context)
{
    struct security *security = security_of(context);
    struct system_anchors *anchors;

    if (!security)
        return NULL;
    anchors = &security->anchors;
    if (!anchors->ready) {
        loop_job_cancel(context, &anchors->job); /* waits for one that is being done */
        work(&anchors->job);
        done(&anchors->job);
    }
    if (!anchors->ready)
        loop_log(context, HAWSER_LOG_WARNING, "the system has no trust anchors: no certificate can be verified");
    return anchors->list;
}

void anchors_mark(struct trust *trust, const char *file)
{
    struct stat status;

    if (stat(file ? file : SYSTEM_FILE, &status) == 0)
        snprintf(trust->anchors_mark, sizeof trust->anchors_mark, "%llx:%llx:%llx:%llx.%lx",
                 (unsigned long long)status.st_dev, (unsigned long long)status.st_ino,
                 (unsigned long long)status.st_size, (unsigned long long)status.st_mtim.tv_sec,
                 (unsigned long)status.st_mtim.tv_nsec);
}
