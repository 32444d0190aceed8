package bridge

import (
	"bufio"
	"context"
	"flag"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"
	"go.uber.org/goleak"

	"edge/cmd/edge/testleak"
)

func TestMain(m *testing.M) {
	if runChild() {
		return
	}
	waitTogether()
	ignored := []goleak.Option{ // fasthttp's own: a clock, and a sweeper that notices its end within 10 s
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	}
	goleak.VerifyTestMain(testleak.Settle(m, ignored...), ignored...)
}

// waitTogether has more tests run at once than there are processors, since most of
// a test is waiting; not what is fuzzed, nor if the command line says otherwise.
func waitTogether() {
	flag.Parse()
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == "test.parallel" || f.Name == "test.fuzz" })
	if !said {
		flag.Set("test.parallel", strconv.Itoa(max(16, runtime.GOMAXPROCS(0))))
	}
}

// wait is how long a test waits for what must come. It is generous: on a busy machine
// a test may not run for seconds.
const wait = time.Minute

// edge is a real fasthttp server in front of one backend address.
type edge struct {
	t       testing.TB
	addr    string
	relay   *Relay
	backend string
	dials   chan struct{}
	wrap    func(net.Conn) net.Conn // of the connection to the backend
	accept  func(net.Conn) net.Conn // of the client's
	silence time.Duration           // how long the client may be silent in its body
	ended   chan Summary
	quiet   bool // nobody asks for ended
	failed  chan error
	policy  Policy
	owner   Owner
	editor  AnswerEditor
}

// newEdge serves until the test ends. set may change relay and edge before it
// serves.
func newEdge(t testing.TB, backend string, set ...func(*edge)) *edge {
	t.Helper()
	e := &edge{
		t: t, relay: &Relay{Table: &Table{}, HandshakeTimeout: wait}, backend: backend,
		ended: make(chan Summary, 20000), failed: make(chan error, 100),
	}
	for _, f := range set {
		f(e)
	}
	ln := listen(t)
	e.addr = ln.Addr().String()
	s := &fasthttp.Server{Handler: e.handle, Logger: discardLogger{}, CloseOnShutdown: true}
	Configure(s)
	served := make(chan error, 1)
	go func() { served <- s.Serve(wrapping{ln, e.accept}) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		defer cancel()
		if err := e.relay.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		ln.Close()
		if err := <-served; err != nil {
			t.Logf("Serve: %v", err)
		}
		s.ShutdownWithContext(ctx)
	})
	return e
}

// wrapping is a listener that wraps what it accepts, as a host's may.
type wrapping struct {
	net.Listener
	wrap func(net.Conn) net.Conn
}

func (l wrapping) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil && l.wrap != nil {
		c = l.wrap(c)
	}
	return c, err
}

type discardLogger struct{}

func (discardLogger) Printf(string, ...any) {}

func (e *edge) upstream() Upstream {
	return Upstream{Key: "k/" + e.backend, Dial: func(ctx context.Context) (net.Conn, error) {
		if e.dials != nil {
			e.dials <- struct{}{}
		}
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", e.backend)
		if err == nil && e.wrap != nil {
			c = e.wrap(c)
		}
		return c, err
	}}
}

func (e *edge) handle(rc *fasthttp.RequestCtx) {
	head := &Head{Method: string(rc.Method()), Target: string(rc.Request.Header.RequestURI())}
	head.Headers, _ = parseFields(string(rc.Request.Header.RawHeaders())) // as sent; fasthttp's own view is reordered
	if rc.Request.IsBodyStream() {
		head.Body = rc.RequestBodyStream()
		head.ContentLength = int64(rc.Request.Header.ContentLength())
	}
	if e.editor != nil {
		head.Answer = e.editor
	}
	if e.silence > 0 {
		rc.Conn().SetReadDeadline(time.Now().Add(e.silence))
	}
	done := func(s Summary) { e.ended <- s }
	if e.quiet {
		done = nil
	}
	relay := e.relay.HTTP
	if strings.EqualFold(string(rc.Request.Header.Peek("Upgrade")), "websocket") {
		relay = e.relay.WebSocket
	}
	if err := relay(context.Background(), rc, head, e.upstream(), e.owner, e.policy, done); err != nil {
		e.failed <- err
		rc.SetStatusCode(502)
		rc.SetBodyString("edge: bad gateway")
	}
}

