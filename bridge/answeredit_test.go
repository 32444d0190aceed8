package bridge

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// editor is an AnswerEditor that is a function.
type editor func(status int, headers []Header) []Header

func (e editor) EditAnswer(status int, headers []Header) []Header { return e(status, headers) }

// TestEditedAnswers: an editor sees every head that the client does, and the
// client what the editor made of it.
func TestEditedAnswers(t *testing.T) {
	t.Parallel()
	const (
		get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
		// From the RFC's own example (RFC 6455, section 1.3).
		handshake = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
		accept    = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
	)
	change := editor(func(status int, headers []Header) []Header {
		headers = slices.DeleteFunc(headers, func(h Header) bool { return strings.EqualFold(h.Name, "X-Drop") })
		return append(headers, Header{"X-Put", fmt.Sprint(status)})
	})
	for _, tc := range []struct{ name, request, answer, atClient string }{
		{"final", get, "HTTP/1.1 200 OK\r\nX-A: 1\r\nx-drop: 1\r\nContent-Length: 2\r\nX-Drop: 2\r\n\r\nok",
			"HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 2\r\nX-Put: 200\r\n\r\nok"},
		{"interim", get, "HTTP/1.1 103 Early Hints\r\nX-Drop: 1\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
			"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nX-Put: 103\r\n\r\nHTTP/1.1 204 No Content\r\nX-Put: 204\r\n\r\n"},
		{"what a backend nominates", get, "HTTP/1.1 200 OK\r\nConnection: X-Put, X-Own, Transfer-Encoding\r\nX-Own: 1\r\nX-Put: own\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Put: 200\r\n\r\n0\r\n\r\n"},
		{"switch", handshake, "HTTP/1.1 101 Switching Protocols\r\n" + accept + "X-Drop: 1\r\nX-A: 1\r\n\r\n",
			"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nX-A: 1\r\nX-Put: 101\r\n\r\n"},
		{"switch refused", handshake, "HTTP/1.1 403 Forbidden\r\nX-Drop: 1\r\nContent-Length: 2\r\n\r\nno",
			"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nX-Put: 403\r\n\r\nno"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, backend(t, func(c *raw) {
				c.head()
				c.send(tc.answer)
				c.br.ReadByte()
			}), func(e *edge) { e.editor = change })
			c := e.dial()
			c.send(tc.request)
			c.expect(tc.atClient)
		})
	}
}

// BenchmarkAnswerEdit is what the hook costs an answer's head: nothing without an
// editor, a look at each field with one that changes none.
func BenchmarkAnswerEdit(b *testing.B) {
	look := editor(func(_ int, headers []Header) []Header {
		for _, h := range headers {
			if len(h.Name) == len("Location") && strings.EqualFold(h.Name, "Location") {
				return nil
			}
		}
		return headers
	})
	for _, bm := range []struct {
		name string
		e    AnswerEditor
	}{{"none", nil}, {"one", look}} {
		b.Run(bm.name, func(b *testing.B) {
			a, err := parseAnswer([]byte(small[:strings.Index(small, "\r\n\r\n")+4]), "GET")
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				a.edit(bm.e)
			}
		})
	}
}
