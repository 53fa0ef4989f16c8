/* SPDX-License-Identifier: Apache-2.0 */
/* Words of whoever in a picture: what must not stand in XML, or would turn the text round, is replaced. */
#ifndef BASE_SVG_H
#define BASE_SVG_H

#include "base/text.h"

void svg_escape(struct text *text, const char *string, size_t size);
size_t svg_width(const char *string); /* in characters */
/* The bytes of the first so many characters; all of it where there are not more. */
size_t svg_cut(const char *string, size_t characters);
/* The same, but at a space where there is one in the second half. */
size_t svg_cut_at_word(const char *string, size_t characters);

#endif
