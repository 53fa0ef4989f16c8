/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lab-paths: numbered messages over an association, or over the kernel's MPTCP, for what several paths do to them.
 *
 *     lab-paths listen|send hawser|mptcp|tcp ENDPOINT [WORD=VALUE...]
 *
 *     both     identity=DIR state=DIR stack=LIST policy=POLICY
 *     listen   log=FILE          takes one line, and notes what came of it when
 *              also=ADDRESS      listens there too, by the same port
 *     send     count=N           messages; 0, the default: until "stop"
 *              size=BYTES        of each, 24 at least; default 1000
 *              every=MICROSECONDS  between two; 0, the default: as fast as the line takes them
 *              paths=LIST trust=TRUST local=ADDRESS niceness=N reestablish=MICROSECONDS keep-alive=MICROSECONDS
 *
 * Lines of JSON: {"ok":true,"endpoint":...} or {"ok":true,"established":...} first, one for each command, and one at the
 * end with what was counted. Commands of a sender, on stdin: "stop" (no more messages; it ends when each has its outcome),
 * "strands" (what they are now).
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numbered.h"

static const char *value_of(const char *word, const char *key)
{
    size_t size = strlen(key);

    return strncmp(word, key, size) == 0 && word[size] == '=' ? word + size + 1 : NULL;
}

static bool read_text(struct job *job, const char *word)
{
    const struct {
        const char *key, **value;
    } texts[] = {{"log", &job->log},           {"also", &job->also},   {"policy", &job->policy},
                 {"paths", &job->paths},       {"stack", &job->stack}, {"trust", &job->trust},
                 {"identity", &job->identity}, {"state", &job->state}, {"local", &job->local}};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *value = value_of(word, texts[i].key);

        if (value) {
            *texts[i].value = value;
            return true;
        }
    }
    return false;
}

static bool read_word(struct job *job, const char *word)
{
    const char *value;

    if ((value = value_of(word, "count")))
        job->count = strtoull(value, NULL, 10);
    else if ((value = value_of(word, "size")))
        job->size = strtoull(value, NULL, 10);
    else if ((value = value_of(word, "every")))
        job->every_us = strtoll(value, NULL, 10);
    else if ((value = value_of(word, "reestablish")))
        job->reestablish_us = strtoll(value, NULL, 10);
    else if ((value = value_of(word, "keep-alive")))
        job->keep_alive_us = strtoll(value, NULL, 10);
    else if ((value = value_of(word, "niceness")))
        job->niceness = atoi(value);
    else
        return read_text(job, word);
    return true;
}

static int usage(const char *words)
{
    fprintf(stderr, "lab-paths: %s\n", words);
    return 2;
}

int main(int argc, char **argv)
{
    struct job job = {.size = 1000};
    bool listens;
    int protocol;

    if (argc < 4)
        return usage("listen|send hawser|mptcp|tcp ENDPOINT [WORD=VALUE...]");
    job.endpoint = argv[3];
    for (int i = 4; i < argc; i++)
        if (!read_word(&job, argv[i]))
            return usage(argv[i]);
    listens = strcmp(argv[1], "listen") == 0;
    if ((!listens && strcmp(argv[1], "send") != 0) || (listens && !job.log) || job.size < NUMBERED_HEAD)
        return usage("listen needs a log, and a message 24 bytes");
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (strcmp(argv[2], "hawser") == 0)
        return listens ? hawser_listen_job(&job) : hawser_send_job(&job);
    protocol = strcmp(argv[2], "mptcp") == 0 ? IPPROTO_MPTCP : strcmp(argv[2], "tcp") == 0 ? IPPROTO_TCP : -1;
    if (protocol < 0)
        return usage("hawser, mptcp or tcp");
    return listens ? kernel_listen_job(&job, protocol) : kernel_send_job(&job, protocol);
}
