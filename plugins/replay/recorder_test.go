package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"edge/abi"
	"edge/plugins"
)

// lines reads a whole recording.
func lines(t *testing.T, file string) []*Line {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var list []*Line
	for r := NewReader(f); ; {
		l, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, l)
	}
}

// TestRecording looks at the lines of one request: its settings, then all of it.
func TestRecording(t *testing.T) {
	t.Parallel()
	services := real{answer: func(name string, _ json.RawMessage) (json.RawMessage, error) {
		if name == "touch" {
			return nil, abi.Errorf(abi.CodeDenied, "no")
		}
		return json.RawMessage(`{"stdout":"x"}`), nil
	}}.services()
	g := newGuest().op("exec", `{"command":"ls","sandbox":{"binding":"S","id":"a"}}`).op("touch", box)
	g.do("req_body_read", req(), int(g.buf), 4).respond(201)
	file := recorded(t, g.module(), Options{}, plugins.Spec{Config: map[string]json.RawMessage{"k": json.RawMessage(`1`)}}, services,
		withBody(request("/a", abi.Header{Name: "Accept", Value: "*/*"}), "long body"))

	st, err := os.Stat(file)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	list := lines(t, file)
	if len(list) != 2 || list[0].Settings == nil || string(list[0].Settings.Config["k"]) != "1" || list[0].Settings.Grants == nil {
		t.Fatalf("got %d lines, the first %+v", len(list), list[0])
	}
	l := list[1]
	q := l.Request
	if q.Method != "POST" || q.URL != "http://localhost:8787/a" || string(q.Body) != "long" || !q.Unread || q.ContentLength != 9 || len(q.Headers) != 2 {
		t.Errorf("request %+v", q)
	}
	if l.Plugin != "p" || len(l.Digest) != 64 || l.Time.IsZero() || string(l.Body) != "long" || l.Explanation.Verdict.Status != 201 {
		t.Errorf("line %+v, body %s", l, l.Body)
	}
	want := []string{`{"name":"exec","request":{"command":"ls","sandbox":{"binding":"S","id":"a"}},"answer":{"stdout":"x"}}`,
		`{"name":"touch","request":{"sandbox":{"binding":"S","id":"a"}},"error":{"code":"DENIED","message":"no","retryable":false,"started":"no"}}`}
	for i, c := range l.Calls {
		if text, err := marshal(c); err != nil || string(text) != want[i] {
			t.Errorf("call %d: %s, want %s", i, text, want[i])
		}
	}
}

// TestRecordingKeepsTheRequest hands the request on as it was.
func TestRecordingKeepsTheRequest(t *testing.T) {
	t.Parallel()
	body := strings.NewReader("body")
	q := request("/")
	q.Body, q.ContentLength = body, 4
	recorded(t, newGuest().do("next", req()).module(), Options{}, plugins.Spec{}, plugins.Services{}, q)
	if q.Body != io.Reader(body) {
		t.Errorf("the body is a %T", q.Body)
	}
}

// TestRecordingLarge keeps 64 KiB of everything, and says what is missing.
func TestRecordingLarge(t *testing.T) {
	t.Parallel()
	huge := strings.Repeat("x", maxPiece+1)
	services := real{answer: func(string, json.RawMessage) (json.RawMessage, error) {
		return json.RawMessage(`"` + huge + `"`), nil
	}}.services()
	g := newGuest()
	content := `{"content":"` + strings.Repeat("y", maxPiece) + `","sandbox":{"binding":"S","id":"a"}}`
	module := g.do("op", req(), "writeFile", content, int(g.buf), 0).respond(200).module()
	file := recorded(t, module, Options{}, plugins.Spec{}, services, request("/"))
	c := lines(t, file)[1].Calls[0]
	if c.Missing != missingLarge || c.Answer != nil || !strings.Contains(string(c.Request), `"bytes":65585`) {
		t.Errorf("got %+v, request %.100s", c, c.Request)
	}
}

