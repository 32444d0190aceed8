package acceptance

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"edge/abi"
)

// pathForm is the URL of an exposure in its path form.
func (s *sandbox) pathForm(port int, token string) string {
	return fmt.Sprintf("%s://%s:%d/_preview/%d/%s-%s/", s.edge.scheme, domain, s.edge.port(), port, path.Base(s.path), token)
}

// site serves testdata/site on the ports and returns when all listen.
func (s *sandbox) site(ports ...int) {
	s.t.Helper()
	s.copyIn("site")
	for _, port := range ports {
		s.serve(fmt.Sprint("site-", port), fmt.Sprint("bun run server.ts ", port), port)
	}
}

// seenRequest is a request as the site saw it: its headers by lower-case name,
// and "method" and "target".
type seenRequest map[string]string

// seen are the requests that the site on a port has had, asked from inside of the
// sandbox.
func (s *sandbox) seen(port int) (all []seenRequest) {
	s.t.Helper()
	text := s.exec(fmt.Sprintf(`bun -e 'console.log(await (await fetch("http://localhost:%d/seen")).text())'`, port))
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		s.t.Fatalf("%v: %.300s", err, text)
	}
	return all
}

// last is the last request that the site on a port has had for a path.
func (s *sandbox) last(port int, path string) seenRequest {
	s.t.Helper()
	var last seenRequest
	for _, r := range s.seen(port) {
		if target, _, _ := strings.Cut(r["target"], "?"); target == path {
			last = r
		}
	}
	if last == nil {
		s.t.Fatalf("the site on port %d was not asked for %s", port, path)
	}
	return last
}

// wholeSite waits until everything that the site's first page loads is there, and
// its WebSocket has answered.
func (b *tab) wholeSite() {
	b.t.Helper()
	b.until("script, fetch and WebSocket of the page", `document.body?.dataset.script === "ran" && document.body.dataset.fetched === "42" && document.body.dataset.socket === "heard hello"`)
	b.until("its picture and style", `document.querySelector("#picture").naturalWidth === 20 && getComputedStyle(document.querySelector("h1")).color === "rgb(1, 2, 3)"`)
}

// at waits until the page of that URL, and no other, has loaded. Between pages
// there is none to ask.
func (b *tab) at(url string) {
	b.t.Helper()
	eventually(b.t, "the page is "+url, func() error {
		got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.readyState + " " + location.href`))
		if want := "complete " + url; err == nil && got != want {
			err = fmt.Errorf("it is %s", got)
		}
		return err
	})
}

// click clicks on what a CSS selector finds.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.do("click on "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// eventually waits until check has nothing to say.
func eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	start := time.Now()
	var err error
	for time.Since(start) < patience {
		if err = check(); err == nil {
			t.Logf("%s after %v", what, time.Since(start).Round(time.Millisecond))
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%s: not within %v: %v", what, patience, err)
}

// reply is what a request was answered with, its body whole.
type reply struct {
	status int
	header http.Header
	body   string
}

// get asks for a URL, with header lines of "Name: value", and follows no redirect.
func (e *edge) get(t testing.TB, url string, lines ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Add(name, value)
	}
	client := e.client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(body)}
}

// refused wants the answer that says nothing.
func (r reply) refused(t testing.TB, what string) {
	t.Helper()
	if r.status != http.StatusNotFound || !strings.Contains(r.body, string(abi.CodeInvalidToken)) {
		t.Errorf("%s is answered with %d: %.300s", what, r.status, r.body)
	}
}
