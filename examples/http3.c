/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/3: nghttp3 has the protocol (RFC 9114), a bare line over QUIC the streams.
 *
 *     example_http3 get HOST:PORT ANCHORS PATH...           (bodies to stdout, in the order asked; statuses to stderr)
 *     example_http3 serve ADDRESS:PORT DIRECTORY CHAIN KEY  (files, until it is interrupted)
 *
 * ANCHORS is a file of certificates, or - for the system's. All paths are asked for at once, each on a stream of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hawser/hawser.h>
#include <nghttp3/nghttp3.h>

#define STREAMS_MAX 256
#define ASKED_MAX 64
#define FILE_MAX (64 << 20)

/* What who asks wants, and gets. The body is whole in memory once it is over: several come at once. */
struct request {
    const char *path;
    int64_t id;
    int status;
    bool over, whole;
    FILE *to;
    char *body;
    size_t size;
};

/* A line's HTTP, at either end. Streams are found by QUIC's id. */
struct http {
    hawser_association *line;
    nghttp3_conn *conn;
    const char *host; /* of who asks, as the next two */
    struct request *requests;
    size_t count, left;
    int directory; /* of who serves; else -1 */
    bool over;
    struct stream {
        hawser_stream *stream;
        int64_t id;
        char path[1024];
        uint8_t *body;
        size_t size;
        bool ended; /* the peer's direction was read to its end */
    } streams[STREAMS_MAX];
};

static struct stream *stream_of(struct http *http, int64_t id)
{
    for (size_t i = 0; i < STREAMS_MAX; i++)
        if (http->streams[i].stream && http->streams[i].id == id)
            return &http->streams[i];
    return NULL;
}

static struct stream *stream_add(struct http *http, hawser_stream *stream)
{
    for (size_t i = 0; i < STREAMS_MAX; i++) {
        if (http->streams[i].stream)
            continue;
        http->streams[i] = (struct stream){.stream = stream, .id = (int64_t)hawser_stream_id(stream)};
        return &http->streams[i];
    }
    return NULL;
}

static void stream_drop(struct stream *stream)
{
    free(stream->body);
    hawser_stream_unref(stream->stream);
    *stream = (struct stream){.stream = NULL};
}

static struct request *request_of(struct http *http, int64_t id)
{
    for (size_t i = 0; i < http->count; i++)
        if (http->requests[i].to && http->requests[i].id == id)
            return &http->requests[i];
    return NULL;
}

/* It ended, whole or not: nothing of it will come any more. */
static void request_over(struct http *http, struct request *request, bool whole)
{
    if (request->over)
        return;
    request->over = true;
    request->whole = fclose(request->to) == 0 && whole;
    request->to = NULL;
    http->over = --http->left == 0;
}

/* ------------------------------------------------------------------------------------------------- what nghttp3 tells */

static bool is(nghttp3_rcbuf *buffer, const char *text)
{
    nghttp3_vec bytes = nghttp3_rcbuf_get_buf(buffer);

    return bytes.len == strlen(text) && memcmp(bytes.base, text, bytes.len) == 0;
}

static int on_header(nghttp3_conn *conn, int64_t id, int32_t token, nghttp3_rcbuf *name, nghttp3_rcbuf *value,
                     uint8_t flags, void *user, void *stream_user)
{
    struct http *http = user;
    struct stream *stream = stream_of(http, id);
    struct request *request = request_of(http, id);
    nghttp3_vec text = nghttp3_rcbuf_get_buf(value);

    (void)conn, (void)token, (void)flags, (void)stream_user;
    if (request && is(name, ":status"))
        request->status = atoi((const char *)text.base);
    if (stream && is(name, ":path"))
        snprintf(stream->path, sizeof stream->path, "%.*s", (int)text.len, (const char *)text.base);
    return 0;
}

static int on_data(nghttp3_conn *conn, int64_t id, const uint8_t *data, size_t size, void *user, void *stream_user)
{
    struct request *request = request_of(user, id);

    (void)conn, (void)stream_user;
    if (request && fwrite(data, 1, size, request->to) != size)
        return NGHTTP3_ERR_CALLBACK_FAILURE;
    return 0;
}

