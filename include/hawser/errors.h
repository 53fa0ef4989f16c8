/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hawser's own codes, beside errno's. One table gives number, name and text. They are returned negative:
 * -HAWSER_EEXPIRED.
 */
#ifndef HAWSER_ERRORS_H
#define HAWSER_ERRORS_H

/* X(name, number, text) */
#define HAWSER_ERRORS(X)                                                                                               \
    X(HAWSER_EENDPOINT, 20001, "the endpoint is malformed")                                                            \
    X(HAWSER_ETRUST, 20002, "the trust rule is malformed")                                                             \
    X(HAWSER_EIDENTITY, 20003, "the identity cannot be used")                                                          \
    X(HAWSER_ERESOLVE, 20004, "the host name has no address")                                                          \
    X(HAWSER_ETLS, 20005, "the TLS handshake or record failed")                                                        \
    X(HAWSER_EUNVERIFIED, 20006, "the peer could not be verified")                                                     \
    X(HAWSER_EKEYCHANGED, 20007, "the peer's key is not the one of first use")                                         \
    X(HAWSER_EKEYWRONG, 20008, "the peer's key is not the one asked for")                                              \
    X(HAWSER_EWEAK, 20009, "the peer's verification is below the demanded minimum")                                    \
    X(HAWSER_EPROTOCOL, 20010, "the peer broke the session protocol")                                                  \
    X(HAWSER_ENOTSPOKEN, 20011, "the peer does not speak hawser/1")                                                    \
    X(HAWSER_EREFUSED, 20012, "the peer refused")                                                                      \
    X(HAWSER_EEXPIRED, 20013, "the message's lifetime ran out")                                                        \
    X(HAWSER_ELARGE, 20014, "the message is larger than the receiver takes")                                           \
    X(HAWSER_ESOURCE, 20015, "the file changed or could not be read while it was sent")                                \
    X(HAWSER_EABORTED, 20016, "the peer aborted the line")                                                             \
    X(HAWSER_EDEAD, 20017, "the peer fell silent")                                                                     \
    X(HAWSER_ELOST, 20018, "the last strand was lost")                                                                 \
    X(HAWSER_ECLOSED, 20019, "the line was closed")                                                                    \
    X(HAWSER_ELIMIT, 20020, "a limit of the peer or of the protocol was exceeded")                                     \
    X(HAWSER_EPROPERTY, 20021, "the property does not exist, does not take this value, or cannot be given")            \
    X(HAWSER_EPOLICY, 20022, "the policy file is malformed")                                                           \
    X(HAWSER_EPROHIBITED, 20023, "properties or policy leave no way to the peer")                                      \
    X(HAWSER_EPROXY, 20024, "the proxy refused or could not reach the peer")                                           \
    X(HAWSER_EFRAMER, 20025, "the framer refused what came")                                                           \
    X(HAWSER_ETRUNCATED, 20026, "the connection ended without the word that it would: data may be missing")            \
    X(HAWSER_EGIVENUP, 20027, "the message was given up: it was allowed to be lost")                                   \
    X(HAWSER_ERESTARTED, 20028, "the peer does not know this line any more: it was started anew")                      \
    X(HAWSER_EMOVED, 20029, "the line was moved to another process since")

enum {
#define X(name, number, text) name = number,
    HAWSER_ERRORS(X)
#undef X
};

#endif
