package bridge

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// hopByHop says whether a field belongs to one connection only (RFC 9110,
// section 7.6.1, and the proxy fields of section 11.7).
func hopByHop(name string) bool {
	switch len(name) {
	case 2:
		return strings.EqualFold(name, "TE")
	case 7:
		return strings.EqualFold(name, "Trailer") || strings.EqualFold(name, "Upgrade")
	case 10:
		return strings.EqualFold(name, "Connection") || strings.EqualFold(name, "Keep-Alive")
	case 16:
		return strings.EqualFold(name, "Proxy-Connection")
	case 17:
		return strings.EqualFold(name, "Transfer-Encoding")
	case 18:
		return strings.EqualFold(name, "Proxy-Authenticate")
	case 19:
		return strings.EqualFold(name, "Proxy-Authorization")
	}
	return false
}

// lasting names fields that Connection cannot take away: a client could
// otherwise have the edge drop what the edge itself has put there, or the Host.
func lasting(name string) bool {
	for _, prefix := range []string{"X-Forwarded-", "X-Sandbox-", "Sec-WebSocket-"} {
		if len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			return true
		}
	}
	switch {
	case strings.EqualFold(name, "Host"), strings.EqualFold(name, "Forwarded"),
		strings.EqualFold(name, "X-Real-IP"), strings.EqualFold(name, "Content-Length"):
		return true
	}
	return false
}

// trailing says whether a field may follow a body (RFC 9110, section 6.5.1): not
// what frames or routes a message, nor what the edge vouches for in its head.
func trailing(name string) bool { return !hopByHop(name) && !lasting(name) }

// connectionTokens collects what the Connection fields name.
func connectionTokens(headers []Header) []string {
	var tokens []string
	for _, h := range headers {
		if !named(h.Name, "Connection") {
			continue
		}
		for t := range strings.SplitSeq(h.Value, ",") {
			if t = strings.Trim(t, " \t"); t != "" && !lasting(t) {
				tokens = append(tokens, t)
			}
		}
	}
	return tokens
}

// endToEnd says whether h is sent on, given the connection's tokens.
func endToEnd(h Header, tokens []string) bool {
	if hopByHop(h.Name) {
		return false
	}
	for _, t := range tokens {
		if strings.EqualFold(t, h.Name) {
			return false
		}
	}
	return true
}

// named says whether a field's name is want, in any case. Most are of another
// length, and those are not looked at.
func named(name, want string) bool { return len(name) == len(want) && strings.EqualFold(name, want) }

// hasToken says whether the fields called name list token (RFC 9110, section
// 5.6.1).
func hasToken(headers []Header, name, token string) bool {
	for _, h := range headers {
		if !named(h.Name, name) {
			continue
		}
		for t := range strings.SplitSeq(h.Value, ",") {
			t, _, _ = strings.Cut(t, ";")
			if strings.EqualFold(strings.Trim(t, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// get returns the value of the first field called name, and how many there are.
func get(headers []Header, name string) (value string, n int) {
	for _, h := range headers {
		if named(h.Name, name) {
			if n++; n == 1 {
				value = h.Value
			}
		}
	}
	return value, n
}

// appendRequest appends the request's head as the upstream is sent it.
func appendRequest(dst []byte, h *Head, upgrade bool) ([]byte, error) {
	if !validToken(h.Method) || !validTarget(h.Target) {
		return dst, fmt.Errorf("%w: request line %q %q", ErrHead, h.Method, h.Target)
	}
	dst = append(dst, h.Method...)
	dst = append(dst, ' ')
	dst = append(dst, h.Target...)
	dst = append(dst, " HTTP/1.1\r\n"...)
	tokens := connectionTokens(h.Headers)
	sized := false
	for _, f := range h.Headers {
		if !endToEnd(f, tokens) || named(f.Name, "Expect") {
			continue
		}
		if named(f.Name, "Content-Length") {
			if !sized && (h.Body != nil && h.ContentLength >= 0 || h.Body == nil && f.Value == "0") {
				sized = true
				dst = appendField(dst, f.Name, strconv.FormatInt(h.length(), 10))
			}
			continue
		}
		if !validToken(f.Name) || !validValue(f.Value) {
			return dst, fmt.Errorf("%w: header %q", ErrHead, f.Name)
		}
		dst = appendField(dst, f.Name, f.Value)
	}
	switch {
	case upgrade:
		dst = append(dst, "Connection: Upgrade\r\nUpgrade: websocket\r\n"...)
	case h.Body != nil && h.ContentLength < 0:
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	case h.Body != nil && !sized:
		dst = appendField(dst, "Content-Length", strconv.FormatInt(h.ContentLength, 10))
	}
	if hasToken(h.Headers, "TE", "trailers") && !upgrade {
		dst = append(dst, "TE: trailers\r\n"...)
	}
	return append(dst, "\r\n"...), nil
}

func (h *Head) length() int64 {
	if h.Body == nil {
		return 0
	}
	return h.ContentLength
}

func appendField(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// validToken is RFC 9110, section 5.6.2.
func validToken[T string | []byte](s T) bool {
	if len(s) == 0 {
		return false
	}
	for i := range len(s) {
		if !tokenByte(s[i]) {
			return false
		}
	}
	return true
}

// tokenByte tells whether a token may hold the byte: a letter, a digit or one of
// "!#$%&'*+-.^_`|~". Every byte of every field's name is asked about, so that each has
// its bit, in one word for those below 64 and one for the others.
func tokenByte(c byte) bool {
	const (
		low = 1<<'!' | 1<<'#' | 1<<'$' | 1<<'%' | 1<<'&' | 1<<'\'' | 1<<'*' | 1<<'+' | 1<<'-' | 1<<'.' |
			(1<<10-1)<<'0'
		high = 1<<('^'-64) | 1<<('_'-64) | 1<<('`'-64) | 1<<('|'-64) | 1<<('~'-64) |
			(1<<26-1)<<('A'-64) | (1<<26-1)<<('a'-64)
	)
	if c < 64 {
		return uint64(low)>>c&1 != 0
	}
	return c < 128 && uint64(high)>>(c-64)&1 != 0
}

// validValue is RFC 9110, section 5.5: no control character but the tab.
func validValue[T string | []byte](s T) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// validTarget keeps a request line one line of three words.
func validTarget(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == 0x7f {
			return false
		}
	}
	return s != ""
}

// errLine is a field line that is none.
var errLine = errors.New("malformed header line")

// parseField splits one header line without its line end. A line that begins
// with a space (obs-fold) and a name with a space before its colon are errors:
// two readers could disagree about them (RFC 9112, section 5).
func parseField[T string | []byte](line T) (Header, error) {
	for i := range len(line) {
		if line[i] != ':' {
			continue
		}
		value := trimOWS(line[i+1:])
		if !validToken(line[:i]) || !validValue(value) {
			return Header{}, errLine
		}
		return Header{string(line[:i]), string(value)}, nil
	}
	return Header{}, errLine
}

func trimOWS[T string | []byte](b T) T {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
