package plugins

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// fakeFetcher answers 200 with what f says, or an empty body; what it was asked
// for is kept, bodies read.
type fakeFetcher struct {
	answer func(ctx context.Context, r FetchRequest) (*FetchResponse, error)

	mu     sync.Mutex
	asked  []string
	bodies []*fakeBody
}

// fakeBody tells whether it was closed.
type fakeBody struct {
	io.Reader
	closed chan struct{}
	once   sync.Once
}

func (b *fakeBody) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}

func (f *fakeFetcher) Fetch(ctx context.Context, r FetchRequest) (*FetchResponse, error) {
	body := r.Data
	if r.Stream != nil {
		body, _ = io.ReadAll(r.Stream)
		_ = r.Stream.Close()
	}
	if err := r.Allow("https", "api.example.com", 443); err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.asked = append(f.asked, fmt.Sprintf("%s %s %s %v %s", r.Plugin, r.Method, r.URL, r.Headers, body))
	f.mu.Unlock()
	answer := &FetchResponse{Status: 200, URL: r.URL, Body: io.NopCloser(strings.NewReader(""))}
	if f.answer != nil {
		var err error
		if answer, err = f.answer(ctx, r); err != nil {
			return nil, err
		}
	}
	b := &fakeBody{Reader: answer.Body, closed: make(chan struct{})}
	answer.Body = b
	f.mu.Lock()
	f.bodies = append(f.bodies, b)
	f.mu.Unlock()
	return answer, nil
}

// fakeKV is a map without time.
type fakeKV struct {
	mu       sync.Mutex
	values   map[string]KVValue
	revision uint64
}

func (k *fakeKV) Get(_ context.Context, namespace, key string) (KVValue, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	v, ok := k.values[namespace+"\x00"+key]
	if !ok {
		return v, abi.Errorf(abi.CodeNotFound, "there is no key %q", key)
	}
	return v, nil
}

func (k *fakeKV) Set(_ context.Context, namespace, key string, value []byte, opts abi.KVSetOptions) (uint64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.values[namespace+"\x00"+key].Revision
	if opts.IfRevision != nil && *opts.IfRevision != now {
		return 0, abi.Errorf(abi.CodeConflict, "key %q is at revision %d", key, now).WithDetails(abi.KVConflict{Revision: now})
	}
	if k.values == nil {
		k.values = map[string]KVValue{}
	}
	k.revision++
	k.values[namespace+"\x00"+key] = KVValue{bytes.Clone(value), k.revision}
	return k.revision, nil
}

func (k *fakeKV) Delete(_ context.Context, namespace, key string, _ abi.KVDeleteOptions) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.values, namespace+"\x00"+key)
	return nil
}

func (k *fakeKV) List(_ context.Context, namespace, prefix string, opts abi.KVListOptions) (abi.KVPage, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var page abi.KVPage
	for _, full := range slices.Sorted(maps.Keys(k.values)) {
		if key, ok := strings.CutPrefix(full, namespace+"\x00"); ok && strings.HasPrefix(key, prefix) && key > opts.After {
			page.Entries = append(page.Entries, abi.KVEntry{Key: key, Revision: k.values[full].Revision, Size: len(k.values[full].Value)})
		}
	}
	return page, nil
}

// fakeMetrics writes down what is counted.
type fakeMetrics struct {
	mu    sync.Mutex
	lines []string
	err   error
}

func (m *fakeMetrics) Count(plugin, name string, labels []string, v float64) error {
	return m.note("count", plugin, name, labels, v)
}

func (m *fakeMetrics) Observe(plugin, name string, labels []string, v float64) error {
	return m.note("observe", plugin, name, labels, v)
}

func (m *fakeMetrics) note(what, plugin, name string, labels []string, v float64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lines = append(m.lines, fmt.Sprint(what, " ", plugin, " ", name, " ", labels, " ", v))
	return m.err
}

