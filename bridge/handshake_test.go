package bridge

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"
)

// key and accept are those of RFC 6455, section 1.3.
const (
	testKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	testAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

	upgradeRequest = "GET /ws?x=%2f HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + testKey + "\r\n" +
		"sec-websocket-extensions: permessage-deflate; client_max_window_bits, x-other\r\nSec-WebSocket-Protocol: a, b\r\n\r\n"
	upgradeAtBackend = "GET /ws?x=%2f HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + testKey + "\r\n" +
		"sec-websocket-extensions: permessage-deflate; client_max_window_bits, x-other\r\nSec-WebSocket-Protocol: a, b\r\n" +
		"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
	upgradeAnswer = "HTTP/1.1 101 Web Socket Protocol Handshake\r\nupgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\n" +
		"Sec-WebSocket-Accept: " + testAccept + "\r\nX-Custom: 1\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\r\n"
	upgradeAtClient = "HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + testAccept + "\r\nX-Custom: 1\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\r\n"
)

func TestAcceptKey(t *testing.T) {
	t.Parallel()
	if got := acceptKey(testKey); got != testAccept {
		t.Errorf("acceptKey = %q", got)
	}
}

// TestHandshakeSplitAtEveryByte: heads byte for byte, in one segment with the
// first frames of both sides, and split anywhere.
func TestHandshakeSplitAtEveryByte(t *testing.T) {
	t.Parallel()
	up, down := frame(0xc1, "early", true), frame(0xc2, "first", false)
	request, answer := upgradeRequest+string(up), upgradeAnswer+string(down)
	cuts := make(chan int, 1)
	e := newEdge(t, backend(t, func(c *raw) {
		cut := <-cuts
		c.SetDeadline(time.Now().Add(wait))
		c.expect(upgradeAtBackend)
		c.send(answer[:cut])
		if cut > 0 && cut < len(answer) {
			time.Sleep(time.Millisecond) // apart on the wire; nothing waits for it
		}
		c.send(answer[cut:])
		c.expect(string(up))
		c.rest()
	}))
	for cut := 0; cut <= max(len(request), len(answer)); cut++ {
		cuts <- min(cut, len(answer))
		c := e.dial()
		c.send(request[:min(cut, len(request))])
		c.send(request[min(cut, len(request)):])
		c.expect(upgradeAtClient + string(down))
		c.CloseWrite()
		c.rest()
		c.Close()
		if s := e.summary(); s.Err != nil || s.MessagesIn != 1 || s.MessagesOut != 1 {
			t.Fatalf("cut %d: %+v", cut, s)
		}
	}
}

func TestBackendThatRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, answer, atClient string }{
		{"200", "HTTP/1.1 200 OK\r\nx-a: 1\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 200 OK\r\nx-a: 1\r\nContent-Length: 5\r\n\r\nhello"},
		{"404 in chunks", "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nnot\r\n3\r\nyet\r\n0\r\n\r\n",
			"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nnot\r\n3\r\nyet\r\n0\r\n\r\n"},
		{"426", "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 8\r\nContent-Length: 0\r\n\r\n"},
		{"after interim", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, backend(t, func(c *raw) {
				c.expect(upgradeAtBackend)
				for part := range strings.SplitAfterSeq(tc.answer, "\n") {
					c.send(part)
				}
				c.br.ReadByte() // the connection is not kept
			}))
			c := e.dial()
			for range 2 { // the client's is
				c.send(upgradeRequest)
				got := make([]byte, len(tc.atClient))
				n, err := io.ReadFull(c.br, got)
				if joined := joinChunks(string(got[:n])); err != nil || joined != joinChunks(tc.atClient) {
					t.Fatalf("got %q, want %q", joined, tc.atClient)
				}
				if s := e.summary(); s.Err != nil || s.Status == 101 {
					t.Errorf("summary %+v", s)
				}
			}
		})
	}
}

// joinChunks makes two chunkings of "notyet" equal: pieces are the wire's.
func joinChunks(s string) string {
	return strings.Replace(s, "6\r\nnotyet\r\n", "3\r\nnot\r\n3\r\nyet\r\n", 1)
}

