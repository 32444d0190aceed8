package sandboxmgr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"edge/abi"
	"edge/sandboxmgr/initlink"
	"edge/sandboxmgr/initproto"
)

// world is a host on which machines run: what outlives an edge.
type world struct {
	unsent atomic.Int64 // calls that found their machine's init gone

	t *testing.T

	mu       sync.Mutex
	machines map[string]*machine
	starts   int // machines started, all together
	removes  int
	down     bool                                     // the runtime does not answer
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
	return &world{t: t, machines: map[string]*machine{}, handle: map[string]func(*machine, json.RawMessage) (any, error){}}
}

var (
	_ Runtime = (*world)(nil)
	_ Lister  = (*world)(nil)
)

func (w *world) Name() string { return "fake" }

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
		next := &machine{w: w, spec: spec, ended: make(chan struct{}), boot: randomHex(8), procs: map[string]*proc{}, listen: map[int]func(net.Conn){}}
		if m != nil {
			next.kept = m.kept + 1
			next.spec.Env, next.spec.RunDir = m.spec.Env, m.spec.RunDir // fixed when it was made
		}
		m = next
		w.machines[spec.Name] = m
		w.starts++
	}
	return &held{m}, nil
}

func (w *world) Adopt(ctx context.Context, name string) (Machine, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.isDown(); err != nil {
		return nil, err
	}
	if m := w.machines[name]; m != nil && m.running() {
		return &held{m}, nil
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
		if m.spec.Labels[label] == value {
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

// openInit is the InitOpener of a world.
func (w *world) openInit(dir, token string, _ *slog.Logger) (Init, error) {
	return &link{w: w, dir: dir, token: token, closed: make(chan struct{})}, nil
}

var errLinkLost = errors.New("init closed the connection")

// link is the edge's end of one machine's init.
type link struct {
	w          *world
	dir, token string
	peer       atomic.Int64
	broken     atomic.Bool
	once       sync.Once
	closed     chan struct{}
}

func (l *link) SetPeer(pid int) { l.peer.Store(int64(pid)) }
func (l *link) Broken() bool    { return l.broken.Load() }
func (l *link) Close() error    { l.once.Do(func() { close(l.closed) }); return nil }

// machine finds the machine that has the run folder, if its init would get in.
func (l *link) machine() *machine {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	for _, m := range l.w.machines {
		if m.spec.RunDir == l.dir && m.spec.Env["EDGE_INIT_TOKEN"] == l.token && !l.w.mute && l.peer.Load() == 4711 {
			return m
		}
	}
	return nil
}

func (l *link) Ready(ctx context.Context) (string, error) {
	for ctx.Err() == nil {
		if m := l.machine(); m != nil {
			return m.boot, nil
		}
		if err := sleep(ctx, time.Millisecond); err != nil {
			return "", err
		}
	}
	return "", ctx.Err()
}

func (l *link) Tunnel(_ context.Context, port int) (net.Conn, error) {
	m := l.machine()
	if m == nil {
		return nil, errLinkLost
	}
	return m.dial(port)
}

func (l *link) Call(ctx context.Context, op string, req, resp any) error {
	m := l.machine()
	if m == nil {
		return errLinkLost
	}
	if !m.running() { // no init is there; one might come
		l.w.unsent.Add(1)
		<-ctx.Done()
		return fmt.Errorf("%w: %w", initlink.ErrUnsent, ctx.Err())
	}
	body, err := json.Marshal(req)
	if err != nil {
		return err
	}
	type answer struct {
		v   any
		err error
	}
	got := make(chan answer, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { v, err := m.carryOut(ctx, op, body); got <- answer{v, err} }()
	select {
	case a := <-got:
		if a.err != nil {
			return a.err
		}
		b, err := json.Marshal(a.v)
		if err != nil {
			return err
		}
		return json.Unmarshal(b, resp)
	case <-m.ended:
		return errLinkLost
	case <-l.closed:
		return errLinkLost
	case <-ctx.Done():
		return ctx.Err()
	}
}

// carryOut is the init.
func (m *machine) carryOut(ctx context.Context, op string, body json.RawMessage) (any, error) {
	m.w.mu.Lock()
	h := m.w.handle[op]
	m.w.mu.Unlock()
	if h != nil {
		return h(m, body)
	}
	switch op {
	case "startProcess":
		return m.startProcess(body)
	case "listProcesses":
		return m.listProcesses(), nil
	case "getProcess", "waitForExit", "getLogs":
		return m.ofProcess(ctx, op, body)
	case "exec":
		var req abi.ExecRequest
		_ = json.Unmarshal(body, &req)
		return &abi.ExecResponse{Success: true, Stdout: req.Command, Duration: req.Timeout}, nil
	case initproto.OpListeningPorts:
		m.mu.Lock()
		defer m.mu.Unlock()
		return &initproto.PortList{Ports: slices.Sorted(maps.Keys(m.listen))}, nil
	case initproto.OpShutdown:
		var req abi.StopRequest
		_ = json.Unmarshal(body, &req)
		m.mu.Lock()
		m.shutdown = append(m.shutdown, req)
		m.mu.Unlock()
		m.end(0, false)
		return &abi.Empty{}, nil
	case "killProcess":
		return &abi.Process{}, nil
	case "killAllProcesses":
		return &abi.KillAllResponse{Count: len(m.processIDs())}, nil
	case "waitForLog":
		return &abi.WaitForLogResponse{Line: "up"}, nil
	case "writeFile":
		return &abi.WriteFileResponse{Path: "/workspace/x"}, nil
	case "readFile":
		return &abi.ReadFileResponse{Content: "x"}, nil
	}
	return nil, abi.Errorf(abi.CodeUnknownOperation, "no %s", op)
}

func (m *machine) startProcess(body json.RawMessage) (any, error) {
	var req abi.StartProcessRequest
	_ = json.Unmarshal(body, &req)
	m.mu.Lock()
	defer m.mu.Unlock()
	if req.ProcessID == "" {
		req.ProcessID = "p" + randomHex(4)
	}
	if p := m.procs[req.ProcessID]; p != nil {
		return nil, abi.Errorf(abi.CodeProcessAlreadyExists, "process %q already exists", req.ProcessID)
	}
	p := &proc{ended: make(chan struct{}), Process: abi.Process{ID: req.ProcessID, PID: 100 + len(m.procs), Command: req.Command, Status: abi.StatusRunning}}
	m.procs[req.ProcessID] = p
	m.order = append(m.order, req.ProcessID)
	own := p.Process
	return &own, nil
}

func (m *machine) listProcesses() *abi.ProcessList {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := &abi.ProcessList{}
	for _, id := range m.order {
		list.Processes = append(list.Processes, m.procs[id].Process)
	}
	return list
}

func (m *machine) ofProcess(ctx context.Context, op string, body json.RawMessage) (any, error) {
	var req abi.LogsRequest
	_ = json.Unmarshal(body, &req)
	m.mu.Lock()
	p := m.procs[req.ProcessID]
	m.mu.Unlock()
	if p == nil {
		return nil, abi.Errorf(abi.CodeProcessNotFound, "no process %q", req.ProcessID)
	}
	if op == "waitForExit" {
		select {
		case <-p.ended:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch op {
	case "getProcess":
		own := p.Process
		return &own, nil
	case "waitForExit":
		return &abi.ExitStatus{ExitCode: *p.ExitCode, Signal: p.Signal}, nil
	}
	return m.logs(p, &req), nil
}

// logs has cursors that count bytes: "stdout:stderr".
func (m *machine) logs(p *proc, req *abi.LogsRequest) *abi.LogsResponse {
	var o, e int
	_, _ = fmt.Sscanf(req.Since, "%d:%d", &o, &e)
	return &abi.LogsResponse{Stdout: p.stdout[o:], Stderr: p.stderr[e:], Cursor: fmt.Sprintf("%d:%d", len(p.stdout), len(p.stderr))}
}

func (m *machine) print(id, stdout, stderr string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.procs[id].stdout += stdout
	m.procs[id].stderr += stderr
}

// memory is a disk of records; each edge has its own handle on it.
type memory struct {
	mu       sync.Mutex
	entries  map[string]Entry
	revision int64
	commits  int
}

func newMemory() *memory { return &memory{entries: map[string]Entry{}} }

// handle is a Store; killed, it fails as if the process were gone.
type handle struct {
	*memory
	killed atomic.Bool
	full   atomic.Bool // the disk is
}

var (
	errKilled = errors.New("killed")
	errFull   = errors.New("disk full")
)

func (h *handle) Get(_ context.Context, key string) (Entry, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e, ok := h.entries[key]; ok {
		return e, nil
	}
	return Entry{}, ErrNoEntry
}

func (h *handle) List(_ context.Context, prefix, after string, limit int) ([]Entry, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var es []Entry
	for _, k := range slices.Sorted(maps.Keys(h.entries)) {
		if strings.HasPrefix(k, prefix) && k > after && len(es) < limit {
			es = append(es, h.entries[k])
		}
	}
	return es, nil
}

func (h *handle) Commit(ctx context.Context, changes ...Change) (int64, error) {
	if h.killed.Load() {
		return 0, errKilled
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if h.full.Load() {
		return 0, errFull
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range changes {
		if c.Expect != AnyRevision && h.entries[c.Key].Revision != c.Expect {
			return 0, fmt.Errorf("%w: %s", ErrConflict, c.Key)
		}
	}
	h.revision++
	h.commits++
	for _, c := range changes {
		if c.Value == nil {
			delete(h.entries, c.Key)
		} else {
			h.entries[c.Key] = Entry{c.Key, slices.Clone(c.Value), h.revision}
		}
	}
	return h.revision, nil
}

func (h *handle) Close() error { return nil }

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

// state returns the sandbox's state, or the error's code.
func (e *edge) state(id string) string {
	e.t.Helper()
	st, err := e.sandbox(id).GetState(e.t.Context(), &abi.Empty{})
	if err != nil {
		return string(abi.AsError(err).Code)
	}
	return string(st.State)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
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

// connections remembers what it was told to close.
type connections struct {
	mu     sync.Mutex
	closed []string
	n      int
}

func (c *connections) CloseExposure(binding, id string, port, code int, _ string) {
	c.add(fmt.Sprintf("%s/%s:%d %d", binding, id, port, code))
}

func (c *connections) CloseSandbox(binding, id string, generation int64, code int, _ string) {
	c.add(fmt.Sprintf("%s/%s@%d %d", binding, id, generation, code))
}

func (c *connections) Count(string, string, int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
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
