#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The system's trust anchors, whose file is replaced in a namespace: what is in it is believed, a resumed session is as
long as the file is the same, and with another file nothing of before is."""

import namespaces
from foreign import Authority, Foreign, check_page, check_refused
from harness import check, run

FILE = "/etc/ssl/certs/ca-certificates.crt"
EUNVERIFIED = -20006


def read(path):
    with open(path, encoding="ascii") as file:
        return file.read()


def test_anchors_of_the_system(world):
    authority = Authority(world)
    port = world.nginx_tls(authority.leaf("leaf"))

    def connect(**more):
        more.setdefault("state", world.path("state"))
        return world.connect("tls/tcp", "127.0.0.1", port, any=1, name="peer.test", **more)

    namespaces.replace(FILE, read(authority.file))
    check_page(*connect(state=None, worker=1))  # which reads them while the first packets are on their way
    for resumed in (False, True):
        answer, outcome = connect()
        check_page(answer, outcome)
        check(outcome["verification"] == "pki" and outcome["resumed"] == resumed, f"{outcome}")
    # One more authority beside it: the certificate is looked at anew. That one alone: it is not good any more.
    other = Authority(world, "other")
    namespaces.replace(FILE, read(authority.file) + read(other.file))
    answer, outcome = connect()
    check_page(answer, outcome)
    check(not outcome["resumed"], f"{outcome}")
    namespaces.replace(FILE, read(other.file))
    for worker in (None, 1):
        check_refused(*connect(worker=worker), "tls", EUNVERIFIED, "its authority is not known here")


if __name__ == "__main__":
    namespaces.enter("mount")
    run(test_anchors_of_the_system, make=Foreign)
