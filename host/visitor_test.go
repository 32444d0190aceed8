package host

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/sandboxmgr"
)

// serverExit is what the manager says of a server that has ended.
func serverExit() *abi.Error {
	code := 137
	return abi.Errorf(abi.CodePortNotListening, "the server on port 8080 of sandbox Sandbox/a has ended").
		WithDetails(abi.NotReady{Diagnosis: abi.DiagnosisEnded, ProcessID: "inner-name", ExitCode: &code, Signal: "SIGKILL", OOMKilled: true, StderrTail: "inner words"}).
		WithSuggestion("it was process %q", "inner-name")
}

func lostSandbox() *abi.Error {
	code := 137
	return abi.Errorf(abi.CodeSandboxLost, "sandbox Sandbox/a was lost: exit code 137, out of memory").
		WithDetails(abi.Lost{Generation: 7, ExitCode: &code, OOMKilled: true})
}

// TestVisitorsLearnLittle wants the inside of a sandbox told to its owner, who shows the
// admin API's token, and to nobody else; and to the log.
func TestVisitorsLearnLittle(t *testing.T) {
	t.Parallel()
	inner := []string{"inner", "137", "SIGKILL", "Sandbox/a"}
	for name, tt := range map[string]struct {
		host    string
		refusal error // of the sandbox
		closed  error // of the port
		status  int
		says    []string // to a visitor
		silent  []string // to a visitor
		page    string   // title
		owner   []string // what the owner is told
		logged  string
	}{
		"server ended": {
			host: "8080-a-tok.localhost", closed: serverExit(), status: 502, page: "The server has ended",
			says: []string{`"PORT_NOT_LISTENING"`, `"server_ended"`, "the server behind this preview has ended"}, silent: inner,
			owner: []string{`"processId":"inner-name"`, `"exitCode":137`, `"signal":"SIGKILL"`, `"oomKilled":true`, `"stderrTail":"inner words"`},
			// Which process, and how, is in the log's line.
			logged: `process=inner-name exitCode=137 signal=SIGKILL oomKilled=true stderr="inner words"`,
		},
		"server ended, by a plugin": {
			host: "a", closed: serverExit(), status: 502, page: "The server has ended",
			says: []string{"the server at this address has ended"}, silent: inner, owner: []string{`"exitCode":137`}, logged: "exitCode=137",
		},
		"port closed": {
			host: "8080-a-tok.localhost", status: 502, page: "The port is closed",
			says: []string{"listening_on:[3000 9000]", "servers listen on 3000, 9000;"}, owner: []string{"the sandbox listens on [3000 9000]"},
		},
		"port closed, public": {
			host: "8080-a.localhost", status: 502, page: "The port is closed",
			says: []string{`"not_listening"`}, silent: []string{"3000", "9000"}, owner: []string{"listening_on:[3000 9000]"},
		},
		"sandbox lost": {
			host: "8080-a-tok.localhost", refusal: lostSandbox(), status: 410, page: "The sandbox is gone",
			says: []string{`"generation":7`, "the sandbox behind this preview has ended"}, silent: []string{"137", "oom"}, owner: []string{`"exitCode":137`}, logged: "exit code 137",
		},
		"asleep": {
			host: "8080-a-tok.localhost", refusal: asleep(), status: 503, page: "The sandbox is asleep",
			says: []string{"the sandbox behind this preview is asleep", `"retryAfterMs":4200`}, owner: []string{"the sandbox does not run"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			box := newBox("a", nil)
			box.refusal, box.closed = tt.refusal, tt.closed
			f := boxes(box)
			f.labels = map[string]sandboxmgr.Exposure{
				"8080-a-tok": {Ref: ref("a"), Port: 8080, Token: "tok", Access: abi.AccessToken},
				"8080-a":     {Ref: ref("a"), Port: 8080, Access: abi.AccessPublic},
			}
			r := start(t, explaining(&Server{boxes: f}), all(always(&abi.Proxy{Sandbox: ref("a"), Port: 8080})))
			for _, secret := range []string{"", "Wrong"} {
				extra := ""
				if secret != "" {
					extra = explainHeader + ": " + secret + "\r\n"
				}
				got := r.get(t, tt.host, "/", extra)
				wantWords(t, "visitor", got.body, tt.says, tt.silent)
				page := r.get(t, tt.host, "/", extra+"Accept: text/html\r\n")
				wantWords(t, "page", page.body, []string{"<title>" + tt.page + "</title>"}, append(tt.silent, "<script", "http-equiv"))
				if got.StatusCode != tt.status || page.StatusCode != tt.status {
					t.Errorf("status %d and %d, want %d", got.StatusCode, page.StatusCode, tt.status)
				}
			}
			told := r.get(t, tt.host, "/", explainHeader+": "+explainToken+"\r\n")
			wantWords(t, "owner", told.body, tt.owner, nil)
			if !strings.Contains(r.log.String(), tt.logged) {
				t.Errorf("the log does not say %s:\n%s", tt.logged, r.log.String())
			}
		})
	}
}

func wantWords(t *testing.T, who, text string, says, silent []string) {
	t.Helper()
	for _, s := range says {
		if !strings.Contains(text, s) {
			t.Errorf("%s is not told %q: %s", who, s, text)
		}
	}
	for _, s := range silent {
		if strings.Contains(text, s) {
			t.Errorf("%s is told %q: %s", who, s, text)
		}
	}
}

