/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include "commands.h"

#define ANY SIZE_MAX
#define FIELD(name) offsetof(struct options, name)
#define LINES (LISTEN | OPENERS)
#define LOOKERS (PATHS | FORGET | STATS | RESOLVE) /* have a context, and no line */
#define TELLERS (IDENTITY | LINES | LOOKERS | POLICY | PROPERTIES | STACKS | MPTCP)
#define ALL (TELLERS | BENCH | RUN | PLOT | TOP)

const struct command commands[] = {
    {"identity", IDENTITY, 0, 1, "[DIR]", "show an identity, and make it when there is none",
     "Prints the key name by which others can name us. The directory is DIR, else that of --identity, else\n"
     "$XDG_CONFIG_HOME/hawser/identity or ~/.config/hawser/identity.",
     command_identity},
    {"listen", LISTEN, 0, ANY, "[ENDPOINT...]", "take associations, and receive files, messages and streams",
     "Without --echo, --discard, --parts, --receive and --exec, messages are told and dropped,\n"
     "and the first stream is joined with standard input and output. Port 0 takes a free port,\n"
     "which is told. Without ENDPOINT the sockets of systemd's socket activation are used.\n"
     "SIGTERM and SIGINT finish what has begun, then end.",
     command_listen},
    {"send", SEND, 2, ANY, "ENDPOINT FILE...", "send files and directories, one message a file",
     "FILE may be a directory, which is walked, or -, standard input. A relative FILE arrives under the path as\n"
     "it is written, one that is absolute or leads upwards under its last part.",
     command_send},
    {"connect", CONNECT, 1, ANY, "ENDPOINT...", "join standard input and output with a stream, as nc(1)",
     "Several endpoints are ways to the same peer, which are raced. The end of standard input ends our direction of\n"
     "the stream; the end of the peer's ends the program once our own has ended too. With --json what arrives is told\n"
     "in events. --bare speaks no hawser/1: any TCP, TLS or unix server is reached, byte for byte; without --tls,\n"
     "--alpn, a --stack that has tls or --require security that is plain TCP, and nothing is encrypted.",
     command_connect},
    {"ping", PING, 1, ANY, "ENDPOINT...", "measure message round trips with a listener that has --echo",
     "Several endpoints are ways to the same peer, which are raced. Ends with the least, the median and the 99th\n"
     "percentile.",
     command_ping},
    {"probe", PROBE, 1, ANY, "ENDPOINT...", "show every way to a peer, how each went, and which one won",
     "Establishes the line and closes it again. Prints the look-ups; the tree of candidates with the time line of\n"
     "each, what it reached and why it ended; and the winner. Several endpoints are ways to the same peer. A peer\n"
     "that does not speak hawser/1 is probed as what it is, over TLS; with --bare over plain TCP, as 'connect' does.",
     command_probe},
    {"fetch", FETCH, 1, 1, "URL", "get what a URL names, by HTTP/1.1 over whatever stack won",
     "URL begins with http:// or https://. The body goes to standard output, or with --output to a file, which "
     "appears\n"
     "when it is whole. At most 5 redirects are followed, none from https to http. A status of 400 or more is exit\n"
     "status 1.",
     command_fetch},
    {"paths", PATHS, 0, 1, "[ENDPOINT]", "show the ways out of this host, without sending a packet",
     "Best first: interface, type, addresses, cost, MTU, what is remembered of each, and why one is not usable.\n"
     "A host name is looked up in /etc/hosts alone. Without ENDPOINT: the ways to anywhere.",
     command_paths},
    {"resolve", RESOLVE, 1, 1, "NAME", "show what a name leads to, as the answers come",
     "NAME is a host, HOST:PORT, or a service instance such as \"My Server._http._tcp.local\". The questions are "
     "those\n"
     "that a race asks, or with --type the records of one kind.",
     command_resolve},
    {"properties", PROPERTIES, 0, 1, "[NAME]", "show the properties, and what each stack offers",
     "The words of RFC 9622 and hawser's own, for --require, --prefer, --avoid, --prohibit and --property.",
     command_properties},
    {"stacks", STACKS, 0, 0, "", "show the protocol stacks, and what each can do",
     "By the layers' own flags: what carries messages, what may be lost, where lifetimes are looked at, what is\n"
     "encrypted and hidden.",
     command_stacks},
    {"policy", POLICY, 1, 2, "check|show [FILE]", "check or show the policy files",
     "check: reads FILE, else the system's and the user's, and says line and column of what is wrong. show: what they\n"
     "say, in the order in which they are read.",
     command_policy},
    {"forget", FORGET, 0, 1, "[SERVICE]", "forget how earlier attempts went",
     "SERVICE is as it was asked for, such as example.org:443; without it all is forgotten. Keys of first use and\n"
     "tickets are kept.",
     command_forget},
    {"stats", STATS, 0, 0, "", "show how races ended, counted over all processes of this user",
     "How often there were several addresses, how often another than the first won, and so on.", command_stats},
    {"plot", PLOT, 1, 1, "TRACE", "draw what --trace wrote: throughput, round trips, strands and messages over time",
     "TRACE is a file, or -, standard input. The picture is SVG, and goes to standard output without --svg.",
     command_plot},
    {"top", TOP, 0, 1, "[PID|PATH]", "watch the associations of processes that run",
     "Those that were started with --control or HAWSER_CONTROL=auto: without an operand all of this user. On a "
     "terminal\n"
     "the table is drawn again every --interval, until q or an interrupt.",
     command_top},
    {"run", RUN, 1, ANY, "-- COMMAND [ARGUMENT...]", "start an unmodified program whose TCP sockets are MPTCP sockets",
     "COMMAND keeps this process and gives its own exit status. Statically linked programs are no exception, and what\n"
     "COMMAND starts has such sockets too. 'hawser mptcp' steers their subflows from outside.",
     command_run},
    {"mptcp", MPTCP, 1, 5, "ACTION [CONNECTION] [WORD...]", "list, watch and steer the subflows of MPTCP connections",
     "ACTION is one of\n"
     "  list [PID|all|CONNECTION]        the subflows, with what is known of each\n"
     "  open CONNECTION                  a new one, --local or --remote what differs; prints its id\n"
     "  close CONNECTION ID              one less\n"
     "  backup CONNECTION ID [on|off]    used last, or as any other\n"
     "  get CONNECTION ID OPTION         an option of one subflow: congestion, tos, mark, ... or LEVEL/NUMBER\n"
     "  set CONNECTION ID OPTION VALUE\n"
     "  watch CONNECTION                 tell what happens to them, until the connection ends\n"
     "  announce CONNECTION ADDRESS      tell the peer of an address; prints its number\n"
     "  withdraw CONNECTION NUMBER\n"
     "  scheduler CONNECTION [NAME]\n"
     "CONNECTION is PID:FD, PID where that process has one connection, or LOCAL,REMOTE (two ends with ports, of any\n"
     "subflow). Listing needs no rights; to change something takes CAP_NET_ADMIN or hawserd(8).",
     command_mptcp},
    {"bench", BENCH, 1, 1, "server|client", "measure, as bench/README.md of the source says",
     "One server serves one client: one measurement. Of the network's options above it has --stack, for the client.",
     command_bench},
    {NULL, 0, 0, 0, NULL, NULL, NULL, NULL},
};