func TestBackendThatIsNoBackend(t *testing.T) {
	t.Parallel()
	with := func(old, new string) string { return strings.Replace(upgradeAnswer, old, new, 1) }
	for _, tc := range []struct {
		name    string
		answer  string
		hold    bool
		stage   Stage
		timeout bool
	}{
		{"wrong accept", with(testAccept, testKey), true, StageAccept, false},
		{"no accept", with("Sec-WebSocket-Accept", "X"), true, StageAccept, false},
		{"two accepts", with("X-Custom: 1", "Sec-WebSocket-Accept: "+testAccept), true, StageAccept, false},
		{"no upgrade", with("upgrade: WebSocket", "x: y"), true, StageAccept, false},
		{"other upgrade", with("upgrade: WebSocket", "upgrade: h2c"), true, StageAccept, false},
		{"no connection", with("Connection:", "x:"), true, StageAccept, false},
		{"garbage", "SSH-2.0-OpenSSH_9.2\r\n", true, StageAnswer, false},
		{"garbage after HTTP", "HTTP/1.1 abc\r\n\r\n", true, StageAnswer, false},
		{"bad header", "HTTP/1.1 101 X\r\nno colon\r\n\r\n", true, StageAnswer, false},
		{"folded header", "HTTP/1.1 101 X\r\na: b\r\n c\r\n\r\n", true, StageAnswer, false},
		{"too long", "HTTP/1.1 101 X\r\na: " + text(70000) + "\r\n\r\n", true, StageAnswer, false},
		{"interim for ever", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 20), true, StageAnswer, false},
		{"nothing", "", false, StageHead, false},
		{"half a head", upgradeAnswer[:50], false, StageAnswer, false},
		{"silence", "", true, StageHead, true},
		{"silence after half a head", upgradeAnswer[:50], true, StageAnswer, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, backend(t, func(c *raw) {
				c.head()
				c.Write([]byte(tc.answer))
				if tc.hold {
					c.br.ReadByte()
				}
			}), func(e *edge) {
				if tc.timeout { // of what comes before the silence nothing is to be late
					e.relay.HandshakeTimeout = 300 * time.Millisecond
					e.wrap = func(c net.Conn) net.Conn { return &dueAfter{Conn: c, reading: tc.answer != ""} }
				}
			})
			c := e.dial()
			c.send(upgradeRequest)
			c.expect("HTTP/1.1 502 Bad Gateway\r\n")
			err := e.failure()
			var ue *UpstreamError
			if !errors.As(err, &ue) || ue.Stage != tc.stage || ue.Timeout() != tc.timeout || !ue.Started {
				t.Errorf("error %v (%+v)", err, ue)
			}
			if n := e.relay.Table.Count(nil); n != 0 {
				t.Errorf("%d entries left", n)
			}
		})
	}
}

// dueAfter is a connection of which no deadline counts before one step was made on
// it, however long a busy machine takes for that.
type dueAfter struct {
	net.Conn
	reading bool // the step is a read, else a write

	mu   sync.Mutex // guards what follows
	made bool
	due  time.Time
}

func (c *dueAfter) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.did(c.reading)
	return n, err
}

func (c *dueAfter) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.did(!c.reading)
	return n, err
}

func (c *dueAfter) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.due = t
	if !c.made {
		return nil
	}
	return c.Conn.SetDeadline(t)
}

// did notes a step.
func (c *dueAfter) did(it bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if it && !c.made {
		c.made = true
		c.Conn.SetDeadline(c.due)
	}
}

func TestDialFails(t *testing.T) {
	t.Parallel()
	e := newEdge(t, deaf(t))
	for _, request := range []string{upgradeRequest, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"} {
		c := e.dial()
		c.send(request)
		c.expect("HTTP/1.1 502 Bad Gateway\r\n")
		var ue *UpstreamError
		if err := e.failure(); !errors.As(err, &ue) || ue.Stage != StageDial || ue.Started {
			t.Errorf("error %v", err)
		}
	}
}

// deaf is an address that nobody listens at, and nobody comes to before the test has
// ended: a connection to somewhere else has it.
func deaf(t *testing.T) string {
	t.Helper()
	return dialRaw(t, listen(t).Addr().String()).LocalAddr().String()
}