func TestSecretClockRandom(t *testing.T) {
	t.Parallel()
	g := newAsmBut(nil)
	secret, clock, random := g.buffer(16), g.buffer(16), g.buffer(16)
	a := newBench(t, Config{}).runWith(t, g, newRequest(), func(s *Spec) { s.Secrets = map[string]string{"token": "\x00hush"} },
		g.record("secret_get", "token", secret),
		g.record("secret_get", "other", secret),
		g.record("secret_get", "token", 0, 0),
		g.record("result_read", 0, 0, 1, 0, 0),
		g.record("clock", 0, clock.ptr),
		g.record("clock", 1, clock.ptr+8),
		g.record("clock", 2, clock.ptr+8),
		g.record("random", random),
		g.record("random", random.ptr, maxRandom+1))
	a.want(0, "secret_get", abi.OK, 5)
	a.want(1, "secret_get of none", abi.NotFound, 0)
	a.want(2, "secret_get without room", abi.OK, 5)
	a.want(3, "result_read", abi.OK, 0)
	for i, what := range map[int]string{4: "clock 0", 5: "clock 1", 7: "random"} {
		a.want(i, what, abi.OK, 0)
	}
	a.want(6, "clock 2", abi.Invalid, 0)
	a.want(8, "too much randomness", abi.Invalid, 0)
	if got := string(a.bytes(secret, 5)); got != "\x00hush" {
		t.Errorf("secret is %q", got)
	}
	year := binary.LittleEndian.Uint64(a.bytes(clock, 8)) / 1e9 / 86400 / 365
	if year < 50 || year > 200 {
		t.Errorf("the clock says %d years since 1970", year)
	}
	if bytes.Equal(a.bytes(random, 16), make([]byte, 16)) {
		t.Error("no randomness came")
	}
}

func TestMetricFunctions(t *testing.T) {
	t.Parallel()
	labels := func(s ...string) []byte { return abi.AppendValues(nil, s) }
	m := new(fakeMetrics)
	g := newAsm()
	for _, tt := range []struct {
		name string
		args []any
		want abi.Errno
	}{
		{"count", []any{"count", "hits", labels("path", "/x"), 2.5}, abi.OK},
		{"count without labels", []any{"count", "hits", "", 0.0}, abi.OK},
		{"observe", []any{"observe", "took_seconds", "", -1.0}, abi.OK},
		{"negative", []any{"count", "hits", "", -1.0}, abi.Invalid},
		{"not a number", []any{"count", "hits", "", math.NaN()}, abi.Invalid},
		{"infinite", []any{"observe", "hits", "", math.Inf(1)}, abi.Invalid},
		{"name", []any{"count", "Hits", "", 1.0}, abi.Invalid},
		{"long name", []any{"count", strings.Repeat("a", 49), "", 1.0}, abi.Invalid},
		{"label twice", []any{"count", "hits", labels("a", "1", "a", "2"), 1.0}, abi.Invalid},
		{"label of the edge", []any{"count", "hits", labels("plugin", "1"), 1.0}, abi.Invalid},
		{"five labels", []any{"count", "hits", labels("a", "", "b", "", "c", "", "d", "", "e", ""), 1.0}, abi.Invalid},
		{"odd labels", []any{"count", "hits", labels("a"), 1.0}, abi.Invalid},
		{"torn labels", []any{"count", "hits", "\x09", 1.0}, abi.Invalid},
		{"label value", []any{"count", "hits", labels("a", strings.Repeat("x", 129)), 1.0}, abi.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newAsm()
			a := newBench(t, Config{Services: Services{Metrics: m}}).run(t, g, newRequest(), g.record(tt.args[0].(string), tt.args[1:]...))
			a.want(0, tt.name, tt.want, 0)
		})
	}
	want := []string{"count p hits [path /x] 2.5", "count p hits [] 0", "observe p took_seconds [] -1"}
	if !slices.Equal(m.lines, want) {
		t.Errorf("counted\n%s\nwant\n%s", strings.Join(m.lines, "\n"), strings.Join(want, "\n"))
	}
	a := newBench(t, Config{}).run(t, g, newRequest(), g.record("count", "hits", "", 1.0))
	a.want(0, "count without metrics", abi.Unsupported, 0)
	g = newAsm()
	full := &fakeMetrics{err: abi.Errorf(abi.CodeQuotaExceeded, "full")}
	a = newBench(t, Config{Services: Services{Metrics: full}}).run(t, g, newRequest(), g.record("count", "hits", "", 1.0))
	a.want(0, "count beyond the bound", abi.Quota, 0)
}

