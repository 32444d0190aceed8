package sandboxmgr

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"edge/abi"
)

// answer serves one connection with fixed bytes, after the request's head.
func answer(text string) func(net.Conn) {
	return func(c net.Conn) {
		defer c.Close()
		head := make([]byte, 4096)
		n, _ := c.Read(head)
		if strings.HasSuffix(string(head[:n]), "\r\n\r\n") {
			_, _ = io.WriteString(c, text)
		}
	}
}

// silent accepts and waits for the other end to go.
func silent(c net.Conn) {
	defer c.Close()
	_, _ = io.Copy(io.Discard, c)
}

func TestWaitForPort(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		serve     func(net.Conn) // nil: nothing listens on 8080
		other     bool           // something listens on 9000 and 9001
		request   string
		diagnosis string // empty: ready
	}{
		{"tcp", answer("x"), false, `{"port":8080}`, ""},
		{"tcp, a server that is silent", silent, false, `{"port":8080}`, ""},
		{"nothing listens", nil, false, `{"port":8080}`, "not_listening"},
		{"others listen", nil, true, `{"port":8080}`, "listening_on:[9000 9001]"},
		{"http", answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), false, `{"port":8080,"mode":"http"}`, ""},
		{"http by path", answer("HTTP/1.1 302 Found\r\n\r\n"), false, `{"port":8080,"path":"/up"}`, ""},
		{"http 1.0", answer("HTTP/1.0 200 OK\r\n\r\n"), false, `{"port":8080,"path":"/"}`, ""},
		{"informational first", answer("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"), false, `{"port":8080,"path":"/"}`, ""},
		{"lowest status", answer("HTTP/1.1 200 OK\r\n\r\n"), false, `{"port":8080,"path":"/"}`, ""},
		{"highest status", answer("HTTP/1.1 399 X\r\n\r\n"), false, `{"port":8080,"path":"/"}`, ""},
		{"above the range", answer("HTTP/1.1 400 Bad Request\r\n\r\n"), false, `{"port":8080,"path":"/"}`, "wrong_status:400"},
		{"wrong status", answer("HTTP/1.1 503 X\r\n\r\n"), true, `{"port":8080,"path":"/"}`, "wrong_status:503"},
		{"status by number", answer("HTTP/1.1 426 Upgrade Required\r\n\r\n"), false, `{"port":8080,"status":426}`, ""},
		{"another than the number", answer("HTTP/1.1 200 OK\r\n\r\n"), false, `{"port":8080,"status":426}`, "wrong_status:200"},
		{"status by range", answer("HTTP/1.1 404 X\r\n\r\n"), false, `{"port":8080,"status":{"min":400,"max":499}}`, ""},
		{"not http", answer("SSH-2.0-x\r\n"), false, `{"port":8080,"mode":"http"}`, "not_http"},
		{"http that never answers", silent, false, `{"port":8080,"mode":"http"}`, "not_http"},
		{"http that hangs up", func(c net.Conn) { _ = c.Close() }, false, `{"port":8080,"mode":"http"}`, "not_http"},
		{"endless head", answer("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*maxHead)), false, `{"port":8080,"mode":"http"}`, "not_http"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, noDial := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) { // no try is cut short because the machine is slow
					w := newWorld(t)
					w.noDial = noDial
					e := newEdge(t, w, newMemory(), nil)
					s, m, _ := e.start("s")
					if tt.serve != nil {
						m.serve(8080, tt.serve)
					}
					if tt.other {
						m.serve(9001, nil)
						m.serve(9000, nil)
					}
					var req abi.WaitForPortRequest
					if err := json.Unmarshal([]byte(tt.request), &req); err != nil {
						t.Fatal(err)
					}
					if tt.diagnosis != "" {
						req.Timeout = abi.Duration(60 * time.Millisecond)
					}
					resp, err := s.WaitForPort(t.Context(), &req)
					if tt.diagnosis == "" {
						if err != nil || resp.Port != 8080 {
							t.Fatalf("waitForPort = %+v, %v", resp, err)
						}
						return
					}
					got := wantCode(t, err, abi.CodeProcessReadyTimeout)
					var n abi.NotReady
					if err := json.Unmarshal(got.Details, &n); err != nil || n.Diagnosis != tt.diagnosis {
						t.Errorf("details %s, want %s", got.Details, tt.diagnosis)
					}
				})
			}
		})
	}
}

func TestWaitForPortSeesAServerThatComesLater(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	s, m, _ := e.start("s")
	asked := make(chan struct{})
	m.w.set(func() {
		m.w.handle["getProcess"] = func(*machine, json.RawMessage) (any, error) {
			close(asked)
			return &abi.Process{Status: abi.StatusRunning}, nil
		}
		m.w.handle["waitForExit"] = func(*machine, json.RawMessage) (any, error) { <-m.ended; return nil, errLinkLost }
	})
	got := make(chan error, 1)
	go func() {
		_, err := s.WaitForPort(t.Context(), &abi.WaitForPortRequest{Port: 8080, ProcessID: "p"})
		got <- err
	}()
	<-asked
	m.serve(8080, nil)
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	m.end(0, false)
}

func TestWaitForPortEndsWithTheProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // what it printed is asked for within diagnoseTimeout
		e := newEdge(t, newWorld(t), newMemory(), nil)
		s, m, _ := e.start("s")
		for _, id := range []string{"before", "during"} {
			if _, err := s.StartProcess(t.Context(), &abi.StartProcessRequest{ProcessID: id, Command: "x"}); err != nil {
				t.Fatal(err)
			}
			m.print(id, "", "Error: no such file\n")
		}
		m.serve(8080, silent) // an http try hangs on it
		m.exitProcess("before", 1)
		for _, id := range []string{"before", "during"} {
			if id == "during" {
				time.AfterFunc(5*time.Millisecond, func() { m.exitProcess(id, 1) })
			}
			_, err := s.WaitForPort(t.Context(), &abi.WaitForPortRequest{Port: 8080, ProcessID: id, Mode: "http", Timeout: abi.Duration(time.Hour)})
			got := wantCode(t, err, abi.CodeProcessExitedBeforeReady)
			if want := `{"exitCode":1,"stderrTail":"Error: no such file\n"}`; string(got.Details) != want || got.Started != abi.StartedYes {
				t.Errorf("details %s, want %s", got.Details, want)
			}
		}
	})
}

func TestWaitForPortEndsWithTheSandbox(t *testing.T) {
	t.Parallel()
	for _, process := range []string{"", "p"} {
		t.Run("process "+process, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, newWorld(t), newMemory(), nil)
			s, m, _ := e.start("s")
			if _, err := s.StartProcess(t.Context(), &abi.StartProcessRequest{ProcessID: "p", Command: "x"}); err != nil {
				t.Fatal(err)
			}
			e.w.set(func() { // once the wait is under way
				e.w.onDial = func() error { m.end(137, true); return syscall.ECONNREFUSED }
			})
			_, err := s.WaitForPort(t.Context(), &abi.WaitForPortRequest{Port: 8080, ProcessID: process, Timeout: abi.Duration(time.Hour)})
			want := abi.CodeSandboxExited
			if process != "" {
				want = abi.CodeProcessExitedBeforeReady
			}
			if got := wantCode(t, err, want); string(got.Details) != `{"exitCode":137,"oomKilled":true}` {
				t.Errorf("details %s", got.Details)
			}
		})
	}
}

// A caller whose own deadline comes first is told what was missing before it.
func TestWaitsEndBeforeTheCallersDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // its clock stands still while anybody has something to do
		e := newEdge(t, newWorld(t), newMemory(), nil)
		s, m, _ := e.start("s")
		m.serve(9000, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := s.WaitForPort(ctx, &abi.WaitForPortRequest{Port: 8080})
		got := wantCode(t, err, abi.CodeProcessReadyTimeout)
		if !strings.Contains(got.Message, "listening_on:[9000]") {
			t.Errorf("message %q", got.Message)
		}
		if ctx.Err() != nil {
			t.Error("it came after the deadline")
		}
	})
	ended, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	if got := patience(ended, time.Hour); got != time.Millisecond {
		t.Errorf("patience after the deadline is %s", got)
	}
	if got := patience(t.Context(), time.Hour); got != time.Hour {
		t.Errorf("patience without a deadline is %s", got)
	}
}

func TestWaitForPortEndsWithTheCallerAndWithDestroy(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	s, _, _ := e.start("s")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	_, err := s.WaitForPort(ctx, &abi.WaitForPortRequest{Port: 8080})
	wantCode(t, err, abi.CodeCanceled)

	tried := make(chan struct{})
	once := sync.OnceFunc(func() { close(tried) })
	e.w.set(func() { e.w.onDial = func() error { once(); return syscall.ECONNREFUSED } })
	got := make(chan error, 1)
	go func() {
		_, err := s.WaitForPort(t.Context(), &abi.WaitForPortRequest{Port: 8080, Timeout: abi.Duration(time.Hour)})
		got <- err
	}()
	<-tried
	if _, err := s.Destroy(t.Context(), &abi.Empty{}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, <-got, abi.CodeSandboxExited)
}

func TestDial(t *testing.T) {
	t.Parallel()
	for _, noDial := range []bool{false, true} {
		t.Run(fmt.Sprint("runtime cannot dial: ", noDial), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // what listens is asked for within diagnoseTimeout
				w := newWorld(t)
				w.noDial = noDial
				e := newEdge(t, w, newMemory(), func(c *Config) { c.ReservedPorts = []int{3000} })
				s := e.sandbox("s")
				_, run, err := s.Dial(t.Context(), 8080)
				got := wantCode(t, err, abi.CodePortNotListening)
				if string(got.Details) != `{"diagnosis":"not_listening"}` || got.Suggestion == "" || got.Code.Status() != 502 || !run.Started {
					t.Errorf("error %+v, details %s, run %+v", got, got.Details, run)
				}
				m := w.machine("s")
				m.serve(9000, nil)
				_, _, err = s.Dial(t.Context(), 8080)
				got = wantCode(t, err, abi.CodePortNotListening)
				if string(got.Details) != `{"diagnosis":"listening_on:[9000]"}` || !strings.Contains(got.Suggestion, "9000") {
					t.Errorf("details %s, suggestion %s", got.Details, got.Suggestion)
				}
				m.serve(8080, answer("hello"))
				before, err := s.GetState(t.Context(), &abi.Empty{})
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Nanosecond)
				conn, run, err := s.Dial(t.Context(), 8080)
				if err != nil || run.Generation != 1 || run.Started {
					t.Fatalf("dial: %+v, %v", run, err)
				}
				_ = conn.Close()
				for _, port := range []int{0, 1023, 65536, 3000} {
					_, _, err = s.Dial(t.Context(), port)
					wantCode(t, err, abi.CodeInvalidPort)
				}
				st, err := s.GetState(t.Context(), &abi.Empty{})
				if want := map[bool]string{false: "namespace", true: "init"}[noDial]; err != nil || st.Dial != want || st.Runtime != "fake" || !st.LastActivityAt.After(*before.LastActivityAt) {
					t.Errorf("state %+v, %v; want dial %s", st, err, want)
				}
			})
		})
	}
}
