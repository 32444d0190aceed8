package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"edge/abi"
)

func opening(t *testing.T, run func(*fakeStream, json.RawMessage) error) *fakeOperations {
	return &fakeOperations{operate: echoed, open: stream(t, run)}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	w := start(t, &Server{Operations: opening(t, func(s *fakeStream, body json.RawMessage) error {
		for _, e := range []string{
			`{"type":"start","pid":7}`,
			"{\n\"type\": \"stdout\",\r\n\"data\": \"a\\nb\", \"cursor\":\"c1\"}", // as a sandbox might write it
			`{"type":"x\ndata: evil","cursor":"1\n\nevent: evil"}`,
			`{"type":7}`,
			`{"asked":` + string(body) + `}`,
		} {
			if err := s.event(e); err != nil {
				return err
			}
		}
		return nil
	})})
	got := w.ask("POST", box+"/execStream", `{"command":"x"}`)
	want := "event: start\ndata: {\"type\":\"start\",\"pid\":7}\n\n" +
		"event: stdout\nid: c1\ndata: {\"type\":\"stdout\",\"data\":\"a\\nb\",\"cursor\":\"c1\"}\n\n" +
		"data: {\"type\":\"x\\ndata: evil\",\"cursor\":\"1\\n\\nevent: evil\"}\n\n" +
		"data: {\"type\":7}\n\n" +
		"data: {\"asked\":{\"sandbox\":{\"binding\":\"Sandbox\",\"id\":\"a\"},\"command\":\"x\"}}\n\n"
	if got.StatusCode != 200 || got.Header.Get("Content-Type") != "text/event-stream" || got.err != nil || got.body != want {
		t.Errorf("%d %v %v\n%s\nwant\n%s", got.StatusCode, got.Header, got.err, got.body, want)
	}
}

func TestEventsFail(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		run  func(s *fakeStream) error
		code abi.Code
	}{
		"with an error":     {func(s *fakeStream) error { return abi.Errorf(abi.CodeTimeout, "too long") }, abi.CodeTimeout},
		"broken off":        {func(s *fakeStream) error { return &abi.SocketClosed{Code: 1006} }, abi.CodeSandboxExited},
		"bytes":             {func(s *fakeStream) error { return s.send(abi.OpcodeBinary, []byte("x")) }, abi.CodeInternal},
		"no JSON":           {func(s *fakeStream) error { return s.event("hello\n\nevent: x") }, abi.CodeInternal},
		"JSON but no event": {func(s *fakeStream) error { return s.event(`"text"`) }, abi.CodeInternal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, &Server{Operations: opening(t, func(s *fakeStream, _ json.RawMessage) error {
				if err := s.event(`{"type":"start"}`); err != nil {
					return err
				}
				return tt.run(s)
			})})
			got := w.ask("POST", box+"/execStream", `{}`)
			_, last, _ := strings.Cut(got.body, "event: error\ndata: ")
			if e := (result{body: strings.TrimSpace(last)}); e.code() != tt.code || strings.Count(got.body, "event: ") != 2 {
				t.Errorf("got %s", got.body)
			}
		})
	}
	t.Run("to begin", func(t *testing.T) {
		t.Parallel()
		w := start(t, &Server{Operations: &fakeOperations{open: func(context.Context, string, json.RawMessage) (abi.Socket, error) {
			return nil, abi.Errorf(abi.CodeCommandNotFound, "none")
		}}})
		if got := w.ask("POST", box+"/execStream", `{}`); got.StatusCode != 404 || got.code() != abi.CodeCommandNotFound {
			t.Errorf("%d %s", got.StatusCode, got.body)
		}
	})
}

func TestEventsResume(t *testing.T) {
	t.Parallel()
	w := start(t, &Server{Operations: opening(t, func(s *fakeStream, body json.RawMessage) error { return s.event(string(body)) })})
	for _, tt := range []struct {
		op, last, want string
		status         int
	}{
		{"streamLogs", "", `{"sandbox":{"binding":"Sandbox","id":"a"},"processId":"p","tail":10,"since":"old"}`, 200},
		{"streamLogs", "c\"7", `{"processId":"p","sandbox":{"binding":"Sandbox","id":"a"},"since":"c\"7"}`, 200},
		{"watch", "c7", "INVALID_REQUEST", 400},
	} {
		r := w.request("POST", box+"/"+tt.op, strings.NewReader(`{"processId":"p","tail":10,"since":"old"}`))
		if tt.last != "" {
			r.Header.Set("Last-Event-ID", tt.last)
		}
		if got := w.do(r); got.StatusCode != tt.status || !strings.Contains(got.body, tt.want) {
			t.Errorf("%s after %q: %d %s, want %s", tt.op, tt.last, got.StatusCode, got.body, tt.want)
		}
	}
}

