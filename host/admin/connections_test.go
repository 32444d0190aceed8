package admin

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/abi"
	"edge/host"
)

// fakeConnections are as many as all says, and note what was asked.
type fakeConnections struct {
	all []host.Connection

	mu     sync.Mutex
	asked  host.ConnectionFilter
	closed []string
}

func (f *fakeConnections) List(want host.ConnectionFilter, limit int) ([]host.Connection, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = want
	var list []host.Connection
	for _, c := range f.all {
		if fits(want, c) {
			list = append(list, c)
		}
	}
	return list[:min(limit, len(list))], len(list) > limit
}

// fits knows of the fields that the guide's examples use.
func fits(want host.ConnectionFilter, c host.Connection) bool {
	return (want.Plugin == "" || want.Plugin == c.Plugin) && (want.Sandbox == "" || want.Sandbox == c.Sandbox)
}

func (f *fakeConnections) CloseID(id uint64, code int, reason string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = append(f.closed, fmt.Sprint(id, " ", code, " ", reason))
	return slices.ContainsFunc(f.all, func(c host.Connection) bool { return c.ID == id })
}

func (f *fakeConnections) CloseMatching(want host.ConnectionFilter, code int, reason string) int {
	list, _ := f.List(want, len(f.all))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = append(f.closed, fmt.Sprint(len(list), " ", code, " ", reason))
	return len(list)
}

func TestListConnections(t *testing.T) {
	t.Parallel()
	f := &fakeConnections{all: []host.Connection{{ID: 1 << 40, Kind: "http", Plugin: "p", ConnectedAt: time.Unix(1e9, 0)}}}
	w := start(t, &Server{Operations: &fakeOperations{}, Connections: f})
	for query, want := range map[string]host.ConnectionFilter{
		"":                                    {},
		"?pretty":                             {},
		"?binding=B&id=Box":                   {Binding: "B", Sandbox: "box"},
		"?plugin=p&port=80":                   {Plugin: "p", Port: 80},
		"?exposure=8080":                      {Port: 8080, Exposure: true},
		"?exposure=80&port=80&client=%3A%3A1": {Port: 80, Exposure: true, Client: netip.MustParseAddr("::1")},
	} {
		got := w.ask("GET", "/v1/connections"+query, "")
		var list ConnectionList
		if err := json.Unmarshal([]byte(got.body), &list); err != nil || got.StatusCode != 200 || list.Connections == nil || list.Truncated {
			t.Fatalf("%s: %d %s", query, got.StatusCode, got.body)
		}
		if f.asked != want {
			t.Errorf("%s asked for %+v, want %+v", query, f.asked, want)
		}
	}
	for _, query := range []string{"?id=", "?port=0", "?port=65536", "?port=x", "?port=-1", "?exposure=web", "?exposure=80&port=81", "?client=localhost", "?client=127.0.0.1:5",
		"?sandbox=a", "?plugin=a&plugin=b", "?code=1008"} {
		if got := w.ask("GET", "/v1/connections"+query, ""); got.StatusCode != 400 || got.code() != abi.CodeInvalidRequest {
			t.Errorf("%s: %d %s", query, got.StatusCode, got.body)
		}
	}
}

// TestListOfManyConnections wants a bound, and that it is told.
func TestListOfManyConnections(t *testing.T) {
	t.Parallel()
	w := start(t, &Server{Operations: &fakeOperations{}, Connections: &fakeConnections{all: make([]host.Connection, maxConnections+1)}})
	got := w.ask("GET", "/v1/connections", "")
	var list ConnectionList
	if err := json.Unmarshal([]byte(got.body), &list); err != nil || len(list.Connections) != maxConnections || !list.Truncated {
		t.Errorf("%d connections, truncated %t, %v", len(list.Connections), list.Truncated, err)
	}
}

