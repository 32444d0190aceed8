package host

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"edge/abi"
	"edge/sandboxmgr"
)

// echoOffer is echoSocket for a handshake; it tells the offers as its Host.
func echoOffer(w http.ResponseWriter, r *http.Request) {
	r.Host = strings.Join(r.Header.Values("Sec-WebSocket-Protocol"), "|")
	echoSocket(w, r)
}

func TestAllowOrigins(t *testing.T) {
	t.Parallel()
	box := newBox("a", map[int]string{8080: backend(t, echoSocket)})
	policy := abi.Policy{AllowOrigins: []string{"https://app.example.com", "*.team.example", "null"}}
	f := boxes(box)
	exposed := sandboxmgr.Exposure{Ref: ref("a"), Port: 8080, Policy: policy}
	f.labels = map[string]sandboxmgr.Exposure{"8080-a-tok": exposed}
	f.paths = map[string]sandboxmgr.Exposure{"8080/a-tok": exposed}
	plugin := decide(func(_ context.Context, req *abi.Request) (abi.Decision, error) {
		req.SetHeader("Origin", "https://app.example.com") // what a plugin makes of it does not count
		if req.IsUpgrade() {
			return &abi.Connect{Sandbox: ref("a"), Port: 8080, Policy: policy}, nil
		}
		return &abi.Proxy{Sandbox: ref("a"), Port: 8080, Policy: policy}, nil
	})
	ev := newEvents()
	r := start(t, &Server{boxes: f, Observe: ev.add}, all(plugin))
	const preview = "8080-a-tok.localhost:8787"
	for _, tt := range []struct {
		name, host, path, origin string
		allowed                  bool
	}{
		{"listed", "a", "/", "https://app.example.com", true},
		{"below", "a", "/", "http://x.team.example:8080", true},
		{"null", "a", "/", "null", true},
		{"none", "a", "/", "", true},
		{"other", "a", "/", "https://evil.example", false},
		{"other scheme", "a", "/", "http://app.example.com", false},
		{"looks alike", "a", "/", "https://app.example.com.evil.example", false},
		{"two", "a", "/", "https://app.example.com\r\nOrigin: https://app.example.com", false},
		{"empty", "a", "/", " ", false},
		{"own host of a plugin", "a", "/", "http://a", false},
		{"preview, listed", preview, "/", "https://app.example.com", true},
		{"preview, none", preview, "/", "", true},
		{"preview, own pages", preview, "/", "http://" + preview, true},
		{"preview, other", preview, "/", "https://evil.example", false},
		{"path form, listed", "a", "/_preview/8080/a-tok/", "https://app.example.com", true},
		{"path form, own host", "a", "/_preview/8080/a-tok/", "http://a", false},
	} {
		for _, kind := range []string{"http", "websocket"} {
			extra := ""
			if tt.origin != "" {
				extra = "Origin: " + tt.origin + "\r\n"
			}
			want := 200
			if kind == "websocket" {
				extra += handshake
				want = 101
			}
			if !tt.allowed {
				want = 403
			}
			before := box.dialled()
			c := r.dial(t)
			c.send("GET " + tt.path + " HTTP/1.1\r\nHost: " + tt.host + "\r\n" + extra + "\r\n")
			got := c.answer("GET")
			_ = c.Close()
			if got.StatusCode != want {
				t.Errorf("%s, %s: %d, want %d", tt.name, kind, got.StatusCode, want)
			}
			e := ev.next(t)
			for e.Kind == EventWebSocketOpened {
				e = ev.next(t)
			}
			if tt.allowed != (e.Breach == "") || !tt.allowed && (e.Breach != "origin" || e.Code != abi.CodeDenied || e.Sandbox.ID != "a" || box.dialled() != before) {
				t.Errorf("%s, %s: event %+v, %d dials", tt.name, kind, e, box.dialled()-before)
			}
		}
	}
	if !strings.Contains(r.accessLog(), "code=DENIED breach=origin") {
		t.Errorf("access log: %s", r.accessLog())
	}
}

