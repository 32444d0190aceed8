package bridge

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// How an answer's body ends (RFC 9112, section 6.3).
const (
	lengthNone    = -1 // there is no body, whatever the fields say
	lengthChunked = -2
	lengthClose   = -3 // the connection's end is the body's
)

// answer is the head of a backend's answer.
type answer struct {
	status  int
	reason  string
	headers []Header
	length  int64 // of the body, or one of the length constants
	stated  int64 // Content-Length as sent, -1 without; it can stand without a body
	keep    bool  // the connection may be used again
	chunked bool  // Transfer-Encoding says so; it can stand without a body too
	plain   bool  // the client cannot read chunks
}

// statusLine reads "HTTP/1.1 200 OK" (RFC 9112, section 4).
func (a *answer) statusLine(line string) (minor byte, err error) {
	const form = "HTTP/1.x nnn"
	if len(line) < len(form) || !strings.HasPrefix(line, "HTTP/1.") || line[8] != ' ' ||
		line[7] != '0' && line[7] != '1' || len(line) > len(form) && line[len(form)] != ' ' {
		return 0, fmt.Errorf("%w: not an HTTP/1 status line", errAnswer)
	}
	for _, c := range []byte(line[9:12]) {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%w: status is no number", errAnswer)
		}
		a.status = a.status*10 + int(c-'0')
	}
	if a.status < 100 {
		return 0, fmt.Errorf("%w: status %d", errAnswer, a.status)
	}
	if len(line) > len(form) {
		if !validValue(line[13:]) {
			return 0, fmt.Errorf("%w: control character in the reason", errAnswer)
		}
		a.reason = line[13:]
	}
	return line[7], nil
}

// frame decides where the body ends. Both Content-Length and Transfer-Encoding,
// or either of them twice, is refused: readers differ on what that means.
func (a *answer) frame(minor byte, method string) error {
	cl, ncl := get(a.headers, "Content-Length")
	te, nte := get(a.headers, "Transfer-Encoding")
	switch {
	case nte > 0 && ncl > 0:
		return fmt.Errorf("%w: Content-Length with Transfer-Encoding", errAnswer)
	case ncl > 1 || nte > 1:
		return fmt.Errorf("%w: repeated framing field", errAnswer)
	case nte == 1 && (minor == '0' || !strings.EqualFold(te, "chunked")):
		return fmt.Errorf("%w: transfer coding %q", errAnswer, te)
	case nte == 1:
		a.length, a.chunked = lengthChunked, true
	case ncl == 1:
		n, err := parseLength(cl)
		if err != nil {
			return err
		}
		a.stated, a.length = n, n
	default:
		a.length = lengthClose
	}
	if a.status < 200 || a.status == 204 || a.status == 304 || method == "HEAD" {
		a.length = lengthNone
	}
	if a.status < 200 || a.status == 204 {
		a.stated, a.chunked = -1, false // neither must stand there (RFC 9110, section 8.6; RFC 9112, section 6.1)
	}
	a.keep = minor == '1' && !hasToken(a.headers, "Connection", "close") && a.length != lengthClose && a.status >= 200
	return nil
}

func parseLength(s string) (int64, error) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, fmt.Errorf("%w: Content-Length %q", errAnswer, s)
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: Content-Length %q", errAnswer, s)
	}
	return n, nil
}

// appendAnswer appends the head as the client is sent it. What frames the body
// stays where and as it was; where the body is framed anew, it stands last. keep
// leaves Connection away, otherwise the client is told to close.
func (a *answer) appendAnswer(dst []byte, keep bool) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(a.status), 10)
	dst = append(dst, ' ')
	dst = append(dst, a.reason...)
	dst = append(dst, "\r\n"...)
	tokens := connectionTokens(a.headers)
	for _, h := range a.headers {
		if a.passes(h, tokens) {
			dst = appendField(dst, h.Name, h.Value)
		}
	}
	if a.length == lengthClose && !a.plain {
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	}
	if !keep {
		dst = append(dst, "Connection: close\r\n"...)
	}
	return append(dst, "\r\n"...)
}

// edit has e change the fields, if there is one.
func (a *answer) edit(e AnswerEditor) {
	if e == nil {
		return
	}
	tokens := connectionTokens(a.headers)
	a.headers = slices.DeleteFunc(a.headers, func(h Header) bool {
		return strings.EqualFold(h.Name, "Connection") || !hopByHop(h.Name) && !endToEnd(h, tokens)
	})
	a.headers = e.EditAnswer(a.status, a.headers)
}

// passes says whether the client is sent the field.
func (a *answer) passes(h Header, tokens []string) bool {
	switch len(h.Name) {
	case len("Trailer"):
		if strings.EqualFold(h.Name, "Trailer") {
			return a.chunked && !a.plain
		}
	case len("Content-Length"):
		if strings.EqualFold(h.Name, "Content-Length") {
			return a.stated >= 0
		}
	case len("Transfer-Encoding"):
		if strings.EqualFold(h.Name, "Transfer-Encoding") {
			return a.chunked && !a.plain
		}
	}
	return endToEnd(h, tokens)
}

// parseAnswer reads a whole head, its empty line included, of an answer to a
// request of the given method. Its errors wrap errAnswer.
func parseAnswer(head []byte, method string) (*answer, error) {
	line, rest := cutLine(string(head)) // one copy, of which all that is kept is a part
	a := &answer{stated: -1}
	minor, err := a.statusLine(line)
	if err != nil {
		return nil, err
	}
	if a.headers, err = parseFields(rest); err != nil {
		return nil, err
	}
	return a, a.frame(minor, method)
}

// parseFields reads header lines up to the empty one.
func parseFields(p string) ([]Header, error) {
	hs := make([]Header, 0, 12)
	for {
		var line string
		if line, p = cutLine(p); len(line) == 0 {
			return hs, nil
		}
		h, err := parseField(line)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errAnswer, err)
		}
		hs = append(hs, h)
	}
}

// cutLine splits the first line off, without its end. A bare LF ends a line too
// (RFC 9112, section 2.2); a bare CR is a control character and fails where the
// line is judged.
func cutLine(p string) (line, rest string) {
	line, rest, _ = strings.Cut(p, "\n")
	return strings.TrimSuffix(line, "\r"), rest
}