// summary waits for the next end of an exchange.
func (e *edge) summary() Summary {
	e.t.Helper()
	select {
	case s := <-e.ended:
		return s
	case <-time.After(wait):
		e.t.Fatal("no exchange ended")
		return Summary{}
	}
}

func (e *edge) failure() error {
	e.t.Helper()
	select {
	case err := <-e.failed:
		return err
	case <-time.After(wait):
		e.t.Fatal("no exchange failed")
		return nil
	}
}

// dial opens a raw client connection to the edge.
func (e *edge) dial() *raw {
	e.t.Helper()
	return dialRaw(e.t, e.addr)
}

// raw is a connection that a test speaks bytes on; everything has a deadline.
type raw struct {
	*net.TCPConn
	t  testing.TB
	br *bufio.Reader
}

func dialRaw(t testing.TB, addr string) *raw {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return newRaw(t, c)
}

func newRaw(t testing.TB, c net.Conn) *raw {
	c.SetDeadline(time.Now().Add(wait))
	t.Cleanup(func() { c.Close() })
	return &raw{c.(*net.TCPConn), t, bufio.NewReader(c)}
}

func (r *raw) send(s string) {
	r.t.Helper()
	if _, err := io.WriteString(r, s); err != nil {
		r.t.Errorf("send: %v", err)
	}
}

// expect reads exactly s.
func (r *raw) expect(s string) {
	r.t.Helper()
	got := make([]byte, len(s))
	n, err := io.ReadFull(r.br, got)
	if err != nil || string(got) != s {
		r.t.Fatalf("got %.500q (%v), want %.500q", got[:n], err, s)
	}
}

// head reads up to and with the empty line.
func (r *raw) head() string {
	r.t.Helper()
	var b strings.Builder
	for {
		line, err := r.br.ReadString('\n')
		b.WriteString(line)
		if err != nil {
			r.t.Fatalf("head: %v after %q", err, b.String())
		}
		if line == "\r\n" {
			return b.String()
		}
	}
}

// rest reads to the end, which must not be an error.
func (r *raw) rest() string {
	r.t.Helper()
	b, err := io.ReadAll(r.br)
	if err != nil {
		r.t.Fatalf("rest: %v after %q", err, b)
	}
	return string(b)
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// backend serves each connection with serve until the test ends and returns its
// address.
func backend(t testing.TB, serve func(*raw)) string {
	t.Helper()
	ln := listen(t)
	var wg sync.WaitGroup
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				serve(&raw{c.(*net.TCPConn), t, bufio.NewReader(c)})
			})
		}
	})
	return ln.Addr().String()
}

// echoServer is a fasthttp/websocket echo backend.
func echoServer(t testing.TB, up websocket.FastHTTPUpgrader) string {
	t.Helper()
	ln := listen(t)
	var wg sync.WaitGroup
	s := &fasthttp.Server{Logger: discardLogger{}, Handler: func(rc *fasthttp.RequestCtx) {
		wg.Add(1)
		err := up.Upgrade(rc, func(c *websocket.Conn) {
			defer wg.Done()
			defer c.Close()
			for {
				kind, msg, err := c.ReadMessage()
				if err != nil || c.WriteMessage(kind, msg) != nil {
					return
				}
			}
		})
		if err != nil {
			wg.Done()
		}
	}}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		ln.Close()
		<-served
		s.Shutdown()
		wg.Wait()
	})
	return ln.Addr().String()
}
