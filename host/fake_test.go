package host

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edge/abi"
	"edge/sandboxmgr"
)

// patience is how long tests wait for what has to come.
const patience = 2 * time.Minute

// decide is a Decider that is a function.
type decide func(ctx context.Context, req *abi.Request) (abi.Decision, error)

func (f decide) Decide(ctx context.Context, req *abi.Request) (abi.Decision, error) {
	return f(ctx, req)
}

// always decides the same for every request.
func always(d abi.Decision) Decider {
	return decide(func(context.Context, *abi.Request) (abi.Decision, error) { return d, nil })
}

func text(status int, body string) *abi.Respond {
	return &abi.Respond{Status: status, Headers: []abi.Header{{Name: "Content-Type", Value: "text/plain"}}, Body: []byte(body)}
}

// all is the routes of one plugin for everything.
func all(d Decider) []Route { return []Route{{Chain: []Plugin{{Name: "p", Decider: d}}}} }

// fakeBoxes is a sandbox manager with the sandboxes and exposures it was given.
type fakeBoxes struct {
	boxes  map[string]*fakeBox // by id
	labels map[string]sandboxmgr.Exposure
	paths  map[string]sandboxmgr.Exposure // by port/key
	ready  error
	// stream opens streams; nil: there are none.
	stream func(ctx context.Context, name string, body json.RawMessage) (abi.Socket, error)

	compared, verified atomic.Int64 // calls of TokenOpens and AccessSigned
}

func (f *fakeBoxes) sandbox(ref abi.SandboxRef) (sandbox, error) {
	if b := f.boxes[ref.ID]; b != nil && ref.Binding == "Sandbox" {
		return b, nil
	}
	return nil, abi.Errorf(abi.CodeUnknownBinding, "no binding %q", ref.Binding)
}

func (f *fakeBoxes) openStream(ctx context.Context, name string, body json.RawMessage) (abi.Socket, error) {
	if f.stream == nil {
		return nil, abi.Errorf(abi.CodeUnsupported, "no streams")
	}
	return f.stream(ctx, name, body)
}

func (f *fakeBoxes) Ready(context.Context) error { return f.ready }

func (f *fakeBoxes) ExposureByLabel(label string) (sandboxmgr.Exposure, bool) {
	e, ok := f.labels[label]
	return e, ok
}

func (f *fakeBoxes) ExposureByPath(port, key string) (sandboxmgr.Exposure, bool) {
	e, ok := f.paths[port+"/"+key]
	return e, ok
}

// StillExposed looks at the labels, which every exposure has.
func (f *fakeBoxes) StillExposed(e *sandboxmgr.Exposure) bool {
	for _, now := range f.labels {
		if e.SameAddress(&now) {
			return true
		}
	}
	return false
}

// TokenOpens, SignAccess and AccessSigned are the manager's, with signatures that
// can be read, and forged.
func (f *fakeBoxes) TokenOpens(e sandboxmgr.Exposure, token string) bool {
	f.compared.Add(1)
	return e.Token != "" && token == e.Token
}

func (f *fakeBoxes) SignAccess(e sandboxmgr.Exposure, until time.Time) string {
	return fmt.Sprintf("%d.%s-%d-%s", until.Unix(), e.Ref.ID, e.Port, e.Token)
}

func (f *fakeBoxes) AccessSigned(e sandboxmgr.Exposure, signed string, now time.Time) (time.Time, bool) {
	f.verified.Add(1)
	expiry, _, _ := strings.Cut(signed, ".")
	n, err := strconv.ParseInt(expiry, 10, 64)
	until := time.Unix(n, 0)
	return until, err == nil && now.Before(until) && e.TokenIn == abi.TokenInRequest && signed == f.SignAccess(e, until)
}

// fakeBox is a sandbox whose ports are loopback addresses of the test.
type fakeBox struct {
	id    string
	ended chan struct{}

	mu         sync.Mutex
	generation int64
	ports      map[int]string
	started    bool // what the next Wake reports
	ready      time.Time
	exposed    []sandboxmgr.Exposure
	block      bool // Wake waits for its context
	refusal    error
	closed     error    // of a dial to a port that is not there; nil: nothing listens
	wakes      []string // what Wake was asked, "hold(1s) true"
	held       int      // who keeps it awake
	dials      int
	onDial     func(n int) // called before dial n, without the lock
	onRunning  func()      // called before Wake answers, without the lock
}

func newBox(id string, ports map[int]string) *fakeBox {
	return &fakeBox{id: id, generation: 1, ports: ports, ended: make(chan struct{}), ready: time.Unix(1, 0)}
}

// dialled and woken count what was asked of it so far.
func (b *fakeBox) dialled() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dials
}

func (b *fakeBox) woken() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.wakes)
}

func (b *fakeBox) Ref() abi.SandboxRef { return abi.SandboxRef{Binding: "Sandbox", ID: b.id} }