// TestRecordingFull stops at the bound, between two lines, and says so once.
func TestRecordingFull(t *testing.T) {
	t.Parallel()
	var log safeBuffer
	var requests []*abi.Request
	for range 20 {
		requests = append(requests, request("/"))
	}
	file := recorded(t, newGuest().respond(200).module(), Options{MaxBytes: 3000, Log: slog.New(slog.NewTextHandler(&log, nil))}, plugins.Spec{}, plugins.Services{}, requests...)
	st, err := os.Stat(file)
	if err != nil || st.Size() > 3000 {
		t.Errorf("%d bytes, %v", st.Size(), err)
	}
	if n := len(lines(t, file)); n < 2 || n > 20 {
		t.Errorf("%d lines", n)
	}
	if n := strings.Count(log.String(), "the recording is full and has stopped; --record-max lets it grow"); n != 1 {
		t.Errorf("said %d times:\n%s", n, log.String())
	}
}

// TestRecordingGoesOn appends to a file, after a line that is not whole.
func TestRecordingGoesOn(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "r.jsonl")
	if err := os.WriteFile(file, []byte(`{"time":"2026-01-01T00:00:00Z","dropped":1}`+"\n"+`{"half`), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := Create(file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	serve(t, r, newGuest().respond(200).module(), plugins.Spec{}, plugins.Services{}, request("/"))
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := Run{Open: openNone}.Do(t.Context(), f)
	if err != nil || s.Same != 1 || s.Unreadable != 1 || s.Dropped != 1 {
		t.Errorf("%s, %v", s.String(), err)
	}
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	if _, err := Create(t.TempDir(), Options{}); err == nil {
		t.Error("a folder was taken for a file")
	}
}

// TestRecorderDrops never waits: with a writer that does not come, lines are
// dropped, and counted.
func TestRecorderDrops(t *testing.T) {
	t.Parallel()
	r := &Recorder{queue: make(chan *watch, 2), log: slog.New(slog.DiscardHandler)} // nobody writes
	for range 5 {
		_, rec := r.Begin(plugins.Settings{Spec: &plugins.Spec{}}, request("/"), plugins.Services{})
		rec.End(&abi.Next{}, nil, &abi.Explanation{})
		rec.Over()
	}
	if n := r.Dropped(); n != 3 {
		t.Errorf("%d dropped, want 3", n)
	}
	r = &Recorder{queue: make(chan *watch, 10000), log: r.log}
	big := strings.Repeat("x", maxPiece)
	for range 2 * maxQueuedBytes / maxPiece {
		_, rec := r.Begin(plugins.Settings{Spec: &plugins.Spec{}}, request("/"), plugins.Services{})
		rec.End(&abi.Respond{Status: 200, Body: []byte(big)}, nil, &abi.Explanation{})
		rec.Over()
	}
	if held := r.queued.Load(); held > maxQueuedBytes || r.Dropped() < 500 {
		t.Errorf("%d bytes wait, %d dropped", held, r.Dropped())
	}
}

// TestRecorderGaps tells the file what is missing.
func TestRecorderGaps(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "r.jsonl")
	r, err := Create(file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.dropped.Store(7)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if l := lines(t, file); len(l) != 1 || l[0].Dropped != 7 {
		t.Errorf("got %+v", l)
	}
}

// TestRecorderHammer records from many goroutines while it is closed.
func TestRecorderHammer(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "r.jsonl")
	r, err := Create(file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				_, rec := r.Begin(plugins.Settings{Plugin: "p", Spec: &plugins.Spec{}}, withBody(request("/"), "b"), real{}.services())
				if rec == nil {
					return
				}
				rec.End(&abi.Next{}, nil, &abi.Explanation{})
				rec.Over()
			}
		})
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	for _, l := range lines(t, file) {
		if l.Plugin != "p" {
			t.Fatalf("got %+v", l)
		}
	}
}

// TestUndecided tells errors that say nothing of the plugin.
func TestUndecided(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want abi.Code
	}{
		{nil, ""},
		{abi.Errorf(abi.CodeTimeout, "x"), abi.CodeTimeout},
		{abi.Errorf(abi.CodePluginOverloaded, "x"), abi.CodePluginOverloaded},
		{context.Canceled, abi.CodeCanceled},
		{abi.Errorf(abi.CodePluginFailed, "x"), ""},
		{chosen{abi.Errorf(abi.CodeTimeout, "x")}, ""},
	} {
		if got := undecided(tt.err); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.err, got, tt.want)
		}
	}
}

type chosen struct{ e *abi.Error }

func (c chosen) Error() string { return c.e.Error() }
func (c chosen) Unwrap() error { return c.e }
func (chosen) Chosen() bool    { return true }

// safeBuffer is a buffer for a log.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
