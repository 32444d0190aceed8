package sandboxmgr

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"edge/abi"
)

// world is a host on which machines run: what outlives an edge.
type world struct {
	unsent atomic.Int64 // calls that found their machine's init gone

	t    *testing.T
	name string

	mu       sync.Mutex
	machines map[string]*machine
	starts   int // machines started, all together
	removes  int
	down     bool                                     // the runtime does not answer
	noPause  bool                                     // its machines cannot be frozen
	labels   bool                                     // they tell what they were started with
	noDial   bool                                     // the runtime cannot dial
	mute     bool                                     // inits never say hello
	onStart  func(context.Context, MachineSpec) error // before a machine is made
	onStop   func(context.Context) error              // instead of stopping
	onRemove func() error
	onWait   func() error                                            // before a machine's end is waited for
	onDial   func() error                                            // instead of dialling
	onLetGo  func()                                                  // when an edge closes its hold of a machine
	handle   map[string]func(*machine, json.RawMessage) (any, error) // overrides an init's operations
}

func newWorld(t *testing.T) *world {
	return &world{t: t, name: "fake", machines: map[string]*machine{}, handle: map[string]func(*machine, json.RawMessage) (any, error){}}
}

var (
	_ Runtime = (*world)(nil)
	_ Lister  = (*world)(nil)
)

func (w *world) Name() string { return w.name }

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *world) Check(context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.isDown()
}

func (w *world) isDown() error {
	if w.down {
		return fmt.Errorf("%w: nobody at /secret/socket", ErrRuntimeDown)
	}
	return nil
}

func (w *world) Start(ctx context.Context, spec MachineSpec) (Machine, error) {
	w.mu.Lock()
	err, hook := w.isDown(), w.onStart
	w.mu.Unlock()
	if err == nil && hook != nil {
		err = hook(ctx, spec)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.machines[spec.Name]
	if m == nil || !m.running() {
		next := &machine{w: w, spec: spec, ended: make(chan struct{}), boot: randomHex(8), env: map[string]string{}, procs: map[string]*proc{}, listen: map[int]func(net.Conn){}}
		if m != nil {
			next.kept = m.kept + 1
			next.spec.Env, next.spec.RunDir = m.spec.Env, m.spec.RunDir // fixed when it was made
		}
		m = next
		w.machines[spec.Name] = m
		w.starts++
	}
	return w.hold(m), nil
}

// hold returns the machine as an edge has it; w.mu is held.
func (w *world) hold(m *machine) Machine {
	if w.noPause {
		return &held{m}
	}
	if w.labels {
		return labelled{&pausable{held{m}}}
	}
	return &pausable{held{m}}
}

func (w *world) Adopt(ctx context.Context, name string) (Machine, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.isDown(); err != nil {
		return nil, err
	}
	if m := w.machines[name]; m != nil && m.running() {
		return w.hold(m), nil
	}
	return nil, fmt.Errorf("%w: %s", ErrNoMachine, name)
}

func (w *world) Remove(_ context.Context, name string) error {
	w.mu.Lock()
	hook := w.onRemove
	err := w.isDown()
	w.mu.Unlock()
	if err == nil && hook != nil {
		err = hook()
	}
	if err != nil {
		return err
	}
	w.mu.Lock()
	m := w.machines[name]
	delete(w.machines, name)
	w.removes++
	w.mu.Unlock()
	if m != nil {
		m.end(137, false)
	}
	return nil
}

func (w *world) Machines(_ context.Context, label, value string) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.isDown(); err != nil {
		return nil, err
	}
	var names []string
	for n, m := range w.machines {
		if got, ok := m.spec.Labels[label]; ok && (got == value || value == "") {
			names = append(names, n)
		}
	}
	return names, nil
}

// machine finds the machine of a sandbox of binding B.
func (w *world) machine(id string) *machine {
	w.mu.Lock()
	defer w.mu.Unlock()
	for n, m := range w.machines {
		if strings.HasSuffix(n, ".B."+id) {
			return m
		}
	}
	return nil
}

func (w *world) count() (starts, running int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.machines {
		if m.running() {
			running++
		}
	}
	return w.starts, running
}

// machine is a running sandbox with its init.
type machine struct {
	w     *world
	spec  MachineSpec
	boot  string
	kept  int // how often it was started before with the same content
	ended chan struct{}
	once  sync.Once
	exit  MachineExit

	forgotten atomic.Bool // its runtime does not know how it ended

	mu       sync.Mutex
	procs    map[string]*proc
	order    []string
	listen   map[int]func(net.Conn)
	shutdown []abi.StopRequest
	env      map[string]string // what setEnvVars set
	frozen   chan struct{}     // closed when it runs on; nil while it runs
}

