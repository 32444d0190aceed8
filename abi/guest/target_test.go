//go:build !wasip1

package guest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/abi/guest"
	"edge/abi/guest/guesttest"
)

func TestTargets(t *testing.T) {
	t.Parallel()
	policy := guest.Policy{
		IdleTimeout: guest.Duration(time.Minute), MaxBytes: 5, MessagesPerSecond: 6, PingInterval: guest.Duration(time.Second),
		AllowOrigins: []string{"*.example.com"}, Protocols: []string{"chat"},
	}
	options := guest.SandboxOptions{KeepAlive: true, Env: map[string]string{"A": "b"}}
	type decide = func(*guest.Sandbox, *guest.Request) (guest.Response, error)
	for _, tt := range []struct {
		name   string
		id     string
		decide decide
		want   abi.Decision
		code   abi.Code
	}{
		{"wsConnect", "One", func(s *guest.Sandbox, r *guest.Request) (guest.Response, error) { return s.WSConnect(r, 8080, policy) },
			&abi.Connect{Sandbox: abi.SandboxRef{Binding: "Sandbox", ID: "one", SandboxOptions: options}, Port: 8080, Policy: policy}, ""},
		{"connect", "one", func(s *guest.Sandbox, r *guest.Request) (guest.Response, error) { return guest.Connect(s, r, 65535) },
			&abi.Connect{Sandbox: abi.SandboxRef{Binding: "Sandbox", ID: "one", SandboxOptions: options}, Port: 65535}, ""},
		{"proxyTo", "one", func(s *guest.Sandbox, r *guest.Request) (guest.Response, error) { return s.ProxyTo(r, 1024) },
			&abi.Proxy{Sandbox: abi.SandboxRef{Binding: "Sandbox", ID: "one", SandboxOptions: options}, Port: 1024}, ""},
		{"proxyToSandbox", "one", func(s *guest.Sandbox, r *guest.Request) (guest.Response, error) { return s.ProxyToSandbox(r) },
			&abi.Proxy{Sandbox: abi.SandboxRef{Binding: "Sandbox", ID: "one", SandboxOptions: options}}, ""},
		{"next", "one", func(*guest.Sandbox, *guest.Request) (guest.Response, error) { return guest.Next(), nil }, &abi.Next{}, ""},
		{"bad id", "www", func(s *guest.Sandbox, r *guest.Request) (guest.Response, error) { return s.WSConnect(r, 8080) }, nil, abi.CodeInvalidSandboxID},
		{"bad id, previews", "", func(s *guest.Sandbox, r *guest.Request) (guest.Response, error) { return s.ProxyToSandbox(r) }, nil, abi.CodeInvalidSandboxID},
		{"bad port", "one", func(s *guest.Sandbox, r *guest.Request) (guest.Response, error) { return s.WSConnect(r, 1023) }, nil, abi.CodeInvalidPort},
		{"bad policy", "one", func(s *guest.Sandbox, r *guest.Request) (guest.Response, error) {
			return s.WSConnect(r, 8080, guest.Policy{AllowOrigins: []string{}})
		}, nil, abi.CodeInvalidRequest},
		{"no port", "one", func(s *guest.Sandbox, r *guest.Request) (guest.Response, error) { return s.ProxyTo(r, 0) }, nil, abi.CodeInvalidPort},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			result := handled(guesttest.WebSocket("/"), func(r *guest.Request) (guest.Response, error) {
				return tt.decide(guest.GetSandbox("Sandbox", tt.id, options), r)
			})
			if tt.want != nil {
				if fmt.Sprintf("%+v", result.Decision) != fmt.Sprintf("%+v", tt.want) {
					t.Errorf("decision %+v, want %+v", result.Decision, tt.want)
				}
				return
			}
			if got := failed(t, result); got.Code != tt.code {
				t.Errorf("failed with %v, want %s", got, tt.code)
			}
		})
	}
}

