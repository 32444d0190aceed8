/* Files that need not be text: JSON has them in base64 (RFC 4648, section 4). */

#include "edge_internal.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static edge_str encode(edge_request *req, edge_str bytes)
{
	if (bytes.len > SIZE_MAX / 4)
		__builtin_trap();
	char *text = edge_alloc_text(req, (bytes.len + 2) / 3 * 4);
	size_t len = 0;
	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t have = bytes.len - i < 3 ? bytes.len - i : 3;
		uint32_t n = 0;
		for (size_t k = 0; k < 3; k++)
			n = n << 8 | (k < have ? (unsigned char)bytes.ptr[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			text[len++] = k <= have ? digits[n >> (18 - 6 * k) & 63] : '=';
	}
	return (edge_str){text, len};
}

static int digit_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool decode(edge_request *req, edge_str text, edge_str *bytes)
{
	size_t padding = 0;
	while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=')
		padding++;
	if (text.len % 4)
		return false;
	char *to = edge_alloc_text(req, text.len / 4 * 3);
	size_t len = 0, end = text.len - padding;
	for (size_t i = 0; i < end; i += 4) {
		size_t have = end - i < 4 ? end - i : 4;
		uint32_t n = 0;
		for (size_t k = 0; k < 4; k++) {
			int digit = k < have ? digit_of(text.ptr[i + k]) : 0;
			if (digit < 0)
				return false;
			n = n << 6 | (uint32_t)digit;
		}
		for (size_t k = 0; k + 1 < have; k++)
			to[len++] = (char)(n >> (16 - 8 * k));
	}
	to[len] = 0;
	*bytes = (edge_str){to, len};
	return true;
}

/* Whether the bytes are ASCII without control characters but those of texts: then JSON has
 * them as they are. */
static bool is_plain(edge_str bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		unsigned char c = (unsigned char)bytes.ptr[i];
		if (c >= 0x7f || (c < ' ' && c != '\n' && c != '\t' && c != '\r'))
			return false;
	}
	return true;
}

edge_errno edge_put_file(edge_sandbox *sandbox, edge_str path, edge_str content)
{
	edge_write_file_options options = {.path = path, .content = content};
	if (!is_plain(content)) {
		options.content = encode(sandbox->req, content);
		options.encoding = EDGE_STR("base64");
	}
	return edge_sandbox_write_file(sandbox, &options, NULL);
}

edge_errno edge_get_file(edge_sandbox *sandbox, edge_str path, edge_str *content)
{
	edge_read_file_response answer;
	edge_errno n = edge_sandbox_read_file(sandbox, &(edge_read_file_options){.path = path}, &answer);
	if (n != EDGE_OK)
		return n;
	*content = answer.content;
	if (edge_is(answer.encoding, "base64") && !decode(sandbox->req, answer.content, content))
		return edge_fail(sandbox->req, EDGE_CODE_INTERNAL, "readFile: the edge's answer cannot be read");
	return EDGE_OK;
}