func TestProtocols(t *testing.T) {
	t.Parallel()
	box := newBox("a", map[int]string{8080: backend(t, echoOffer)})
	policy := abi.Policy{Protocols: []string{"chat.v2", "chat.v1"}}
	ev := newEvents()
	r := start(t, &Server{boxes: boxes(box), Observe: ev.add}, []Route{
		{Path: "/any", Chain: []Plugin{{Name: "any", Decider: always(&abi.Connect{Sandbox: ref("a"), Port: 8080})}}},
		{Path: "/*", Chain: []Plugin{{Name: "p", Decider: always(&abi.Proxy{Sandbox: ref("a"), Port: 8080, Policy: policy})}}},
	})
	for _, tt := range []struct {
		name, path string
		offers     []string
		status     int
		want       string // what the backend is offered, or what the answer says
	}{
		{"one", "/", []string{"chat.v2"}, 101, "chat.v2"},
		{"client's order", "/", []string{"chat.v1, chat.v2"}, 101, "chat.v1, chat.v2"},
		{"as it came", "/", []string{"chat.v1,chat.v2 ", "chat.v2"}, 101, "chat.v1,chat.v2|chat.v2"},
		{"some", "/", []string{"x, chat.v2", "y,chat.v1, z"}, 101, "chat.v2, chat.v1"},
		{"case counts", "/", []string{"CHAT.V2, chat.v2"}, 101, "chat.v2"},
		{"no policy", "/any", []string{"x, chat.v2"}, 101, "x, chat.v2"},
		{"no policy, no offer", "/any", nil, 101, ""},
		{"none in common", "/", []string{"x", "y, CHAT.V1"}, 400, "none of the subprotocols that the handshake offers is spoken here; want one of chat.v2, chat.v1"},
		{"no offer", "/", nil, 400, "the handshake offers no subprotocol in Sec-WebSocket-Protocol; want one of chat.v2, chat.v1"},
		{"empty offer", "/", []string{" ,"}, 400, "the handshake offers no subprotocol"},
	} {
		before := box.dialled()
		c := r.dial(t)
		extra := handshake
		for _, o := range tt.offers {
			extra += "Sec-WebSocket-Protocol: " + o + "\r\n"
		}
		c.send("GET " + tt.path + " HTTP/1.1\r\nHost: a\r\n" + extra + "\r\n")
		got := c.answer("GET")
		if got.StatusCode != tt.status {
			t.Errorf("%s: %d, want %d", tt.name, got.StatusCode, tt.status)
		}
		if tt.status == 101 {
			ev.next(t)
			wantFrame(t, c.r, 1, tt.want+"  "+tt.path)
			_ = c.Close()
			ev.next(t)
			continue
		}
		var e abi.Error
		if err := json.Unmarshal([]byte(got.body), &e); err != nil || e.Code != abi.CodeInvalidRequest || !strings.Contains(e.Message, tt.want) {
			t.Errorf("%s: %+v, %v; want %q", tt.name, e, err, tt.want)
		}
		if e := ev.next(t); e.Breach != "protocol" || box.dialled() != before {
			t.Errorf("%s: event %+v, %d dials", tt.name, e, box.dialled()-before)
		}
		_ = c.Close()
	}
	if got := r.get(t, "a", "/", ""); got.StatusCode != 200 {
		t.Errorf("a request that is no handshake: %d", got.StatusCode)
	}
}

// TestLimitsOfTheServer fills each limit with sockets. What is beyond is refused
// by name without waking anything, until one has gone.
func TestLimitsOfTheServer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, host string
		limits     Limits
		breach     string
		elsewhere  int // the answer for another sandbox
	}{
		{"connections", "a", Limits{Connections: 2}, "limit-connections", 429},
		{"connectionsPerBinding", "a", Limits{PerBinding: 2}, "limit-binding", 429},
		{"connectionsPerSandbox", "a", Limits{PerSandbox: 2}, "limit-sandbox", 200},
		{"connectionsPerClient", "a", Limits{PerClient: 2}, "limit-client", 429},
		{"connectionsPerExposure", "8080-a-tok.localhost", Limits{PerExposure: 2}, "limit-exposure", 200},
		{"maxConnections", "8080-a-own.localhost", Limits{PerExposure: 3}, "limit-exposure", 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, b := newBox("a", map[int]string{8080: backend(t, echoSocket)}), newBox("b", map[int]string{8080: backend(t, echoSocket)})
			f := boxes(a, b)
			f.labels = map[string]sandboxmgr.Exposure{
				"8080-a-tok": {Ref: ref("a"), Port: 8080}, "8080-a-own": {Ref: ref("a"), Port: 8080, MaxConnections: 2},
			}
			ev := newEvents()
			r := start(t, &Server{boxes: f, Limits: tt.limits, Observe: ev.add}, []Route{
				{Path: "/b", Chain: []Plugin{{Name: "b", Decider: always(&abi.Proxy{Sandbox: ref("b"), Port: 8080})}}},
				{Path: "/*", Chain: []Plugin{{Name: "a", Decider: always(&abi.Proxy{Sandbox: ref("a"), Port: 8080})}}},
			})
			sockets := []*client{r.openSocket(t, tt.host), r.openSocket(t, tt.host)}
			ev.next(t)
			ev.next(t)
			before := a.woken()
			got := r.get(t, tt.host, "/", "")
			if got.StatusCode != 429 || got.Header.Get("Retry-After") != "1" || !strings.Contains(got.body, "the limit "+tt.name+" is 2") || strings.Contains(got.body, `"b"`) {
				t.Errorf("answer %d, Retry-After %q:\n%s", got.StatusCode, got.Header.Get("Retry-After"), got.body)
			}
			if e := ev.next(t); e.Breach != tt.breach || e.Code != abi.CodeTooManyRequests || a.woken() != before {
				t.Errorf("event %+v, woken %d times", e, a.woken()-before)
			}
			if got := r.get(t, "a", "/b", ""); got.StatusCode != tt.elsewhere {
				t.Errorf("another sandbox: %d, want %d", got.StatusCode, tt.elsewhere)
			}
			ev.next(t)
			_ = sockets[0].Close()
			if e := ev.next(t); e.Kind != EventWebSocketClosed {
				t.Fatalf("event %+v", e)
			}
			if got := r.get(t, tt.host, "/", ""); got.StatusCode != 200 {
				t.Errorf("after one has gone: %d %s", got.StatusCode, got.body)
			}
		})
	}
}