static nghttp3_ssize give_body(nghttp3_conn *conn, int64_t id, nghttp3_vec *vec, size_t count, uint32_t *flags,
                               void *user, void *stream_user)
{
    struct stream *stream = stream_of(user, id);

    (void)conn, (void)count, (void)stream_user;
    *flags |= NGHTTP3_DATA_FLAG_EOF;
    if (!stream || stream->size == 0)
        return 0;
    vec[0] = (nghttp3_vec){stream->body, stream->size};
    return 1;
}

#define FIELD(key, text)                                                                                               \
    (nghttp3_nv)                                                                                                       \
    {                                                                                                                  \
        (uint8_t *)(key), (uint8_t *)(text), strlen(key), strlen(text), NGHTTP3_NV_FLAG_NONE                           \
    }

/* Only what lies in the directory itself: a name with a slash in it, or that begins with a dot, is nobody's. */
static int read_file(const struct http *http, struct stream *stream)
{
    const char *name = stream->path + 1;
    struct stat status;
    int fd;

    if (*stream->path != '/' || strchr(name, '/') || *name == '.')
        return 404;
    fd = openat(http->directory, *name ? name : "index.html", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return 404;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size <= FILE_MAX &&
        (stream->body = malloc((size_t)status.st_size + 1))) {
        ssize_t n = read(fd, stream->body, (size_t)status.st_size);
        stream->size = n > 0 ? (size_t)n : 0;
    }
    close(fd);
    return stream->body ? 200 : 403;
}

static int on_end(nghttp3_conn *conn, int64_t id, void *user, void *stream_user)
{
    struct http *http = user;
    struct stream *stream = stream_of(http, id);
    struct request *request = request_of(http, id);
    nghttp3_data_reader reader = {give_body};
    char status[8], length[24];

    (void)stream_user;
    if (request)
        request_over(http, request, true);
    if (http->directory < 0 || !stream)
        return 0;
    snprintf(status, sizeof status, "%d", read_file(http, stream));
    snprintf(length, sizeof length, "%zu", stream->size);
    nghttp3_nv fields[] = {FIELD(":status", status), FIELD("content-length", length)};
    return nghttp3_conn_submit_response(conn, id, fields, 2, &reader) == 0 ? 0 : NGHTTP3_ERR_CALLBACK_FAILURE;
}

/* --------------------------------------------------------------------------------------------------- streams and nghttp3 */

static void stop(struct http *http, const char *why)
{
    if (why)
        fprintf(stderr, "http3: %s\n", why);
    http->over = true;
    hawser_close(http->line, 0, NULL);
}

/* Gives the streams what nghttp3 has for them, until it has nothing or they take nothing. */
static void pump_out(struct http *http)
{
    nghttp3_vec pieces[8];
    int64_t id;
    int end;
    nghttp3_ssize count;

    while ((count = nghttp3_conn_writev_stream(http->conn, &id, &end, pieces, 8)) >= 0 && id >= 0) {
        struct stream *stream = stream_of(http, id);
        size_t taken = 0, wanted = 0;

        for (nghttp3_ssize i = 0; i < count; i++) {
            ssize_t n = stream && taken == wanted ? hawser_stream_write(stream->stream, pieces[i].base, pieces[i].len)
                                                  : -EAGAIN;
            wanted += pieces[i].len;
            taken += n > 0 ? (size_t)n : 0;
        }
        if (stream && end && taken == wanted)
            hawser_stream_shutdown(stream->stream);
        nghttp3_conn_add_write_offset(http->conn, id, taken);
        nghttp3_conn_add_ack_offset(http->conn, id, taken); /* the stream has a copy */
        if (taken < wanted)
            nghttp3_conn_block_stream(http->conn, id);
    }
    if (count < 0)
        stop(http, nghttp3_strerror((int)count));
}

static void on_readable(const hawser_event *event, void *user)
{
    struct http *http = user;
    uint8_t data[16384];
    ssize_t n;
    nghttp3_ssize r;
    int64_t id = (int64_t)hawser_stream_id(event->stream.stream);
    struct stream *stream = stream_of(http, id);

    if (http->over || !stream || stream->ended)
        return;
    do {
        n = hawser_stream_read(event->stream.stream, data, sizeof data);
        stream->ended = n == 0;
        r = n < 0 ? 0 : nghttp3_conn_read_stream(http->conn, id, data, (size_t)n, n == 0);
        if (r < 0 && !http->over) {
            stop(http, nghttp3_strerror((int)r));
            return;
        }
    } while (n > 0 && !http->over);
    pump_out(http);
    if (http->over)
        stop(http, NULL);
}

