package host

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/sandboxmgr"
)

// asleep and lost are what the manager says of a sandbox that is not woken.
func asleep() *abi.Error {
	e := abi.Errorf(abi.CodeSandboxAsleep, "the sandbox does not run, and this request does not wake it")
	e.RetryAfterMs = 4200
	return e
}

func lost() *abi.Error {
	return abi.Errorf(abi.CodeSandboxLost, "the sandbox was lost").WithDetails(abi.Lost{Generation: 7})
}

// wanted waits until the box is kept awake by n.
func (b *fakeBox) wanted(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		b.mu.Lock()
		held := b.held
		b.mu.Unlock()
		if held == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d keep the sandbox awake, want %d", held, n)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestWakePolicyReachesTheSandbox wants what a decision or an exposure says to be
// asked for, for requests and for upgrades, a decision's word coming over the
// exposure's.
func TestWakePolicyReachesTheSandbox(t *testing.T) {
	t.Parallel()
	exposed := sandboxmgr.Exposure{Ref: ref("a"), Port: 8080, Wake: abi.WakeHTTP}
	tests := []struct {
		name     string
		decision abi.Decision // nil: a preview
		upgrade  bool
		want     string
	}{
		{"proxy", &abi.Proxy{Sandbox: ref("a"), Port: 8080, Wake: "hold(5s)"}, false, "hold(5s) false"},
		{"proxy without", &abi.Proxy{Sandbox: ref("a"), Port: 8080}, false, " false"},
		{"proxy of an upgrade", &abi.Proxy{Sandbox: ref("a"), Port: 8080, Wake: abi.WakeWS}, true, "ws true"},
		{"connect", &abi.Connect{Sandbox: ref("a"), Port: 8080, Wake: abi.WakeNever}, true, "never true"},
		{"only exposure", &abi.Proxy{Sandbox: ref("a")}, false, "http false"},
		{"only exposure, other word", &abi.Proxy{Sandbox: ref("a"), Wake: abi.WakeNever}, true, "never true"},
		{"preview", nil, false, "http false"},
		{"preview of an upgrade", nil, true, "http true"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			box := newBox("a", map[int]string{8080: backend(t, echoSocket)})
			box.exposed = []sandboxmgr.Exposure{exposed}
			f := boxes(box)
			f.labels = map[string]sandboxmgr.Exposure{"8080-a": exposed}
			host := "8080-a.localhost"
			if tt.decision != nil {
				host = "a"
			}
			r := start(t, &Server{boxes: f}, all(always(tt.decision)))
			c := r.dial(t)
			if tt.upgrade {
				c.send("GET / HTTP/1.1\r\nHost: " + host + "\r\n" + handshake + "\r\n")
			} else {
				c.send("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
			}
			if got, want := c.answer("GET").StatusCode, map[bool]int{true: 101, false: 200}[tt.upgrade]; got != want {
				t.Fatalf("answer %d, want %d", got, want)
			}
			box.mu.Lock()
			wakes := slices.Clone(box.wakes)
			box.mu.Unlock()
			if !slices.Equal(wakes, []string{tt.want}) {
				t.Errorf("asked %q, want %q", wakes, tt.want)
			}
			if tt.upgrade {
				box.wanted(t, 1) // as long as the connection is open
			}
			_ = c.Close()
			box.wanted(t, 0)
		})
	}
}

// TestSandboxThatIsNotWoken wants the right status and Retry-After, over HTTP and
// for an upgrade, through a decision and through a preview.
func TestSandboxThatIsNotWoken(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err    error
		status int
		retry  string
		says   string
	}{
		"asleep":        {asleep(), 503, "5", `"SANDBOX_ASLEEP"`},
		"lost":          {lost(), 410, "", `"generation":7`},
		"held too long": {abi.Errorf(abi.CodeTimeout, "the sandbox did not start within 10s"), 504, "", `"TIMEOUT"`},
		"server failed": {abi.Errorf(abi.CodeProcessExitedBeforeReady, "process %q exited", "web").
			WithDetails(abi.NotReady{StderrTail: "secret"}).WithSuggestion("secret"), 502, "", `"PROCESS_EXITED_BEFORE_READY"`},
		"too many run": {abi.Errorf(abi.CodeQuotaExceeded, "2 sandboxes run"), 429, "1", `"QUOTA_EXCEEDED"`},
	} {
		for _, host := range []string{"a", "8080-a.localhost"} {
			for _, extra := range []string{"", handshake} {
				t.Run(name+", "+host+", upgrade: "+map[bool]string{true: "no", false: "yes"}[extra == ""], func(t *testing.T) {
					t.Parallel()
					box := newBox("a", nil)
					box.refusal = tt.err
					f := boxes(box)
					f.labels = map[string]sandboxmgr.Exposure{"8080-a": {Ref: ref("a"), Port: 8080, Wake: abi.WakeNever}}
					r := start(t, &Server{boxes: f}, all(always(&abi.Proxy{Sandbox: ref("a"), Port: 8080, Wake: abi.WakeNever})))
					got := r.get(t, host, "/", extra)
					if got.StatusCode != tt.status || got.Header.Get("Retry-After") != tt.retry || !strings.Contains(got.body, tt.says) || strings.Contains(got.body, "secret") {
						t.Errorf("answer %d, Retry-After %q: %s", got.StatusCode, got.Header.Get("Retry-After"), got.body)
					}
					box.wanted(t, 0)
				})
			}
		}
	}
}

// TestAsleepPage is what a person sees.
func TestAsleepPage(t *testing.T) {
	t.Parallel()
	box := newBox("a", nil)
	box.refusal = asleep()
	r := start(t, &Server{boxes: boxes(box)}, all(always(&abi.Proxy{Sandbox: ref("a"), Port: 8080})))
	got := r.get(t, "a", "/", "Accept: text/html\r\n")
	if got.StatusCode != 503 || !strings.Contains(got.body, "The sandbox is asleep") || got.Header.Get("Retry-After") != "5" {
		t.Errorf("answer %d: %s", got.StatusCode, got.body)
	}
}

// TestPluginsSocketKeepsItsSandboxAwake until it is closed.
func TestPluginsSocketKeepsItsSandboxAwake(t *testing.T) {
	t.Parallel()
	box := newBox("a", map[int]string{8080: backend(t, echoSocket)})
	sock, err := openSocket(t.Context(), boxes(box), ref("a"), 8080, abi.WebSocketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	box.wanted(t, 1)
	_ = sock.Close(1000, "")
	box.wanted(t, 0)
	if _, err := openSocket(t.Context(), boxes(box), ref("a"), 9999, abi.WebSocketOptions{}); err == nil {
		t.Error("a closed port was opened")
	}
	box.wanted(t, 0)
}

// TestPluginsDeadlineEndsTheWait with the deadline's own error: the edge has no
// limit of its own then, which an error could name.
func TestPluginsDeadlineEndsTheWait(t *testing.T) {
	t.Parallel()
	box := newBox("a", nil)
	box.block = true
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := openSocket(ctx, boxes(box), ref("a"), 8080, abi.WebSocketOptions{})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the context's", err)
	}
	box.wanted(t, 0)
}
