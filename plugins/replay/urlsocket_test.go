package replay

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"testing"

	"edge/abi"
	"edge/plugins"
)

// socketsTo opens nothing, or fails.
type socketsTo struct{ err error }

func (s socketsTo) OpenURL(context.Context, plugins.SocketRequest) (abi.Socket, error) {
	if s.err != nil {
		return nil, s.err
	}
	return newSocket(socketAnswer{}), nil
}

func toURL(t *testing.T, text string) plugins.SocketRequest {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	g := &plugins.Grants{Fetch: []string{"a.example"}}
	return plugins.SocketRequest{Plugin: "p", URL: u, Options: abi.WebSocketURLOptions{Protocols: []string{"chat"}}, Allow: g.FetchHost}
}

// TestURLSocketRecorded keeps that a WebSocket was opened, and to where.
func TestURLSocketRecorded(t *testing.T) {
	t.Parallel()
	w := &watch{recorder: &Recorder{}, real: plugins.Services{URLs: socketsTo{}}}
	if _, err := w.services().URLs.OpenURL(t.Context(), toURL(t, "https://a.example/x")); err != nil {
		t.Fatal(err)
	}
	w.real.URLs = socketsTo{abi.Errorf(abi.CodeUpgradeFailed, "no")}
	if _, err := w.services().URLs.OpenURL(t.Context(), toURL(t, "https://a.example/y")); !errors.Is(err, abi.CodeUpgradeFailed.Err()) {
		t.Errorf("got %v", err)
	}
	if len(w.calls) != 2 || w.calls[0].Name != "wsURL" || w.calls[0].Missing == "" || string(w.calls[0].Request) != `{"url":"https://a.example/x","options":{"protocols":["chat"]}}` || w.calls[1].Error == nil {
		t.Errorf("recorded %+v", w.calls)
	}
	if (&watch{}).services().URLs != nil {
		t.Error("a recording opens what the edge does not")
	}
}

// TestURLSocketMadeUp answers in a trial, where grants count as in earnest.
func TestURLSocketMadeUp(t *testing.T) {
	t.Parallel()
	s := &script{granted: true, answer: func(c *Call) (json.RawMessage, error) {
		if c.Name != callURL {
			t.Errorf("asked for %s", c.Name)
		}
		return json.RawMessage(`{"messages":["hello"]}`), nil
	}}
	conn, err := s.services().URLs.OpenURL(t.Context(), toURL(t, "https://a.example/x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, text, err := conn.Receive(t.Context()); err != nil || string(text) != "hello" {
		t.Errorf("received %q, %v", text, err)
	}
	if _, err := s.OpenURL(t.Context(), toURL(t, "http://a.example/x")); !errors.Is(err, abi.CodeDenied.Err()) {
		t.Errorf("http without a grant: %v", err)
	}
	if made := s.made(); len(made) != 2 || made[1].Error == nil {
		t.Errorf("kept %+v", made)
	}
}
