package admin

import (
	"bufio"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/abi"
	"edge/sandboxmgr"
)

func happened(kind sandboxmgr.EventKind, binding, id string) sandboxmgr.Event {
	return sandboxmgr.Event{Kind: kind, Ref: abi.SandboxRef{Binding: binding, ID: id}, Generation: 3, Text: "text", Duration: 1500 * time.Millisecond}
}

func TestEventsAreTold(t *testing.T) {
	t.Parallel()
	hub := new(Events)
	w := start(t, &Server{Events: hub, pace: hurry(func(p *pace) { p.keepAlive = 10 * time.Millisecond }), Operations: &fakeOperations{}})
	resp, err := w.client.Do(w.request("GET", "/v1/events?binding=B&id=A", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	hub.Publish(happened(sandboxmgr.EventStarted, "B", "other"))
	hub.Publish(happened(sandboxmgr.EventStarted, "C", "a"))
	hub.Publish(happened(sandboxmgr.EventStopped, "B", "a"))
	var got []string
	for lines := bufio.NewScanner(resp.Body); lines.Scan() && len(got) < 2; {
		if strings.HasPrefix(lines.Text(), "event: ") || strings.HasPrefix(lines.Text(), "data: ") {
			got = append(got, lines.Text())
		}
	}
	var ev Event
	if len(got) != 2 || got[0] != "event: stopped" || json.Unmarshal([]byte(strings.TrimPrefix(got[1], "data: ")), &ev) != nil {
		t.Fatalf("got %q", got)
	}
	if ev.Binding != "B" || ev.ID != "a" || ev.Generation != 3 || ev.Text != "text" || ev.Duration.D() != 1500*time.Millisecond || ev.At.IsZero() {
		t.Errorf("got %+v", ev)
	}
	for path, status := range map[string]int{"/v1/events?kind=x": 400, "/v1/events?id=a&id=b": 400} {
		if got := w.ask("GET", path, ""); got.StatusCode != status {
			t.Errorf("%s: %d %s", path, got.StatusCode, got.body)
		}
	}
	if got := w.ask("HEAD", "/v1/events", ""); got.StatusCode != 200 || got.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD: %d %v", got.StatusCode, got.Header)
	}
}

// TestEventsSayWhatIsMissing wants a subscriber that is too slow told, between
// what it got and what comes after.
func TestEventsSayWhatIsMissing(t *testing.T) {
	t.Parallel()
	hub := new(Events)
	sub, cancel := hub.subscribe("", "")
	for range maxQueued + 5 {
		hub.Publish(happened(sandboxmgr.EventCreated, "B", "a"))
	}
	next := func() Event {
		t.Helper()
		ev, err := sub.next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return ev
	}
	if ev := next(); ev.Type != "created" {
		t.Errorf("got %+v", ev)
	}
	hub.Publish(happened(sandboxmgr.EventDestroyed, "B", "a")) // there is room, but a gap before it
	for range maxQueued - 1 {
		if ev := next(); ev.Type != "created" {
			t.Errorf("got %+v", ev)
		}
	}
	if ev := next(); ev.Type != "dropped" || ev.Dropped != 6 {
		t.Errorf("got %+v", ev)
	}
	hub.Publish(happened(sandboxmgr.EventDestroyed, "B", "a"))
	if ev := next(); ev.Type != "destroyed" {
		t.Errorf("got %+v", ev)
	}
	cancel()
	hub.Publish(happened(sandboxmgr.EventCreated, "B", "a"))
	if _, ok := sub.take(); ok {
		t.Error("told after the end")
	}
}

// TestEventsHammer has many publish and listen at once.
func TestEventsHammer(t *testing.T) {
	t.Parallel()
	hub := new(Events)
	var wg sync.WaitGroup
	const publishers, each = 4, 500
	for range 4 {
		sub, cancel := hub.subscribe("", "")
		wg.Go(func() {
			defer cancel()
			for seen := int64(0); seen < publishers*each; {
				ev, err := sub.next(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				seen += max(1, ev.Dropped)
			}
		})
	}
	for range publishers {
		wg.Go(func() {
			for range each {
				hub.Publish(happened(sandboxmgr.EventOutput, "B", "a"))
			}
		})
	}
	wg.Wait()
}