func TestKV(t *testing.T) {
	t.Parallel()
	g := newAsm()
	out, small, last := g.buffer(512), g.buffer(8), g.buffer(512)
	store := new(fakeKV)
	b := newBench(t, Config{Services: Services{KV: store}})
	a := b.run(t, g, newRequest(),
		g.record("kv", req(), 1, "k", "", "", out),
		g.record("kv", req(), 2, "k", "one", `{"ifRevision":0}`, small),
		g.record("kv", req(), 1, "k", "", "", out),
		g.record("kv", req(), 1, "k", "", "", small),
		g.record("result_read", req(), 0, 8, small),
		g.record("kv", req(), 2, "k", "two", `{"ifRevision":0}`, small),
		g.record("last_error", req(), last),
		g.record("kv", req(), 2, "k", "two", `{"ttl":"1h","nonsense":1}`, small),
		g.record("kv", req(), 3, "other", "", "", small),
		g.record("kv", req(), 4, "", "", `{"limit":1001}`, small),
		g.record("kv", req(), 5, "k", "", "", small),
		g.record("kv", req(), 1, "", "", "", small),
		g.record("kv", req(), 1, "\xff", "", "", small),
		g.record("kv", req(), 2, strings.Repeat("k", 513), "", "", small),
		g.record("kv", 0, 1, "k", "", "", small),
		g.record("kv", 0, 1, "none", "", "", small),
		g.record("kv", 77, 1, "k", "", "", small),
		g.record("kv_start", req(), 1, "k", "", ""),
		g.record("kv", req(), 2, "k", wasmasm.Do(wasmasm.I32(0), wasmasm.I32(abi.MaxKVValue+1)), "", small),
	)
	for i, want := range []abi.Errno{
		abi.NotFound, abi.OK, abi.OK, abi.OK, abi.OK, abi.Already, abi.OK, abi.Invalid, abi.OK, abi.Invalid, abi.Invalid,
		abi.Invalid, abi.Invalid, abi.Invalid, abi.OK, abi.NotFound, abi.Closed, abi.Unsupported, abi.TooLarge,
	} {
		if got, _ := a.result(i); got != want {
			t.Errorf("call %d: got %s, want %s", i, got, want)
		}
	}
	if got := string(a.bytes(out, 11)); got != "\x01\x00\x00\x00\x00\x00\x00\x00one" {
		t.Errorf("get wrote %q", got)
	}
	_, n := a.result(6)
	if text := string(a.bytes(last, n)); !strings.Contains(text, `"CONFLICT"`) || !strings.Contains(text, `"details":{"revision":1}`) {
		t.Errorf("the conflict says %s", text)
	}
	if v, err := store.Get(t.Context(), "p", "k"); err != nil || string(v.Value) != "one" {
		t.Errorf("the plugin's namespace has %q, %v", v.Value, err)
	}
}