// TestConnectTerminal gives the client a terminal, and refuses what needs no host.
func TestConnectTerminal(t *testing.T) {
	t.Parallel()
	give := func(id string) func(*guest.Request) (guest.Response, error) {
		return func(r *guest.Request) (guest.Response, error) {
			return guest.GetSandbox("Sandbox", id).ConnectTerminal(r, guest.TerminalOptions{Cols: 100, Session: "s"}, guest.Policy{MaxBytes: 5})
		}
	}
	c, ok := handled(guesttest.WebSocket("/"), give("One")).Decision.(*abi.Connect)
	if !ok || c.Sandbox.ID != "one" || c.Port != 0 || c.Policy.MaxBytes != 5 || c.Stream == nil || c.Stream.Name != "terminal" || string(c.Stream.Request) != `{"cols":100,"session":"s"}` {
		t.Errorf("decided %+v", c)
	}
	if got := failed(t, handled(guesttest.WebSocket("/"), give("www"))); got.Code != abi.CodeInvalidSandboxID {
		t.Errorf("a bad id: %v", got)
	}
	if got := failed(t, handled(guesttest.Request("GET", "/"), give("one"))); got.Code != abi.CodeUpgradeRequired {
		t.Errorf("no WebSocket: %v", got)
	}
}

// TestUnknownBinding is found out only when the decision is made, after the
// handler: it is answered all the same.
func TestUnknownBinding(t *testing.T) {
	t.Parallel()
	host := guesttest.Host{Binding: func(name string) bool { return name == "Sandbox" }}
	host.Handler = func(r *guest.Request) (guest.Response, error) {
		return guest.GetSandbox("Other", "a").WSConnect(r, 8080)
	}
	if got := failed(t, host.Do(guesttest.WebSocket("/"))); got.Code != abi.CodeUnknownBinding {
		t.Errorf("failed with %v", got)
	}
}

func TestPreviews(t *testing.T) {
	t.Parallel()
	host := guesttest.Host{IsPreview: func(r *abi.Request) bool { return strings.HasPrefix(r.Host, "8080-") }}
	host.Handler = func(r *guest.Request) (guest.Response, error) {
		if resp, err := guest.ProxyToSandbox(r); !errors.Is(err, guest.ErrNotPreview) {
			return resp, err
		}
		return guest.Text(200, "mine"), nil
	}
	if got := answered(t, host.Do(guesttest.Request("GET", "/"))); string(got.Body) != "mine" {
		t.Errorf("answer %s", got.Body)
	}
	preview := guesttest.Request("GET", "/")
	preview.Host = "8080-a-token.localhost"
	if p, ok := host.Do(preview).Decision.(*abi.Proxy); !ok || p.Port != 0 || p.Sandbox.Binding != "" {
		t.Errorf("decision %+v", p)
	}
	host.Handler = func(r *guest.Request) (guest.Response, error) {
		if r.IsPreview() && r.Header("Authorization") == "" {
			return guest.Text(401, "who are you?"), nil
		}
		return guest.ProxyToSandbox(r)
	}
	for _, tt := range []struct{ host, token, want string }{{"8080-a-token.localhost", "", "401"}, {"8080-a-token.localhost", "t", "proxy"}, {"localhost", "", "NOT_FOUND"}} {
		r := guesttest.Request("GET", "/")
		r.Host = tt.host
		if tt.token != "" {
			r.SetHeader("Authorization", tt.token)
		}
		got, result := "", host.Do(r)
		switch d := result.Decision.(type) {
		case *abi.Respond:
			got = fmt.Sprint(d.Status)
		case *abi.Proxy:
			got = "proxy"
		default:
			got = string(result.Failed().Code)
		}
		if got != tt.want {
			t.Errorf("%+v: got %s", tt, got)
		}
	}
	host.Handler = func(r *guest.Request) (guest.Response, error) {
		if _, err := guest.ProxyToSandbox(r); err != nil {
			return nil, err
		}
		return guest.Text(200, "changed my mind"), nil
	}
	again := guesttest.Request("GET", "/")
	again.Host = preview.Host
	if result := host.Do(again); result.Errno != abi.Already || result.Respond() != nil || result.Failed() != nil {
		t.Errorf("a second decision: errno %v, %+v", result.Errno, result.Decision)
	}
}
