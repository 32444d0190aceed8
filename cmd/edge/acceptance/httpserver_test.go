package acceptance

import (
	"net/http"
	"net/url"
	"testing"

	"edge/abi"
)

// TestPythonHTTPServer looks through a folder that "python3 -m http.server"
// serves, in both forms of the URL: the listing, a file with a space in its name,
// and a folder without its slash, which the server redirects.
func TestPythonHTTPServer(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		box := newSandbox(t, p, "files")
		box.copyIn("httpserver")
		box.serve("files", "python3 -m http.server 8000", 8000)
		const token = "fileserver"
		host := box.expose(abi.ExposePortRequest{Port: 8000, Token: token})
		for i, base := range []string{host, box.pathForm(8000, token)} {
			form := []string{"host", "path"}[i]
			b := openTab(t)
			b.open(base)
			b.holds("h1", "Directory listing for /")
			b.click(`a[href="list/"]`)
			b.at(base + "list/")
			b.holds("h1", "Directory listing for /list/")
			b.shot("http-server-" + form + "-" + p.String())
			b.click(`a[href="two%20words.txt"]`)
			b.at(base + "list/two%20words.txt")
			b.holds("body", "two")

			b.open(base + "sub")
			b.at(base + "sub/")
			b.holds("#here", "in the sub folder")
			b.click("#up")
			b.at(base + "notes.txt")
			b.holds("body", "served by python")
			wantRedirect(t, box.edge, base+"sub", http.StatusMovedPermanently, base+"sub/")
		}
	})
}

// wantRedirect wants a URL to lead to another in one step.
func wantRedirect(t *testing.T, e *edge, from string, status int, to string) {
	t.Helper()
	got := e.get(t, from)
	base, err := url.Parse(from)
	if err != nil {
		t.Fatal(err)
	}
	location, err := base.Parse(got.header.Get("Location"))
	if err != nil || got.status != status || location.String() != to {
		t.Errorf("%s is answered with %d to %q, %v; want %d to %s", from, got.status, got.header.Get("Location"), err, status, to)
	}
}
