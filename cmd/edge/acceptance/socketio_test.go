package acceptance

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"edge/abi"
)

// TestSocketIO talks with a socket.io server over the WebSocket that its client
// changes to, and by polling from a browser that has no WebSocket.
func TestSocketIO(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		const port = 3000
		s := newSandbox(t, p, "socketio")
		s.install("socket.io")
		s.copyIn("socketio")
		s.serve("socketio", "node server.js", port)
		url := s.expose(abi.ExposePortRequest{Port: port})

		b := openTab(t)
		b.open(url)
		b.talk("websocket")
		b.shot("socketio-" + p.String())
		b.quiet()

		old := openTab(t)
		old.do("take WebSocket away", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: "delete window.WebSocket"})
			return err
		}))
		old.open(url)
		old.talk("polling")
		old.shot("socketio-polling-" + p.String())
		old.quiet()
	})
}

// talk says things to the socket.io server, text and bytes, and wants them back in
// their order, each by that transport.
func (b *tab) talk(transport string) {
	b.t.Helper()
	b.holds("h1", "connected by "+transport)
	var want []string
	for i := range 10 {
		eval[bool](b, fmt.Sprintf("!!socket.emit('say', 'text %d').emit('say', new Uint8Array(%d * 10_000).buffer)", i, i))
		want = append(want, fmt.Sprintf("text %d by %s", i, transport), fmt.Sprintf("%d bytes by %s", i*10_000, transport))
	}
	b.until("all answers", fmt.Sprintf("document.querySelectorAll('li').length >= %d", len(want)))
	got := eval[[]string](b, "[...document.querySelectorAll('li')].map((e) => e.textContent)")
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		b.t.Errorf("got %q, want %q", got, want)
	}
}
