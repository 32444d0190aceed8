package host

import (
	"strings"

	"edge/abi"
)

// head is a request's head that passed the gate: HTTP/1.1 with one reading
// only, whoever reads it.
type head struct {
	method string
	// host is the Host header as sent; name is it in lower case, without port
	// and trailing dot: what routes and previews are looked up by.
	host, name string
	// path and query are the target's bytes as sent; an absolute target
	// (RFC 9112, section 3.2.2) has lost its scheme and authority.
	path, query string
	hasQuery    bool
	// headers are in the order sent, less what a client must not say
	// (forgeable) and what its Connection header keeps to this hop.
	headers []abi.Header
	// contentLength is the body's size; -1 is chunked, 0 none.
	contentLength int64
	// origin is the Origin header that came last, origins how many there were.
	origin  string
	origins int
	// explain is the value of X-Edge-Explain, if it came only once, and token that
	// of X-Edge-Token.
	explain     string
	explains    int
	token       string
	tokens      int
	forwarding  *forwarding // nil without such headers
	closing     bool        // the client wants no further request on its connection
	asksUpgrade bool        // there is an Upgrade header, of whatever kind
	upgrade     bool        // a complete WebSocket handshake (RFC 6455, section 4.1)
	expect      bool        // Expect: 100-continue
}

// refusal is why the gate sends a request away. The connection closes with it,
// because after a doubtful head nobody knows where the next one begins.
type refusal struct {
	status int
	err    *abi.Error
}

func refuse(status int, format string, args ...any) *refusal {
	code := abi.CodeInvalidRequest
	if status == 426 {
		code = abi.CodeUpgradeRequired
	}
	return &refusal{status, abi.Errorf(code, format, args...)}
}

// fields counts and keeps the headers that say how a message is framed and what
// it asks of the connection.
type fields struct {
	hosts, lengths, codings, expects     int
	keys, versions, upgrades             int
	length, expect, key, version, coding string
	connection                           []string // the Connection headers' tokens
	websocket                            bool     // Upgrade names websocket
}

// parseHead is the gate. It reads a head strictly by RFC 9112 and 9110 and
// refuses whatever two readers could understand differently: fasthttp, through
// whose hands the head came, accepts Content-Length beside Transfer-Encoding,
// folded lines, bare line feeds, HTTP/9.9, a target that contradicts Host.
//
// raw is the header lines as they came, the empty line included.
func parseHead(method, target, proto, raw string) (*head, *refusal) {
	switch {
	case proto != "HTTP/1.1":
		return nil, refuse(505, "this server speaks HTTP/1.1, not %.10q", proto)
	case !validMethod(method):
		return nil, refuse(400, "the method is not made of at most %d upper case letters, \"-\" and \"_\"", maxMethodBytes)
	case method == "CONNECT" || method == "TRACE":
		return nil, refuse(405, "method %s is not served here", method)
	}
	h := &head{method: method}
	var f fields
	if r := h.readLines(raw, &f); r != nil {
		return nil, r
	}
	if r := h.readTarget(target, f.hosts); r != nil {
		return nil, r
	}
	if r := h.checkFraming(&f); r != nil {
		return nil, r
	}
	if r := h.checkUpgrade(&f); r != nil {
		return nil, r
	}
	h.asksUpgrade = f.upgrades > 0
	h.dropNominated(f.connection)
	return h, nil
}

const maxMethodBytes = 32

