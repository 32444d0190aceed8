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
		for _, r := range box.seen(8081)[before:] {
			if r["target"] != "/seen" {
				t.Errorf("the guarded site was asked for %s %s by %s", r["method"], r["target"], r["origin"])
			}
		}
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