// TestCloseCodes: what one side says at the end is what the other hears.
func TestCloseCodes(t *testing.T) {
	t.Parallel()
	e := newEdge(t, echoServer(t, websocket.FastHTTPUpgrader{}))
	for _, code := range []int{1000, 1001, 1011, 3000, 4999, websocket.CloseNoStatusReceived} {
		c, _, err := websocket.DefaultDialer.Dial("ws://"+e.addr, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(code, "why"))
		if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, code) {
			t.Errorf("code %d: %v", code, err)
		}
		c.Close()
		e.summary()
	}
}

// TestBackendGone: a backend that dies without a close frame is 1006 at once.
func TestBackendGone(t *testing.T) {
	t.Parallel()
	e := newEdge(t, backend(t, func(c *raw) {
		c.head()
		c.send(upgradeAnswer)
		c.br.ReadByte() // dies at the first byte of a frame
		c.SetLinger(0)
	}))
	c := e.dial()
	c.send(upgradeRequest)
	c.expect(upgradeAtClient)
	c.Write(frame(0x81, "die", true))
	if rest, _ := io.ReadAll(c.br); len(rest) > 0 {
		t.Errorf("got %q", rest)
	}
	c.Close()
	if s := e.summary(); s.Close == "" {
		t.Errorf("summary %+v", s)
	}
}

// TestRevocation closes a live bridge by its owner.
func TestRevocation(t *testing.T) {
	t.Parallel()
	e := newEdge(t, echoServer(t, websocket.FastHTTPUpgrader{}), func(e *edge) { e.owner = Owner{Binding: "B", ID: "x", Port: 8080, Exposure: true} })
	c, _, err := websocket.DefaultDialer.Dial("ws://"+e.addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	table := e.relay.Table
	if n := table.Close(func(o Owner) bool { return o.ID == "y" }, 1008, "no"); n != 0 {
		t.Errorf("closed %d of nobody's", n)
	}
	list := table.List()
	if len(list) != 1 || list[0].Owner != e.owner || list[0].Remote.String() != c.LocalAddr().String() || list[0].ID == 0 {
		t.Errorf("list %+v", list)
	}
	if n := table.Close(func(o Owner) bool { return o.ID == "x" }, 1008, "revoked"); n != 1 {
		t.Errorf("closed %d", n)
	}
	_, _, err = c.ReadMessage()
	var ce *websocket.CloseError
	if !errors.As(err, &ce) || ce.Code != 1008 || ce.Text != "revoked" {
		t.Errorf("read: %v", err)
	}
	if s := e.summary(); s.Close != "edge 1008 revoked" {
		t.Errorf("summary %+v", s)
	}
}

// TestRevocationDuringTheHandshake: what was let in and not yet answered is closed
// too.
func TestRevocationDuringTheHandshake(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	e := newEdge(t, backend(t, func(c *raw) { c.head(); close(arrived); c.br.ReadByte() }))
	c := e.dial()
	c.send(upgradeRequest)
	<-arrived
	if n := e.relay.Table.Close(nil, 1008, "revoked"); n != 1 {
		t.Errorf("closed %d", n)
	}
	c.expect("HTTP/1.1 502")
	if err := e.failure(); !errors.Is(err, ErrClosed) {
		t.Errorf("error %v", err)
	}
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	e := newEdge(t, echoServer(t, websocket.FastHTTPUpgrader{}))
	var cs []*websocket.Conn
	for range 20 {
		c, _, err := websocket.DefaultDialer.Dial("ws://"+e.addr, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		cs = append(cs, c)
	}
	done := make(chan error, 1)
	go func() { done <- e.relay.Shutdown(t.Context()) }()
	for _, c := range cs {
		if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, 1001) {
			t.Errorf("read: %v", err)
		}
	}
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if len(e.ended) != len(cs) || e.relay.Table.Count(nil) != 0 {
		t.Errorf("%d ended, %d left", len(e.ended), e.relay.Table.Count(nil))
	}
	c := e.dial()
	c.send(upgradeRequest)
	if err := e.failure(); !errors.Is(err, ErrShutdown) {
		t.Errorf("after Shutdown: %v", err)
	}
}

// TestShutdownThatIsCut: what does not end in time is closed hard.
func TestShutdownThatIsCut(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	e := newEdge(t, backend(t, func(c *raw) { c.head(); c.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"); <-release }))
	defer close(release)
	c := e.dial()
	c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	c.head()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := e.relay.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	if s := e.summary(); !errors.Is(s.Err, ErrShutdown) {
		t.Errorf("summary %+v", s)
	}
	if b, _ := io.ReadAll(c.br); string(b) != "half" {
		t.Errorf("got %q", b)
	}
}

// startingEngine calls starting once it carries a bridge that the relay is not told
// of yet.
type startingEngine struct {
	Pair
	starting func()
}

func (e *startingEngine) Bridge(client, backend net.Conn, early []byte, pol Policy, done func(Summary)) Live {
	defer e.starting()
	return e.Pair.Bridge(client, backend, early, pol, done)
}

// TestShutdownThatCutsAStartingBridge: one that the engine is just given is not
// missed: Shutdown waits for it to be there, closes it, and cuts it.
func TestShutdownThatCutsAStartingBridge(t *testing.T) {
	t.Parallel()
	var down sync.WaitGroup
	defer down.Wait()
	e := newEdge(t, echoServer(t, websocket.FastHTTPUpgrader{}), func(e *edge) {
		e.relay.Engine = &startingEngine{starting: func() {
			begun := make(chan struct{})
			down.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				close(begun)
				if err := e.relay.Shutdown(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("Shutdown: %v", err)
				}
			})
			<-begun
		}}
	})
	c := e.dial()
	c.send(upgradeRequest)
	c.head()
	if s := e.summary(); !errors.Is(s.Err, ErrClosed) && s.Close != edgeClosed(1001, "going away") {
		t.Errorf("summary %+v", s)
	}
	if b, _ := io.ReadAll(c.br); len(b) > 0 && b[0] != 0x88 {
		t.Errorf("got %q", b)
	}
}

// TestHandshakeHonoursContext: the caller's end of patience is not a timeout.
func TestHandshakeHonoursContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("changed my mind")
	x := &exchange{relay: &Relay{}}
	_, err := x.dial(ctx, Upstream{Dial: func(ctx context.Context) (net.Conn, error) {
		cancel(why)
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}})
	var ue *UpstreamError
	if !errors.As(err, &ue) || !errors.Is(err, why) || ue.Timeout() {
		t.Errorf("dial: %v", err)
	}
}

// telling is a connection that tells when something was read.
type telling struct {
	net.Conn
	tell func()
}

func (c *telling) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.tell()
	return n, err
}