// TestKVList pages through keys, and asks in edge_init, where there is no request.
func TestKVList(t *testing.T) {
	t.Parallel()
	store := new(fakeKV)
	for _, key := range []string{"a/1", "a/2", "b"} {
		if _, err := store.Set(t.Context(), "team", key, []byte("v"), abi.KVSetOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	g := newAsm()
	out := g.buffer(512)
	early := g.record("kv", 0, 4, "", "", "", out)
	g.Func("edge1", "", "", "")
	g.Func("edge_init", "", "i", "", early, wasmasm.I32(0))
	g.Func("edge_request", "i", "i", "iii",
		g.record("kv", req(), 4, "a/", "", `{"after":"a/1"}`, out), g.finish(req()), wasmasm.I32(0))
	p := newBench(t, Config{Services: Services{KV: store}}).load(t, g.Encode(), func(s *Spec) {
		s.Grants = &Grants{KV: "team", Fetch: []string{"*"}, Sandboxes: map[string][]string{"S": {"*"}}}
	})
	a := scriptAnswer{t, g, []byte(bodyOf(t, decide(t, p, newRequest())))}
	if errno, n := a.result(0); errno != abi.OK || n < 100 {
		t.Errorf("list in edge_init: %s %d", errno, n)
	}
	errno, n := a.result(1)
	if got, want := string(a.bytes(out, n)), `{"entries":[{"key":"a/2","revision":2,"size":1}],"more":false}`; errno != abi.OK || got != want {
		t.Errorf("list: %s %s, want %s", errno, got, want)
	}
}

func TestFetch(t *testing.T) {
	t.Parallel()
	g := newAsm()
	head, piece, last := g.buffer(256), g.buffer(8), g.buffer(512)
	fetcher := &fakeFetcher{answer: func(_ context.Context, r FetchRequest) (*FetchResponse, error) {
		return &FetchResponse{Status: 201, URL: r.URL + "/last", Headers: []abi.Header{{Name: "X", Value: "y"}},
			Body: io.NopCloser(strings.NewReader("hello world"))}, nil
	}}
	b := newBench(t, Config{Services: Services{Fetcher: fetcher}})
	handle := wasmasm.Get(1)
	a := b.runWith(t, g, newRequest(), func(s *Spec) {
		s.Grants = &Grants{Fetch: []string{"api.example.com"}, KV: "p", Sandboxes: map[string][]string{"S": {"*"}}}
	},
		g.call("fetch", req(), `{"url":"https://api.example.com/v1","headers":[["A","b"]],"method":"POST"}`, "data"), wasmasm.Wrap(), wasmasm.Set(1),
		g.record("fetch_head", req(), handle, head),
		g.record("fetch_read", req(), handle, piece),
		g.record("fetch_read", req(), handle, piece.ptr, 3),
		g.record("fetch_read", req(), handle, piece),
		g.record("fetch_read", req(), handle, piece),
		g.record("fetch_close", req(), handle),
		g.record("fetch_read", req(), handle, piece),
		g.record("fetch", req(), `{"url":"ftp://a"}`, ""),
		g.record("fetch", req(), `{"url":"https://a","headers":[["Host","b"]]}`, ""),
		g.record("fetch", req(), `{"url":"https://a","surprise":1}`, ""),
		g.record("fetch", req(), `{"url":"https://a","body":"request"}`, "both"),
		g.record("fetch", 99, `{"url":"https://a"}`, ""),
		g.record("fetch_start", req(), `{"url":"https://a"}`, ""),
		g.record("last_error", req(), last),
	)
	for i, want := range []struct {
		errno abi.Errno
		low   uint32
	}{
		{abi.OK, 4 + 4 + 31 + 4 + 4 + 1 + 4 + 1}, {abi.OK, 8}, {abi.OK, 3}, {abi.OK, 0}, {abi.OK, 0}, {abi.OK, 0}, {abi.Closed, 0},
		{abi.Invalid, 0}, {abi.Invalid, 0}, {abi.Invalid, 0}, {abi.Invalid, 0}, {abi.Closed, 0}, {abi.Unsupported, 0},
	} {
		a.want(i, fmt.Sprint("call ", i), want.errno, want.low)
	}
	_, n := a.result(0)
	got := a.bytes(head, n)
	hs, err := abi.ParseHeaders(got[8+31:])
	if binary.LittleEndian.Uint32(got) != 201 || string(got[8:8+31]) != "https://api.example.com/v1/last" || err != nil || len(hs) != 1 || hs[0].Value != "y" {
		t.Errorf("head %q, %v", got, err)
	}
	if want := "p POST https://api.example.com/v1 [{A b}] data"; len(fetcher.asked) != 1 || fetcher.asked[0] != want {
		t.Errorf("asked %q, want %q", fetcher.asked, want)
	}
	<-fetcher.bodies[0].closed
}

// TestFetchEndsWithItsRequest leaves answers open, as many as there may be, and
// asks for one more.
func TestFetchEndsWithItsRequest(t *testing.T) {
	t.Parallel()
	g := newAsm()
	fetcher := new(fakeFetcher)
	var steps []wasmasm.Code
	for range maxFetches + 1 {
		steps = append(steps, g.record("fetch", req(), `{"url":"https://api.example.com/"}`, ""))
	}
	a := newBench(t, Config{Services: Services{Fetcher: fetcher}}).runWith(t, g, newRequest(),
		func(s *Spec) {
			s.Grants = &Grants{Fetch: []string{"*"}, KV: "p", Sandboxes: map[string][]string{"S": {"*"}}}
		}, steps...)
	for i := range maxFetches {
		if errno, handle := a.result(i); errno != abi.OK || handle == 0 {
			t.Errorf("fetch %d: %s %d", i, errno, handle)
		}
	}
	a.want(maxFetches, "one more", abi.Quota, 0)
	for _, b := range fetcher.bodies {
		<-b.closed
	}
}

// TestFetchDenied asks for a host that is not granted.
func TestFetchDenied(t *testing.T) {
	t.Parallel()
	g := newAsm()
	last := g.buffer(512)
	a := newBench(t, Config{Services: Services{Fetcher: new(fakeFetcher)}}).run(t, g, newRequest(),
		g.record("fetch", req(), `{"url":"https://api.example.com/"}`, ""), g.record("last_error", req(), last))
	a.want(0, "fetch", abi.Denied, 0)
	_, n := a.result(1)
	if text := string(a.bytes(last, n)); !strings.Contains(text, "api.example.com") {
		t.Errorf("the error does not name the host: %s", text)
	}
}

// TestFetchStreamsTheClientsBody sends what the client sends, less what the guest
// read before.
func TestFetchStreamsTheClientsBody(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		first int64 // bytes that the guest reads itself
		size  int64
		want  string
	}{
		"all of it":     {0, 10, "0123456789"},
		"what is left":  {4, -1, "456789"},
		"none is there": {10, -1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newAsm()
			buf := g.buffer(16)
			sizes := make(chan int64, 1)
			fetcher := &fakeFetcher{answer: func(_ context.Context, r FetchRequest) (*FetchResponse, error) {
				sizes <- r.Size
				return &FetchResponse{Status: 200, Body: io.NopCloser(strings.NewReader(""))}, nil
			}}
			r := newRequest()
			r.Body, r.ContentLength = strings.NewReader("0123456789"), 10
			var steps []wasmasm.Code
			if tt.first > 0 {
				steps = append(steps, g.record("req_body_read", req(), buf.ptr, int(tt.first)))
			}
			steps = append(steps, g.record("fetch", req(), `{"url":"https://api.example.com/","body":"request","method":"PUT"}`, ""),
				g.record("req_body_read", req(), buf))
			a := newBench(t, Config{Services: Services{Fetcher: fetcher}}).runWith(t, g, r,
				func(s *Spec) {
					s.Grants = &Grants{Fetch: []string{"*"}, KV: "p", Sandboxes: map[string][]string{"S": {"*"}}}
				}, steps...)
			if size := <-sizes; size != tt.size {
				t.Errorf("size %d, want %d", size, tt.size)
			}
			if want := "p PUT https://api.example.com/ [] " + tt.want; fetcher.asked[0] != want {
				t.Errorf("asked %q, want %q", fetcher.asked[0], want)
			}
			a.want(len(steps)-1, "the body after it was sent", abi.OK, 0)
		})
	}
}

