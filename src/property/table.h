/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of properties. The setter, the parser, the printer, the defaults, hawser_property_info_get(),
 * `hawser properties` and docs/properties.md come from it; what cannot be given is in property/refuse.c.
 *
 * ROW(member of struct property_values, KIND, name, STAGE, default in C, default as text, values, summary, source,
 *     effect, what a stack gives of it)
 * READ(identifier, name, type, values, summary, source, effect): read-only, asked of an association.
 *
 * What a stack gives is an expression over `stack` (struct property_stack): "yes" and "no" are judged as having and
 * lacking, any other words as both, since the line is then made as it was asked for.
 */
#ifndef PROPERTY_TABLE_H
#define PROPERTY_TABLE_H

#define PROPERTY_CAPACITIES                                                                                            \
    "default,scavenger,low-latency-interactive,low-latency-non-interactive,constant-rate-streaming,capacity-seeking"
#define PROPERTY_IS(condition) ((condition) ? "yes" : "no")
#define PROPERTY_MAY(condition) ((condition) ? "as asked" : "no")

/* clang-format off */
#define PROPERTY_SELECTION(ROW)                                                                                        \
    ROW(reliability, PREFERENCE, "reliability", SELECTION, HAWSER_REQUIRE, "require", "",                              \
        "nothing is lost, doubled or corrupted without being said", "RFC 9622 6.2.1",                                  \
        "every stack gives it; a message with a lifetime may expire, as its sender asked, and is told",                \
        "yes")                                                                                                         \
    ROW(preserve_msg_boundaries, PREFERENCE, "preserveMsgBoundaries", SELECTION, HAWSER_NO_PREFERENCE, "none", "",     \
        "a message arrives as it was sent, not as bytes", "RFC 9622 6.2.2",                                            \
        "hawser/1 does; a bare line does with a framer",                                                               \
        stack->session ? "yes" : stack->framed ? "by the framer" : "no")                                               \
    ROW(per_msg_reliability, PREFERENCE, "perMsgReliability", SELECTION, HAWSER_NO_PREFERENCE, "none", "",             \
        "messages differ in how hard delivery is tried", "RFC 9622 6.2.3",                                             \
        "over hawser/1 by each message's lifetime; a bare line sends all or nothing",                                  \
        PROPERTY_MAY(stack->session))                                                                                  \
    ROW(preserve_order, PREFERENCE, "preserveOrder", SELECTION, HAWSER_NO_PREFERENCE, "none", "",                      \
        "messages arrive in the order of sending", "RFC 9622 6.2.4",                                                   \
        "require and prefer make msgOrdered true; a bare line is always in order. Default none, not require: "         \
        "waiting for what nobody needs in order costs time (S1.16)",                                                   \
        stack->session ? "as asked" : "yes")                                                                           \
    ROW(zero_rtt_msg, PREFERENCE, "zeroRttMsg", SELECTION, HAWSER_NO_PREFERENCE, "none", "",                           \
        "a safely replayable message may leave before the handshake ends", "RFC 9622 6.2.5",                           \
        "TLS early data, once a ticket is held; prohibit: never, also not for replayable messages",                    \
        PROPERTY_MAY(stack->early_data))                                                                               \
    ROW(multistreaming, PREFERENCE, "multistreaming", SELECTION, HAWSER_PREFER, "prefer", "",                          \
        "streams share one transport connection", "RFC 9622 6.2.6",                                                    \
        "hawser/1 carries any number of streams; a bare line is one",                                                  \
        PROPERTY_IS(stack->session))                                                                                   \
    ROW(full_checksum_send, PREFERENCE, "fullChecksumSend", SELECTION, HAWSER_REQUIRE, "require", "",                  \
        "all that is sent is protected against corruption", "RFC 9622 6.2.7",                                          \
        "every stack covers every byte, encrypted ones by an authentication tag; a lesser wish only allows "           \
        "msgChecksumLen to be a number",                                                                               \
        "yes")                                                                                                         \
    ROW(full_checksum_recv, PREFERENCE, "fullChecksumRecv", SELECTION, HAWSER_REQUIRE, "require", "",                  \
        "all that is received was protected against corruption", "RFC 9622 6.2.8",                                     \
        "every stack covers every byte; a lesser wish only allows recvChecksumLen to be a number",                     \
        "yes")                                                                                                         \
    ROW(congestion_control, PREFERENCE, "congestionControl", SELECTION, HAWSER_REQUIRE, "require", "",                 \
        "the stack holds itself back when the network is full", "RFC 9622 6.2.9",                                      \
        "TCP's and MPTCP's of the kernel; a unix socket has no network to fill",                                       \
        stack->unix_socket ? "not needed" : "yes")                                                                     \
    ROW(keep_alive, PREFERENCE, "keepAlive", SELECTION, HAWSER_NO_PREFERENCE, "none", "",                              \
        "the stack probes an idle line", "RFC 9622 6.2.10",                                                            \
        "hawser/1 probes unless it is prohibited; a bare TCP line does when it is required or preferred "              \
        "(SO_KEEPALIVE); the period is keepAliveTimeout",                                                              \
        PROPERTY_MAY(stack->session || (!stack->unix_socket && !stack->multipath)))                                    \
    ROW(interface, SET, "interface", SELECTION, {.count = 0}, "", "",                                                  \
        "interfaces, by name, pattern or type, and how much they are wanted", "RFC 9622 6.2.11",                       \
        "judged for each path before a packet is sent: eth0, wwan*, wifi, cellular, ethernet; with several required "  \
        "ones any of them will do",                                                                                    \
        PROPERTY_IS(!stack->unix_socket))                                                                              \
    ROW(pvd, SET, "pvd", SELECTION, {.count = 0}, "", "",                                                              \
        "provisioning domains, and how much they are wanted", "RFC 9622 6.2.12",                                       \
        "the network that a path is on (RFC 7556 2.1): its name in the policy file, its gateway, its identity; "       \
        "domains that routers announce (RFC 8801) are not read",                                                       \
        PROPERTY_IS(!stack->unix_socket))                                                                              \
    ROW(use_temporary_local_address, PREFERENCE, "useTemporaryLocalAddress", SELECTION, HAWSER_PREFER, "prefer", "",   \
        "leave from a temporary (privacy) IPv6 address", "RFC 9622 6.2.13",                                            \
        "chooses the source address of each path; require leaves IPv4 out; for who opens only",                        \
        PROPERTY_MAY(!stack->unix_socket))                                                                             \
    ROW(multipath, ENUMERATION, "multipath", SELECTION, MULTIPATH_DISABLED, "disabled", "disabled,active,passive",     \
        "one line over several paths at once", "RFC 9622 6.2.14",                                                      \
        "active: tls/mptcp is tried first, and becomes TCP where the peer or a box on the way knows no better; "       \
        "passive: not asked for by who opens; disabled: no candidate has it, unless its stack is named",               \
        PROPERTY_IS(stack->multipath))                                                                                 \
    ROW(advertises_altaddr, BOOLEAN, "advertisesAltaddr", SELECTION, true, "true", "",                                 \
        "tell the peer our other addresses", "RFC 9622 6.2.15",                                                        \
        "a listener tells them to peers that ask, over hawser/1 alone: those with .paths; private ones only to who "   \
        "came from a private address",                                                                                 \
        PROPERTY_MAY(stack->session))                                                                                  \
    ROW(direction, ENUMERATION, "direction", SELECTION, DIRECTION_BOTH, "bidirectional",                               \
        "bidirectional,unidirectional-send,unidirectional-receive",                                                    \
        "which way messages go", "RFC 9622 6.2.16",                                                                    \
        "every stack goes both ways and serves all three; what is not asked for is refused: hawser_send() of who "     \
        "receives only, messages to who sends only",                                                                   \
        "bidirectional")                                                                                               \
    ROW(soft_error_notify, PREFERENCE, "softErrorNotify", SELECTION, HAWSER_NO_PREFERENCE, "none", "",                 \
        "be told of ICMP errors that do not end the line", "RFC 9622 6.2.17",                                          \
        "no stack tells them: require is refused",                                                                     \
        "no")                                                                                                          \
    ROW(active_read_before_send, PREFERENCE, "activeReadBeforeSend", SELECTION, HAWSER_NO_PREFERENCE, "none", "",      \
        "who opens may wait for the peer to speak first", "RFC 9622 6.2.18",                                           \
        "every stack gives it: who listens may send as soon as the line is accepted",                                  \
        "yes")                                                                                                         \
    ROW(security, PREFERENCE, "security", SELECTION, HAWSER_REQUIRE, "require", "",                                    \
        "the line is encrypted and the peer authenticated", "hawser",                                                  \
        "avoid: plain ways first, encrypted ones too; prohibit: plain ways alone. Never from one to the other by "     \
        "itself: prefer and none are refused",                                                                         \
        PROPERTY_IS(stack->secure))                                                                                    \
    ROW(session, PREFERENCE, "session", SELECTION, HAWSER_REQUIRE, "require", "",                                      \
        "hawser/1 runs inside: messages with outcomes, streams, several strands", "hawser",                            \
        "prefer and none: bare where the peer does not speak it; avoid: bare first; prohibit: bare",                   \
        PROPERTY_IS(stack->session))                                                                                   \
    ROW(proxy, SET, "proxy", SELECTION, {.count = 0}, "", "",                                                          \
        "proxies by URL (socks5://host:port, http://host:port), or \"direct\"", "hawser",                              \
        "require: through it alone; prefer: it first, then direct; none: raced after direct; avoid: when "             \
        "all else failed; prohibit:direct: through proxies alone",                                                     \
        PROPERTY_MAY(!stack->unix_socket && !stack->multipath && !stack->udp))                                                        \
    ROW(family, SET, "family", SELECTION, {.count = 0}, "", "ipv4,ipv6",                                               \
        "address families, and how much they are wanted", "hawser",                                                    \
        "chooses among the peer's addresses and our own",                                                              \
        PROPERTY_IS(!stack->unix_socket))

