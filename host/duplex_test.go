package host

import (
	"bufio"
	"io"
	"net/http"
	"testing"
	"time"
)

// TestBothWays echoes each piece of a body while the next is not yet sent, for
// longer than a head may take.
func TestBothWays(t *testing.T) {
	t.Parallel()
	s := &Server{HeadTimeout: time.Second}
	routes := fromBackend(t, s, func(w http.ResponseWriter, req *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.EnableFullDuplex()
		buf := make([]byte, 100)
		for {
			n, err := req.Body.Read(buf)
			_, _ = w.Write(buf[:n])
			_ = rc.Flush()
			if err != nil {
				return
			}
		}
	})
	_, c := startBehind(t, s, routes, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body := bufio.NewReader(resp.Body)
	for i, want := range []string{"hi", "ab", "cd"} {
		if i > 0 {
			time.Sleep(600 * time.Millisecond) // two of them outlast HeadTimeout
			c.send("2\r\n" + want + "\r\n")
		}
		got := make([]byte, 2)
		if _, err := io.ReadFull(body, got); err != nil || string(got) != want {
			t.Fatalf("piece %d: %q, %v", i, got, err)
		}
	}
	c.send("0\r\n\r\n")
	if rest, err := io.ReadAll(body); err != nil || len(rest) > 0 {
		t.Errorf("rest %q, %v", rest, err)
	}
}