// TestEventsFlow wants each event at once, signs of life between, and the
// stream closed when the client goes.
func TestEventsFlow(t *testing.T) {
	t.Parallel()
	goOn, hungUp := make(chan struct{}), make(chan struct{})
	w := start(t, &Server{pace: hurry(func(p *pace) { p.keepAlive = 10 * time.Millisecond }), Operations: opening(t, func(s *fakeStream, _ json.RawMessage) error {
		_ = s.event(`{"type":"one"}`)
		<-goOn
		_ = s.event(`{"type":"two"}`)
		<-s.closed
		close(hungUp)
		return errHungUp
	})})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	resp, err := w.client.Do(w.request("POST", box+"/execStream", nil).WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	expect := func(want string) {
		t.Helper()
		for lines.Scan() {
			if lines.Text() == want {
				return
			}
		}
		t.Fatalf("no line %q: %v", want, lines.Err())
	}
	expect("event: one")
	expect(": keep-alive")
	expect(": keep-alive")
	close(goOn)
	expect("event: two")
	cancel()
	await(t, "the stream's close", hungUp)
}

// TestSlowReader wants a sandbox held back by a client that does not read, and
// the whole to arrive once it does.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	const pieces, size = 512, 60 << 10 // 30 MiB
	data := strings.Repeat("x", size)
	for _, tt := range []struct{ name, op, first string }{
		{"events", "execStream", ""},
		{"download", "readFileStream", `{"name":"f"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var sent atomic.Int64
			w := start(t, &Server{Operations: opening(t, func(s *fakeStream, _ json.RawMessage) error {
				if tt.first != "" {
					_ = s.event(tt.first)
				}
				for range pieces {
					var err error
					if tt.first != "" {
						err = s.send(abi.OpcodeBinary, []byte(data))
					} else {
						err = s.event(`{"type":"stdout","data":"` + data + `"}`)
					}
					if err != nil {
						return err
					}
					sent.Add(1)
				}
				return nil
			})})
			resp, err := w.client.Do(w.request("POST", box+"/"+tt.op, nil))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			// It stops when the buffers of both kernels' ends are full.
			settled := settle(t, &sent)
			if settled == pieces {
				t.Errorf("all of %d MiB were taken from the sandbox, and nobody read", pieces*size>>20)
			}
			n, err := io.Copy(io.Discard, resp.Body)
			if err != nil || n < pieces*size {
				t.Errorf("%d bytes, %v", n, err)
			}
			t.Logf("held back after %d KiB", settled*size>>10)
		})
	}
}

// settle waits until a count does not grow for a while, and returns it.
func settle(t *testing.T, n *atomic.Int64) int64 {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for last := int64(-1); ; {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			return last
		}
		now := n.Load()
		if now == last && now > 0 {
			return now
		}
		last = now
	}
}

func TestDownload(t *testing.T) {
	t.Parallel()
	const info = `{"name":"ä😀","path":"/tmp/a\u0000b","size":3}`
	for _, tt := range []struct {
		name   string
		run    func(s *fakeStream) error
		status int
		want   string // body, or code
		broken bool
	}{
		{"bytes", func(s *fakeStream) error {
			_ = s.event(info)
			_ = s.send(abi.OpcodeBinary, []byte("ab"))
			return s.send(abi.OpcodeBinary, []byte{0, 0xff})
		}, 200, "ab\x00\xff", false},
		{"nothing", func(s *fakeStream) error { return s.event(info) }, 200, "", false},
		{"fails at once", func(s *fakeStream) error { return abi.Errorf(abi.CodeFileNotFound, "none") }, 404, "FILE_NOT_FOUND", false},
		{"ends at once", func(s *fakeStream) error { return nil }, 500, "INTERNAL", false},
		{"fails before the first byte", func(s *fakeStream) error {
			_ = s.event(info)
			return abi.Errorf(abi.CodePermissionDenied, "no")
		}, 403, "PERMISSION_DENIED", false},
		{"fails midway", func(s *fakeStream) error {
			_ = s.event(info)
			_ = s.send(abi.OpcodeBinary, []byte("half"))
			return abi.Errorf(abi.CodeSandboxExited, "gone")
		}, 200, "half", true},
		{"info that is none", func(s *fakeStream) error { return s.event("x: y\r\nSet-Cookie: a=b") }, 500, "INTERNAL", false},
		{"info that is a text", func(s *fakeStream) error { return s.event(`"x"`) }, 500, "INTERNAL", false},
		{"huge info", func(s *fakeStream) error { return s.event(`{"a":"` + strings.Repeat("ä", 30<<10) + `"}`) }, 500, "INTERNAL", false},
		{"events", func(s *fakeStream) error { _ = s.event(info); return s.event(`{}`) }, 500, "INTERNAL", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := start(t, &Server{Operations: opening(t, func(s *fakeStream, _ json.RawMessage) error { return tt.run(s) })})
			got := w.ask("POST", box+"/readFileStream", `{"path":"/a"}`)
			if got.StatusCode != tt.status {
				t.Fatalf("%d %s", got.StatusCode, got.body)
			}
			header := got.Header.Get("Edge-File-Info")
			if tt.status != 200 {
				if got.code() != abi.Code(tt.want) || header != "" {
					t.Errorf("%v %s", got.Header, got.body)
				}
				return
			}
			if got.body != tt.want || (got.err != nil) != tt.broken {
				t.Errorf("body %q, %v", got.body, got.err)
			}
			if header != `{"name":"\u00e4\ud83d\ude00","path":"/tmp/a\u0000b","size":3}` || got.Header.Get("Content-Type") != "application/octet-stream" {
				t.Errorf("headers %v", got.Header)
			}
		})
	}
}

// TestStreamLimit wants one stream above the bound refused, and its place free
// again after.
func TestStreamLimit(t *testing.T) {
	t.Parallel()
	const bound = 2
	begun := make(chan struct{}, bound)
	w := start(t, &Server{MaxStreams: bound, Events: new(Events), Operations: opening(t, func(s *fakeStream, _ json.RawMessage) error {
		_ = s.event(`{"type":"ready"}`)
		begun <- struct{}{}
		<-s.closed
		return errHungUp
	})})
	var cancels []func()
	for range bound {
		ctx, cancel := context.WithCancel(t.Context())
		cancels = append(cancels, cancel)
		resp, err := w.client.Do(w.request("POST", box+"/watch", nil).WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		<-begun
	}
	for _, ask := range [][2]string{{"POST", box + "/watch"}, {"GET", "/v1/events"}, {"PUT", box + "/writeFileStream"}} {
		if got := w.ask(ask[0], ask[1], ""); got.StatusCode != 429 || got.code() != abi.CodeTooManyRequests || got.Header.Get("Retry-After") != "1" {
			t.Errorf("%v: %d %s", ask, got.StatusCode, got.body)
		}
	}
	for _, cancel := range cancels {
		cancel()
	}
	for deadline := time.Now().Add(patience); w.server.streams.Load() != 0; {
		if time.Now().After(deadline) {
			t.Fatalf("%d places are still taken", w.server.streams.Load())
		}
		time.Sleep(time.Millisecond)
	}
}

// TestShutdownEndsEventStreams wants a stream told that the edge goes, and a call
// finished.
func TestShutdownEndsEventStreams(t *testing.T) {
	t.Parallel()
	calling, goOn := make(chan struct{}), make(chan struct{})
	ops := opening(t, func(s *fakeStream, _ json.RawMessage) error { <-s.closed; return errHungUp })
	ops.operate = func(context.Context, string, json.RawMessage) (json.RawMessage, error) {
		close(calling)
		<-goOn
		return json.RawMessage(`{"done":true}`), nil
	}
	w := start(t, &Server{Operations: ops, Events: new(Events)})
	var bodies []io.ReadCloser
	for _, ask := range [][2]string{{"POST", box + "/watch"}, {"GET", "/v1/events"}} {
		resp, err := w.client.Do(w.request(ask[0], ask[1], nil))
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, resp.Body)
	}
	called := make(chan result, 1)
	go func() { called <- w.ask("POST", box+"/exec", "{}") }()
	await(t, "the call", calling)
	down := make(chan error, 1)
	go func() { down <- w.server.Shutdown(t.Context()) }()
	for _, b := range bodies {
		text, err := io.ReadAll(b)
		_ = b.Close()
		if err != nil || !strings.Contains(string(text), "event: error\n") || !strings.Contains(string(text), "RUNTIME_UNAVAILABLE") {
			t.Errorf("%q, %v", text, err)
		}
	}
	// A connection that was open already is answered, and in JSON.
	late := httptest.NewRecorder()
	w.server.serve(late, w.request("GET", "/v1/version", nil))
	if got := late.Body.String(); late.Code != 503 || !strings.Contains(got, `"code":"RUNTIME_UNAVAILABLE"`) || late.Header().Get("X-Request-Id") == "" {
		t.Errorf("late: %d %s", late.Code, got)
	}
	close(goOn)
	if got := <-called; got.StatusCode != 200 || strings.TrimSpace(got.body) != `{"done":true}` {
		t.Errorf("the call: %d %s", got.StatusCode, got.body)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
}

// TestShutdownGivesUp wants a call broken off when the time is over.
func TestShutdownGivesUp(t *testing.T) {
	t.Parallel()
	calling, over := make(chan struct{}), make(chan struct{})
	w := start(t, &Server{Operations: &fakeOperations{operate: func(ctx context.Context, _ string, _ json.RawMessage) (json.RawMessage, error) {
		close(calling)
		<-ctx.Done()
		close(over)
		return nil, ctx.Err()
	}}})
	failed := make(chan struct{})
	r := w.request("POST", box+"/exec", nil)
	go func() {
		defer close(failed)
		if resp, err := w.client.Do(r); err == nil {
			_ = resp.Body.Close()
		}
	}()
	await(t, "the call", calling)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.server.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	await(t, "the call's end", over)
	await(t, "the client", failed)
}
