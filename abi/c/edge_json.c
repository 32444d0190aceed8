/* JSON (RFC 8259). */

#include "edge_internal.h"

/* ---- Writing ---- */

struct edge_json {
	edge_request *req;
	char *text;
	size_t len, cap;
	bool more; /* a value came before in the same list or object */
};

edge_json *edge_json_new(edge_request *req)
{
	edge_json *json = edge_alloc(req, sizeof *json);
	*json = (edge_json){.req = req, .cap = 256};
	json->text = edge_alloc(req, json->cap);
	return json;
}

/* Makes room for len bytes and the zero at the end. */
static void reserve(edge_json *json, size_t len)
{
	if (len < json->cap - json->len)
		return;
	if (len > SIZE_MAX / 2 - json->cap)
		__builtin_trap();
	size_t cap = (json->cap + len) * 2;
	char *text = edge_alloc(json->req, cap);
	memcpy(text, json->text, json->len);
	json->text = text;
	json->cap = cap;
}

static void put_char(edge_json *json, char c)
{
	reserve(json, 1);
	json->text[json->len++] = c;
}

static void put(edge_json *json, const char *ptr, size_t len)
{
	reserve(json, len);
	if (len)
		memcpy(json->text + json->len, ptr, len);
	json->len += len;
}

static void separate(edge_json *json)
{
	if (json->more)
		put_char(json, ',');
	json->more = true;
}

static void begin(edge_json *json, char bracket)
{
	separate(json);
	put_char(json, bracket);
	json->more = false;
}

static void end(edge_json *json, char bracket)
{
	put_char(json, bracket);
	json->more = true;
}

void edge_json_object(edge_json *json)
{
	begin(json, '{');
}

void edge_json_end_object(edge_json *json)
{
	end(json, '}');
}

void edge_json_array(edge_json *json)
{
	begin(json, '[');
}

void edge_json_end_array(edge_json *json)
{
	end(json, ']');
}

/* The length of the UTF-8 sequence at the beginning of s, or 0 if there is none (RFC 3629,
 * section 4). */