// TestSlotsComeBack counts what is left after answers of every kind.
func TestSlotsComeBack(t *testing.T) {
	t.Parallel()
	box := newBox("a", map[int]string{8080: backend(t, echoSocket)})
	lost := newBox("lost", nil)
	lost.refusal = abi.Errorf(abi.CodeSandboxLost, "it is lost")
	ev := newEvents()
	s := &Server{boxes: boxes(box, lost), Observe: ev.add, Limits: Limits{Connections: 1000, PerBinding: 1000, PerSandbox: 1000, PerClient: 1000, PerExposure: 1000}}
	byPath := decide(func(_ context.Context, req *abi.Request) (abi.Decision, error) {
		switch req.Path {
		case "/closed":
			return &abi.Proxy{Sandbox: ref("a"), Port: 9999}, nil
		case "/lost":
			return &abi.Proxy{Sandbox: ref("lost"), Port: 8080}, nil
		}
		return &abi.Proxy{Sandbox: ref("a"), Port: 8080, Policy: abi.Policy{AllowOrigins: []string{"ok.example"}}}, nil
	})
	r := start(t, s, all(byPath))
	var sockets atomic.Int64
	t.Run("group", func(t *testing.T) {
		for i := range 8 {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				for n := range 5 {
					switch (i + n) % 5 {
					case 0:
						r.get(t, "a", "/closed", "")
					case 1:
						r.get(t, "a", "/lost", "")
					case 2:
						r.get(t, "a", "/", "Origin: http://evil.example\r\n")
					case 3:
						r.get(t, "a", "/", "")
					default:
						sockets.Add(1)
						c := r.openSocket(t, "a")
						c.send(frame(1, fmt.Sprint(n), true))
						wantFrame(t, c.r, 1, fmt.Sprint(n))
						_ = c.Close()
					}
				}
			})
		}
	})
	for range 8*5 + sockets.Load() { // the sockets' openings are told too
		ev.next(t)
	}
	if !s.slots.empty() {
		t.Errorf("slots are left: %+v", &s.slots)
	}
}

// openSocket opens a WebSocket and reads what echoSocket says first.
func (r *running) openSocket(t testing.TB, host string) *client {
	t.Helper()
	c := r.dial(t)
	c.send("GET / HTTP/1.1\r\nHost: " + host + "\r\n" + handshake + "\r\n")
	if got := c.answer("GET"); got.StatusCode != 101 {
		t.Fatalf("handshake: %d", got.StatusCode)
	}
	if _, _, err := readFrame(c.r); err != nil {
		t.Fatal(err)
	}
	return c
}

// FuzzProtocols offers anything to a policy: the backend sees allowed names alone,
// in the client's order, or the handshake is refused.
func FuzzProtocols(f *testing.F) {
	f.Add("chat.v2, x", "chat.v1", "chat.v1,chat.v2")
	f.Add(" ,\t,", "", "a")
	f.Add("a,a,b", "b", "b")
	f.Fuzz(func(t *testing.T, one, two, allow string) {
		allowed := strings.Split(allow, ",")
		if (&abi.Policy{Protocols: allowed}).Check() != nil {
			return
		}
		x := &exchange{head: &head{upgrade: true}, req: &abi.Request{}}
		for _, v := range []string{one, two} {
			x.req.Headers = append(x.req.Headers, abi.Header{Name: "sec-websocket-protocol", Value: v})
		}
		names := func() (list []string) {
			for _, p := range strings.Split(strings.Join(x.req.HeaderValues("Sec-WebSocket-Protocol"), ","), ",") {
				if p = strings.Trim(p, " \t"); p != "" {
					list = append(list, p)
				}
			}
			return list
		}
		want := slices.DeleteFunc(names(), func(p string) bool { return !slices.Contains(allowed, p) })
		err := x.chooseProtocols(allowed)
		if (err != nil) != (len(want) == 0) {
			t.Fatalf("%v, and in common are %q", err, want)
		}
		if err == nil && !slices.Equal(names(), want) {
			t.Errorf("offered on are %q, want %q", names(), want)
		}
	})
}
