package host

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	f := boxes()
	r := start(t, &Server{boxes: f}, all(always(text(299, ""))))
	for _, path := range []string{"/healthz", "/readyz"} {
		if got := r.get(t, "any.example", path, ""); got.StatusCode != 200 {
			t.Errorf("%s: %d %s", path, got.StatusCode, got.body)
		}
	}
	for name, tt := range map[string]struct {
		server *Server
		want   string
	}{
		"runtime down":      {&Server{boxes: &fakeBoxes{ready: errors.New("secret socket")}}, "runtime"},
		"plugins not ready": {&Server{Ready: func(context.Context) error { return errors.New("secret plugin") }}, "plugins"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, tt.server, nil)
			got := r.get(t, "a", "/readyz", "")
			if got.StatusCode != 503 || !strings.Contains(got.body, tt.want) || strings.Contains(got.body, "secret") || got.Header.Get("Retry-After") == "" {
				t.Errorf("readyz: %d %s", got.StatusCode, got.body)
			}
			if got := r.get(t, "a", "/healthz", ""); got.StatusCode != 200 {
				t.Errorf("healthz: %d", got.StatusCode)
			}
		})
	}
}

// TestNotReadyWhileDraining asks on a connection that was busy when the draining
// began.
func TestNotReadyWhileDraining(t *testing.T) {
	t.Parallel()
	in, release := make(chan struct{}), make(chan struct{})
	r := start(t, &Server{DrainTimeout: time.Hour}, all(decide(func(context.Context, *abi.Request) (abi.Decision, error) {
		close(in)
		<-release
		return text(200, ""), nil
	})))
	busy := r.dial(t)
	busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-in
	half := r.dial(t) // a request whose head is still coming
	half.send("GET /readyz HTTP/1.1\r\n")
	for half.t = t; !anyBusy(r, 2); {
		time.Sleep(time.Millisecond)
	}
	done := make(chan error, 1)
	go func() { done <- r.Shutdown(context.Background()) }()
	for !r.draining.Load() {
		time.Sleep(time.Millisecond)
	}
	half.send("Host: a\r\n\r\n")
	if got := half.answer("GET"); got.StatusCode != 503 || got.body != "draining\n" || !got.Close {
		t.Errorf("readyz while draining: %d %q", got.StatusCode, got.body)
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// anyBusy tells whether n connections have sent something.
func anyBusy(r *running, n int) bool {
	r.conns.mu.Lock()
	defer r.conns.mu.Unlock()
	for c := range r.conns.open {
		if c.busy.Load() {
			n--
		}
	}
	return n <= 0
}

// TestAccessLog wants one line a request and no secret in it.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	ev := newEvents()
	r := start(t, &Server{boxes: boxes(), Observe: ev.add}, all(always(text(200, "four"))))
	r.get(t, "a.example", "/p?token=hush&x=1", "Authorization: Bearer hush\r\nCookie: hush\r\n")
	e := ev.next(t)
	line := r.accessLog()
	for _, want := range []string{"method=GET", "host=a.example", "path=/p ", "status=200", "out=4", "plugin=p", "duration=", "request=" + e.Request} {
		if !strings.Contains(line, want) {
			t.Errorf("the line lacks %q: %s", want, line)
		}
	}
	if strings.Contains(line, "hush") || strings.Count(line, "\n") != 1 {
		t.Errorf("line: %s", line)
	}
	if e.Kind != EventAnswered || e.Status != 200 || e.Path != "/p" || e.Plugin != "p" {
		t.Errorf("event %+v", e)
	}
	r.dial(t).send("GET / HTTP/9.9\r\nHost: a\r\n\r\n")
	if e := ev.next(t); e.Status != 505 {
		t.Errorf("event of a refusal %+v", e)
	}
}

// TestSilentConnection is closed without an answer and without a line.
func TestSilentConnection(t *testing.T) {
	t.Parallel()
	r := start(t, &Server{HeadTimeout: 50 * time.Millisecond}, all(always(text(200, ""))))
	c := r.dial(t)
	if b, err := c.r.ReadByte(); err == nil || isTimeout(err) {
		t.Errorf("read %q, %v", b, err)
	}
	if r.accessLog() != "" {
		t.Errorf("access log: %s", r.accessLog())
	}
}
