package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"edge/abi"
	"edge/cmd/edge/testleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testleak.Settle(m)) }

// patience bounds what a test waits for.
const patience = 2 * time.Minute

const testToken = "0123456789abcdef0123456789abcdef"

// hurry is the pace with one thing changed.
func hurry(change func(*pace)) pace {
	p := defaultPace
	change(&p)
	return p
}

// fakeOperations carries operations out as a test says.
type fakeOperations struct {
	operate func(ctx context.Context, name string, body json.RawMessage) (json.RawMessage, error)
	open    func(ctx context.Context, name string, body json.RawMessage) (abi.Socket, error)
}

func (f *fakeOperations) Operate(ctx context.Context, name string, body json.RawMessage) (json.RawMessage, error) {
	return f.operate(ctx, name, body)
}

func (f *fakeOperations) Open(ctx context.Context, name string, body json.RawMessage) (abi.Socket, error) {
	return f.open(ctx, name, body)
}

// echoed answers with what was asked.
func echoed(_ context.Context, name string, body json.RawMessage) (json.RawMessage, error) {
	return json.Marshal(map[string]any{"operation": name, "body": body})
}

// message is one on a fake stream.
type message struct {
	opcode  byte
	payload []byte
}

// fakeStream is the sandbox's end of a stream, and, as an abi.Socket, ours.
// Nothing is buffered: back-pressure is exact.
type fakeStream struct {
	out, in chan message
	done    chan struct{} // closed when the sandbox's end has returned
	end     error         // how, before done is closed
	closed  chan struct{} // closed when our end was closed
	once    sync.Once
}

// stream makes opening carry on with run, the sandbox's end: its error is the
// stream's, and nil a good end.
func stream(t *testing.T, run func(s *fakeStream, body json.RawMessage) error) func(context.Context, string, json.RawMessage) (abi.Socket, error) {
	return func(_ context.Context, _ string, body json.RawMessage) (abi.Socket, error) {
		s := &fakeStream{out: make(chan message), in: make(chan message), done: make(chan struct{}), closed: make(chan struct{})}
		go s.serve(run, body)
		t.Cleanup(func() { await(t, "the stream's end", s.done) })
		return s, nil
	}
}

func (s *fakeStream) serve(run func(*fakeStream, json.RawMessage) error, body json.RawMessage) {
	if s.end = run(s, body); s.end == nil {
		s.end = &abi.SocketClosed{Code: closeNormal}
	}
	close(s.done)
}

var errHungUp = errors.New("the edge hung up")

// send sends to the edge.
func (s *fakeStream) send(opcode byte, payload []byte) error {
	select {
	case s.out <- message{opcode, payload}:
		return nil
	case <-s.closed:
		return errHungUp
	}
}

func (s *fakeStream) event(json string) error { return s.send(abi.OpcodeText, []byte(json)) }

// next receives from the edge.
func (s *fakeStream) next() (message, error) {
	select {
	case m := <-s.in:
		return m, nil
	case <-s.closed:
		return message{}, errHungUp
	}
}

func (s *fakeStream) Receive(ctx context.Context) (byte, []byte, error) {
	select {
	case m := <-s.out:
		return m.opcode, m.payload, nil
	case <-s.done:
		return 0, nil, s.end
	case <-s.closed:
		return 0, nil, errHungUp
	case <-ctx.Done():
		return 0, nil, ctx.Err()
	}
}

func (s *fakeStream) Send(ctx context.Context, opcode byte, payload []byte) error {
	if len(payload) > abi.MaxStreamBinary {
		return abi.Errorf(abi.CodeBodyTooLarge, "%d bytes", len(payload))
	}
	select {
	case s.in <- message{opcode, bytes.Clone(payload)}:
		return nil
	case <-s.done:
		return s.end
	case <-s.closed:
		return errHungUp
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *fakeStream) Close(int, string) error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// await waits for a channel to be closed.
func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Errorf("waited %v for %s", patience, what)
	}
}

// world is a server on real sockets.
type world struct {
	t      *testing.T
	server *Server
	base   string // http://127.0.0.1:port
	addr   string
	socket string
	client *http.Client
	log    *lockedBuffer
}

// start serves over TCP and a Unix socket until the test's end.
func start(t *testing.T, s *Server) *world {
	t.Helper()
	w := &world{t: t, server: s, log: &lockedBuffer{}, client: &http.Client{Transport: &http.Transport{}}}
	s.Token = testToken
	logger := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.Log, s.AccessLog = logger, logger
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.addr = ln.Addr().String()
	w.base = "http://" + w.addr
	served := make(chan error, 2)
	go func() { served <- s.Serve(ln) }()
	expected := 1
	if errNoPeers == nil {
		w.socket = filepath.Join(t.TempDir(), "s")
		uln, err := Listen(w.socket)
		if err != nil {
			t.Fatal(err)
		}
		go func() { served <- s.ServeUnix(uln) }()
		expected++
	}
	t.Cleanup(func() {
		w.client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		for range expected {
			if err := <-served; err != nil {
				t.Errorf("serve: %v", err)
			}
		}
		if strings.Contains(w.log.String(), testToken) {
			t.Error("the log holds the token")
		}
	})
	return w
}

// request makes one with the token.
func (w *world) request(method, path string, body io.Reader) *http.Request {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.base+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+testToken)
	return r
}

// result is a whole answer.
type result struct {
	*http.Response
	body string
	err  error // of reading the body
}

func (w *world) do(r *http.Request) result {
	w.t.Helper()
	resp, err := w.client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return result{resp, string(b), err}
}

// ask sends JSON, none if body is empty.
func (w *world) ask(method, path, body string) result {
	w.t.Helper()
	r := w.request(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return w.do(r)
}

// code is the error's code in an answer.
func (r result) code() abi.Code {
	var f Failure
	if json.Unmarshal([]byte(r.body), &f) != nil || f.Error == nil {
		return ""
	}
	return f.Error.Code
}

// lockedBuffer is a log that can be read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
