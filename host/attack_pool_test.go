package host

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"edge/abi"
)

// TestRevokedBeforeAKeptConnection takes an exposure back between look-up and the
// bridge, where a connection to the backend is kept from an earlier request, so that
// nothing is dialled: the request does not get in.
func TestRevokedBeforeAKeptConnection(t *testing.T) {
	t.Parallel()
	var served atomic.Int32
	f := previews(t)
	box := f.boxes["my-app"]
	box.ports[8080] = backend(t, func(http.ResponseWriter, *http.Request) { served.Add(1) })
	ev := newEvents()
	r := start(t, &Server{boxes: f, Observe: ev.add}, all(always(text(200, ""))))
	const host = "8080-my-app-s3cret_token.localhost"
	if got := r.get(t, host, "/", ""); got.StatusCode != 200 {
		t.Fatalf("before: %d %s", got.StatusCode, got.body)
	}
	ev.next(t) // the connection is kept when the request is over, and not when it is answered
	dials := box.dialled()
	box.onRunning = func() { delete(f.labels, "8080-my-app-s3cret_token") }
	got := r.get(t, host, "/", "")
	if got.StatusCode != 404 || !strings.Contains(got.body, string(abi.CodeInvalidToken)) || served.Load() != 1 {
		t.Errorf("got %d %s and the backend saw %d requests, want 404 INVALID_TOKEN and 1", got.StatusCode, got.body, served.Load())
	}
	if box.dialled() != dials {
		t.Error("the connection was not kept: this test shows nothing")
	}
}
