package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"edge/abi"
)

// liveConnection is one as the admin API lists it.
type liveConnection struct {
	ID                                       int64
	Kind, Binding, Sandbox, Plugin, Exposure string
	Client                                   string
	Port                                     int
	Preview                                  bool
}

// ask asks the admin API on its socket.
func (e *edge) ask(method, path string, status int) []byte {
	e.t.Helper()
	req, err := http.NewRequestWithContext(e.t.Context(), method, "http://edge"+path, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	resp, err := e.admin().Do(req)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status {
		e.t.Fatalf("%s %s: %d %v\n%s", method, path, resp.StatusCode, err, body)
	}
	return body
}

func (e *edge) connections(query string) []liveConnection {
	e.t.Helper()
	var list struct{ Connections []liveConnection }
	if err := json.Unmarshal(e.ask("GET", "/v1/connections"+query, 200), &list); err != nil {
		e.t.Fatal(err)
	}
	return list.Connections
}

// wantClosed reads until the close frame.
func wantClosed(t *testing.T, ws *websocket.Conn, code int, reason string) {
	t.Helper()
	if err := ws.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	_, _, err := ws.ReadMessage()
	var closed *websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != code || closed.Text != reason {
		t.Errorf("ended with %v, want %d %s", err, code, reason)
	}
}

// TestConnections lists WebSockets that came through a plugin and through a
// preview, closes one by its id, one by its plugin and one from the command line,
// and wants all of it counted.
func TestConnections(t *testing.T) {
	t.Parallel()
	s := examples("process")
	s.plugins, s.routes = map[string]string{"echo": s.plugins["echo"]}, [][2]string{{"/ws/echo", "echo"}}
	e := newEdge(t, s)
	byID, byPlugin := e.dial("/ws/echo?id=live"), e.dial("/ws/echo?id=live")
	const token = "hushhush1"
	answer, refusal := restDoor{e, "live"}.call(t, abi.ExposePort.Name(), fmt.Appendf(nil, `{"port":8080,"name":"web","token":%q}`, token))
	if refusal != nil {
		t.Fatal(refusal)
	}
	var exposed abi.ExposedPort
	if err := json.Unmarshal(answer, &exposed); err != nil {
		t.Fatal(err)
	}
	byExposure, err := dialURL(exposed.WSURL)
	if err != nil {
		t.Fatal(err)
	}
	defer byExposure.Close()
	for _, ws := range []*websocket.Conn{byID, byPlugin, byExposure} {
		if err := echo(ws, "here"); err != nil {
			t.Fatal(err)
		}
	}

	list := e.connections("?id=live&binding=Sandbox")
	if len(list) != 3 {
		t.Fatalf("listed %+v", list)
	}
	for i, ws := range []*websocket.Conn{byID, byPlugin, byExposure} {
		want := liveConnection{ID: list[i].ID, Kind: "websocket", Binding: "Sandbox", Sandbox: "live", Plugin: "echo", Client: ws.LocalAddr().String(), Port: 8080}
		if ws == byExposure {
			want.Plugin, want.Preview, want.Exposure = "", true, "web"
		}
		if list[i] != want {
			t.Errorf("connection %+v, want %+v", list[i], want)
		}
	}
	if text := string(e.ask("GET", "/v1/connections", 200)); strings.Contains(text, token) {
		t.Errorf("the list holds the token: %s", text)
	}

	e.ask("DELETE", fmt.Sprintf("/v1/connections/%d", list[0].ID), 200)
	wantClosed(t, byID, 1008, "closed by the operator")
	e.wantConnections(2) // its server may still be closing
	if got := e.ask("DELETE", "/v1/connections?plugin=echo&code=1012&reason=new+version", 200); !strings.Contains(string(got), `{"closed":1}`) {
		t.Errorf("closing by plugin: %s", got)
	}
	wantClosed(t, byPlugin, 1012, "new version")
	if err := echo(byExposure, "still here"); err != nil {
		t.Error(err)
	}
	out, complaints, err := e.edgeCommand(t.Context(), nil, "connections", "close", "--sandbox", "live", "--exposure", "8080", "--reason", "enough")
	if err != nil || string(out) != "1 connection\n" {
		t.Errorf("edge connections close: %v, %s%s", err, out, complaints)
	}
	wantClosed(t, byExposure, 1008, "enough")
	e.wantConnections(0)
	e.ask("DELETE", fmt.Sprintf("/v1/connections/%d", list[0].ID), 404)
	e.wantCounted(map[string]string{
		`edge_bridges_open`:                                                   "0",
		`edge_bridges_opened_total`:                                           "3",
		`edge_bridges_closed_total{reason="edge"}`:                            "3",
		`edge_bridge_messages_total`:                                          "8",
		`edge_plugin_decision_seconds_count{plugin="echo",verdict="connect"}`: "2",
		`edge_requests_total{method="GET",status="1xx",via="plugin"}`:         "2",
		`edge_requests_total{method="GET",status="1xx",via="preview"}`:        "1",
	})
}

// TestBreachesAreCounted has the policy of an exposure end a WebSocket and refuse
// another, wants both counted under the sandbox, and nothing of a sandbox that is
// destroyed.
func TestBreachesAreCounted(t *testing.T) {
	t.Parallel()
	s := examples("process")
	s.plugins, s.routes = map[string]string{"echo": s.plugins["echo"]}, [][2]string{{"/ws/echo", "echo"}}
	e := newEdge(t, s)
	if err := echo(e.dial("/ws/echo?id=strict"), "started"); err != nil {
		t.Fatal(err)
	}
	door := restDoor{e, "strict"}
	answer, refusal := door.call(t, abi.ExposePort.Name(), []byte(`{"port":8080,"policy":{"idleTimeout":"100ms","allowOrigins":["https://app.example"]}}`))
	if refusal != nil {
		t.Fatal(refusal)
	}
	var exposed abi.ExposedPort
	if err := json.Unmarshal(answer, &exposed); err != nil {
		t.Fatal(err)
	}
	dial := func(origin string) (*websocket.Conn, error) {
		d := websocket.Dialer{HandshakeTimeout: patience, NetDialContext: dialLocalhost}
		ws, _, err := d.Dial(exposed.WSURL, http.Header{"Origin": {origin}})
		return ws, err
	}
	if _, err := dial("https://evil.example"); err == nil {
		t.Fatal("another origin was let in")
	}
	ws, err := dial("https://app.example")
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	wantClosed(t, ws, 1008, "idle for too long")
	breach := func(reason string) string {
		return `edge_breaches_total{binding="Sandbox",plugin="",reason="` + reason + `",sandbox="strict"}`
	}
	e.wantCounted(map[string]string{breach("idle"): "1", breach("origin"): "1", `edge_bridges_closed_total{reason="breach"}`: "1"})
	if _, refusal := door.call(t, abi.Destroy.Name(), []byte("{}")); refusal != nil {
		t.Fatal(refusal)
	}
	e.eventually("its series are gone", func() error {
		if text := e.ask("GET", "/metrics", 200); strings.Contains(string(text), `sandbox="strict"`) {
			return errors.New("they are still there")
		}
		return nil
	})
}

// wantConnections waits until there are so many.
func (e *edge) wantConnections(n int) {
	e.t.Helper()
	e.eventually(fmt.Sprint(n, " connections are left"), func() error {
		if list := e.connections(""); len(list) != n {
			return fmt.Errorf("%+v", list)
		}
		return nil
	})
}

// wantCounted waits until the metrics say so: a connection is counted a moment
// after its end.
func (e *edge) wantCounted(want map[string]string) {
	e.t.Helper()
	e.eventually("all is counted", func() error {
		text := e.ask("GET", "/metrics", 200)
		for series, value := range want {
			got := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (.*)$`).FindSubmatch(text)
			if got == nil || string(got[1]) != value {
				return fmt.Errorf("%s is %q, want %s", series, got, value)
			}
		}
		return nil
	})
}
