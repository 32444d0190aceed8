// Command page is the plugin behind / and /ws-url?id=ID. The first is the page
// that lets a person try the other examples; the second exposes the echo
// server's port and answers with its WebSocket address.
package main

import (
	_ "embed"
	"time"

	"edge/abi/guest"
)

//go:embed page.html
var page []byte

// script is a copy of ../echo/server.ts, because a package embeds only files of
// its own folder. A test compares them.
//
//go:embed echo-server.ts
var script []byte

// server is the echo example's: the same process under the same id, whichever
// plugin starts it.
var server = guest.Server{
	ProcessID: "ws-echo", Port: 8080, Path: "/tmp/ws-echo.ts", Source: script, Command: "bun run /tmp/ws-echo.ts", Timeout: guest.Duration(20 * time.Second),
}

func init() { guest.Handle(handle) }

// main is linked and never run: the module is a library to the edge.
func main() {}

func handle(req *guest.Request) (guest.Response, error) {
	switch req.Path() {
	case "/":
		return home(req)
	case "/ws-url":
		return socketURL(req)
	}
	return nil, guest.Errorf(guest.CodeNotFound, "nothing here; the page is at /")
}

// policy lets the page load nothing from elsewhere, and connect to itself and to
// preview URLs, whose hosts are not known beforehand.
const policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; " +
	"connect-src 'self' ws: wss:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

func home(req *guest.Request) (guest.Response, error) {
	if m := req.Method(); m != "GET" && m != "HEAD" {
		return guest.Text(405, "this page can only be read\n").WithHeader("Allow", "GET, HEAD"), nil
	}
	return guest.Bytes(200, "text/html; charset=utf-8", page).
		WithHeader("Content-Security-Policy", policy).
		WithHeader("X-Content-Type-Options", "nosniff").
		WithHeader("Referrer-Policy", "no-referrer").
		WithHeader("Cache-Control", "no-cache"), nil
}

// address is what /ws-url answers.
type address struct {
	URL string `json:"url"`
}

func socketURL(req *guest.Request) (guest.Response, error) {
	id := req.Query().Get("id")
	if id == "" {
		id = "echo-service"
	}
	sandbox := guest.GetSandbox("Sandbox", id)
	if err := sandbox.EnsureServer(server); err != nil {
		return nil, err
	}
	// Exposing what is exposed keeps its URL.
	exposed, err := sandbox.ExposePort(server.Port, guest.ExposeOptions{Name: "echo"})
	if err != nil {
		return nil, err
	}
	return guest.JSON(200, address{exposed.WSURL}).WithHeader("Cache-Control", "no-store"), nil
}
