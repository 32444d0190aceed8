package bridge

import (
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"strings"
	"testing"
	"time"
)

// slowWriter is a connection that takes its time for each write.
type slowWriter struct {
	net.Conn
	pause time.Duration
}

func (c slowWriter) Write(p []byte) (int, error) {
	time.Sleep(c.pause)
	return c.Conn.Write(p)
}

// TestBackendSlowToTakeAHead: while the head is being sent, nobody watches the client,
// whose body is to be read next. Of one in chunks that has come already, the end is
// looked for on the client's connection.
func TestBackendSlowToTakeAHead(t *testing.T) {
	t.Parallel()
	e := newEdge(t, backend(t, func(c *raw) {
		c.head()
		body, err := io.ReadAll(httputil.NewChunkedReader(c.br))
		c.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n%.5s", body))
		if err != nil {
			t.Error(err)
		}
	}), func(e *edge) {
		e.wrap = func(c net.Conn) net.Conn { return slowWriter{c, 3 * watchAfter} }
	})
	c := e.dial()
	c.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
	if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 200 ") {
		t.Errorf("answer %q", h)
	}
	if got, err := c.br.Peek(5); err != nil || string(got) != "hello" {
		t.Errorf("body %q, %v", got, err)
	}
	e.summary()
}
