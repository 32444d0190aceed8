package host

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"edge/abi"
	"edge/bridge"
	"edge/sandboxmgr"
)

// arena is an edge whose parts are the real ones but for its machines, which are
// names: a port of one is a loopback server of the test. What is attacked in it is
// the way of a request from its first byte to the port, and back.
type arena struct {
	*running
	manager  *sandboxmgr.Manager
	machines *machines
	table    *bridge.Table
	events   *eventTexts
	said     *syncBuffer // by the manager
}

// newArena starts it, with the bindings Sandbox and Other. s may set what the arena
// does not.
func newArena(t testing.TB, s *Server, routes []Route) *arena {
	t.Helper()
	dir, err := os.MkdirTemp("", "arena-") // short: a socket's path is in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	a := &arena{machines: &machines{ports: map[string]string{}, running: map[string]*namedMachine{}}, table: &bridge.Table{}, events: &eventTexts{}, said: &syncBuffer{}}
	relay := &bridge.Relay{Table: a.table}
	a.manager, err = sandboxmgr.New(t.Context(), sandboxmgr.Config{
		StateDir: dir, Store: &mapStore{entries: map[string]sandboxmgr.Entry{}}, InitPath: "/init",
		OpenInit:    func(string, string, *slog.Logger) (sandboxmgr.Init, error) { return idleInit{}, nil },
		Connections: Connections{Table: a.table, Relay: relay}, Observe: a.events.add, Log: slog.New(slog.NewTextHandler(a.said, nil)),
		Bindings: map[string]sandboxmgr.Binding{"Sandbox": {Runtime: a.machines, Image: "i"}, "Other": {Runtime: a.machines, Image: "i"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.manager.Close() })
	s.Sandboxes, s.Relay = a.manager, relay
	a.running = start(t, s, routes)
	return a
}

// box is a sandbox of the binding Sandbox.
func (a *arena) box(t testing.TB, id string) *sandboxmgr.Sandbox { return a.boxOf(t, "Sandbox", id) }

func (a *arena) boxOf(t testing.TB, binding, id string) *sandboxmgr.Sandbox {
	t.Helper()
	s, err := a.manager.Sandbox(abi.SandboxRef{Binding: binding, ID: id})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// expose exposes a port and returns the URL's label and what there is about it.
func (a *arena) expose(t testing.TB, id string, req abi.ExposePortRequest) (label string, p *abi.ExposedPort) {
	t.Helper()
	p, err := a.box(t, id).ExposePort(t.Context(), &req)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(p.URL, "://")
	label, _, _ = strings.Cut(rest, ".")
	return label, p
}

// unexpose takes it back.
func (a *arena) unexpose(t testing.TB, id string, port int) {
	t.Helper()
	if _, err := a.box(t, id).UnexposePort(t.Context(), &abi.UnexposePortRequest{Port: port}); err != nil {
		t.Fatal(err)
	}
}

// machines are a Runtime whose machines' ports are known by "binding.id:port".
type machines struct {
	mu      sync.Mutex
	ports   map[string]string
	running map[string]*namedMachine
	hold    chan struct{} // closed by the test to let machines start; nil does not hold
}

func (m *machines) set(sandbox string, port int, addr string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ports[fmt.Sprintf("%s:%d", sandbox, port)] = addr
}

func (m *machines) Name() string                { return "named" }
func (m *machines) Check(context.Context) error { return nil }

func (m *machines) Start(ctx context.Context, spec sandboxmgr.MachineSpec) (sandboxmgr.Machine, error) {
	m.mu.Lock()
	hold := m.hold
	m.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := &namedMachine{m: m, name: spec.Name, ended: make(chan struct{})}
	m.running[spec.Name] = n
	return n, nil
}

func (m *machines) Adopt(context.Context, string) (sandboxmgr.Machine, error) {
	return nil, sandboxmgr.ErrNoMachine
}

func (m *machines) Remove(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.running[name]; n != nil {
		n.end()
	}
	delete(m.running, name)
	return nil
}

type namedMachine struct {
	m     *machines
	name  string // ends in ".{binding}.{id}"
	once  sync.Once
	ended chan struct{}
}

func (n *namedMachine) end()         { n.once.Do(func() { close(n.ended) }) }
func (n *namedMachine) PID() int     { return 0 }
func (n *namedMachine) Close() error { return nil }

func (n *namedMachine) Dial(ctx context.Context, port int) (net.Conn, error) {
	parts := strings.Split(n.name, ".")
	n.m.mu.Lock()
	addr := n.m.ports[fmt.Sprintf("%s:%d", strings.Join(parts[len(parts)-2:], "."), port)]
	n.m.mu.Unlock()
	if addr == "" {
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
}

func (n *namedMachine) Stop(context.Context, time.Duration) error {
	n.end()
	return nil
}

func (n *namedMachine) Wait(ctx context.Context) (sandboxmgr.MachineExit, error) {
	select {
	case <-n.ended:
		return sandboxmgr.MachineExit{}, nil
	case <-ctx.Done():
		return sandboxmgr.MachineExit{}, ctx.Err()
	}
}

// idleInit is an init that is there and does nothing.
type idleInit struct{ sandboxmgr.Init }

func (idleInit) SetPeer(int)                                  {}
func (idleInit) Ready(context.Context) (string, error)        { return "boot", nil }
func (idleInit) Broken() bool                                 { return false }
func (idleInit) Close() error                                 { return nil }
func (idleInit) Call(context.Context, string, any, any) error { return nil }
func (idleInit) Tunnel(context.Context, int) (net.Conn, error) {
	return nil, syscall.ECONNREFUSED
}
func (idleInit) Open(context.Context, string, any) (abi.Socket, error) {
	return nil, abi.Errorf(abi.CodeUnsupported, "nothing is streamed here")
}

// mapStore is a Store in memory.
type mapStore struct {
	mu       sync.Mutex
	entries  map[string]sandboxmgr.Entry
	revision int64
}

func (m *mapStore) Get(_ context.Context, key string) (sandboxmgr.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.entries[key]; ok {
		return e, nil
	}
	return sandboxmgr.Entry{}, sandboxmgr.ErrNoEntry
}

func (m *mapStore) List(_ context.Context, prefix, after string, limit int) ([]sandboxmgr.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []sandboxmgr.Entry
	for _, k := range slices.Sorted(maps.Keys(m.entries)) {
		if strings.HasPrefix(k, prefix) && k > after && len(list) < limit {
			list = append(list, m.entries[k])
		}
	}
	return list, nil
}

func (m *mapStore) Commit(_ context.Context, changes ...sandboxmgr.Change) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range changes {
		if c.Expect != sandboxmgr.AnyRevision && m.entries[c.Key].Revision != c.Expect {
			return 0, sandboxmgr.ErrConflict
		}
	}
	m.revision++
	for _, c := range changes {
		if c.Value == nil {
			delete(m.entries, c.Key)
		} else {
			m.entries[c.Key] = sandboxmgr.Entry{Key: c.Key, Value: slices.Clone(c.Value), Revision: m.revision}
		}
	}
	return m.revision, nil
}

func (m *mapStore) Close() error { return nil }

// eventTexts keeps what was said of sandboxes.
type eventTexts struct {
	mu   sync.Mutex
	list []sandboxmgr.Event
}

func (e *eventTexts) add(ev sandboxmgr.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, ev)
}