// TestRefusedFetchGivesTheBodyBack has a fetch of the client's body refused before
// the fetcher had it: others read it then, and not while the fetcher has it.
func TestRefusedFetchGivesTheBodyBack(t *testing.T) {
	t.Parallel()
	for _, begun := range []bool{false, true} {
		b := newBench(t, Config{})
		g := b.load(t, responding("")).acquire()
		x := newExchange(t.Context(), g, newRequest(), time.Now(), time.Now().Add(patience))
		o := &outbound{x: x, begun: begun}
		o.streamBody()
		o.giveBack()
		select {
		case <-x.bodyLane.join().turn:
			if begun {
				t.Error("another one may read what the fetcher reads")
			}
		default:
			if !begun {
				t.Error("nobody may read the body any more")
			}
		}
		_ = o.body.Close()
		x.retire()
		g.release()
	}
}

// TestAsyncServices fetches, reads and stores with started calls.
func TestAsyncServices(t *testing.T) {
	t.Parallel()
	granted := func(s *Spec) {
		s.Grants = &Grants{Fetch: []string{"*"}, KV: "p", Sandboxes: map[string][]string{"S": {"*"}}}
	}
	t.Run("kv", func(t *testing.T) {
		t.Parallel()
		store := new(fakeKV)
		g := newAsm()
		buf := g.buffer(64)
		p := newBench(t, Config{Services: Services{KV: store}}).load(t, g.async(
			pending(g.drop("kv_start", req(), 2, "k", "v", "")), g.answerResult(buf), wasmasm.Do()), granted)
		if got := bodyOf(t, decide(t, p, newRequest())); got != "\x01\x00\x00\x00\x00\x00\x00\x00" {
			t.Errorf("answered %q", got)
		}
	})
	t.Run("fetch", func(t *testing.T) {
		t.Parallel()
		fetcher := &fakeFetcher{answer: func(context.Context, FetchRequest) (*FetchResponse, error) {
			return &FetchResponse{Status: 200, Body: io.NopCloser(strings.NewReader("body"))}, nil
		}}
		g := newAsm()
		state := g.Global(0)
		buf := g.buffer(64)
		// The first completion is the head's: its result is the handle, which the
		// body is read from; the second is the body's.
		p := newBench(t, Config{Services: Services{Fetcher: fetcher}}).load(t, g.async(
			pending(g.drop("fetch_start", req(), `{"url":"https://api.example.com/"}`, "")),
			wasmasm.Do(wasmasm.GetGlobal(state), wasmasm.If(g.answerResult(buf), wasmasm.Do(
				wasmasm.I32(1), wasmasm.SetGlobal(state),
				g.drop("result_read", req(), wasmasm.Get(1), 0, buf),
				g.drop("fetch_read_start", req(), wasmasm.Do(wasmasm.I32(int32(buf.ptr)), wasmasm.Load()), 16)))),
			wasmasm.Do()), granted)
		if got := bodyOf(t, decide(t, p, newRequest())); got != "body" {
			t.Errorf("answered %q", got)
		}
		<-fetcher.bodies[0].closed
	})
}

