package acceptance

import (
	"fmt"
	"strings"
	"testing"

	"edge/abi"
)

// TestCrossSite has the page of one preview try to reach another, which lets in
// only pages that it names.
func TestCrossSite(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		box := newSandbox(t, p, "cross")
		box.site(8080, 8081)
		from := box.expose(abi.ExposePortRequest{Port: 8080})
		origin := strings.TrimSuffix(from, "/")
		guarded := abi.ExposePortRequest{Port: 8081, Policy: abi.Policy{AllowOrigins: []string{"https://app.example"}}}
		to := box.expose(guarded)

		own := openTab(t)
		own.open(to)
		own.wholeSite() // its own pages are no strangers

		b := openTab(t)
		b.open(from)
		b.wholeSite()
		before := len(box.seen(8081))
		b.tryReach(to)
		b.until("all is refused", `told.strangerSocket === "refused" && told.strangerFetch === "refused"`)
		b.until("the form is answered", `"strangerPost" in told`) // with what, a page cannot know
		box.unasked(8081, before)
		b.shot("cross-site-" + p.String())

		guarded.Policy.AllowOrigins = append(guarded.Policy.AllowOrigins, origin)
		if again := box.expose(guarded); again != to {
			t.Errorf("exposed again, the port is at %s, before at %s", again, to)
		}
		b.tryReach(to)
		b.until("its WebSocket opens", `told.strangerSocket === "open"`)
		if got := box.last(8081, "/socket")["origin"]; got != origin {
			t.Errorf("the guarded site sees the origin %q, want the stranger's, %q", got, origin)
		}
	})
}

// unasked wants the site on a port to have had no request since the first so many.
func (s *sandbox) unasked(port, before int) {
	s.t.Helper()
	for _, r := range s.seen(port)[before:] {
		if r["target"] != "/seen" {
			s.t.Errorf("the site was asked for %s %s by %q", r["method"], r["target"], r["origin"])
		}
	}
}

// TestSessionIsNoPass has a browser with the session of one preview open another,
// whose page tries to use it. All previews of a domain are one site, within which
// browsers send cookies along, and a page can set cookies for all of it.
func TestSessionIsNoPass(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		const token = "opensesame"
		box := newSandbox(t, p, "session")
		box.site(8080, 8081)
		from := box.expose(abi.ExposePortRequest{Port: 8080})
		to := box.expose(abi.ExposePortRequest{Port: 8081, Token: token, TokenIn: abi.TokenInRequest})
		b := openTab(t)
		b.open(to + "?edge_token=" + token)
		b.at(to)
		b.wholeSite()

		b.open(from)
		b.wholeSite()
		before := len(box.seen(8081))
		b.tryReach(to)
		b.until("all is refused", `told.strangerSocket === "refused" && told.strangerFetch === "refused" && "strangerPost" in told`)
		box.unasked(8081, before)

		eval[string](b, `document.cookie = "edge-preview=tossed; domain=`+domain+`"`)
		b.open(to)
		b.wholeSite()
		if got := box.last(8081, "/")["cookie"]; got != "" {
			t.Errorf("the server is sent the cookies %q", got)
		}
	})
}

// tryReach has the page open a WebSocket to another site, read from it and post
// to it; the page's body tells what became of it.
func (b *tab) tryReach(site string) {
	b.t.Helper()
	eval[int](b, fmt.Sprintf(`
delete told.strangerSocket, delete told.strangerFetch, delete told.strangerPost;
{
	const site = %q;
	const ws = new WebSocket(site.replace("http", "ws") + "socket");
	ws.onopen = () => { told.strangerSocket = "open"; ws.close(); };
	ws.onerror = () => { told.strangerSocket ??= "refused"; };
	fetch(site + "data.json", { credentials: "include" }).then(() => (told.strangerFetch = "read"), () => (told.strangerFetch = "refused"));
	fetch(site + "submit", { method: "POST", mode: "no-cors", credentials: "include", body: new URLSearchParams({ flavour: "foreign" }) })
		.then(() => (told.strangerPost = "answered"), () => (told.strangerPost = "refused"));
}
1`, site))
}
