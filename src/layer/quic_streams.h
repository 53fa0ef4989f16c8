/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of quic for programs that speak a protocol of their own over them: struct layer_streams. Inside layer/ only. */
#ifndef LAYER_QUIC_STREAMS_H
#define LAYER_QUIC_STREAMS_H

#include "layer/quic.h"

struct quic_stream;

int quic_streams_begin(struct quic_layer *quic); /* from now on they are the user's; 0, -ENOMEM */
void quic_streams_free(struct quic_layer *quic);
void quic_streams_retry(struct quic_layer *quic);         /* those that were blocked get their turn again */
bool quic_streams_settled(const struct quic_layer *quic); /* all that was sent is acknowledged */

/* What ngtcp2 tells of them; 0 or NGTCP2_ERR_CALLBACK_FAILURE. */
int quic_streams_opened(struct quic_layer *quic, int64_t id);
int quic_streams_data(struct quic_layer *quic, struct quic_stream *stream, const void *data, size_t size, bool end);
int quic_streams_reset_by_peer(struct quic_layer *quic, struct quic_stream *stream, uint64_t code);
void quic_streams_stopped(struct quic_layer *quic, struct quic_stream *stream, uint64_t code);
void quic_streams_acked(struct quic_layer *quic, struct quic_stream *stream, uint64_t offset);
void quic_streams_room(struct quic_layer *quic, struct quic_stream *stream);
int quic_streams_closed(struct quic_layer *quic, int64_t id, struct quic_stream *stream);

/* As ngtcp2_conn_writev_stream(), of whatever is next; NGTCP2_ERR_WRITE_MORE: to be called again for the same packet. */
ngtcp2_ssize quic_streams_write(struct quic_layer *quic, ngtcp2_path_storage *path, ngtcp2_pkt_info *info,
                                uint8_t *data, size_t size, uint64_t now);

extern const struct layer_streams quic_streams_table;

#endif