#define PROPERTY_CONNECTION(ROW)                                                                                       \
    ROW(recv_checksum_len, LENGTH, "recvChecksumLen", CONNECTION, -1, "full", "",                                      \
        "bytes of an incoming message that must have been protected", "RFC 9622 8.1.1",                                \
        "every stack covers all of it, so that any number is met; a number needs fullChecksumRecv not required",       \
        "full")                                                                                                        \
    ROW(conn_priority, NUMBER, "connPriority", CONNECTION, 100, "100", "",                                             \
        "urgency of this line's messages beside its streams, lower first", "RFC 9622 8.1.2",                           \
        "what it is above or below 100 is added to the niceness of each message; streams have one of their own; "      \
        "0 to 255, may change later",                                                                                  \
        "yes")                                                                                                         \
    ROW(conn_timeout_us, DURATION, "connTimeout", CONNECTION, INT64_C(10000000), "10s", "",                            \
        "how long a peer that should answer may be silent", "RFC 9622 8.1.3",                                          \
        "hawser/1: silence after a probe; bare TCP: with keepAliveTimeout, how long data may lie unacknowledged. "     \
        "Default 10s, not disabled: a line that is dead is said to be. It goes before .dead_after_us. Rules out bare "   \
        "quic/udp, which has none",                                                                                    \
        PROPERTY_IS(stack->session || (!stack->unix_socket && !stack->multipath)))                                     \
    ROW(keep_alive_timeout_us, DURATION, "keepAliveTimeout", CONNECTION, INT64_C(25000000), "25s", "",                 \
        "idle time before the line is probed", "RFC 9622 8.1.4",                                                       \
        "hawser/1: PING; bare TCP: SO_KEEPALIVE, when keepAlive is wanted. Default 25s, not disabled: NATs forget "    \
        "idle lines in less than a minute. It goes before .keep_alive_us",                                             \
        PROPERTY_IS(stack->session || (!stack->unix_socket && !stack->multipath)))                                     \
    ROW(conn_scheduler, ENUMERATION, "connScheduler", CONNECTION, SCHEDULER_PRIORITY, "priority-based",                \
        "first-come-first-served,round-robin,round-robin-per-packet,priority-based,fair-capacity,"                     \
        "weighted-fair-queueing",                                                                                      \
        "who goes first among the messages and streams of a line", "RFC 9622 8.1.5",                                   \
        "kept bandwidth, then niceness, then deadline, then age. Default priority-based, not weighted fair queueing: " \
        "the only one there is",                                                                                       \
        "priority-based")                                                                                              \
    ROW(conn_capacity_profile, ENUMERATION, "connCapacityProfile", CONNECTION, CAPACITY_DEFAULT, "default",            \
        PROPERTY_CAPACITIES,                                                                                           \
        "what the line is for, told to the network", "RFC 9622 8.1.6",                                                 \
        "ranks paths; marks packets once the line is up (DSCP 0, LE, AF41, AF21, AF31, AF11); may change later",       \
        stack->unix_socket ? "no" : stack->multipath ? "over IPv4" : "yes")                                            \
    ROW(multipath_policy, ENUMERATION, "multipathPolicy", CONNECTION, HAWSER_HANDOVER, "handover",                     \
        "handover,interactive,aggregate",                                                                              \
        "how several strands share the work", "RFC 9622 8.1.7",                                                        \
        "of the strands of a line; it goes before .policy, and may change while the line lives",                       \
        PROPERTY_IS(stack->session))                                                                                   \
    ROW(min_send_rate, RATE, "minSendRate", CONNECTION, 0, "unlimited", "",                                            \
        "the least rate of sending that is of use", "RFC 9622 8.1.8",                                                  \
        "a number is refused; a stream's bandwidth keeps one within the line",                                         \
        "no")                                                                                                          \
    ROW(min_recv_rate, RATE, "minRecvRate", CONNECTION, 0, "unlimited", "",                                            \
        "the least rate of receiving that is of use", "RFC 9622 8.1.8",                                                \
        "a number is refused",                                                                                         \
        "no")                                                                                                          \
    ROW(max_send_rate, RATE, "maxSendRate", CONNECTION, 0, "unlimited", "",                                            \
        "the highest rate of sending", "RFC 9622 8.1.8",                                                               \
        "TCP paces itself to it (SO_MAX_PACING_RATE), its headers and TLS included; strands that carry together "   \
        "share it evenly; other stacks are left out; may "   \
        "change later",                                                                                                \
        PROPERTY_MAY(!stack->unix_socket && !stack->multipath))                                                        \
    ROW(max_recv_rate, RATE, "maxRecvRate", CONNECTION, 0, "unlimited", "",                                            \
        "the highest rate of receiving", "RFC 9622 8.1.8",                                                             \
        "a number is refused; hawser_pause() holds a peer back",                                                       \
        "no")                                                                                                          \
    ROW(group_conn_limit, LIMIT, "groupConnLimit", CONNECTION, 0, "unlimited", "",                                     \
        "how many streams the peer may have open", "RFC 9622 8.1.9",                                                   \
        "one above it is reset and not told; may change later",                                                        \
        PROPERTY_IS(stack->session))                                                                                   \
    ROW(isolate_session, BOOLEAN, "isolateSession", CONNECTION, false, "false", "",                                    \
        "nothing at the peer links this line to others of ours", "RFC 9622 8.1.10",                                    \
        "true: no ticket is used or kept, no Fast Open cookie, no early data; our name is still shown to who asks",    \
        PROPERTY_MAY(true))                                                                                            \
    ROW(tcp_user_timeout_us, DURATION, "tcp.userTimeoutValue", CONNECTION, 0, "disabled", "",                          \
        "how long TCP waits for what it sent to be acknowledged", "RFC 9622 8.2",                                      \
        "TCP_USER_TIMEOUT, on this side alone; disabled: the system's. Goes before connTimeout; may change later",     \
        PROPERTY_IS(!stack->unix_socket && !stack->multipath))                                                         \
    ROW(tcp_user_timeout_enabled, BOOLEAN, "tcp.userTimeoutEnabled", CONNECTION, false, "false", "",                   \
        "exchange time-outs with the peer's TCP (RFC 5482)", "RFC 9622 8.2",                                           \
        "true is refused",                                                                                             \
        "no")                                                                                                          \
    ROW(tcp_user_timeout_changeable, BOOLEAN, "tcp.userTimeoutChangeable", CONNECTION, false, "false", "",             \
        "the peer's time-out may change ours", "RFC 9622 8.2",                                                         \
        "true is refused. Default false, not true: Linux does not read the option",                                    \
        "no")

