package abi

import (
	"io"
	"strings"
)

// Header is one header line, name and value as the client sent them.
type Header struct {
	Name  string
	Value string
}

// Request is what a plugin sees of a request, and, after the plugin's edits,
// what the host sends on. It belongs to one request and one goroutine at a time.
type Request struct {
	// ID names the request in logs and error answers.
	ID     string
	Method string
	// Scheme is "http" or "https".
	Scheme string
	// Host is the Host header as sent, port included.
	Host string
	// Path is the path's bytes as sent, still percent-encoded.
	Path string
	// Query is what follows "?", without it; HasQuery tells "/x?" from "/x".
	Query    string
	HasQuery bool
	// RemoteAddr is the client's "ip:port".
	RemoteAddr string
	// Headers are in the order sent, Host included.
	Headers []Header
	// Body is nil when the request has none. Reading it takes it away from the
	// backend.
	Body io.Reader
	// ContentLength is the body's size, or -1 when it is not known.
	ContentLength int64
}

// Field numbers for req_get and req_set.
const (
	FieldMethod     = 1
	FieldScheme     = 2
	FieldHost       = 3
	FieldPath       = 4
	FieldQuery      = 5
	FieldRemoteAddr = 6
	FieldID         = 7
	FieldURL        = 8 // scheme://host/path?query; read only
)

// Header returns the first value of the named header, and whether there is one.
// Names are compared without regard to case (RFC 9110, section 5.1).
func (r *Request) Header(name string) (string, bool) {
	for i := range r.Headers {
		if strings.EqualFold(r.Headers[i].Name, name) {
			return r.Headers[i].Value, true
		}
	}
	return "", false
}

// HeaderValues returns every value of the named header, in the order sent.
func (r *Request) HeaderValues(name string) []string {
	var vs []string
	for i := range r.Headers {
		if strings.EqualFold(r.Headers[i].Name, name) {
			vs = append(vs, r.Headers[i].Value)
		}
	}
	return vs
}

// SetHeader replaces every value of the named header by one.
func (r *Request) SetHeader(name, value string) {
	r.DelHeader(name)
	r.Headers = append(r.Headers, Header{name, value})
}

// DelHeader removes every value of the named header.
func (r *Request) DelHeader(name string) {
	kept := r.Headers[:0]
	for _, h := range r.Headers {
		if !strings.EqualFold(h.Name, name) {
			kept = append(kept, h)
		}
	}
	r.Headers = kept
}

// Target returns the request target to send on: path and query (RFC 9112,
// section 3.2.1).
func (r *Request) Target() string {
	if r.HasQuery {
		return r.Path + "?" + r.Query
	}
	return r.Path
}

// URL returns scheme://host and the target.
func (r *Request) URL() string { return r.Scheme + "://" + r.Host + r.Target() }

// IsUpgrade tells whether the request asks for a WebSocket: "Upgrade: websocket"
// together with "Connection: upgrade" (RFC 6455, section 4.1).
func (r *Request) IsUpgrade() bool {
	return r.hasToken("Upgrade", "websocket") && r.hasToken("Connection", "upgrade")
}

func (r *Request) hasToken(name, token string) bool {
	for i := range r.Headers {
		if strings.EqualFold(r.Headers[i].Name, name) && HasToken(r.Headers[i].Value, token) {
			return true
		}
	}
	return false
}

// HasToken tells whether a header's value, a list between commas, holds token,
// compared without regard to the case of ASCII letters (RFC 9110, sections 5.6.1
// and 5.6.2). It allocates nothing: every request is asked this.
func HasToken[Text string | []byte](value Text, token string) bool {
	for begin := 0; begin <= len(value); {
		end := begin
		for end < len(value) && value[end] != ',' {
			end++
		}
		if isToken(value[begin:end], token) {
			return true
		}
		begin = end + 1
	}
	return false
}

// isToken tells whether s, without the white space around it, is token.
func isToken[Text string | []byte](s Text, token string) bool {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for len(s) > 0 && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	if len(s) != len(token) {
		return false
	}
	for i := 0; i < len(s); i++ {
		if fold(s[i]) != fold(token[i]) {
			return false
		}
	}
	return true
}

// fold makes an ASCII letter a small one.
func fold(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
