package host

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/abi"
)

// accept is the answer to the key of every handshake in these tests.
func accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// frame is a final frame with a short payload; a client's is masked, with zeros.
func frame(opcode byte, payload string, masked bool) string {
	if masked {
		return string([]byte{0x80 | opcode, 0x80 | byte(len(payload)), 0, 0, 0, 0}) + payload
	}
	return string([]byte{0x80 | opcode, byte(len(payload))}) + payload
}

// readFrame reads a frame with a short payload.
func readFrame(r io.Reader) (opcode byte, payload string, err error) {
	var h [2]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return 0, "", err
	}
	rest := make([]byte, int(h[1]&0x7f)+4*int(h[1]>>7))
	if _, err := io.ReadFull(r, rest); err != nil {
		return 0, "", err
	}
	return h[0] & 0x0f, string(rest[4*int(h[1]>>7):]), nil
}

// echoSocket accepts a WebSocket, says which head it saw, and echoes frames.
func echoSocket(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") == "" {
		echoHead(w, r)
		return
	}
	c, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		accept(r.Header.Get("Sec-WebSocket-Key")))
	fmt.Fprint(rw, frame(1, r.Host+" "+r.Header.Get("Origin")+" "+r.RequestURI, false))
	_ = rw.Flush()
	for {
		op, payload, err := readFrame(rw)
		if err != nil {
			return
		}
		if _, err := io.WriteString(c, frame(op, payload, false)); err != nil || op == 8 {
			return
		}
	}
}

// events collects what Observe is told.
type events struct {
	mu   sync.Mutex
	list []Event
	c    chan Event
}

func newEvents() *events { return &events{c: make(chan Event, 100)} }

func (e *events) add(v Event) {
	e.mu.Lock()
	e.list = append(e.list, v)
	e.mu.Unlock()
	if v.Kind != EventDecided { // comes with most of the others
		e.c <- v
	}
}

// next waits for the next event.
func (e *events) next(t testing.TB) Event {
	t.Helper()
	select {
	case v := <-e.c:
		return v
	case <-time.After(patience):
		t.Fatal("no event came")
		return Event{}
	}
}

func TestConnect(t *testing.T) {
	t.Parallel()
	box := newBox("a", map[int]string{8080: backend(t, echoSocket)})
	ev := newEvents()
	r := start(t, &Server{boxes: boxes(box), Observe: ev.add}, all(always(&abi.Connect{Sandbox: ref("a"), Port: 8080})))
	c := r.dial(t)
	// The first frame comes together with the handshake.
	c.send("GET /ws?id=1 HTTP/1.1\r\nHost: app:1\r\nOrigin: http://app:1\r\n" + handshake + "\r\n" + frame(1, "early", true))
	if got := c.answer("GET"); got.StatusCode != 101 || got.Header.Get("Sec-WebSocket-Accept") == "" {
		t.Fatalf("answer %d %v", got.StatusCode, got.Header)
	}
	if e := ev.next(t); e.Kind != EventWebSocketOpened || e.Plugin != "p" || e.Sandbox.ID != "a" || e.Port != 8080 {
		t.Errorf("event %+v", e)
	}
	wantFrame(t, c.r, 1, "app:1 http://app:1 /ws?id=1")
	wantFrame(t, c.r, 1, "early")
	c.send(frame(2, "more", true))
	wantFrame(t, c.r, 2, "more")
	c.send(frame(8, "\x03\xe8bye", true))
	wantFrame(t, c.r, 8, "\x03\xe8bye")
	if !c.eof() {
		t.Error("the connection stays open after the closing handshake")
	}
	_ = c.Close()
	if e := ev.next(t); e.Kind != EventWebSocketClosed || e.Status != 101 || e.Messages == 0 || e.BytesOut == 0 {
		t.Errorf("event %+v", e)
	}
	if log := r.accessLog(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "status=101") || strings.Contains(log, "id=1 ") {
		t.Errorf("access log: %s", log)
	}
}

func wantFrame(t testing.TB, r io.Reader, opcode byte, payload string) {
	t.Helper()
	op, got, err := readFrame(r)
	if err != nil || op != opcode || got != payload {
		t.Fatalf("frame %d %q, %v; want %d %q", op, got, err, opcode, payload)
	}
}

// TestManySockets opens many at once, to see goroutines and connections join.
func TestManySockets(t *testing.T) {
	t.Parallel()
	box := newBox("a", map[int]string{8080: backend(t, echoSocket)})
	r := start(t, &Server{boxes: boxes(box)}, all(always(&abi.Connect{Sandbox: ref("a"), Port: 8080})))
	var wg sync.WaitGroup
	for range 50 {
		wg.Add(1)
		go hammerSocket(t, r, &wg)
	}
	wg.Wait()
}

// hammerSocket opens a socket, sends and closes; it ends before its test.
func hammerSocket(t *testing.T, r *running, wg *sync.WaitGroup) {
	defer wg.Done()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\n"+handshake+"\r\n")
	br := bufio.NewReader(c)
	resp, err := http.ReadResponse(br, nil)
	if err != nil || resp.StatusCode != 101 {
		t.Errorf("handshake: %v", err)
		return
	}
	if _, _, err := readFrame(br); err != nil {
		t.Error(err)
		return
	}
	for i := range 20 {
		want := fmt.Sprint("n", i)
		fmt.Fprint(c, frame(1, want, true))
		if _, got, err := readFrame(br); err != nil || got != want {
			t.Errorf("echo %q, %v", got, err)
			return
		}
	}
}