// TestStartingPage wants a person's browser shown what is awaited while the sandbox
// starts, and everybody else held.
func TestStartingPage(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		method, extra string
		wake          abi.Wake
		page          bool
	}{
		"browser":           {"GET", "Accept: text/html,*/*;q=0.8\r\nSec-Fetch-Mode: navigate\r\n", "hold(100ms)", true},
		"old browser":       {"GET", "Accept: text/html\r\n", "hold(100ms)", true},
		"script of a page":  {"GET", "Accept: text/html\r\nSec-Fetch-Mode: cors\r\n", "hold(100ms)", false},
		"program":           {"GET", "Accept: */*\r\n", "hold(100ms)", false},
		"form of a browser": {"POST", "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\nContent-Length: 0\r\n", "hold(100ms)", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			box := newBox("a", nil)
			box.block = true
			f := boxes(box)
			f.labels = map[string]sandboxmgr.Exposure{"8080-a": {Ref: ref("a"), Port: 8080, Wake: tt.wake}}
			r := start(t, &Server{boxes: f}, nil)
			c := r.dial(t)
			c.send(tt.method + " /x HTTP/1.1\r\nHost: 8080-a.localhost\r\n" + tt.extra + "\r\n")
			if !tt.page {
				box.wanted(t, 1)
				_ = c.Close()
				box.wanted(t, 0) // held until the client goes away
				return
			}
			got := c.answer(tt.method)
			wantStartingPage(t, got)
			if strings.Contains(got.body, "<script") || !strings.Contains(got.Header.Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("page: %v %s", got.Header, got.body)
			}
			box.wanted(t, 0)
		})
	}
}

func wantStartingPage(t *testing.T, got answer) {
	t.Helper()
	seconds := strconv.Itoa(int(pageReload.Seconds()))
	if got.StatusCode != 503 || got.Header.Get("Retry-After") != seconds || got.Header.Get("Cache-Control") != "no-store" ||
		!strings.Contains(got.body, `<meta http-equiv="refresh" content="`+seconds+`">`) || !strings.Contains(got.body, "is starting") {
		t.Errorf("answer %d, %v: %s", got.StatusCode, got.Header, got.body)
	}
}

// TestStartingServer is one that comes up a while after its sandbox: a browser sees that
// it starts, over several reloads, and then its page; and once it took too long, or has
// ended, that.
func TestStartingServer(t *testing.T) {
	t.Parallel()
	page := backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("the page")) })
	box := newBox("a", map[int]string{})
	f := boxes(box)
	f.labels = map[string]sandboxmgr.Exposure{"8080-a": {Ref: ref("a"), Port: 8080, Wake: "hold(20ms)", Access: abi.AccessToken}}
	r := start(t, &Server{boxes: f}, nil)
	browse := func() answer { return r.get(t, "8080-a.localhost", "/", "Accept: text/html\r\n") }
	set := func(change func()) {
		box.mu.Lock()
		defer box.mu.Unlock()
		change()
	}
	set(func() { box.ready = time.Now() })
	wantStartingPage(t, browse())
	wantStartingPage(t, browse())
	if got := r.get(t, "8080-a.localhost", "/", ""); got.StatusCode != 502 { // a program that came after the start
		t.Errorf("a program: %d %s", got.StatusCode, got.body)
	}
	set(func() { box.closed = serverExit() })
	if got := browse(); got.StatusCode != 502 || !strings.Contains(got.body, "The server has ended") {
		t.Errorf("one that has ended: %d %s", got.StatusCode, got.body)
	}
	set(func() { box.closed, box.ready = nil, time.Now().Add(-2*pageWindow) })
	if got := browse(); got.StatusCode != 502 || !strings.Contains(got.body, "The port is closed") {
		t.Errorf("one that took too long: %d %s", got.StatusCode, got.body)
	}
	set(func() { box.ready, box.ports[8080] = time.Now(), page })
	if got := browse(); got.StatusCode != 200 || got.body != "the page" {
		t.Errorf("one that is up: %d %s", got.StatusCode, got.body)
	}
}

// TestStartThatFails is told as such, and not as one that goes on.
func TestStartThatFails(t *testing.T) {
	t.Parallel()
	box := newBox("a", nil)
	box.refusal = abi.Errorf(abi.CodeTimeout, "the init did not say hello")
	f := boxes(box)
	f.labels = map[string]sandboxmgr.Exposure{"8080-a": {Ref: ref("a"), Port: 8080}}
	r := start(t, &Server{boxes: f}, nil)
	if got := r.get(t, "8080-a.localhost", "/", "Accept: text/html\r\n"); got.StatusCode != 504 || strings.Contains(got.body, "http-equiv") {
		t.Errorf("answer %d: %s", got.StatusCode, got.body)
	}
}

// FuzzDetails reads what a sandbox's init makes of an error's details.
func FuzzDetails(f *testing.F) {
	f.Add([]byte(`{"diagnosis":"server_ended","exitCode":1}`))
	f.Add([]byte(`{"diagnosis":"listening_on:[<b>]"}`))
	f.Fuzz(func(t *testing.T, details []byte) {
		if !json.Valid(details) {
			return
		}
		e := abi.Errorf(abi.CodePortNotListening, "x")
		e.Details = details
		for _, visit := range []*visit{nil, {exposure: sandboxmgr.Exposure{Access: abi.AccessPublic}}} {
			x := &exchange{target: target{exposure: true, port: 8080, visit: visit}}
			x.s = &Server{Log: slog.New(slog.DiscardHandler)}
			body := string(errorPage(502, x.failClosed(e), "id"))
			if strings.Contains(body, "<b>") {
				t.Errorf("markup gets through: %s", body)
			}
		}
	})
}
