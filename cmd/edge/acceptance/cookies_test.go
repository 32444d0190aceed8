package acceptance

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"edge/abi"
)

// TestCookiesStayAtHome has one preview set cookies for itself, for its parent
// domain and for its neighbour, in answers and in its page, and wants none of
// them to reach the neighbour.
func TestCookiesStayAtHome(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		box := newSandbox(t, p, "cookies")
		box.site(8080, 8081)
		from, to := box.expose(abi.ExposePortRequest{Port: 8080}), box.expose(abi.ExposePortRequest{Port: 8081})
		ask := url.Values{}
		for _, domain := range []string{"; Domain=" + domain, "; domain=." + strings.ToUpper(domain), ";DOMAIN = " + domain + " ;Path=/", "; Domain=" + hostOf(t, to)} {
			ask.Add("cookie", fmt.Sprintf("stray%d=1%s", len(ask["cookie"]), domain))
		}
		ask.Add("cookie", "own=1; Path=/")

		b := openTab(t)
		b.open(from + "set-cookies?" + ask.Encode())
		eval[string](b, fmt.Sprintf(`document.cookie = "stray=1; domain=%s"`, hostOf(t, to)))
		b.open(from)
		b.holds("#cookies", "own=1")
		b.open(to)
		b.wholeSite()
		if got := box.last(8081, "/")["cookie"] + eval[string](b, "document.cookie"); got != "" {
			t.Errorf("the neighbour has the cookies %q", got)
		}
		b.shot("cookies-" + p.String())
	})
}

// hostOf is a URL's host, without its port.
func hostOf(t testing.TB, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Hostname()
}