type proc struct {
	abi.Process
	stdout, stderr string
	ended          chan struct{}
}

func (m *machine) running() bool {
	select {
	case <-m.ended:
		return false
	default:
		return true
	}
}

func (m *machine) end(code int, oom bool) {
	m.once.Do(func() {
		m.exit = MachineExit{Code: code, OOMKilled: oom}
		close(m.ended)
	})
}

// serve makes a port listen; serve(nil) accepts and says nothing.
func (m *machine) serve(port int, handler func(net.Conn)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if handler == nil {
		handler = func(c net.Conn) { _ = c.Close() }
	}
	m.listen[port] = handler
}

func (m *machine) dial(port int) (net.Conn, error) {
	m.mu.Lock()
	h := m.listen[port]
	m.mu.Unlock()
	if !m.running() {
		return nil, fmt.Errorf("%w", ErrNoMachine)
	}
	if h == nil {
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}
	client, server := net.Pipe()
	go h(server)
	return client, nil
}

func (m *machine) exitProcess(id string, code int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.procs[id]
	p.Status, p.ExitCode = abi.StatusFailed, &code
	if code == 0 {
		p.Status = abi.StatusCompleted
	}
	close(p.ended)
}

func (m *machine) processIDs() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.order)
}

// held is a Machine of one edge.
type held struct{ *machine }

func (h *held) PID() int { return 4711 }

func (h *held) Dial(_ context.Context, port int) (net.Conn, error) {
	h.w.mu.Lock()
	no, hook := h.w.noDial, h.w.onDial
	h.w.mu.Unlock()
	if hook != nil {
		return nil, hook()
	}
	if no {
		return nil, fmt.Errorf("fake: %w", ErrNoDial)
	}
	return h.dial(port)
}

func (h *held) Stop(ctx context.Context, _ time.Duration) error {
	h.w.mu.Lock()
	err, hook := h.w.isDown(), h.w.onStop
	h.w.mu.Unlock()
	if err == nil && hook != nil {
		err = hook(ctx)
	}
	if err == nil {
		h.end(143, false)
	}
	return err
}

func (h *held) Wait(ctx context.Context) (MachineExit, error) {
	h.w.mu.Lock()
	hook := h.w.onWait
	h.w.mu.Unlock()
	if hook != nil {
		if err := hook(); err != nil {
			return MachineExit{}, err
		}
	}
	select {
	case <-h.ended:
		if h.forgotten.Load() {
			return MachineExit{}, fmt.Errorf("%w: removed", ErrNoMachine)
		}
		return h.exit, nil
	case <-ctx.Done():
		return MachineExit{}, ctx.Err()
	}
}

func (h *held) Close() error {
	h.w.mu.Lock()
	hook := h.w.onLetGo
	h.w.mu.Unlock()
	if hook != nil {
		hook()
	}
	return nil
}

// pausable is a held machine that can be frozen.
type pausable struct{ held }

var _ Pauser = (*pausable)(nil)

func (p *pausable) Pause(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.frozen == nil {
		p.frozen = make(chan struct{})
	}
	return nil
}

func (p *pausable) Resume(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.frozen != nil {
		close(p.frozen)
		p.frozen = nil
	}
	return nil
}

func (p *pausable) Paused(context.Context) (bool, error) { return p.isFrozen() != nil, nil }

func (m *machine) isFrozen() chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.frozen
}

// Describe tells how the machine is bounded.
func (h *held) Describe(context.Context) ([]abi.Limit, map[string]string, error) {
	return []abi.Limit{{Name: "memory", Value: "none", By: "nothing"}}, map[string]string{"engine": "fake"}, nil
}

// kiln is a world whose machines are made of images.
type kiln struct {
	*world
	build   func(name string) (string, error)
	remove  func(name string) (string, error)
	command []string
}

var _ Imager = (*kiln)(nil)

func (k *kiln) ImageCommand(_ context.Context, image string) ([]string, string, string, error) {
	if image == "" {
		return nil, "", "", fmt.Errorf("%w: make it", ErrNoImage)
	}
	return k.command, "/srv", "web", nil
}

func (k *kiln) BuildImage(_ context.Context, name, _, _ string) (string, error) {
	return k.build(name)
}

func (k *kiln) RemoveImage(_ context.Context, name string) (string, error) { return k.remove(name) }
