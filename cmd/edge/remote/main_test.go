package remote

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/fasthttp/websocket"
	"go.uber.org/goleak"

	"edge/abi"
	"edge/cmd/edge/testleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(testleak.Settle(m, fasthttpClock()), fasthttpClock())
}

// fasthttpClock is the one goroutine that fasthttp, which the WebSocket package imports,
// starts for the life of a process.
func fasthttpClock() goleak.Option {
	return goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1")
}

const testToken = "0123456789abcdef0123456789abcdef"

// edge is an admin API for tests: one binding, and an answer or a stream for
// each operation that a test names.
type edge struct {
	t        *testing.T
	server   *httptest.Server
	bindings []string
	list     string // the JSON of GET /v1/sandboxes
	calls    map[string]func(ref Ref, body []byte) (any, error)
	streams  map[string]func(s *serverStream, request []byte)
	files    *fileServer
	events   string
	// connections is the JSON of GET /v1/connections; of those with the ids in it
	// DELETE closes one, and by a query three.
	connections string
	// plugins answers below /v1/plugins; nil is nothing there.
	plugins http.HandlerFunc

	mu   sync.Mutex
	seen []string // "binding/id operation", or "GET /v1/connections?...", in order
}

func startEdge(t *testing.T) *edge {
	t.Helper()
	e := &edge{
		t: t, bindings: []string{"Sandbox"}, list: `{"sandboxes":[]}`,
		calls: map[string]func(Ref, []byte) (any, error){}, streams: map[string]func(*serverStream, []byte){},
	}
	e.server = httptest.NewServer(http.HandlerFunc(e.serve))
	t.Cleanup(e.server.Close)
	return e
}

func (e *edge) serve(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+testToken {
		answer(w, http.StatusUnauthorized, map[string]any{"error": abi.Errorf(abi.CodeDenied, "the token is wrong")})
		return
	}
	switch r.URL.Path {
	case "/v1/bindings":
		list := make([]map[string]string, 0)
		for _, b := range e.bindings {
			list = append(list, map[string]string{"name": b})
		}
		answer(w, http.StatusOK, map[string]any{"bindings": list})
		return
	case "/v1/sandboxes":
		io.WriteString(w, e.list)
		return
	case "/v1/version":
		io.WriteString(w, `{"version":"1.2.3"}`)
		return
	case "/v1/events":
		io.WriteString(w, e.events)
		return
	}
	if id, ok := strings.CutPrefix(r.URL.Path, connectionsPath); ok {
		e.serveConnections(w, r, strings.TrimPrefix(id, "/"))
		return
	}
	if e.plugins != nil && strings.HasPrefix(r.URL.Path, pluginsPath) {
		e.plugins(w, r)
		return
	}
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/v1/sandboxes/"), "/")
	if len(parts) != 3 {
		http.NotFound(w, r)
		return
	}
	e.operation(w, r, Ref{parts[0], parts[1]}, parts[2])
}

func (e *edge) serveConnections(w http.ResponseWriter, r *http.Request, id string) {
	e.mu.Lock()
	e.seen = append(e.seen, r.Method+" "+r.URL.RequestURI())
	e.mu.Unlock()
	switch {
	case r.Method == http.MethodGet:
		io.WriteString(w, e.connections)
	case id == "":
		answer(w, http.StatusOK, map[string]int{"closed": 3})
	case strings.Contains(e.connections, `"id":`+id+`,`):
		answer(w, http.StatusOK, map[string]int{"closed": 1})
	default:
		refuse(w, abi.Errorf(abi.CodeNotFound, "there is no connection %q", id))
	}
}

func (e *edge) operation(w http.ResponseWriter, r *http.Request, ref Ref, name string) {
	e.mu.Lock()
	e.seen = append(e.seen, ref.String()+" "+name)
	e.mu.Unlock()
	if websocket.IsWebSocketUpgrade(r) {
		e.stream(w, r, name)
		return
	}
	if e.files != nil && e.files.serve(w, r, name) {
		return
	}
	body, _ := io.ReadAll(r.Body)
	call := e.calls[name]
	if call == nil {
		refuse(w, abi.Errorf(abi.CodeUnknownOperation, "no %s in this test", name))
		return
	}
	got, err := call(ref, body)
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, http.StatusOK, got)
}

func refuse(w http.ResponseWriter, err error) {
	e := abi.AsError(err)
	answer(w, e.Code.Status(), map[string]any{"error": e})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// serverStream is the edge's side of a stream.
type serverStream struct {
	t    *testing.T
	conn *websocket.Conn
}

func (e *edge) stream(w http.ResponseWriter, r *http.Request, name string) {
	run := e.streams[name]
	if run == nil {
		refuse(w, abi.Errorf(abi.CodeUnsupported, "no stream %s in this test", name))
		return
	}
	up := websocket.Upgrader{}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	_, request, err := conn.ReadMessage()
	if err != nil {
		return
	}
	run(&serverStream{e.t, conn}, request)
}

func (s *serverStream) event(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		s.t.Error(err)
	}
	_ = s.conn.WriteMessage(websocket.TextMessage, b)
}

// end closes the stream as an edge does that has no more to say.
func (s *serverStream) end() {
	_ = s.conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
}

// fail ends the stream with an error.
func (s *serverStream) fail(e *abi.Error) {
	s.event(map[string]any{"error": e})
	_ = s.conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseInternalServerErr, string(e.Code)))
}

// screen is what a verb is run with in a test.
type screen struct {
	in       io.Reader
	out, err bytes.Buffer
	vars     map[string]string
	signals  chan chan<- os.Signal // gets the channel of who wants signals
}

// env is the screen as the verbs see it, and the edge at that address.
func (s *screen) env(e *edge) *Env {
	in := s.in
	if in == nil {
		in = strings.NewReader("")
	}
	return &Env{
		In: in, Out: &s.out, Err: &s.err, Getenv: func(name string) string { return s.vars[name] },
		Notify: func(c chan<- os.Signal, _ ...os.Signal) func() {
			if s.signals != nil {
				s.signals <- c
			}
			return func() {}
		},
		Locate: func(Connection) ([]Address, error) {
			return []Address{{URL: e.server.URL, Token: testToken, From: "test"}}, nil
		},
	}
}

// codeOf is the exit code that an error asks for, as the program's main has it.
func codeOf(err error) int {
	var code ExitCode
	var failure *Failure
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &failure):
		return failure.Code
	}
	return 1
}
