package host

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

// TestLongRefusalOfAHandshake: an answer to a handshake that is none of a WebSocket
// may take longer than one write may wait, as any other.
func TestLongRefusalOfAHandshake(t *testing.T) {
	t.Parallel()
	const stall, parts = time.Second, 8
	box := newBox("a", map[int]string{8080: backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		for i := range parts {
			fmt.Fprintf(w, "part %d\n", i)
			_ = http.NewResponseController(w).Flush()
			time.Sleep(stall / 4) // the client sees each at once; all together take longer than stall
		}
	})})
	r := start(t, &Server{boxes: boxes(box), BodyTimeout: stall}, all(always(&abi.Connect{Sandbox: ref("a"), Port: 8080})))
	c := r.dial(t)
	c.send("GET / HTTP/1.1\r\nHost: a\r\n" + handshake + "\r\n")
	got := c.answer("GET")
	if got.StatusCode != 403 || strings.Count(got.body, "\n") != parts || !strings.HasSuffix(got.body, fmt.Sprintf("part %d\n", parts-1)) {
		t.Errorf("answer %d %q, want all %d parts", got.StatusCode, got.body, parts)
	}
}