static void on_writable(const hawser_event *event, void *user)
{
    struct http *http = user;

    nghttp3_conn_unblock_stream(http->conn, (int64_t)hawser_stream_id(event->stream.stream));
    pump_out(http);
}

static void on_stream_closed(const hawser_event *event, void *user)
{
    struct http *http = user;
    struct stream *stream = stream_of(http, (int64_t)hawser_stream_id(event->stream.stream));
    struct request *request;

    if (!stream)
        return;
    request = request_of(http, stream->id);
    nghttp3_conn_close_stream(http->conn, stream->id, event->stream.code);
    stream_drop(stream);
    if (request)
        request_over(http, request, false); /* reset by the server */
    if (request && http->over)
        stop(http, NULL);
}

static void on_stream(const hawser_event *event, void *user)
{
    if (stream_add(user, event->stream.stream))
        hawser_stream_ref(event->stream.stream); /* else nobody takes it, and it is reset */
}

/* Three one-way streams each way (RFC 9114 section 6.2, RFC 9204 section 4.2), then requests. */
static int begin(struct http *http)
{
    static const nghttp3_callbacks callbacks = {.recv_header = on_header, .recv_data = on_data, .end_stream = on_end};
    hawser_stream *streams[3] = {NULL};
    nghttp3_settings settings;
    int r = 0;

    nghttp3_settings_default(&settings);
    if ((http->directory < 0 ? nghttp3_conn_client_new(&http->conn, &callbacks, &settings, NULL, http)
                             : nghttp3_conn_server_new(&http->conn, &callbacks, &settings, NULL, http)) != 0)
        return -ENOMEM;
    for (unsigned i = 0; i < 3 && r == 0; i++) {
        r = hawser_open(http->line, HAWSER_STREAM(.unidirectional = true), &streams[i]);
        if (r == 0 && !stream_add(http, streams[i]))
            r = -ENOMEM;
    }
    if (r < 0)
        return r;
    nghttp3_conn_bind_control_stream(http->conn, (int64_t)hawser_stream_id(streams[0]));
    nghttp3_conn_bind_qpack_streams(http->conn, (int64_t)hawser_stream_id(streams[1]),
                                    (int64_t)hawser_stream_id(streams[2]));
    hawser_register(http->line, HAWSER_STREAM_OPENED, on_stream, http);
    hawser_register(http->line, HAWSER_STREAM_READABLE, on_readable, http);
    hawser_register(http->line, HAWSER_STREAM_WRITABLE, on_writable, http);
    hawser_register(http->line, HAWSER_STREAM_CLOSED, on_stream_closed, http);
    return 0;
}

static void end(struct http *http)
{
    for (size_t i = 0; i < STREAMS_MAX; i++)
        if (http->streams[i].stream)
            stream_drop(&http->streams[i]);
    if (http->conn)
        nghttp3_conn_del(http->conn);
    http->conn = NULL;
}

/* ------------------------------------------------------------------------------------------------------------ who asks */

static int ask(struct http *http, struct request *request)
{
    nghttp3_nv fields[] = {FIELD(":method", "GET"), FIELD(":scheme", "https"), FIELD(":authority", http->host),
                           FIELD(":path", request->path)};
    hawser_stream *stream;
    int r = hawser_open(http->line, NULL, &stream);

    if (r < 0)
        return r;
    if (!stream_add(http, stream) || !(request->to = open_memstream(&request->body, &request->size)))
        return -ENOMEM;
    request->id = (int64_t)hawser_stream_id(stream);
    return nghttp3_conn_submit_request(http->conn, request->id, fields, 4, NULL, NULL) == 0 ? 0 : -EPROTO;
}

static void on_established(const hawser_event *event, void *user)
{
    struct http *http = user;
    int r = begin(http);

    (void)event;
    for (size_t i = 0; i < http->count && r == 0; i++)
        r = ask(http, &http->requests[i]);
    if (r < 0)
        stop(http, hawser_strerror(r));
    else
        pump_out(http);
}

