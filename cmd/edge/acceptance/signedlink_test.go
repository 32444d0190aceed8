package acceptance

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"edge/abi"
)

// TestSignedLink gives a guest a link, which opens the preview in a browser until
// its time is over, and what came of it ends with it.
func TestSignedLink(t *testing.T) {
	crosswise(t, func(t *testing.T, p place) {
		box := newSandbox(t, p, "link")
		box.site(8080)
		home := box.expose(abi.ExposePortRequest{Port: 8080, TokenIn: abi.TokenInRequest})
		b := openTab(t) // before the link: its time is short
		link := call(box, abi.CreatePreviewLink, abi.PreviewLinkRequest{Port: 8080, TTL: abi.Duration(linkLife), Path: "/deep/page?x=1"})
		b.open(link.URL)
		b.at(home + "deep/page?x=1")
		b.until("its picture", `document.querySelector("#picture").naturalWidth === 20`)
		b.click("#up")
		b.at(home)
		b.wholeSite()
		b.shot("signed-link-" + p.String())
		if left := time.Until(link.ExpiresAt); left < 0 {
			t.Fatalf("this machine was too slow: the link has been over for %v", -left)
		}

		eventually(t, "the link is over", func() error {
			over := time.Now().After(link.ExpiresAt)
			got := box.edge.get(t, link.URL)
			if got.status != http.StatusNotFound && over {
				t.Fatalf("after its time it is answered with %d", got.status)
			}
			if got.status != http.StatusNotFound {
				return fmt.Errorf("it is answered with %d", got.status)
			}
			return nil
		})
		if early := time.Until(link.ExpiresAt); early > 0 {
			t.Errorf("the link ended %v before its time", early)
		}
		b.open(home)
		b.holds("body", string(abi.CodeInvalidToken))
		b.shot("signed-link-over-" + p.String())
	})
}

// linkLife is long enough for a browser to open a page on a busy machine.
const linkLife = slowness * 45 * time.Second
