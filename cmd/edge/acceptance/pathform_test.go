package acceptance

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"edge/abi"
)

// TestPathForm uses a site under a path that it knows nothing of: its links,
// redirects, form, cookies, script and WebSocket.
func TestPathForm(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		box := newSandbox(t, p, "path")
		box.site(8080, 8081)
		const token, other = "pathform", "neighbour"
		box.expose(abi.ExposePortRequest{Port: 8080, Token: token})
		box.expose(abi.ExposePortRequest{Port: 8081, Token: other})
		base, neighbour := box.pathForm(8080, token), box.pathForm(8081, other)

		b := openTab(t)
		b.open(strings.TrimSuffix(base, "/"))
		b.at(base)
		b.wholeSite()
		b.shot("path-form-" + p.String())

		b.click("#relative")
		b.at(base + "deep/page")
		b.until("its picture", `document.querySelector("#picture").naturalWidth === 20`)
		b.click("#up")
		b.at(base)
		b.click("#moved")
		b.at(base + "deep/page")

		b.open(base)
		b.do("choose", chromedp.SetValue(chromedp.CSS("input[name=flavour]"), "pistachio"))
		b.click("button")
		b.at(base + "welcome")
		b.holds("#cookies", "flavour=pistachio")
		b.holds("#cookies", "readable=pistachio")
		if got := eval[string](b, "document.cookie"); got != "readable=pistachio" {
			t.Errorf("scripts see the cookies %q, want readable alone", got)
		}
		b.shot("path-form-welcome-" + p.String())

		b.open(neighbour)
		b.wholeSite()
		if got := eval[string](b, "document.cookie") + box.last(8081, "/")["cookie"]; got != "" {
			t.Errorf("another preview of the same origin sees the cookies %q", got)
		}

		b.open(base)
		b.click("#rooted")
		b.at(base + "rooted?from=home")
		b.holds("#query", "?from=home")
	})
}
