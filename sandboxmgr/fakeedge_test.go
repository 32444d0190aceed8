package sandboxmgr

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/abi"
)

// edge is one Manager with what it needs and what it did.
type edge struct {
	*Manager
	t     *testing.T
	w     *world
	disk  *memory
	store *handle
	conns *connections
	log   *logLines

	mu     sync.Mutex
	events []Event
	hooked []string
}

// newEdge starts a manager over a world and a disk; change may be nil.
func newEdge(t *testing.T, w *world, disk *memory, change func(*Config)) *edge {
	t.Helper()
	e := &edge{t: t, w: w, disk: disk, store: &handle{memory: disk}, conns: &connections{}, log: &logLines{}}
	c := Config{
		StateDir: t.TempDir(), Store: e.store, OpenInit: w.openInit, Connections: e.conns, Log: slog.New(slog.NewTextHandler(e.log, nil)),
		Bindings: map[string]Binding{"B": {Runtime: w, Image: "img"}, "C": {Runtime: w}},
		Previews: PreviewConfig{Port: 8787},
		Observe: func(ev Event) {
			e.mu.Lock()
			e.events = append(e.events, ev)
			e.mu.Unlock()
		},
		Hook: func(ev abi.SandboxEvent) {
			said := fmt.Sprintf("%s@%d %s", ev.ID, ev.Generation, ev.Type)
			if ev.Reason != "" {
				said += " " + ev.Reason
			}
			if ev.ExitCode != nil {
				said += fmt.Sprintf(" %d", *ev.ExitCode)
			}
			if ev.Error != nil {
				said += " " + string(ev.Error.Code)
			}
			e.mu.Lock()
			e.hooked = append(e.hooked, said)
			e.mu.Unlock()
		},
	}
	if change != nil {
		change(&c)
	}
	m, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	e.Manager = m
	t.Cleanup(func() { _ = m.Close() })
	return e
}

// crash ends the edge as kill -9 would: nothing more is written.
func (e *edge) crash() {
	e.store.killed.Store(true)
	_ = e.Close()
}

func (e *edge) sandbox(id string) *Sandbox { return e.handle(abi.SandboxRef{Binding: "B", ID: id}) }

func (e *edge) handle(ref abi.SandboxRef) *Sandbox {
	e.t.Helper()
	s, err := e.Sandbox(ref)
	if err != nil {
		e.t.Fatal(err)
	}
	return s
}

// start starts a sandbox and returns it with its machine.
func (e *edge) start(id string) (*Sandbox, *machine, Run) {
	e.t.Helper()
	s := e.sandbox(id)
	run, err := s.Running(e.t.Context())
	if err != nil {
		e.t.Fatal(err)
	}
	return s, e.w.machine(id), run
}

func (e *edge) kinds() []EventKind {
	e.mu.Lock()
	defer e.mu.Unlock()
	var ks []EventKind
	for _, ev := range e.events {
		ks = append(ks, ev.Kind)
	}
	return ks
}

// told returns what the hook was told.
func (e *edge) told() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.hooked)
}

// binding changes binding B.
func binding(change func(*Binding)) func(*Config) {
	return func(c *Config) {
		b := c.Bindings["B"]
		change(&b)
		c.Bindings["B"] = b
	}
}

// look returns the sandbox's whole state.
func (e *edge) look(id string) *abi.SandboxState {
	e.t.Helper()
	st, err := e.sandbox(id).GetState(e.t.Context(), &abi.Empty{})
	if err != nil {
		e.t.Fatal(err)
	}
	return st
}

// state returns the sandbox's state, or the error's code.
func (e *edge) state(id string) string {
	e.t.Helper()
	st, err := e.sandbox(id).GetState(e.t.Context(), &abi.Empty{})
	if err != nil {
		return string(abi.AsError(err).Code)
	}
	return string(st.State)
}

// waitBound is long beyond anything that a test waits for.
const waitBound = time.Minute

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(waitBound); time.Now().Before(deadline); {
		if ok() {
			return
		}
		_ = sleep(t.Context(), time.Millisecond)
	}
	t.Fatalf("never came: %s", what)
}

func wantCode(t *testing.T, err error, code abi.Code) *abi.Error {
	t.Helper()
	var e *abi.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("error %v, want %s", err, code)
	}
	return e
}

// connections remembers what it was told to close. There is one connection through
// each exposure, unless open says otherwise.
type connections struct {
	mu     sync.Mutex
	closed []string
	n      int
	open   map[string][]uint64 // by "B/s:8080"
	names  []string            // by id
}

func (c *connections) Through(binding, id string, port int) []uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := fmt.Sprintf("%s/%s:%d", binding, id, port)
	if c.open != nil {
		return slices.Clone(c.open[name])
	}
	c.names = append(c.names, name)
	return []uint64{uint64(len(c.names) - 1)}
}

// connect opens a connection through the exposure, and only such from now on.
func (c *connections) connect(exposure string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = map[string][]uint64{}
	}
	id := uint64(len(c.names))
	c.names = append(c.names, fmt.Sprintf("%s#%d", exposure, id))
	c.open[exposure] = append(c.open[exposure], id)
}

func (c *connections) Close(connections []uint64, code int, _ string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range connections {
		for name := range c.open {
			c.open[name] = slices.DeleteFunc(c.open[name], func(open uint64) bool { return open == id })
		}
		c.closed = append(c.closed, fmt.Sprintf("%s %d", c.names[id], code))
	}
}

func (c *connections) CloseSockets(binding, id string, generation int64, code int, _ string) {
	c.add(fmt.Sprintf("%s/%s@%d sockets %d", binding, id, generation, code))
}

func (c *connections) CloseSandbox(binding, id string, generation int64, code int, _ string) {
	c.add(fmt.Sprintf("%s/%s@%d %d", binding, id, generation, code))
}

func (c *connections) Count(string, string, int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func (c *connections) set(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n = n
}

func (c *connections) add(s string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = append(c.closed, s)
}

func (c *connections) list() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.closed)
}

// logLines keeps what was logged.
type logLines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logLines) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), s)
}