static size_t utf8_length(const unsigned char *s, size_t len)
{
	static const struct {
		unsigned char low, high, second_low, second_high, len;
	} leads[] = {
		{0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
		{0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
	};
	for (size_t i = 0; i < sizeof leads / sizeof leads[0]; i++) {
		if (s[0] < leads[i].low || s[0] > leads[i].high)
			continue;
		size_t n = leads[i].len;
		if (n > len || (n > 1 && (s[1] < leads[i].second_low || s[1] > leads[i].second_high)))
			return 0;
		for (size_t k = 2; k < n; k++)
			if (s[k] < 0x80 || s[k] > 0xbf)
				return 0;
		return n;
	}
	return 0;
}

/* Writes a character that cannot stand in a string as it is. */
static void put_escape(edge_json *json, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	switch (c) {
	case '"':
		put(json, "\\\"", 2);
		return;
	case '\\':
		put(json, "\\\\", 2);
		return;
	case '\n':
		put(json, "\\n", 2);
		return;
	case '\r':
		put(json, "\\r", 2);
		return;
	case '\t':
		put(json, "\\t", 2);
		return;
	}
	char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
	put(json, text, sizeof text);
}

void edge_json_string(edge_json *json, edge_str text)
{
	const unsigned char *s = (const unsigned char *)text.ptr;
	separate(json);
	put_char(json, '"');
	size_t done = 0;
	for (size_t i = 0; i < text.len;) {
		unsigned char c = s[i];
		if (c >= ' ' && c < 0x7f && c != '"' && c != '\\') {
			i++;
			continue;
		}
		size_t n = c < 0x80 ? 0 : utf8_length(s + i, text.len - i);
		if (n == 0) {
			put(json, text.ptr + done, i - done);
			if (c < 0x80)
				put_escape(json, c);
			else
				put(json, "\xef\xbf\xbd", 3);
			done = i + 1;
			n = 1;
		}
		i += n;
	}
	put(json, text.ptr + done, text.len - done);
	put_char(json, '"');
}

void edge_json_key_str(edge_json *json, edge_str name)
{
	edge_json_string(json, name);
	put_char(json, ':');
	json->more = false;
}

void edge_json_key(edge_json *json, const char *name)
{
	edge_json_key_str(json, edge_text(name));
}

void edge_json_int(edge_json *json, int64_t n)
{
	char digits[20];
	size_t at = sizeof digits;
	uint64_t rest = n < 0 ? -(uint64_t)n : (uint64_t)n;
	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	if (n < 0)
		digits[--at] = '-';
	edge_json_raw(json, (edge_str){digits + at, sizeof digits - at});
}

void edge_json_bool(edge_json *json, bool b)
{
	edge_json_raw(json, b ? EDGE_STR("true") : EDGE_STR("false"));
}

void edge_json_null(edge_json *json)
{
	edge_json_raw(json, EDGE_STR("null"));
}

void edge_json_raw(edge_json *json, edge_str text)
{
	separate(json);
	put(json, text.ptr, text.len);
}

edge_str edge_json_text(edge_json *json)
{
	json->text[json->len] = 0;
	return (edge_str){json->text, json->len};
}

/* ---- Reading ---- */

typedef struct reader {
	edge_request *req;
	const char *text;
	size_t at, len;
} reader;

static bool at_end(const reader *r)
{
	return r->at == r->len;
}

static void skip_space(reader *r)
{
	while (!at_end(r)) {
		char c = r->text[r->at];
		if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
			return;
		r->at++;
	}
}

/* Skips the character if it comes next. */
static bool accept(reader *r, char c)
{
	if (at_end(r) || r->text[r->at] != c)
		return false;
	r->at++;
	return true;
}

/* accept after white space. */
static bool accept_after_space(reader *r, char c)
{
	skip_space(r);
	return accept(r, c);
}

static bool read_hex(reader *r, uint32_t *unit)
{
	if (r->len - r->at < 4)
		return false;
	*unit = 0;
	for (int i = 0; i < 4; i++) {
		char c = r->text[r->at++];
		uint32_t digit;
		if (c >= '0' && c <= '9')
			digit = (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			digit = (uint32_t)(c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			digit = (uint32_t)(c - 'A' + 10);
		else
			return false;
		*unit = *unit << 4 | digit;
	}
	return true;
}

/* Writes a character as UTF-8 and returns how long that is. */
static size_t encode(uint32_t c, char *to)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (size_t i = n - 1; i > 0; i--) {
		to[i] = (char)(0x80 | (c & 0x3f));
		c >>= 6;
	}
	to[0] = (char)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | c);
	return n;
}

/* Reads what follows \u: in UTF-16 one unit or two. A lone surrogate is U+FFFD. */
static bool read_unicode(reader *r, uint32_t *c)
{
	if (!read_hex(r, c))
		return false;
	if (*c < 0xd800 || *c > 0xdfff)
		return true;
	size_t back = r->at;
	uint32_t second;
	if (*c <= 0xdbff && accept(r, '\\') && accept(r, 'u') && read_hex(r, &second) && second >= 0xdc00 && second <= 0xdfff) {
		*c = 0x10000 + ((*c - 0xd800) << 10) + (second - 0xdc00);
		return true;
	}
	r->at = back;
	*c = 0xfffd;
	return true;
}

static bool read_escape(reader *r, char *to, size_t *n)
{
	if (at_end(r))
		return false;
	static const char from[] = "\"\\/bfnrt", plain[] = "\"\\/\b\f\n\r\t";
	char c = r->text[r->at++];
	for (size_t i = 0; from[i]; i++) {
		if (c == from[i]) {
			to[0] = plain[i];
			*n = 1;
			return true;
		}
	}
	uint32_t unicode;
	if (c != 'u' || !read_unicode(r, &unicode))
		return false;
	*n = encode(unicode, to);
	return true;
}

/* The end of the string that begins at r->at, or SIZE_MAX: an upper bound of its length. */
static size_t string_end(const reader *r)
{
	for (size_t i = r->at; i < r->len; i++) {
		if (r->text[i] == '"')
			return i;
		if (r->text[i] == '\\')
			i++;
	}
	return SIZE_MAX;
}

/* Reads a string from after its opening quote on. */
static bool read_string(reader *r, edge_str *out)
{
	size_t bound = string_end(r);
	if (bound == SIZE_MAX)
		return false;
	char *text = edge_alloc(r->req, bound - r->at + 1); /* an escape is never shorter than what it stands for */
	size_t len = 0;
	while (!at_end(r)) {
		unsigned char c = (unsigned char)r->text[r->at];
		if (c == '"') {
			r->at++;
			text[len] = 0;
			*out = (edge_str){text, len};
			return true;
		}
		size_t n;
		if (c == '\\') {
			r->at++;
			if (!read_escape(r, text + len, &n))
				return false;
		} else {
			n = utf8_length((const unsigned char *)r->text + r->at, r->len - r->at);
			if (c < ' ' || n == 0)
				return false;
			memcpy(text + len, r->text + r->at, n);
			r->at += n;
		}
		len += n;
	}
	return false;
}

static bool read_digits(reader *r)
{
	size_t begin = r->at;
	while (!at_end(r) && r->text[r->at] >= '0' && r->text[r->at] <= '9')
		r->at++;
	return r->at > begin;
}

static bool read_number(reader *r)
{
	accept(r, '-');
	if (!accept(r, '0') && !read_digits(r))
		return false;
	if (accept(r, '.') && !read_digits(r))
		return false;
	if (accept(r, 'e') || accept(r, 'E')) {
		if (!accept(r, '+'))
			accept(r, '-');
		if (!read_digits(r))
			return false;
	}
	return true;
}

static edge_value *read_value(reader *r, int depth);

/* Reads a list, or with named an object, from after its bracket on. */
static bool read_items(reader *r, edge_value *into, bool named, int depth)
{
	const edge_value **last = &into->first;
	char close = named ? '}' : ']';
	if (accept_after_space(r, close))
		return true;
	do {
		edge_str name = {0};
		if (named && (!accept_after_space(r, '"') || !read_string(r, &name) || !accept_after_space(r, ':')))
			return false;
		edge_value *item = read_value(r, depth + 1);
		if (!item)
			return false;
		item->name = name;
		*last = item;
		last = &item->next;
		into->count++;
	} while (accept_after_space(r, ','));
	return accept(r, close);
}

static bool read_word(reader *r, const char *word)
{
	while (*word)
		if (!accept(r, *word++))
			return false;
	return true;
}

static edge_value *read_value(reader *r, int depth)
{
	if (depth > EDGE_JSON_DEPTH)
		return NULL;
	skip_space(r);
	size_t begin = r->at;
	edge_value *value = edge_alloc(r->req, sizeof *value);
	*value = (edge_value){.kind = EDGE_NULL};
	bool good = false;
	switch (at_end(r) ? 0 : r->text[r->at]) {
	case '"':
		r->at++;
		value->kind = EDGE_STRING;
		return read_string(r, &value->text) ? value : NULL;
	case '{':
		r->at++;
		value->kind = EDGE_OBJECT;
		good = read_items(r, value, true, depth);
		break;
	case '[':
		r->at++;
		value->kind = EDGE_ARRAY;
		good = read_items(r, value, false, depth);
		break;
	case 't':
		value->kind = EDGE_BOOL;
		value->boolean = true;
		good = read_word(r, "true");
		break;
	case 'f':
		value->kind = EDGE_BOOL;
		good = read_word(r, "false");
		break;
	case 'n':
		good = read_word(r, "null");
		break;
	default:
		value->kind = EDGE_NUMBER;
		good = read_number(r);
	}
	value->text = (edge_str){r->text + begin, r->at - begin};
	return good ? value : NULL;
}

const edge_value *edge_json_parse(edge_request *req, edge_str text)
{
	reader r = {.req = req, .text = text.ptr, .len = text.len};
	const edge_value *value = read_value(&r, 0);
	skip_space(&r);
	return at_end(&r) ? value : NULL;
}

const edge_value *edge_get(const edge_value *value, const char *name)
{
	const edge_value *found = NULL;
	if (value && value->kind == EDGE_OBJECT)
		for (const edge_value *v = value->first; v; v = v->next)
			if (edge_is(v->name, name))
				found = v;
	return found;
}

edge_str edge_as_str(const edge_value *value, edge_str otherwise)
{
	return value && value->kind == EDGE_STRING ? value->text : otherwise;
}

bool edge_as_bool(const edge_value *value, bool otherwise)
{
	return value && value->kind == EDGE_BOOL ? value->boolean : otherwise;
}

int64_t edge_as_int(const edge_value *value, int64_t otherwise)
{
	if (!value || value->kind != EDGE_NUMBER)
		return otherwise;
	size_t i = value->text.ptr[0] == '-';
	bool negative = i;
	uint64_t most = (uint64_t)INT64_MAX + negative, n = 0;
	for (; i < value->text.len; i++) {
		char c = value->text.ptr[i];
		if (c < '0' || c > '9') /* a fraction or an exponent */
			return otherwise;
		uint64_t digit = (uint64_t)(c - '0');
		if (n > (most - digit) / 10)
			return otherwise;
		n = n * 10 + digit;
	}
	return negative ? (int64_t)-n : (int64_t)n;
}
