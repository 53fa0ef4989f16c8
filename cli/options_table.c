/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include "commands.h"

#define ANY SIZE_MAX
#define FIELD(name) offsetof(struct options, name)
#define ALL (IDENTITY | LISTEN | SEND | CONNECT | PING | BENCH)
#define LINES (LISTEN | OPENERS)

const struct command commands[] = {
    {"identity", IDENTITY, 0, 1, "[DIR]", "show an identity, and make it when there is none",
     "Prints the key name by which others can name us. The directory is DIR, else that of --identity, else\n"
     "$XDG_CONFIG_HOME/hawser/identity or ~/.config/hawser/identity.",
     command_identity},
    {"listen", LISTEN, 0, ANY, "[ENDPOINT...]", "take associations, and receive files, messages and streams",
     "Without --echo, --discard, --receive and --exec, messages are told and dropped, and the first stream is\n"
     "joined with standard input and output. Port 0 takes a free port, which is told. Without ENDPOINT the\n"
     "sockets of systemd's socket activation are used. SIGTERM and SIGINT finish what has begun, then end.",
     command_listen},
    {"send", SEND, 2, ANY, "ENDPOINT FILE...", "send files and directories, one message a file",
     "FILE may be a directory, which is walked, or -, standard input. A relative FILE arrives under the path as\n"
     "it is written, one that is absolute or leads upwards under its last part.",
     command_send},
    {"connect", CONNECT, 1, 1, "ENDPOINT", "join standard input and output with a stream, as nc(1)",
     "The end of standard input ends our direction of the stream; the end of the peer's ends the program once our\n"
     "own has ended too. With --json what arrives is told in events.",
     command_connect},
    {"ping", PING, 1, 1, "ENDPOINT", "measure message round trips with a listener that has --echo",
     "Ends with the least, the median and the 99th percentile.", command_ping},
    {"bench", BENCH, 1, 1, "server|client", "measure, as bench/README.md of the source says",
     "One server serves one client: one measurement. Runs without the network's options above.", command_bench},
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
    {"stack", OPTION_STRING, LINES, FIELD(stack), "LIST", "the protocol stacks allowed: tls/tcp, tls/unix", 0, 0},
    {"paths", OPTION_LATER, LINES, 0, "LIST", "choosing paths is not implemented yet", 0, 0},
    {"policy", OPTION_POLICY, LINES, FIELD(policy), "POLICY", "how strands are used: handover, interactive, aggregate",
     0, 0},
    {"timeout", OPTION_DURATION, LINES | BENCH, FIELD(timeout_us), "TIME",
     "give up establishing after TIME (10s); bench: end after TIME (120s)", 0, 0},

    {"niceness", OPTION_INTEGER, OPENERS, FIELD(niceness), "N", "urgency: -100 (most urgent) to 155; 0 is normal", -100,
     155},
    {"lifetime", OPTION_DURATION, SEND | PING, FIELD(lifetime_us), "TIME", "messages are worthless after TIME", 0, 0},
    {"after", OPTION_STRINGS, SEND, FIELD(after), "FILE",
     "send FILE first: the others are handed over after it; may be repeated", 0, 0},
    {"name", OPTION_STRING, SEND, FIELD(name), "PATH", "the path under which standard input arrives (stdin)", 0, 0},
    {"ordered", OPTION_FLAG, SEND, FIELD(ordered), NULL, "hand the messages over in the order given", 0, 0},
    {"replayable", OPTION_FLAG, SEND | PING, FIELD(replayable), NULL,
     "messages may arrive twice, and so may leave as early data", 0, 0},

    {"name-only", OPTION_FLAG, IDENTITY, FIELD(name_only), NULL, "print the key name alone", 0, 0},

    {"echo", OPTION_FLAG, LISTEN, FIELD(echo), NULL, "send back every message and stream", 0, 0},
    {"discard", OPTION_FLAG, LISTEN, FIELD(discard), NULL, "drop every message and stream", 0, 0},
    {"receive", OPTION_STRING, LISTEN, FIELD(receive), "DIR", "write files below DIR", 0, 0},
    {"overwrite", OPTION_FLAG, LISTEN, FIELD(overwrite), NULL, "with --receive: replace files that exist", 0, 0},
    {"exec", OPTION_STRING, LISTEN, FIELD(exec), "CMD", "run the shell command CMD on every stream", 0, 0},

    {"count", OPTION_INTEGER, PING | BENCH, FIELD(count), "N", "how many (ping: 10; 0: until interrupted)", 0,
     INT64_MAX},
    {"interval", OPTION_DURATION, PING, FIELD(interval_us), "TIME", "from one to the next (200ms); 0: at each reply", 0,
     0},
    {"size", OPTION_SIZE, PING | BENCH, FIELD(size), "SIZE", "bytes in a message (64)", 0, 0},

    {"what", OPTION_STRING, BENCH, FIELD(what), "W", "oneway, pingpong, idle, setup, growth, queue, urgent", 0, 0},
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

    {"json", OPTION_FLAG, IDENTITY | LINES, FIELD(json), NULL, "print events to standard output, a JSON object a line",
     0, 0},
    {"verbose", OPTION_FLAG, LINES, FIELD(verbose), NULL, "tell what the library does", 0, 0},
    {"help", OPTION_HELP, ALL, 0, NULL, "show this and end", 0, 0},
    {NULL, OPTION_FLAG, 0, 0, NULL, NULL, 0, 0},
};