func (b *fakeBox) Wake(ctx context.Context, wake abi.Wake, upgrade bool) (sandboxmgr.Run, func(), error) {
	b.mu.Lock()
	b.wakes = append(b.wakes, fmt.Sprint(wake, " ", upgrade))
	b.held++
	b.mu.Unlock()
	var once sync.Once
	release := func() {
		once.Do(func() {
			b.mu.Lock()
			b.held--
			b.mu.Unlock()
		})
	}
	run, err := b.running(ctx)
	if err != nil {
		release()
	}
	return run, release, err
}

func (b *fakeBox) running(ctx context.Context) (sandboxmgr.Run, error) {
	b.mu.Lock()
	block, refusal := b.block, b.refusal
	run := sandboxmgr.Run{Generation: b.generation, Started: b.started, Ready: b.ready, Ended: b.ended}
	b.mu.Unlock()
	if b.onRunning != nil {
		b.onRunning()
	}
	if block {
		<-ctx.Done()
		return sandboxmgr.Run{}, ctx.Err()
	}
	return run, refusal
}

func (b *fakeBox) DialRun(ctx context.Context, generation int64, port int) (net.Conn, error) {
	b.mu.Lock()
	b.dials++
	n, hook := b.dials, b.onDial
	b.mu.Unlock()
	if hook != nil {
		hook(n)
	}
	b.mu.Lock()
	addr, now, closed := b.ports[port], b.generation, b.closed
	b.mu.Unlock()
	if now != generation {
		return nil, abi.Errorf(abi.CodeSandboxExited, "the sandbox was started anew")
	}
	if addr == "" && closed != nil {
		return nil, closed
	}
	if addr == "" {
		return nil, abi.Errorf(abi.CodePortNotListening, "nothing listens on port %d", port).
			WithDetails(abi.NotReady{Diagnosis: "listening_on:[3000 9000]"}).WithSuggestion("the sandbox listens on [3000 9000]")
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
}

func (b *fakeBox) Exposures() []sandboxmgr.Exposure {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.exposed
}

// syncBuffer is a log that can be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// running is a server under test.
type running struct {
	*Server
	addr    string
	log     *syncBuffer // errors
	access  *syncBuffer
	stopped chan error
}

// start serves s on a loopback port until the test ends.
func start(t testing.TB, s *Server, routes []Route) *running {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, s, routes, ln, func() error { return s.Serve(ln) })
}

// startOn is start with the listener, and the call that serves it.
func startOn(t testing.TB, s *Server, routes []Route, ln net.Listener, serve func() error) *running {
	t.Helper()
	r := &running{Server: s, addr: ln.Addr().String(), log: &syncBuffer{}, access: &syncBuffer{}, stopped: make(chan error, 1)}
	if s.Log == nil {
		s.Log = slog.New(slog.NewTextHandler(r.log, nil))
	}
	if s.AccessLog == nil {
		s.AccessLog = NewAccessLog(r.access, false)
	}
	s.DrainTimeout = or(s.DrainTimeout, 50*time.Millisecond)
	if err := s.SetRoutes(routes); err != nil {
		t.Fatal(err)
	}
	go func() { r.stopped <- serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-r.stopped; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return r
}

// startBehind is start with a client whose first bytes lie in the kernel before the
// server accepts it, and so come within any time that it has for them.
func startBehind(t testing.TB, s *Server, routes []Route, bytes string) (*running, *client) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := (&running{addr: ln.Addr().String()}).dial(t)
	c.send(bytes)
	return startOn(t, s, routes, ln, func() error { return s.Serve(ln) }), c
}

// accessLog returns the lines of the exchanges that ended.
func (r *running) accessLog() string {
	r.AccessLog.Flush()
	return r.access.String()
}

// answer is an HTTP answer, body read.
type answer struct {
	*http.Response
	body string
}

// client is a raw connection to the server.
type client struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

func (r *running) dial(t testing.TB) *client {
	t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &client{Conn: c, t: t, r: bufio.NewReader(c)}
}

// send writes raw bytes.
func (c *client) send(raw string) {
	c.t.Helper()
	if _, err := io.WriteString(c, raw); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

// answer reads one answer to a request of the method.
func (c *client) answer(method string) answer {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("read answer: %v", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("read body: %v", err)
	}
	return answer{resp, string(body)}
}

// get asks once on a connection of its own; extra are header lines with CR LF.
func (r *running) get(t testing.TB, host, target, extra string) answer {
	t.Helper()
	c := r.dial(t)
	c.send("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n" + extra + "\r\n")
	return c.answer("GET")
}

// eof tells whether the server has closed the connection.
func (c *client) eof() bool {
	_, err := c.r.ReadByte()
	return errors.Is(err, io.EOF) || err != nil && !errors.Is(err, context.DeadlineExceeded) && !isTimeout(err)
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
