package acceptance

import (
	"fmt"
	"strings"
	"testing"

	"edge/abi"
)

// TestServerSentEvents reads events of which each is sent only after the page has
// seen the one before, over two connections: none is held back, none comes twice.
func TestServerSentEvents(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		const port = 3000
		s := newSandbox(t, p, "events")
		s.copyIn("events")
		s.serve("events", "node server.js", port)
		b := openTab(t)
		b.open(s.expose(abi.ExposePortRequest{Port: port}))
		b.until("six events", "document.querySelectorAll('li').length >= 6")
		var want []string
		for i := 1; i <= 6; i++ {
			want = append(want, fmt.Sprintf("event %d, asked for after %d", i, (i-1)/3*3))
		}
		got := eval[[]string](b, "[...document.querySelectorAll('li')].map((e) => e.textContent)")
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got %q, want %q", got, want)
		}
		b.shot("events-" + p.String())
		b.quiet()
	})
}
