package bridge

import (
	"errors"
	"strings"
	"testing"
)

// TestInterimAnswers: what a client of HTTP/1.1 is told before the answer.
func TestInterimAnswers(t *testing.T) {
	t.Parallel()
	const (
		get    = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
		hints  = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\nLink: </b.js>\r\n\r\n"
		going  = "HTTP/1.1 102 Processing\r\n\r\n"
		go100  = "HTTP/1.1 100 Continue\r\n\r\n"
		final  = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
		post   = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"
		expect = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi"
		refuse = "HTTP/1.1 502 Bad Gateway\r\n"
	)
	long := "HTTP/1.1 103 Early Hints\r\nLink: " + text(30<<10) + "\r\n\r\n"
	for _, tc := range []struct{ name, request, answer, atClient string }{
		{"in order", get, going + hints + go100 + final, going + hints + go100 + final},
		{"hop by hop", get, "HTTP/1.1 103 Early Hints\r\nConnection: X-A\r\nX-A: 1\r\nContent-Length: 5\r\nKeep-Alive: 5\r\nX-B: 2\r\n\r\n" + final,
			"HTTP/1.1 103 Early Hints\r\nX-B: 2\r\n\r\n" + final},
		{"100 unasked", post, go100 + final, go100 + final},
		{"100 once", expect, go100 + hints + go100 + final, go100 + hints + final},
		{"an old client", strings.Replace(get, "1.1", "1.0", 1), hints + go100 + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
			"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"},
		{"16", get, strings.Repeat(going, 16) + final, strings.Repeat(going, 16) + final},
		{"17", get, strings.Repeat(going, 17) + final, strings.Repeat(going, 16) + going + refuse},
		{"long", get, long + long + final, long + long + final},
		{"too long", get, long + long + long + final, long + long + refuse},
		{"switch", get, hints + "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", hints + refuse},
		{"nothing after", get, hints, hints + refuse},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, backend(t, func(c *raw) {
				c.head()
				c.send(tc.answer)
				if tc.name != "nothing after" {
					c.br.ReadByte()
				}
			}))
			c := e.dial()
			c.send(tc.request)
			c.expect(tc.atClient)
			if !strings.HasSuffix(tc.atClient, refuse) {
				if s := e.summary(); s.Err != nil || s.Status != 200 {
					t.Errorf("summary %+v", s)
				}
				return
			}
			var ue *UpstreamError
			if err := e.failure(); !errors.As(err, &ue) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestInterimAtOnce: a hint is there before the answer is.
func TestInterimAtOnce(t *testing.T) {
	t.Parallel()
	const hints, final = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"
	seen := make(chan struct{})
	e := newEdge(t, backend(t, func(c *raw) {
		c.head()
		c.send(hints)
		<-seen
		c.send(final)
		c.br.ReadByte()
	}))
	c := e.dial()
	c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	c.expect(hints)
	close(seen)
	c.expect(final)
}