#define PROPERTY_MESSAGE(ROW)                                                                                          \
    ROW(msg_lifetime_us, DURATION, "msgLifetime", PER_MESSAGE, 0, "disabled", "",                                      \
        "how long a message is worth handing over", "RFC 9622 9.1.3.1",                                                \
        "for messages that say none; hawser/1: at both ends; bare: until it leaves; disabled: for ever",               \
        stack->session ? "at both ends" : "while it waits")                                                            \
    ROW(msg_priority, NUMBER, "msgPriority", PER_MESSAGE, 100, "100", "",                                              \
        "urgency of a message, lower first", "RFC 9622 9.1.3.2",                                                       \
        "100 + niceness of messages that say 0; 0 to 255",                                                             \
        "yes")                                                                                                         \
    ROW(msg_ordered, BOOLEAN, "msgOrdered", PER_MESSAGE, false, "false", "",                                           \
        "a message comes after the ordered one before it", "RFC 9622 9.1.3.3",                                         \
        "true where preserveOrder is required or preferred and nothing else is said; a bare line is always in order",  \
        stack->session ? "as asked" : "yes")                                                                           \
    ROW(safely_replayable, BOOLEAN, "safelyReplayable", PER_MESSAGE, false, "false", "",                               \
        "a message may arrive twice, and so leave as early data", "RFC 9622 9.1.3.4",                                  \
        "for messages that do not say it themselves",                                                                  \
        PROPERTY_MAY(stack->early_data))                                                                               \
    ROW(final, BOOLEAN, "final", PER_MESSAGE, false, "false", "",                                                      \
        "a message is the last one", "RFC 9622 9.1.3.5",                                                               \
        "said of one message (.final), bare; true for all of them is refused",                                         \
        PROPERTY_IS(!stack->session))                                                                                  \
    ROW(msg_checksum_len, LENGTH, "msgChecksumLen", PER_MESSAGE, -1, "full", "",                                       \
        "bytes of a message that must be protected", "RFC 9622 9.1.3.6",                                               \
        "every stack covers all of it, so that any number is met; a number needs fullChecksumSend not required",       \
        "full")                                                                                                        \
    ROW(msg_reliable, BOOLEAN, "msgReliable", PER_MESSAGE, true, "true", "",                                           \
        "a message is not to be lost", "RFC 9622 9.1.3.7",                                                             \
        "false allows a loss that no stack makes on purpose, and needs perMsgReliability; a lifetime lets it go",      \
        "yes")                                                                                                         \
    ROW(msg_capacity_profile, ENUMERATION, "msgCapacityProfile", PER_MESSAGE, CAPACITY_DEFAULT, "default",             \
        PROPERTY_CAPACITIES,                                                                                           \
        "what a message is for", "RFC 9622 9.1.3.8",                                                                   \
        "connCapacityProfile where nothing is said, and nothing else: one TCP connection is marked as a whole",        \
        "no")                                                                                                          \
    ROW(no_fragmentation, BOOLEAN, "noFragmentation", PER_MESSAGE, false, "false", "",                                 \
        "no IP packet is cut on its way", "RFC 9622 9.1.3.9",                                                          \
        "true: the line's packets say DF and follow the path's MTU, whatever the system is set to",                    \
        stack->unix_socket ? "not needed" : stack->multipath ? "as the system is set" : "as asked")                    \
    ROW(no_segmentation, BOOLEAN, "noSegmentation", PER_MESSAGE, false, "false", "",                                   \
        "a message goes in one packet", "RFC 9622 9.1.3.10",                                                           \
        "true is refused",                                                                                             \
        "no")

