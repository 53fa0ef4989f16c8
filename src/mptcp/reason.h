/* SPDX-License-Identifier: Apache-2.0 */
/* Why something failed, in one sentence, where a code does not say it. */
#ifndef MPTCP_REASON_H
#define MPTCP_REASON_H

struct mptcp_reason {
    char text[200]; /* WIRE_REASON_MAX */
};

/* Notes the sentence, and answers code. reason may be NULL. */
int mptcp_say(struct mptcp_reason *reason, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