const struct option options_table[] = {
    {"identity", OPTION_STRING, IDENTITY | LINES, FIELD(identity), "DIR", "who we are: the identity in DIR", 0, 0},
    {"trust", OPTION_STRING, LINES, FIELD(trust), "RULE",
     "whom to believe: pki, key=NAME, tofu, any, or several with commas (opening: pki; listening: any)", 0, 0},
    {"trust-file", OPTION_STRING, LINES, FIELD(trust_file), "FILE", "the authorities of pki (PEM), not the system's", 0,
     0},
    {"min-verification", OPTION_VERIFICATION, LINES, FIELD(min_verification), "LEVEL",
     "the least verification: none, address, tofu, dane, pki, kerberos, key", 0, 0},
    {"certificate", OPTION_STRING, LINES, FIELD(certificate), "FILE",
     "show this chain (PEM) to peers that check certificates", 0, 0},
    {"certificate-key", OPTION_STRING, LINES, FIELD(certificate_key), "FILE", "the private key of --certificate", 0, 0},
    {"stack", OPTION_STRING, LINES | BENCH, FIELD(stack), "LIST",
     "the protocol stacks allowed, with commas: tls/tcp, tls/mptcp, quic/udp, tls/unix, tls/socks5/tcp, tcp, udp, ...",
     0, 0},
    {"require", OPTION_WANT, OPENERS | PATHS, FIELD(wants), "PROPERTY[=VALUE]",
     "only a line that has the property ('hawser properties' lists them); repeatable, as the next three", 0, 0},
    {"prefer", OPTION_WANT, OPENERS | PATHS, FIELD(wants), "PROPERTY[=VALUE]", "rather a line that has it", 0, 0},
    {"avoid", OPTION_WANT, OPENERS | PATHS, FIELD(wants), "PROPERTY[=VALUE]", "rather a line that has it not", 0, 0},
    {"prohibit", OPTION_WANT, OPENERS | PATHS, FIELD(wants), "PROPERTY[=VALUE]", "only a line that has it not", 0, 0},
    {"property", OPTION_WANT, OPENERS | PATHS, FIELD(wants), "NAME=VALUE", "set any property", 0, 0},
    {"interface", OPTION_WANT, OPENERS | PATHS, FIELD(wants), "IF",
     "only by this interface, or interfaces of this type: short for --require interface=IF", 0, 0},
    {"proxy", OPTION_WANT, OPENERS, FIELD(wants), "URL",
     "only through this proxy (socks5://, http://): short for --require proxy=URL", 0, 0},
    {"local", OPTION_STRING, OPENERS | MPTCP, FIELD(local), "ADDRESS",
     "leave from this address: 192.0.2.1:0, [2001:db8::1]:0; mptcp: @eth1 too", 0, 0},
    {"remote", OPTION_STRING, MPTCP, FIELD(remote), "ADDRESS", "open: where to, 192.0.2.1:443 (the connection's)", 0,
     0},
    {"backup", OPTION_FLAG, MPTCP, FIELD(backup), NULL, "open: carries nothing while another works", 0, 0},
    {"also", OPTION_STRINGS, SEND | CONNECT | PING | PROBE, FIELD(also), "ENDPOINT",
     "one more way to the same peer, which is raced; may be repeated", 0, 0},
    {"alpn", OPTION_STRING, LISTEN | CONNECT | PROBE, FIELD(alpn), "NAME",
     "the protocol that is spoken inside TLS, offered beside hawser/1", 0, 0},
    {"bare", OPTION_FLAG, LISTEN | CONNECT | PROBE, FIELD(bare), NULL,
     "no hawser/1: the peer's own protocol, in the clear unless TLS is asked for; listen: take such clients too", 0, 0},
    {"tls", OPTION_FLAG, CONNECT | PROBE, FIELD(tls), NULL, "with --bare: inside TLS", 0, 0},
    {"framer", OPTION_STRING, LISTEN, FIELD(framer), "NAME",
     "with --bare: how messages of bare clients look: none, length, length2, lines, fixed:SIZE", 0, 0},
    {"group-key", OPTION_STRING, LISTEN | CONNECT, FIELD(group_key), "FILE",
     "with a multicast group: the key in FILE is its members'; nobody else is heard", 0, 0},
    {"hops", OPTION_INTEGER, CONNECT, FIELD(hops), "N", "with a multicast group: how many networks it may cross (1)", 1,
     255},
    {"policy-file", OPTION_STRING, LINES | PATHS, FIELD(policy_file), "FILE",
     "the policy of this run, not the system's and the user's", 0, 0},
    {"trust-anchors", OPTION_STRING, OPENERS | RESOLVE, FIELD(trust_anchors), "FILE",
     "the trust anchors of DNSSEC (DS or DNSKEY records), not the system's", 0, 0},
    {"paths", OPTION_STRING, OPENERS, FIELD(paths), "LIST",
     "a strand on each of these: all, or interfaces and types in order, each with a stack or not (eth0,wlan0=quic/udp)",
     0, 0},
    {"reestablish", OPTION_DURATION, LINES, FIELD(reestablish_us), "TIME",
     "how long a line without any strand is kept, while the peer is sought again (60s; 0: it ends)", 0, 0},
    {"policy", OPTION_POLICY, LINES, FIELD(policy), "POLICY", "how strands are used: handover, interactive, aggregate",
     0, 0},
    {"trace", OPTION_STRING, LINES | BENCH, FIELD(trace), "FILE",
     "write what happens to strands and messages into FILE; 'hawser plot' draws it", 0, 0},
    {"control", OPTION_STRING, LINES | BENCH, FIELD(control), "PATH",
     "let 'hawser top' look, at the unix socket PATH, or auto: one of this process in $XDG_RUNTIME_DIR/hawser", 0, 0},
    {"timeout", OPTION_DURATION, LINES | BENCH | RESOLVE, FIELD(timeout_us), "TIME",
     "give up establishing after TIME (10s); bench: end after TIME (120s)", 0, 0},

    {"niceness", OPTION_INTEGER, SEND | CONNECT | PING, FIELD(niceness), "N",
     "urgency: -100 (most urgent) to 155; 0 is normal", -100, 155},
    {"lifetime", OPTION_DURATION, SEND | PING, FIELD(lifetime_us), "TIME", "messages are worthless after TIME", 0, 0},
    {"reliability", OPTION_STRING, SEND, FIELD(reliability), "R",
     "how hard it is tried: full, resends=K, or the share of messages that come whole, such as 0.95", 0, 0},
    {"deadline", OPTION_DURATION, SEND, FIELD(deadline_us), "TIME",
     "worthless after TIME, and what came of a message until then counts", 0, 0},
    {"coordinates", OPTION_STRING, SEND, FIELD(coordinates), "A,B,...",
     "up to 4 numbers that the receiver sees before the payload", 0, 0},
    {"timestamp", OPTION_FLAG, SEND, FIELD(timestamp), NULL, "tell the receiver when each message was given", 0, 0},
    {"pace", OPTION_STRING, SEND, FIELD(pace), "RATE", "bits per second at which a message leaves: 500k, 8M", 0, 0},
    {"after", OPTION_STRINGS, SEND, FIELD(after), "FILE",
     "send FILE first: the others are handed over after it; may be repeated", 0, 0},
    {"name", OPTION_STRING, SEND, FIELD(name), "PATH", "the path under which standard input arrives (stdin)", 0, 0},
    {"ordered", OPTION_FLAG, SEND | BENCH, FIELD(ordered), NULL, "hand the messages over in the order given", 0, 0},
    {"replayable", OPTION_FLAG, SEND | PING, FIELD(replayable), NULL,
     "messages may arrive twice, and so may leave as early data", 0, 0},

    {"svg", OPTION_STRING, PROBE, FIELD(svg), "FILE", "draw look-ups and attempts over time into FILE", 0, 0},
    {"svg", OPTION_STRING, PLOT, FIELD(svg), "FILE", "write the picture to FILE", 0, 0},
    {"title", OPTION_STRING, PLOT, FIELD(title), "T", "what stands above it", 0, 0},
    {"association", OPTION_INTEGER, PLOT, FIELD(association), "N",
     "draw this association alone, by its number in the trace", 1, 1000000000},
    {"once", OPTION_FLAG, TOP, FIELD(once), NULL, "show the table once, and end", 0, 0},

    {"output", OPTION_STRING, FETCH, FIELD(output), "FILE", "write the body to FILE", 0, 0},
    {"head", OPTION_FLAG, FETCH, FIELD(head), NULL, "ask for the headers alone, and print them", 0, 0},
    {"fail", OPTION_FLAG, FETCH, FIELD(fail), NULL,
     "the answer is part of the race: a candidate that answers 400 or more has failed, and the next one is tried", 0,
     0},
    {"connect-to", OPTION_STRINGS, FETCH, FIELD(connect_to), "ENDPOINT",
     "reach the URL's host there: an address, unix:PATH; may be repeated", 0, 0},

    {"watch", OPTION_FLAG, PATHS, FIELD(watch), NULL, "go on, and show them again when something changed", 0, 0},
    {"type", OPTION_STRING, RESOLVE, FIELD(type), "TYPE",
     "the records of this kind: A, AAAA, HTTPS, SVCB, SRV, TLSA, TXT, PTR", 0, 0},

    {"name-only", OPTION_FLAG, IDENTITY, FIELD(name_only), NULL, "print the key name alone", 0, 0},

    {"mptcp", OPTION_FLAG, RUN, FIELD(mptcp), NULL, "MPTCP in place of TCP; a peer that has none gets TCP", 0, 0},

    {"echo", OPTION_FLAG, LISTEN, FIELD(echo), NULL, "send back every message and stream", 0, 0},
    {"discard", OPTION_FLAG, LISTEN, FIELD(discard), NULL, "drop every message and stream", 0, 0},
    {"parts", OPTION_FLAG, LISTEN, FIELD(parts), NULL,
     "tell the parts of messages as they come, and what never came of each", 0, 0},
    {"receive", OPTION_STRING, LISTEN, FIELD(receive), "DIR", "write files below DIR", 0, 0},
    {"overwrite", OPTION_FLAG, LISTEN, FIELD(overwrite), NULL, "with --receive: replace files that exist", 0, 0},
    {"exec", OPTION_STRING, LISTEN, FIELD(exec), "CMD", "run the shell command CMD on every stream", 0, 0},

    {"count", OPTION_INTEGER, PING | BENCH | MPTCP, FIELD(count), "N", "how many (ping: 10; 0: until interrupted)", 0,
     INT64_MAX},
    {"interval", OPTION_DURATION, PING | BENCH, FIELD(interval_us), "TIME",
     "from one to the next (200ms); 0: at each reply", 0, 0},
    {"interval", OPTION_DURATION, TOP, FIELD(interval_us), "TIME", "from one look to the next (1s)", 0, 0},
    {"size", OPTION_SIZE, PING | BENCH, FIELD(size), "SIZE", "bytes in a message (64)", 0, 0},

    {"what", OPTION_STRING, BENCH, FIELD(what), "W", "oneway, pingpong, idle, setup, growth, queue, urgent, departure",
     0, 0},
    {"endpoint", OPTION_STRING, BENCH, FIELD(endpoint), "E", "server: where to listen; client: the server", 0, 0},
    {"port", OPTION_INTEGER, BENCH, FIELD(port), "P", "short for --endpoint 127.0.0.1:P", 0, 65535},
    {"mode", OPTION_STRING, BENCH, FIELD(mode), "M", "run (under hawser_run()) or poll (in a poll() loop)", 0, 0},
    {"seconds", OPTION_DURATION, BENCH, FIELD(seconds_us), "S", "measure for S seconds", 0, 0},
    {"warm", OPTION_INTEGER, BENCH, FIELD(warm), "N", "messages before the measured window", 0, INT64_MAX},
    {"connections", OPTION_INTEGER, BENCH, FIELD(connections), "N", "how many associations (1)", 1, 1000000},
    {"queued", OPTION_INTEGER, BENCH, FIELD(queued), "N", "how many messages are kept queued", 1, 10000000},
    {"resumed", OPTION_FLAG, BENCH, FIELD(resumed), NULL, "every set-up resumes from a ticket", 0, 0},
    {"dir", OPTION_STRING, BENCH, FIELD(dir), "D", "a directory for keys and tickets", 0, 0},
    {"ready-fd", OPTION_INTEGER, BENCH, FIELD(ready_fd), "F", "write the listening line to descriptor F too", 3, 65535},

    {"json", OPTION_FLAG, TELLERS | TOP, FIELD(json), NULL, "print events to standard output, a JSON object a line", 0,
     0},
    {"verbose", OPTION_FLAG, LINES | LOOKERS, FIELD(verbose), NULL, "tell what the library does", 0, 0},
    {"help", OPTION_HELP, ALL, 0, NULL, "show this and end", 0, 0},
    {NULL, OPTION_FLAG, 0, 0, NULL, NULL, 0, 0},
};