// readLines splits the header block (RFC 9112, section 5).
func (h *head) readLines(raw string, f *fields) *refusal {
	h.headers = make([]abi.Header, 0, strings.Count(raw, "\n"))
	for lines := 0; ; lines++ {
		i := strings.IndexByte(raw, '\n')
		if i < 1 || raw[i-1] != '\r' {
			return refuse(400, "a header line does not end in CR LF")
		}
		line := raw[:i-1]
		raw = raw[i+1:]
		if line == "" {
			break
		}
		if lines == abi.MaxHeaders {
			return refuse(431, "more than %d headers", abi.MaxHeaders)
		}
		if line[0] == ' ' || line[0] == '\t' {
			return refuse(400, "a header line begins with a space: folded lines are not accepted")
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !abi.ValidToken(name) {
			return refuse(400, "a header's name is not a token")
		}
		value = strings.Trim(value, " \t")
		if !abi.ValidValue(value) {
			return refuse(400, "the value of header %.40s holds a control character", name)
		}
		if r := h.note(name, value, f); r != nil {
			return r
		}
		if !forgeable(name) {
			h.headers = append(h.headers, abi.Header{Name: name, Value: value})
			continue
		}
		if h.forwarding == nil {
			h.forwarding = new(forwarding)
		}
		h.forwarding.note(name, value)
	}
	if raw != "" {
		return refuse(400, "bytes follow the end of the head")
	}
	return nil
}

// note remembers a header that matters to the gate.
func (h *head) note(name, value string, f *fields) *refusal {
	switch len(name) {
	case len("Host"):
		if strings.EqualFold(name, "Host") {
			f.hosts++
			h.host = value
		}
	case len("Expect"): // and Origin
		if strings.EqualFold(name, "Expect") {
			f.expects++
			f.expect = value
		} else if strings.EqualFold(name, "Origin") {
			h.origins++
			h.origin = value
		}
	case len("Upgrade"):
		if strings.EqualFold(name, "Upgrade") {
			f.upgrades++
			f.websocket = f.websocket || hasToken(value, "websocket")
		}
	case len("Connection"):
		if strings.EqualFold(name, "Connection") {
			for t := range strings.SplitSeq(value, ",") {
				if t = strings.Trim(t, " \t"); t == "" {
					continue
				} else if !abi.ValidToken(t) {
					return refuse(400, "Connection holds something that is not a token")
				}
				f.connection = append(f.connection, t)
			}
		}
	case len("Content-Length"): // and X-Edge-Explain
		if strings.EqualFold(name, "Content-Length") {
			f.lengths++
			f.length = value
		} else if strings.EqualFold(name, explainHeader) {
			h.explain = onlyOne(&h.explains, value)
		}
	case len(tokenHeader):
		if strings.EqualFold(name, tokenHeader) {
			h.token = onlyOne(&h.tokens, value)
		}
	case len("Transfer-Encoding"): // and Sec-WebSocket-Key
		if strings.EqualFold(name, "Transfer-Encoding") {
			f.codings++
			f.coding = value
		} else if strings.EqualFold(name, "Sec-WebSocket-Key") {
			f.keys++
			f.key = value
		}
	case len("Sec-WebSocket-Version"):
		if strings.EqualFold(name, "Sec-WebSocket-Version") {
			f.versions++
			f.version = value
		}
	}
	return nil
}

// onlyOne is the value of a header that counts only if it comes once.
func onlyOne(times *int, value string) string {
	if *times++; *times > 1 {
		return ""
	}
	return value
}

// checkFraming decides where the body ends (RFC 9112, section 6.3), and accepts
// no head in which that could be read in two ways.
func (h *head) checkFraming(f *fields) *refusal {
	switch {
	case f.lengths > 0 && f.codings > 0:
		return refuse(400, "Content-Length and Transfer-Encoding exclude each other")
	case f.lengths > 1:
		return refuse(400, "more than one Content-Length")
	case f.codings > 1 || f.codings == 1 && !strings.EqualFold(f.coding, "chunked"):
		return refuse(400, "the only Transfer-Encoding served is a single \"chunked\"")
	case f.codings == 1:
		h.contentLength = -1
	case f.lengths == 1:
		n, ok := parseLength(f.length)
		if !ok {
			return refuse(400, "Content-Length is not a number")
		}
		h.contentLength = n
	}
	switch {
	case f.expects > 1 || f.expects == 1 && !strings.EqualFold(f.expect, "100-continue"):
		return refuse(417, "the only expectation that can be met is 100-continue")
	case f.expects == 1:
		h.expect = true
	}
	return nil
}

// forgeable names headers that only the edge may set, because what a backend reads
// in them must be true (RFC 7239, section 8.1), and the edge's own, which hold
// secrets. They are taken out before any plugin sees the request, so that a plugin
// may set its own. What a trusted proxy says in them is believed, and said anew (see
// origin).
func forgeable(name string) bool {
	switch name[0] {
	case 'F', 'f':
		return strings.EqualFold(name, "Forwarded")
	case 'X', 'x':
		return hasPrefixFold(name, "X-Forwarded-") || hasPrefixFold(name, "X-Sandbox-") || hasPrefixFold(name, "X-Edge-")
	}
	return false
}

// dropNominated acts on the Connection header: the headers that the client names
// there end here (RFC 9110, section 7.6.1). They are removed now and not when the
// request is sent on, else a client could name, and so take away, a header that a
// plugin put there.
func (h *head) dropNominated(tokens []string) {
	for _, t := range tokens {
		switch {
		case strings.EqualFold(t, "close"):
			h.closing = true
			continue
		case strings.EqualFold(t, "keep-alive"), strings.EqualFold(t, "upgrade"),
			strings.EqualFold(t, "Host"), strings.EqualFold(t, "Connection"):
			continue
		}
		kept := h.headers[:0]
		for _, hd := range h.headers {
			if !strings.EqualFold(hd.Name, t) {
				kept = append(kept, hd)
			}
		}
		h.headers = kept
	}
}

// parseLength reads 1*DIGIT below 10^18.
func parseLength(s string) (int64, bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	var n int64
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}