#define PROPERTY_READ_ONLY(READ)                                                                                       \
    READ(conn_state, "connState", HAWSER_ENUMERATION, "establishing,established,closing,closed",                       \
         "where the line is in its life", "RFC 9622 8.1.11.1", "hawser_association_get_property()")                    \
    READ(can_send, "canSend", HAWSER_BOOLEAN, "",                                                                      \
         "whether hawser_send() may take a message", "RFC 9622 8.1.11.2",                                              \
         "false: closing or closed, after a final message, or receiving only")                                         \
    READ(can_receive, "canReceive", HAWSER_BOOLEAN, "",                                                                \
         "whether messages may still come", "RFC 9622 8.1.11.3",                                                       \
         "false: closed, after the peer's end, or sending only")                                                       \
    READ(singular_len, "singularTransmissionMsgMaxLen", HAWSER_INTEGER, "",                                            \
         "the largest message that goes in one packet", "RFC 9622 8.1.11.4",                                           \
         "what the path's MTU leaves after headers, TLS and frame; \"not-applicable\" without a network")              \
    READ(send_len, "sendMsgMaxLen", HAWSER_INTEGER, "",                                                                \
         "the largest message that can be sent", "RFC 9622 8.1.11.5",                                                  \
         "what the peer told; 2^62-1 where it told none; 0: none can be sent")                                         \
    READ(receive_len, "recvMsgMaxLen", HAWSER_INTEGER, "",                                                             \
         "the largest message that can be received", "RFC 9622 8.1.11.6",                                              \
         "max_message; else 2^62-1 over hawser/1, where a large one comes in parts, and receive_memory bare; 0: none")
/* clang-format on */

#define PROPERTY_ROWS(ROW) PROPERTY_SELECTION(ROW) PROPERTY_CONNECTION(ROW) PROPERTY_MESSAGE(ROW)

#endif
