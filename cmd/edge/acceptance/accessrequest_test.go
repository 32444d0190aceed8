package acceptance

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"edge/abi"
)

// TestTokenInRequest opens a preview whose address has no secret in it: by its
// token in the query, which the browser keeps as a cookie at a clean address, and
// by a header. Nobody else gets to see the token.
func TestTokenInRequest(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		const token = "opensesame"
		box := newSandbox(t, p, "access")
		from := box.edge.log.size()
		box.site(8080, 8081)
		home := box.expose(abi.ExposePortRequest{Port: 8080, Token: token, TokenIn: abi.TokenInRequest})
		elsewhere := box.expose(abi.ExposePortRequest{Port: 8081, Access: abi.AccessPublic})
		box.edge.get(t, home).refused(t, "a request without a token")
		box.edge.get(t, home+"?edge_token=opensesamf").refused(t, "a wrong token")

		b := openTab(t)
		b.open(home + "rooted?a=1&edge_token=" + token + "&b=2")
		b.at(home + "rooted?a=1&b=2")
		b.open(home)
		b.wholeSite()
		b.shot("token-in-request-" + p.String())
		b.session(home, "/")
		b.open(home + "link?to=" + url.QueryEscape(elsewhere) + "&edge_token=" + token)
		b.at(home + "link?to=" + url.QueryEscape(elsewhere))
		b.click("#out")
		b.at(elsewhere)
		if referrer := eval[string](b, "document.referrer") + box.last(8081, "/")["referer"]; strings.Contains(referrer, "link") {
			t.Errorf("the next site is told %q", referrer)
		}

		under := strings.TrimSuffix(box.pathForm(8080, ""), "-/") + "/"
		box.edge.get(t, under).refused(t, "the path form without a token")
		b.open(under + "?edge_token=" + token)
		b.at(under)
		b.wholeSite()
		b.session(under, pathOf(t, under))

		stranger := openTab(t)
		stranger.open(home)
		stranger.holds("body", string(abi.CodeInvalidToken))

		box.shownByHeader(home, token)
		box.kept(token, from)
	})
}

// TestReferrerHidesToken follows a link out of a preview whose address has its
// token in it.
func TestReferrerHidesToken(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		const token = "opensesame"
		box := newSandbox(t, p, "referrer")
		box.site(8080, 8081)
		home := box.expose(abi.ExposePortRequest{Port: 8080, Token: token})
		elsewhere := box.expose(abi.ExposePortRequest{Port: 8081, Access: abi.AccessPublic})
		b := openTab(t)
		for _, base := range []string{home, box.pathForm(8080, token)} {
			b.open(base + "link?to=" + url.QueryEscape(elsewhere))
			b.click("#out")
			b.at(elsewhere)
			if referrer := eval[string](b, "document.referrer") + box.last(8081, "/")["referer"]; strings.Contains(referrer, token) {
				t.Errorf("after %s the next site is told %q", base, referrer)
			}
		}
	})
}

// pathOf is a URL's path.
func pathOf(t testing.TB, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Path
}

// session wants the tab to have one cookie for the preview at home, which only the
// edge reads: set for this host and path alone.
func (b *tab) session(home, path string) {
	b.t.Helper()
	var cookies []*network.Cookie
	b.do("look at the cookies", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		got, err := chromedp.Call(ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{home}})
		cookies = got.Cookies
		return err
	}))
	if len(cookies) != 1 {
		b.t.Fatalf("there are %d cookies for %s", len(cookies), home)
	}
	got, want := cookies[0], "edge-preview"
	secure := strings.HasPrefix(home, "https:")
	if secure && path == "/" {
		want = "__Host-edge-preview"
	}
	if got.Name != want || got.Domain != hostOf(b.t, home) || got.Path != path || !got.HTTPOnly || got.Secure != secure || got.SameSite != network.CookieSameSiteLax {
		b.t.Errorf("the cookie for %s is %+v", home, got)
	}
	if seen := eval[string](b, "document.cookie"); seen != "" {
		b.t.Errorf("the page's scripts see the cookies %q", seen)
	}
}

// shownByHeader shows the token as programs do. Any other Authorization is the
// server's.
func (s *sandbox) shownByHeader(home, token string) {
	s.t.Helper()
	for _, c := range []struct{ header, authorization string }{
		{"X-Edge-Token: " + token, ""},
		{"X-Edge-Token: " + token, "Basic dXNlcjpwYXNz"},
		{"Authorization: Bearer " + token, ""},
	} {
		lines := []string{c.header}
		if c.authorization != "" {
			lines = append(lines, "Authorization: "+c.authorization)
		}
		if got := s.edge.get(s.t, home+"data.json", lines...); got.status != http.StatusOK {
			s.t.Errorf("with %v: %d %.300s", lines, got.status, got.body)
		}
		if got := s.last(8080, "/data.json")["authorization"]; got != c.authorization {
			s.t.Errorf("with %v the server sees Authorization %q, want %q", lines, got, c.authorization)
		}
	}
}

// kept wants neither a server nor the edge's log to have been told the token or a
// session.
func (s *sandbox) kept(token string, from int) {
	s.t.Helper()
	for _, port := range []int{8080, 8081} {
		for _, r := range s.seen(port) {
			for name, value := range r {
				if strings.Contains(value, token) || strings.Contains(value, "edge-preview") {
					s.t.Errorf("the server was sent %s %q with %s %s", name, value, r["method"], r["target"])
				}
			}
		}
	}
	if strings.Contains(s.edge.log.since(from), token) {
		s.t.Error("the edge's log has the token")
	}
}