static void on_closed(const hawser_event *event, void *user)
{
    const struct http *http = user;

    if (!http->over)
        fprintf(stderr, "http3: %s\n", event->closed.reason);
}

/* Puts out what came of it; whether that is what was wanted. */
static bool tell(struct request *request)
{
    if (request->to)
        fclose(request->to); /* the line ended before it */
    if (request->whole)
        fwrite(request->body, 1, request->size, stdout);
    if (request->status)
        fprintf(stderr, "%d %s%s\n", request->status, request->path, request->whole ? "" : " (cut short)");
    free(request->body);
    return request->whole && request->status == 200;
}

static int get(hawser_context *context, hawser_properties *bare, const char *endpoint, const char *anchors,
               char **paths, size_t count)
{
    static struct request requests[ASKED_MAX];
    static struct http http = {.requests = requests, .directory = -1};
    size_t good = 0;
    int r;

    if (count > ASKED_MAX)
        return -E2BIG;
    for (size_t i = 0; i < count; i++)
        requests[i].path = paths[i];
    http.host = endpoint;
    http.count = http.left = count;
    r = hawser_associate(context, endpoint,
                         HAWSER_ASSOCIATE(.alpn = "h3", .stack = "quic/udp", .properties = bare, .trust = "pki",
                                          .trust_file = strcmp(anchors, "-") == 0 ? NULL : anchors),
                         &http.line);
    if (r < 0)
        return r;
    hawser_register(http.line, HAWSER_ESTABLISHED, on_established, &http);
    hawser_register(http.line, HAWSER_CLOSED, on_closed, &http);
    r = hawser_run(context);
    end(&http);
    hawser_association_unref(http.line);
    for (size_t i = 0; i < count; i++)
        good += tell(&requests[i]);
    return r < 0 ? r : good < count; /* what was not good has been said */
}

/* ---------------------------------------------------------------------------------------------------------- who serves */

static void on_guest_gone(const hawser_event *event, void *user)
{
    struct http *http = user;
    hawser_association *line = http->line;

    (void)event;
    end(http);
    free(http);
    hawser_association_unref(line);
}

static void on_guest(const hawser_event *event, void *user)
{
    const int *directory = user;
    struct http *http = calloc(1, sizeof *http);

    if (!http)
        return;
    http->directory = *directory;
    http->line = hawser_association_ref(event->accepted.association);
    hawser_register(http->line, HAWSER_CLOSED, on_guest_gone, http);
    if (begin(http) < 0)
        hawser_close(http->line, 0, NULL);
    else
        pump_out(http);
}

static int serve(hawser_context *context, hawser_properties *bare, const char *endpoint, char **files)
{
    int directory = open(files[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = directory < 0 ? -errno : 0;
    hawser_identity *identity = NULL;
    hawser_association *listener;

    if (r == 0)
        r = hawser_identity_new(&identity);
    if (r == 0)
        r = hawser_identity_set_certificate(identity, files[1], files[2]);
    if (r == 0)
        r = hawser_listen(context, endpoint,
                          HAWSER_LISTEN(.alpn = "h3", .stack = "quic/udp", .properties = bare, .identity = identity),
                          &listener);
    if (r < 0)
        return r;
    hawser_register(listener, HAWSER_ACCEPTED, on_guest, &directory);
    printf("serving on %s\n", hawser_association_endpoint(listener));
    fflush(stdout);
    return hawser_run(context);
}

int main(int argc, char **argv)
{
    hawser_context *context = NULL;
    hawser_properties *bare = NULL;
    int r = -EINVAL;

    if ((r = hawser_context_new(NULL, &context)) == 0 && (r = hawser_properties_new(&bare)) == 0)
        r = hawser_properties_set(bare, "session", "prohibit");
    if (r == 0 && argc >= 5 && strcmp(argv[1], "get") == 0)
        r = get(context, bare, argv[2], argv[3], argv + 4, (size_t)argc - 4);
    else if (r == 0 && argc == 6 && strcmp(argv[1], "serve") == 0)
        r = serve(context, bare, argv[2], argv + 3);
    else if (r == 0)
        r = -EINVAL;
    if (r < 0)
        fprintf(stderr, "http3: %s\n", hawser_strerror(r));
    hawser_properties_unref(bare);
    hawser_context_unref(context);
    return r != 0;
}
