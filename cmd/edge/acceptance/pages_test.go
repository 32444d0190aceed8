package acceptance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"edge/abi"
)

// TestPages shows a person what the edge itself says of a preview: that it is asleep,
// or starts, which becomes the server's page by itself, that the server has ended, that
// another port is the right one, and that the token is wrong.
func TestPages(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		const port, other = 3000, 3100
		s := newSandbox(t, p, "pages")
		b := openTab(t)
		url := s.expose(abi.ExposePortRequest{Port: port, Wake: abi.WakeNever})
		b.open(url)
		b.says("The sandbox is asleep")
		b.shot("page-asleep-" + p.String())

		s.expose(abi.ExposePortRequest{Port: port, Wake: "hold"})
		b.open(url)
		b.says("Starting")
		b.shot("page-starting-" + p.String())
		s.write("index.html", "<title>Up</title><h1>It is up</h1>")
		s.serve("web", fmt.Sprintf("python3 -m http.server %d", port), port)
		b.says("It is up") // nobody touched the browser
		b.shot("page-started-" + p.String())

		s.serve("second", fmt.Sprintf("python3 -m http.server %d", other), other)
		call(s, abi.KillProcess, abi.KillRequest{ProcessID: "web", Signal: "KILL"})
		b.open(url + "?again") // the browser may still take the page itself for fresh (RFC 9111, section 4.2.2)
		b.says("The server has ended")
		b.shot("page-ended-" + p.String())
		if text := b.text(); strings.Contains(text, "KILL") || strings.Contains(text, "137") || strings.Contains(text, "web") {
			t.Errorf("a visitor is told how: %s", text)
		}
		for _, e := range call(s, abi.GetExposedPorts, abi.Empty{}).Ports {
			if e.Ended == nil || e.Ended.ProcessID != "web" || e.Ended.Signal != "SIGKILL" {
				t.Errorf("the owner is told %+v", e.Ended)
			}
		}

		b.open(s.expose(abi.ExposePortRequest{Port: port + 1}))
		b.says("The port is closed")
		b.says(fmt.Sprint(other))
		b.shot("page-closed-" + p.String())

		b.open(strings.Replace(url, "-"+p.runtime+"-", "-"+p.runtime+"-x", 1))
		b.says("No such preview")
		b.shot("page-token-" + p.String())
	})
}

// text is the text of the page, "" while there is none.
func (b *tab) text() string {
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body?.innerText ?? ''"))
	if err != nil { // one page goes, another comes
		return ""
	}
	return text
}

// says waits until the page has a text in it, also over loads of other pages.
func (b *tab) says(text string) {
	b.t.Helper()
	start := time.Now()
	for last := ""; ; time.Sleep(50 * time.Millisecond) {
		if last = b.text(); strings.Contains(last, text) {
			b.t.Logf("%q: %v", text, time.Since(start).Round(time.Millisecond))
			return
		}
		if time.Since(start) > patience {
			b.t.Fatalf("the page does not say %q, but: %s", text, last)
		}
	}
}
