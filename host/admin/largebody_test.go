package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"edge/abi"
)

func TestBodyPlaces(t *testing.T) {
	t.Parallel()
	p := newBodyPlaces(1, 1)
	if err := p.take(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waited := make(chan error)
	go func() { waited <- p.take(ctx) }()
	for p.waiting.Load() != 1 {
		time.Sleep(time.Millisecond)
	}
	var e *abi.Error
	if err := p.take(t.Context()); !errors.As(err, &e) || e.Code != abi.CodeTooManyRequests || e.RetryAfterMs == 0 {
		t.Errorf("one too many: %v", err)
	}
	cancel()
	if err := <-waited; !errors.Is(err, context.Canceled) {
		t.Errorf("a wait that was called off: %v", err)
	}
	go func() { waited <- p.take(t.Context()) }()
	for p.waiting.Load() != 1 {
		time.Sleep(time.Millisecond)
	}
	p.leave()
	if err := <-waited; err != nil {
		t.Errorf("a wait: %v", err)
	}
}

// unsized is a body whose length is not announced.
type unsized struct{ io.Reader }

// TestLargeBodiesTakeTurns has more large requests than there are places, of all
// ways to send them: the rest wait, small ones do not, and all are answered.
func TestLargeBodiesTakeTurns(t *testing.T) {
	t.Parallel()
	begun, release := make(chan bool, 100), make(chan struct{})
	note := func(ctx context.Context, body json.RawMessage) error {
		large := len(body) > largeBody
		begun <- large
		if !large {
			return nil
		}
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	open := opening(t, func(*fakeStream, json.RawMessage) error { return nil }).open
	w := start(t, &Server{Operations: &fakeOperations{
		operate: func(ctx context.Context, _ string, body json.RawMessage) (json.RawMessage, error) {
			return json.RawMessage("{}"), note(ctx, body)
		},
		open: func(ctx context.Context, name string, body json.RawMessage) (abi.Socket, error) {
			if err := note(ctx, body); err != nil {
				return nil, err
			}
			return open(ctx, name, body)
		},
	}})
	const each = 4
	text := `{"path":"` + strings.Repeat("x", largeBody) + `"}`
	done := make(chan error, 3*each)
	ask := func(body io.Reader) {
		r := w.request("POST", box+"/exec", body)
		resp, err := w.client.Do(r)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode != 200 {
				err = errors.New(resp.Status)
			}
		}
		done <- err
	}
	for range each {
		go ask(strings.NewReader(text))
		go ask(unsized{strings.NewReader(text)})
		conn := w.dial("execStream", text)
		go func() {
			for {
				if _, _, err := conn.ReadMessage(); err != nil {
					if websocket.IsCloseError(err, closeNormal) {
						err = nil
					}
					done <- err
					return
				}
			}
		}()
	}
	for range maxLargeBodies {
		if !<-begun {
			t.Error("a small one began")
		}
	}
	deadline := time.Now().Add(patience)
	for w.server.bodies.waiting.Load() != 3*each-maxLargeBodies {
		if time.Now().After(deadline) {
			t.Fatalf("%d wait", w.server.bodies.waiting.Load())
		}
		time.Sleep(time.Millisecond)
	}
	if got := w.ask("POST", box+"/exec", `{"command":"x"}`); got.StatusCode != 200 || <-begun {
		t.Errorf("a small one: %s", got.Status)
	}
	if len(begun) != 0 {
		t.Errorf("%d more began", len(begun))
	}
	close(release)
	for range 3 * each {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	for len(w.server.bodies.places) != 0 {
		if time.Now().After(deadline.Add(patience)) {
			t.Fatal("places are not given back")
		}
		time.Sleep(time.Millisecond)
	}
}
