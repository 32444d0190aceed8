package host

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"edge/abi"
)

// nasty are pieces of text that would end a header, a line of a log, a field of it, or
// would steer the terminal that shows it.
var nasty = []string{
	"\r\nX-Injected: 1", "\nlevel=INFO msg=forged", "\r", "\x00", "\x1b[2J", "\x1b]0;owned\a", "\u009b31m", "\u202e", "\u2028", "%0d%0aX-Injected:%201", "%00", "%1b[2J",
	`" status=200 "`, `\" x=\"`, "\x80\x9b\xff", "\t", "<script>alert(1)</script>", "'\"><svg onload=alert(1)>", "{{.Title}}", "{\"code\":\"forged\"}",
}

// TestNothingIsInjected puts them wherever a stranger may write: in the host, the path,
// the query, headers, tokens and names.
func TestNothingIsInjected(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var seen http.Header
	a := newArena(t, &Server{}, nil)
	a.machines.set("Sandbox.a", 8080, backend(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = r.Header.Clone()
	}))
	label, _ := a.expose(t, "a", abi.ExposePortRequest{Port: 8080, Token: "tok"})
	key, _ := strings.CutPrefix(label, "8080-")
	requests := 0
	for _, n := range nasty {
		for _, raw := range []string{
			"GET / HTTP/1.1\r\nHost: " + label + n + ".localhost\r\n\r\n",
			"GET /" + n + " HTTP/1.1\r\nHost: " + label + ".localhost\r\n\r\n",
			"GET /?" + n + " HTTP/1.1\r\nHost: " + label + ".localhost\r\n\r\n",
			"GET /_preview/8080/" + key + n + " HTTP/1.1\r\nHost: x\r\n\r\n",
			"GET /_preview/8080" + n + "/" + key + "/ HTTP/1.1\r\nHost: x\r\n\r\n",
			"GET /_preview/8080/" + key + "?" + n + " HTTP/1.1\r\nHost: x\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: " + label + ".localhost\r\nX-Edge-Token: " + n + "\r\nReferer: http://a/" + n + "\r\nOrigin: " + n + "\r\nCookie: edge-preview=" + n + "\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: 8080-nobody-" + n + ".localhost\r\nAccept: text/html\r\n\r\n",
			"G" + n + "T / HTTP/1.1\r\nHost: " + label + ".localhost\r\n\r\n",
		} {
			c := a.dial(t)
			c.send(raw)
			requests++
			answer := c.answer("GET")
			mu.Lock()
			got := seen
			seen = nil
			mu.Unlock()
			if v := answer.Header.Get("X-Injected"); v != "" || got.Get("X-Injected") != "" && !strings.Contains(raw, "\r\nX-Injected") {
				t.Errorf("%q: injected %v into the answer, %v into the request", raw, v, got)
			}
			if strings.Contains(answer.body, "<s") && strings.Contains(answer.body, "alert(1)") {
				t.Errorf("%q: the page holds %s", raw, answer.body)
			}
			_ = c.Close()
		}
		for _, call := range []struct {
			name string
			err  error
		}{
			{"token", second(a.box(t, "b").ExposePort(t.Context(), &abi.ExposePortRequest{Port: 9000, Token: n}))},
			{"host policy", second(a.box(t, "b").ExposePort(t.Context(), &abi.ExposePortRequest{Port: 9000, Host: "a" + n}))},
			{"origin", second(a.box(t, "b").ExposePort(t.Context(), &abi.ExposePortRequest{Port: 9000, Policy: abi.Policy{AllowOrigins: []string{"https://a" + n}}}))},
		} {
			if call.err == nil {
				t.Errorf("%s %q is taken", call.name, n)
			}
		}
	}
	for deadline := time.Now().Add(patience); strings.Count(a.accessLog(), "\n") < requests && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
	}
	log := a.accessLog()
	if n := strings.Count(log, "\n"); n != requests {
		t.Errorf("%d lines of %d requests", n, requests)
	}
	for line := range strings.Lines(log + a.log.String() + a.said.String()) {
		if i := strings.IndexFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("a log holds %q", line)
		}
		if fields := strings.Count(line, " status="); fields > 1 || strings.HasPrefix(line, "level=INFO") {
			t.Errorf("a log's line is forged: %q", line)
		}
	}
}

func second[T any](_ T, err error) error { return err }
