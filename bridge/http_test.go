package bridge

import (
	"strings"
	"testing"
)

func TestHTTPOverTheWire(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, request, atBackend, answer, atClient string }{
		{
			"order and spelling both ways",
			"GET /a%2fb?c HTTP/1.1\r\nHost: h\r\nx-LOWER: 1\r\nAccept: */*\r\nx-LOWER: 2\r\nUser-Agent: u\r\n\r\n",
			"GET /a%2fb?c HTTP/1.1\r\nHost: h\r\nx-LOWER: 1\r\nAccept: */*\r\nx-LOWER: 2\r\nUser-Agent: u\r\n\r\n",
			"HTTP/1.1 200 Fine\r\nDate: now\r\nx-b: 1\r\nX-A: 2\r\nx-b: 3\r\nContent-Length: 2\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n\r\nhi",
			"HTTP/1.1 200 Fine\r\nContent-Length: 2\r\nDate: now\r\nx-b: 1\r\nX-A: 2\r\nx-b: 3\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nhi",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, backend(t, func(c *raw) {
				c.expect(tc.atBackend)
				c.send(tc.answer)
				c.br.ReadByte()
			}))
			c := e.dial()
			c.send(tc.request)
			c.expect(tc.atClient)
			c.CloseWrite()
			if rest := c.rest(); rest != "" {
				t.Errorf("and then %q", rest)
			}
			if s := e.summary(); s.Err != nil || s.BytesOut != int64(len(tc.answer)-strings.Index(tc.answer, "\r\n\r\n")-4) {
				t.Errorf("summary %+v", s)
			}
		})
	}
}