// TestRevocationBeforeTheHijack: what is closed after the backend's 101 and before
// the client's is refused, not accepted and then dropped without a word.
func TestRevocationBeforeTheHijack(t *testing.T) {
	t.Parallel()
	e := newEdge(t, backend(t, func(c *raw) { c.head(); c.send(upgradeAnswer); c.br.ReadByte() }), func(e *edge) {
		e.wrap = func(c net.Conn) net.Conn {
			return &telling{c, func() { e.relay.Table.Close(nil, 1008, "revoked") }}
		}
	})
	c := e.dial()
	c.send(upgradeRequest)
	c.expect("HTTP/1.1 502")
	var ue *UpstreamError
	if err := e.failure(); !errors.Is(err, ErrClosed) || !errors.As(err, &ue) || !ue.Started {
		t.Errorf("error %v", err)
	}
	if n := e.relay.Table.Count(nil); n != 0 {
		t.Errorf("%d entries left", n)
	}
}

// TestShutdownHammer shuts relays down while handshakes begin: each is refused or
// closed, for the race detector to see.
func TestShutdownHammer(t *testing.T) {
	t.Parallel()
	for range 200 {
		r := &Relay{}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				head := &Head{Method: "GET", Target: "/"}
				up := Upstream{Dial: func(ctx context.Context) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }}
				err := r.WebSocket(t.Context(), &fasthttp.RequestCtx{}, head, up, Owner{}, Policy{}, nil)
				if !errors.Is(err, ErrShutdown) && !errors.Is(err, ErrClosed) {
					t.Errorf("WebSocket: %v", err)
				}
			})
		}
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		if err := r.Shutdown(ctx); err != nil { // a handshake it does not know for one would go on
			t.Errorf("Shutdown: %v", err)
		}
		cancel()
		wg.Wait()
	}
}
