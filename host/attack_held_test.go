package host

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"edge/abi"
)

// TestHeldRequestsAreBoundedAndRevoked holds requests while their sandbox starts: no
// more than the exposure allows, and none of them gets in when the exposure is taken
// back meanwhile, even where another one has its address by then.
func TestHeldRequestsAreBoundedAndRevoked(t *testing.T) {
	t.Parallel()
	for name, revoke := range map[string]func(t *testing.T, a *arena){
		"taken back": func(t *testing.T, a *arena) { a.unexpose(t, "held", 8080) },
		"exposed again under the same URL": func(t *testing.T, a *arena) {
			a.unexpose(t, "held", 8080)
			a.expose(t, "held", abi.ExposePortRequest{Port: 8080, Access: abi.AccessPublic})
		},
		"for plugins alone": func(t *testing.T, a *arena) {
			a.expose(t, "held", abi.ExposePortRequest{Port: 8080, Access: abi.AccessPlugin})
		},
		"with a token in the request": func(t *testing.T, a *arena) {
			a.expose(t, "held", abi.ExposePortRequest{Port: 8080, Access: abi.AccessToken, TokenIn: abi.TokenInRequest, Token: "tok"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newArena(t, &Server{}, nil)
			var served atomic.Int32
			a.machines.hold = make(chan struct{})
			a.machines.set("Sandbox.held", 8080, backend(t, func(http.ResponseWriter, *http.Request) { served.Add(1) }))
			label, _ := a.expose(t, "held", abi.ExposePortRequest{Port: 8080, Access: abi.AccessPublic, MaxConnections: 3})
			var held []*client
			for i := range 3 {
				c, upgrade := a.dial(t), ""
				if i == 1 {
					upgrade = handshake
				}
				c.send("GET / HTTP/1.1\r\nHost: " + label + ".localhost\r\n" + upgrade + "\r\n")
				held = append(held, c)
			}
			for deadline := time.Now().Add(patience); a.slotsHeld() < 3; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%d requests are held", a.slotsHeld())
				}
			}
			if got := a.get(t, label+".localhost", "/", ""); got.StatusCode != 429 {
				t.Errorf("one more is answered %d %s", got.StatusCode, got.body)
			}
			revoke(t, a)
			close(a.machines.hold)
			for i, c := range held {
				if got := c.answer("GET"); got.StatusCode != 404 {
					t.Errorf("held request %d is answered %d %s", i, got.StatusCode, got.body)
				}
			}
			if n := served.Load(); n != 0 {
				t.Errorf("the backend saw %d requests", n)
			}
			if n := a.slotsHeld(); n != 0 {
				t.Errorf("%d slots are held at the end", n)
			}
		})
	}
}

// slotsHeld counts what is carried, or waits to be.
func (a *arena) slotsHeld() int {
	a.slots.mu.Lock()
	defer a.slots.mu.Unlock()
	return a.slots.all
}

// TestExpiryOfWhatIsOpen lets an exposure expire under requests, a socket, a stream of
// events and an upload: who asks at that time or later is refused, and what is open
// ends without being asked for.
func TestExpiryOfWhatIsOpen(t *testing.T) {
	t.Parallel()
	a := newArena(t, &Server{}, nil)
	l := &listener{}
	a.machines.set("Sandbox.short", 8080, backend(t, l.ServeHTTP))
	label, _ := a.expose(t, "short", abi.ExposePortRequest{Port: 8080})
	var open []*client
	for _, kind := range []string{"upload", "WebSocket", "events"} {
		c := a.dial(t)
		c.send(fmt.Sprintf(traffic[kind].head, label+".localhost") + traffic[kind].first)
		a.flowing(t, c, l, kind)
		open = append(open, c)
	}
	again, p := a.expose(t, "short", abi.ExposePortRequest{Port: 8080, TTL: abi.Duration(1500 * time.Millisecond)})
	if again != label {
		t.Fatalf("%s has become %s", label, again)
	}
	inside, outside := 0, 0
	for outside < 3 {
		begun := time.Now()
		status := a.knock(t, label, "/", "")
		early := time.Now().Before(*p.ExpiresAt)
		switch {
		case status == 200:
			inside++
		case status == 404 && !early:
			outside++
		}
		if status != 404 && !begun.Before(*p.ExpiresAt) || (status == 404 || status == 0) && early || time.Since(*p.ExpiresAt) > patience {
			t.Fatalf("a request of %s after the end is answered %d", begun.Sub(*p.ExpiresAt), status) // 0: broken off
		}
	}
	for i, c := range open {
		if n, err := io.Copy(io.Discard, c.r); isTimeout(err) {
			t.Errorf("connection %d is open after %d bytes", i, n)
		}
	}
	t.Logf("%d requests before the end; the last connection had ended %s after it", inside, time.Since(*p.ExpiresAt).Round(time.Millisecond))
}
