package plugins

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tetratelabs/wazero/api"
	"go.uber.org/goleak"

	"edge/abi"
	"edge/cmd/edge/testleak"
	"edge/plugins/wasmasm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testleak.Settle(m)) }

const (
	// patience bounds what a test waits for; it never decides a result.
	patience = time.Minute
	// ample is the time that guests have which are not to be stopped, for a machine
	// that is busy with other things.
	ample = 5 * time.Minute
)

// asm is a hand-written guest: a module that imports all of edge1, but for what a
// plugin without secrets may not.
type asm struct {
	*wasmasm.Module
	fn      map[string]wasmasm.Func
	results uint32 // where record stores
	count   uint32
	output  uint32 // where buffers begin, right after the results
	bufEnd  uint32
}

const maxResults = 64

func newAsm(more ...func(*wasmasm.Module)) *asm { return newAsmBut([]string{"secret_get"}, more...) }

// newAsmBut is newAsm with all functions but those.
func newAsmBut(left []string, more ...func(*wasmasm.Module)) *asm {
	g := &asm{Module: wasmasm.New(), fn: map[string]wasmasm.Func{}}
	for _, f := range edgeFunctions() {
		if slices.Contains(left, f.name) {
			continue
		}
		g.fn[f.name] = g.Import("edge1", f.name, letters(f.params), "I")
	}
	for _, f := range more {
		f(g.Module)
	}
	g.Memory(16, 0)
	g.results = g.Space(8 * maxResults)
	g.output = g.results + 8*maxResults
	g.bufEnd = g.output
	return g
}

// letters names value types as wasmasm does.
func letters(types []api.ValueType) string {
	names := map[api.ValueType]string{api.ValueTypeI32: "i", api.ValueTypeI64: "I", api.ValueTypeF64: "D"}
	var s string
	for _, t := range types {
		s += names[t]
	}
	return s
}

// region is a buffer in the guest's memory: ptr and cap.
type region struct{ ptr, cap uint32 }

// buffer sets a buffer aside that finish answers with. Buffers are made before
// any text is.
func (g *asm) buffer(n uint32) region {
	r := region{g.Space(n), n}
	g.bufEnd = r.ptr + n
	return r
}

// push turns an argument into code: a number, a text (pointer and length), a
// region (pointer and capacity), or code.
func (g *asm) push(arg any) wasmasm.Code {
	switch a := arg.(type) {
	case int:
		return wasmasm.I32(int32(a))
	case uint32:
		return wasmasm.I32(int32(a))
	case float64:
		return wasmasm.F64(a)
	case string:
		return g.push([]byte(a))
	case []byte:
		if len(a) == 0 {
			return wasmasm.Do(wasmasm.I32(0), wasmasm.I32(0))
		}
		return wasmasm.Do(wasmasm.I32(int32(g.Bytes(a))), wasmasm.I32(int32(len(a))))
	case region:
		return wasmasm.Do(wasmasm.I32(int32(a.ptr)), wasmasm.I32(int32(a.cap)))
	case wasmasm.Code:
		return a
	}
	panic(fmt.Sprintf("argument %T", arg))
}

// call calls a host function; its result is on the stack.
func (g *asm) call(name string, args ...any) wasmasm.Code {
	codes := make([]wasmasm.Code, len(args))
	for i, a := range args {
		codes[i] = g.push(a)
	}
	f, ok := g.fn[name]
	if !ok {
		panic("no host function " + name)
	}
	return wasmasm.Call(f, codes...)
}

// record calls a host function and stores its result; the results are answered
// in the order in which record was called.
func (g *asm) record(name string, args ...any) wasmasm.Code {
	addr := g.results + 8*g.count
	if g.count++; g.count > maxResults {
		panic("too many results")
	}
	return wasmasm.Do(wasmasm.I32(int32(addr)), g.call(name, args...), wasmasm.Store64())
}

// req is the request's handle, the first parameter of edge_request.
func req() wasmasm.Code { return wasmasm.Get(0) }

// finish responds with the results and buffers.
func (g *asm) finish(handle wasmasm.Code) wasmasm.Code {
	return wasmasm.Do(g.call("respond", handle, 200, "", region{g.results, g.bufEnd - g.results}), wasmasm.Drop())
}

// module adds marker, edge_init and edge_request, and encodes it. The body of
// edge_request has req as local 0 and three more; it must push the answer.
func (g *asm) module(body ...wasmasm.Code) []byte {
	g.Func("edge1", "", "", "")
	g.Func("edge_init", "", "i", "", wasmasm.I32(0))
	g.Func("edge_request", "i", "i", "iii", body...)
	return g.Encode()
}

// script is the module of a guest that does steps and answers with their results.
func (g *asm) script(steps ...wasmasm.Code) []byte {
	return g.module(append(steps, g.finish(req()), wasmasm.I32(0))...)
}

// answer is what a script sent back.
type scriptAnswer struct {
	t    *testing.T
	g    *asm
	body []byte
}

// result returns errno and low of the nth recorded call.
func (a scriptAnswer) result(n int) (abi.Errno, uint32) {
	return abi.SplitResult(binary.LittleEndian.Uint64(a.body[8*n:]))
}

// want checks the nth result.
func (a scriptAnswer) want(n int, what string, errno abi.Errno, low uint32) {
	a.t.Helper()
	if e, l := a.result(n); e != errno || l != low {
		a.t.Errorf("%s: got %s %d, want %s %d", what, e, l, errno, low)
	}
}