func TestPlan(t *testing.T) {
	t.Parallel()
	good := `{"sandbox":{"binding":"Sandbox","id":"ONE"},"process":{"processId":"web","command":"run"},"ready":{"path":"/"},"then":"proxy","port":8080}`
	g := newAsm()
	p := newBench(t, Config{}).load(t, g.module(g.drop("plan", req(), good), wasmasm.I32(0)))
	d, ok := decide(t, p, newRequest()).(*abi.Plan)
	if !ok || d.Sandbox.ID != "one" || d.Process.Command != "run" || d.Port != 8080 || d.Timeout.D() != abi.DefaultPlanTimeout {
		t.Errorf("decision %+v", d)
	}
	for name, tt := range map[string]struct {
		json string
		want abi.Errno
		code abi.Code
	}{
		"no JSON":        {"{", abi.Invalid, abi.CodeInvalidRequest},
		"unknown field":  {strings.Replace(good, `"then"`, `"than":1,"then"`, 1), abi.Invalid, abi.CodeInvalidRequest},
		"nothing then":   {strings.Replace(good, `"then":"proxy"`, `"then":""`, 1), abi.Invalid, abi.CodeInvalidRequest},
		"no process id":  {strings.Replace(good, `"processId":"web",`, ``, 1), abi.Invalid, abi.CodeInvalidRequest},
		"port":           {strings.Replace(good, `8080`, `80`, 1), abi.Invalid, abi.CodeInvalidPort},
		"binding":        {strings.Replace(good, `Sandbox`, `no binding`, 1), abi.NotFound, abi.CodeUnknownBinding},
		"path":           {strings.Replace(good, `"/"`, `"x"`, 1), abi.Invalid, abi.CodeInvalidRequest},
		"no upgrade":     {strings.Replace(good, `"proxy"`, `"connect"`, 1), abi.Invalid, abi.CodeUpgradeRequired},
		"status":         {strings.Replace(good, `"then"`, `"fallback":{"status":700},"then"`, 1), abi.Invalid, abi.CodeInvalidRequest},
		"too long":       {strings.Replace(good, `"then"`, `"timeout":"11m","then"`, 1), abi.Invalid, abi.CodeInvalidRequest},
		"files for none": {`{"sandbox":{"binding":"S","id":"a"},"files":[{"path":"a","content":""}],"then":"proxy","port":8080}`, abi.Invalid, abi.CodeInvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newAsm()
			out := g.buffer(512)
			a := newBench(t, Config{}).run(t, g, newRequest(), g.record("plan", req(), tt.json), g.record("last_error", req(), out))
			a.want(0, name, tt.want, 0)
			_, n := a.result(1)
			if text := string(a.bytes(out, n)); !strings.Contains(text, string(tt.code)) {
				t.Errorf("last error is %s, want %s", text, tt.code)
			}
		})
	}
}