// TestPanicAfterTheUpgrade wants no second answer on a connection that a bridge
// has taken.
func TestPanicAfterTheUpgrade(t *testing.T) {
	t.Parallel()
	box := newBox("a", map[int]string{8080: backend(t, echoSocket)})
	r := start(t, &Server{boxes: boxes(box), Observe: func(e Event) {
		if e.Kind == EventWebSocketOpened {
			panic("oh")
		}
	}}, all(always(&abi.Connect{Sandbox: ref("a"), Port: 8080})))
	c := r.dial(t)
	c.send("GET / HTTP/1.1\r\nHost: a\r\n" + handshake + "\r\n")
	if got := c.answer("GET"); got.StatusCode != 101 {
		t.Fatalf("answer %d %s", got.StatusCode, got.body)
	}
	c.send(frame(1, "lives", true))
	wantFrame(t, c.r, 1, "a  /")
	wantFrame(t, c.r, 1, "lives")
	_ = c.Close()
	if err := r.Shutdown(t.Context()); err != nil { // waits for the handler
		t.Error(err)
	}
	if !strings.Contains(r.log.String(), "stack=") {
		t.Error("no stack in the log")
	}
	if n := r.live.Load(); n != 0 || !r.slots.empty() {
		t.Errorf("%d requests are under way, slots %+v", n, &r.slots)
	}
}

// TestDrain lets requests and sockets go on, refuses new work, and then, when it is
// forced to, closes sockets with 1001. TestRevocation has the time to drain run out.
func TestDrain(t *testing.T) {
	t.Parallel()
	box := newBox("a", map[int]string{8080: backend(t, echoSocket)})
	gate := make(chan struct{})
	entered := make(chan struct{}, 1)
	slow := decide(func(context.Context, *abi.Request) (abi.Decision, error) {
		entered <- struct{}{}
		<-gate
		return text(200, "slow"), nil
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{boxes: boxes(box), DrainTimeout: time.Hour}
	r := startOn(t, s, []Route{
		{Path: "/ws", Chain: []Plugin{{Name: "ws", Decider: always(&abi.Connect{Sandbox: ref("a"), Port: 8080})}}},
		{Path: "/slow", Chain: []Plugin{{Name: "slow", Decider: slow}}},
	}, ln, func() error { return s.Serve(ln) })
	idle := r.dial(t)
	idle.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
	if got := idle.answer("GET"); got.StatusCode != 200 {
		t.Fatal(got.StatusCode)
	}
	ws := r.dial(t)
	ws.send("GET /ws HTTP/1.1\r\nHost: a\r\n" + handshake + "\r\n")
	if got := ws.answer("GET"); got.StatusCode != 101 {
		t.Fatal(got.StatusCode)
	}
	_, _, _ = readFrame(ws.r)
	busy := r.dial(t)
	busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
	<-entered

	done := make(chan error, 1)
	go func() { done <- r.Shutdown(context.Background()) }()
	if !idle.eof() {
		t.Error("an idle connection stays open")
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) { // its port may be somebody else's by now
		t.Errorf("new connections are accepted: %v", err)
	}
	ws.send(frame(1, "still here", true))
	wantFrame(t, ws.r, 1, "still here")
	close(gate)
	if got := busy.answer("GET"); got.StatusCode != 200 || got.body != "slow" || !got.Close {
		t.Errorf("the request under way: %d %q, close %v", got.StatusCode, got.body, got.Close)
	}
	forced := make(chan error, 1)
	go func() { forced <- r.Shutdown(context.Background()) }() // the time to drain is over
	op, payload, err := readFrame(ws.r)
	if err != nil || op != 8 || len(payload) < 2 || binary.BigEndian.Uint16([]byte(payload)) != 1001 {
		t.Errorf("the socket ended with %d %q, %v; want close 1001", op, payload, err)
	}
	ws.send(frame(8, "\x03\xe9", true))
	if err := errors.Join(<-done, <-forced); err != nil {
		t.Errorf("shutdown: %v", err)
	}
}

// TestSecondShutdownForces does not wait for what would go on for ever.
func TestSecondShutdownForces(t *testing.T) {
	t.Parallel()
	stuck := make(chan struct{})
	r := start(t, &Server{DrainTimeout: time.Hour}, all(decide(func(ctx context.Context, _ *abi.Request) (abi.Decision, error) {
		close(stuck)
		<-ctx.Done()
		return nil, ctx.Err()
	})))
	c := r.dial(t)
	c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-stuck
	first := make(chan error, 1)
	go func() { first <- r.Shutdown(context.Background()) }()
	for !r.draining.Load() {
		time.Sleep(time.Millisecond)
	}
	if err := r.Shutdown(context.Background()); err != nil {
		t.Errorf("second: %v", err)
	}
	if err := <-first; err != nil {
		t.Errorf("first: %v", err)
	}
}

func TestShutdownGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	release, in := make(chan struct{}), make(chan struct{})
	r := start(t, &Server{DrainTimeout: time.Hour}, all(decide(func(context.Context, *abi.Request) (abi.Decision, error) {
		close(in)
		<-release // a decider that does not look at its context
		return &abi.Next{}, nil
	})))
	c := r.dial(t)
	c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-in
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := r.Shutdown(ctx); err == nil {
		t.Error("shutdown says that all is over")
	}
	close(release)
}