// bytes returns the first n bytes of a buffer.
func (a scriptAnswer) bytes(r region, n uint32) []byte {
	return a.body[r.ptr-a.g.results:][:n]
}

// responding is the module of a guest that answers with a body.
func responding(body string) []byte {
	g := newAsm()
	return g.module(g.call("respond", req(), 200, "", body), wasmasm.Drop(), wasmasm.I32(0))
}

// logBook is a log that tests read.
type logBook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// bench is a registry under test with its log and events.
type bench struct {
	*Registry
	book   *logBook
	events chan Event
}

func newBench(t testing.TB, config Config) *bench {
	t.Helper()
	b := &bench{book: &logBook{}, events: make(chan Event, 1024)}
	config.Log = slog.New(slog.NewTextHandler(b.book, &slog.HandlerOptions{Level: slog.LevelDebug}))
	config.Observe = func(e Event) { b.events <- e }
	r, err := NewRegistry(config)
	if err != nil {
		t.Fatal(err)
	}
	r.initDeadline = ample
	b.Registry = r
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

// Load is the registry's, with ample time where a test says nothing of a request's.
func (b *bench) Load(ctx context.Context, spec Spec) (*Plugin, error) {
	return b.Registry.Load(ctx, unhurried(spec))
}

// unhurried gives requests ample time where a specification says nothing of it.
func unhurried(spec Spec) Spec {
	for _, d := range []*time.Duration{&spec.Deadline, &spec.Compute, &spec.Queue} {
		if *d == 0 {
			*d = ample
		}
	}
	return spec
}

// still runs a test in a bubble whose time passes only while every goroutine waits
// (package testing/synctest): what is to come before a deadline or a timer does, however
// busy the machine is. A guest that computes without an end would stop its time.
func still(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// event waits for the next event of a kind.
func (b *bench) event(t *testing.T, kind EventKind) Event {
	t.Helper()
	for {
		select {
		case e := <-b.events:
			if e.Kind == kind {
				return e
			}
		case <-time.After(patience):
			t.Fatalf("no event %q; the log:\n%s", kind, b.book)
		}
	}
}

func writeModule(t testing.TB, module []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plugin.wasm")
	if err := os.WriteFile(path, module, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// load loads a module under the name "p"; what served before drains at once.
func (b *bench) load(t testing.TB, module []byte, changes ...func(*Spec)) *Plugin {
	t.Helper()
	spec := Spec{Name: "p", Source: writeModule(t, module), MaxInstances: 4, KeepWarm: -1, Rollback: Rollback{Failures: -1}, Secrets: map[string]string{"key": "what newAsm's import needs"}}
	for _, change := range changes {
		change(&spec)
	}
	p, err := b.Load(t.Context(), spec)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return p
}

func deadline(d time.Duration) func(*Spec) { return func(s *Spec) { s.Deadline = d } }

// newRequest is a request for tests to change.
func newRequest() *abi.Request {
	return &abi.Request{
		ID: "r1", Method: "GET", Scheme: "http", Host: "a.localhost:8787", Path: "/x%20y", Query: "q=1", HasQuery: true,
		RemoteAddr: "127.0.0.1:5", Headers: []abi.Header{{Name: "Host", Value: "a.localhost:8787"}, {Name: "Accept", Value: "a"}, {Name: "accept", Value: "b"}},
	}
}

func upgradeRequest() *abi.Request {
	r := newRequest()
	r.Headers = append(r.Headers, abi.Header{Name: "Connection", Value: "Upgrade"}, abi.Header{Name: "Upgrade", Value: "websocket"})
	return r
}

// decide runs the plugin and wants no error.
func decide(t testing.TB, p *Plugin, req *abi.Request) abi.Decision {
	t.Helper()
	d, err := p.Decide(t.Context(), req)
	if err != nil {
		t.Fatalf("decide: %v", err)
	}
	return d
}

// run loads a script, runs it on a request and returns what it answered.
func (b *bench) run(t *testing.T, g *asm, req *abi.Request, steps ...wasmasm.Code) scriptAnswer {
	t.Helper()
	return b.runWith(t, g, req, func(*Spec) {}, steps...)
}

// runWith is run with a changed Spec.
func (b *bench) runWith(t *testing.T, g *asm, req *abi.Request, change func(*Spec), steps ...wasmasm.Code) scriptAnswer {
	t.Helper()
	r, ok := decide(t, b.load(t, g.script(steps...), change), req).(*abi.Respond)
	if !ok {
		t.Fatal("the script made another decision")
	}
	return scriptAnswer{t, g, r.Body}
}

// wantCode checks an error's code, and that nothing of the inside leaks.
func wantCode(t *testing.T, err error, code abi.Code) {
	t.Helper()
	var e *abi.Error
	if !asError(err, &e) || e.Code != code {
		t.Fatalf("got error %v, want %s", err, code)
	}
	for _, secret := range []string{"wasm", "trap", "unreachable", "goroutine", "memory"} {
		if strings.Contains(e.Message, secret) {
			t.Errorf("the client is told %q", e.Message)
		}
	}
}

func asError(err error, e **abi.Error) bool {
	return errors.As(err, e)
}

func bodyOf(t *testing.T, d abi.Decision) string {
	t.Helper()
	r, ok := d.(*abi.Respond)
	if !ok {
		t.Fatalf("got decision %T, want *abi.Respond", d)
	}
	if r.Stream == nil {
		return string(r.Body)
	}
	defer r.Stream.Close()
	b, err := io.ReadAll(r.Stream)
	if err != nil {
		t.Fatalf("stream: %v after %q", err, b)
	}
	return string(b)
}
