#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The lab's servers: servers.py, run inside a host. One process has any number of listeners.

Commands come as JSON objects, one a line, on stdin, and each is answered once it is in force. Ends with stdin.

    {"listen": [ADDRESS, PORT], "kind": KIND, ...}      answers {"port": N}
    {"log": true}                                       answers {"connections": [...]}: of each its listener, when it
                                                        was accepted, how far it got and how it ended

Kinds: "tls" (certificate, key: files; answers a request that ends with a blank line by an HTTP response, else echoes),
"tcp" (echoes), "silent" (accepts, never answers, notes the end), "refuse-proxy" (SOCKS5: refuses; anything else: 403),
"http" and "gateway" (answer every request, and with 502), "connect" (an HTTP proxy that works).
"""

import json
import os
import socket
import ssl
import sys
import threading
import time

BODY = b"hello from the lab\n"
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(BODY) + BODY
GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

lock = threading.Lock()
changed = threading.Condition(lock)
connections = []


def now():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def note(record, **what):
    with changed:
        record.update(what)
        changed.notify_all()


def until_end(connection, record, answer=None):
    """Reads until the peer ends; answer(data) is what is sent for it."""
    try:
        while data := connection.recv(65536):
            note(record, bytes=record.get("bytes", 0) + len(data))
            if answer:
                connection.sendall(answer(data))
        note(record, ended="fin", end=now())
    except ConnectionResetError:
        note(record, ended="reset", end=now())
    except (OSError, ssl.SSLError) as error:
        note(record, ended="reset" if "reset" in str(error).lower() else f"error: {error}", end=now())


def serve_tls(connection, record, conf):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(conf["certificate"], conf["key"])
    if conf.get("alpn"):
        context.set_alpn_protocols(conf["alpn"])
    try:
        connection = context.wrap_socket(connection, server_side=True)
    except ConnectionResetError:
        return note(record, ended="reset", end=now())
    except (OSError, ssl.SSLError) as error:
        ended = "fin" if "EOF" in str(error) else "alert" if "alert" in str(error).lower() else f"error: {error}"
        return note(record, ended=ended, end=now())
    note(record, reached="tls", handshake=now(), alpn=connection.selected_alpn_protocol() or "")
    pending = b""
    try:
        while data := connection.recv(65536):
            pending += data
            if b"\r\n\r\n" in pending:
                connection.sendall(RESPONSE)
                note(record, answered=now())
                break
            if not pending.startswith((b"GET ", b"HEAD ")):
                connection.sendall(pending)
                pending = b""
        connection = connection.unwrap()
    except (OSError, ssl.SSLError):
        pass  # who closes without an alert has closed
    until_end(connection, record)
    connection.close()


def serve_refusal(connection, record, _):
    first = connection.recv(65536)
    if first.startswith(b"\5"):
        connection.sendall(b"\5\0" if 0 in first[2:] else b"\5\xff")
        connection.recv(65536)
        connection.sendall(b"\5\2\0\1\0\0\0\0\0\0")  # not allowed by the rules
    else:
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    until_end(connection, record)


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve_connect(connection, record, _):
    head = b""
    while b"\r\n\r\n" not in head:
        data = connection.recv(65536)
        if not data:
            return note(record, ended="fin", end=now())
        head += data
    host, _, port = head.split()[1].decode().rpartition(":")
    try:
        onward = socket.create_connection((host.strip("[]"), int(port)), 5)
    except OSError:
        connection.sendall(GATEWAY)
        return until_end(connection, record)
    onward.settimeout(None)
    connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    note(record, reached="proxied", target=f"{host}:{port}")
    threading.Thread(target=pump, args=(onward, connection), daemon=True).start()
    pump(connection, onward)
    note(record, ended="fin", end=now())


KINDS = {
    "tls": serve_tls,
    "tcp": lambda connection, record, _: until_end(connection, record, lambda data: data),
    "silent": lambda connection, record, _: until_end(connection, record),
    "http": lambda connection, record, _: until_end(connection, record, lambda data: RESPONSE),
    "gateway": lambda connection, record, _: until_end(connection, record, lambda data: GATEWAY),
    "refuse-proxy": serve_refusal,
    "connect": serve_connect,
}


def serve(connection, record, conf):
    try:
        KINDS[conf["kind"]](connection, record, conf)
    except ConnectionResetError:
        note(record, ended="reset", end=now())
    except OSError as error:
        note(record, ended=f"error: {error}", end=now())
    finally:
        connection.close()


def accept(listener, conf):
    while True:
        connection, peer = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        record = {"listener": conf["listen"][0], "port": conf["listen"][1], "peer": peer[0], "kind": conf["kind"],
                  "accepted": now(), "reached": "tcp", "ended": ""}
        with changed:
            connections.append(record)
        threading.Thread(target=serve, args=(connection, record, conf), daemon=True).start()


def listen(conf):
    address, port = conf["listen"]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, port), family=family, backlog=64)
    conf["listen"][1] = listener.getsockname()[1]
    threading.Thread(target=accept, args=(listener, conf), daemon=True).start()
    return {"port": conf["listen"][1]}


def log(conf):
    """Every connection so far; with "ended": once all of them have, or after that many seconds."""
    end = time.monotonic() + conf.get("ended", 0)
    with changed:
        while conf.get("ended") and not all(c["ended"] for c in connections) and end > time.monotonic():
            changed.wait(end - time.monotonic())
        return {"connections": connections}


def main():
    print(json.dumps({"ok": True}), flush=True)
    while line := sys.stdin.readline():
        command = json.loads(line)
        try:
            answer = listen(command) if "listen" in command else log(command)
        except OSError as error:
            answer = {"error": str(error)}
        with lock:
            print(json.dumps(answer), flush=True)
    os._exit(0)  # threads that wait for peers go with us


if __name__ == "__main__":
    main()