// TestFetchOfSandbox sends requests to ports of sandboxes: those that were granted.
func TestFetchOfSandbox(t *testing.T) {
	t.Parallel()
	g := newAsm()
	var asked []string
	fetcher := &fakeFetcher{answer: func(_ context.Context, r FetchRequest) (*FetchResponse, error) {
		asked = append(asked, fmt.Sprintf("%s/%s:%d %s", r.Sandbox.Binding, r.Sandbox.ID, r.Port, r.Redirect))
		return &FetchResponse{Status: 200, URL: r.URL, Body: io.NopCloser(strings.NewReader(""))}, nil
	}}
	a := newBench(t, Config{Services: Services{Fetcher: fetcher}}).runWith(t, g, newRequest(),
		func(s *Spec) {
			s.Grants = &Grants{Fetch: []string{"api.example.com"}, KV: "p", Sandboxes: map[string][]string{"S": {"a*"}}}
		},
		g.record("fetch", req(), `{"url":"http://x/","sandbox":{"binding":"S","id":"A1"},"port":8080}`, ""),
		g.record("fetch", req(), `{"url":"http://x/","sandbox":{"binding":"S","id":"b1"},"port":8080}`, ""),
		g.record("fetch", req(), `{"url":"http://x/","sandbox":{"binding":"Other","id":"a1"},"port":8080}`, ""),
		g.record("fetch", req(), `{"url":"http://x/","sandbox":{"binding":"S","id":"a1"},"port":80}`, ""),
		g.record("fetch", req(), `{"url":"http://x/","sandbox":{"binding":"S","id":"a1"}}`, ""),
		g.record("fetch", req(), `{"url":"http://x/","sandbox":{"binding":"S","id":"a_1"},"port":8080}`, ""),
		g.record("fetch", req(), `{"url":"http://api.example.com/","port":8080}`, ""),
	)
	for i, want := range []abi.Errno{abi.OK, abi.Denied, abi.Denied, abi.Invalid, abi.Invalid, abi.Invalid, abi.Invalid} {
		if errno, _ := a.result(i); errno != want {
			t.Errorf("call %d: %s, want %s", i, errno, want)
		}
	}
	if got := strings.Join(asked, "; "); got != "S/a1:8080 manual" {
		t.Errorf("asked for %q", got)
	}
}