func TestCloseConnections(t *testing.T) {
	t.Parallel()
	f := &fakeConnections{all: []host.Connection{{ID: 7, Plugin: "p"}, {ID: 8, Plugin: "q"}, {ID: 9, Plugin: "q"}}}
	w := start(t, &Server{Operations: &fakeOperations{}, Connections: f})
	long := strings.Repeat("x", maxReason)
	for _, tt := range []struct {
		path   string
		status int
		body   string
		closed string
	}{
		{"/7", 200, `{"closed":1}`, "7 1008 closed by the operator"},
		{"/8?code=1012&reason=restart", 200, `{"closed":1}`, "8 1012 restart"},
		{"/8?code=4999&reason=" + long, 200, `{"closed":1}`, "8 4999 " + long},
		{"/8?code=1000&reason=", 200, `{"closed":1}`, "8 1000 "},
		{"?plugin=q", 200, `{"closed":2}`, "2 1008 closed by the operator"},
		{"?plugin=q&code=&reason=", 200, `{"closed":2}`, "2 1008 "},
		{"?plugin=none&code=1001", 200, `{"closed":0}`, "0 1001 closed by the operator"},
		{"/1", 404, "NOT_FOUND", "1 1008 closed by the operator"},
		{"/x", 404, "NOT_FOUND", ""},
		{"/-7", 404, "NOT_FOUND", ""},
		{"/", 404, "NOT_FOUND", ""},
		{"/7/8", 404, "NOT_FOUND", ""},
		{"", 400, "INVALID_REQUEST", ""},
		{"?code=1008&reason=x", 400, "INVALID_REQUEST", ""},
		{"?pretty", 400, "INVALID_REQUEST", ""},
		{"?plugin=", 400, "INVALID_REQUEST", ""},
		{"?plugin=q&reason=" + long + "x", 400, "INVALID_REQUEST", ""},
		{"?plugin=q&reason=%ff", 400, "INVALID_REQUEST", ""},
		{"/7?plugin=q", 400, "INVALID_REQUEST", ""},
	} {
		f.mu.Lock()
		f.closed = nil
		f.mu.Unlock()
		got := w.ask("DELETE", "/v1/connections"+tt.path, "")
		if got.StatusCode != tt.status || !strings.Contains(got.body, tt.body) {
			t.Errorf("%s: %d %s", tt.path, got.StatusCode, got.body)
		}
		if closed := strings.Join(f.closed, ", "); closed != tt.closed {
			t.Errorf("%s closed %q, want %q", tt.path, closed, tt.closed)
		}
	}
	for _, code := range []string{"0", "999", "1004", "1005", "1006", "1010", "1015", "1100", "2999", "5000", "-1", "1e3"} {
		if got := w.ask("DELETE", "/v1/connections/7?code="+code, ""); got.StatusCode != 400 {
			t.Errorf("code %s: %d %s", code, got.StatusCode, got.body)
		}
	}
	if got := w.ask("GET", "/v1/connections/7", ""); got.StatusCode != 405 || got.Header.Get("Allow") != "DELETE, OPTIONS" {
		t.Errorf("GET: %d %v", got.StatusCode, got.Header)
	}
}

// fakeMetrics count two WebSockets.
type fakeMetrics struct{}

func (fakeMetrics) Exposition() (string, []byte, error) {
	return "text/plain; version=0.0.4", []byte("# TYPE edge_bridges_open gauge\nedge_bridges_open 2\n"), nil
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	w := start(t, &Server{Operations: &fakeOperations{}, Metrics: fakeMetrics{}})
	got := w.ask("GET", "/metrics", "")
	if got.StatusCode != 200 || !strings.HasSuffix(got.body, "\nedge_bridges_open 2\n") || got.Header.Get("Content-Type") != "text/plain; version=0.0.4" {
		t.Errorf("%d %v %q", got.StatusCode, got.Header, got.body)
	}
	r := w.request("GET", "/metrics", nil)
	r.Header.Del("Authorization")
	if got := w.do(r); got.StatusCode != 401 || strings.Contains(got.body, "edge_") {
		t.Errorf("without a token: %d %s", got.StatusCode, got.body)
	}
	if got := w.ask("GET", "/metrics?x", ""); got.StatusCode != 400 {
		t.Errorf("with a query: %d", got.StatusCode)
	}
}

// TestNothingToTell wants an edge without connections and metrics to say so.
func TestNothingToTell(t *testing.T) {
	t.Parallel()
	w := start(t, &Server{Operations: &fakeOperations{}})
	for _, ask := range []string{"GET /v1/connections", "DELETE /v1/connections/1", "DELETE /v1/connections?id=a", "GET /metrics"} {
		method, path, _ := strings.Cut(ask, " ")
		if got := w.ask(method, path, ""); got.code() != abi.CodeUnsupported {
			t.Errorf("%s: %d %s", ask, got.StatusCode, got.body)
		}
	}
}
