// Command page is the plugin behind / and /ws-url?id=ID. The first is the page
// that lets a person try the other examples; the second exposes the echo
// server's port and answers with its WebSocket address.
package main

import (
	_ "embed"
	"errors"
	"time"

	"edge/abi/guest"
)

// The echo server is the echo example's: the same process under the same id,
// whichever plugin starts it.
const (
	port      = 8080
	processID = "ws-echo"
	script    = "/tmp/ws-echo.ts"
)

//go:embed page.html
var page []byte

// server is a copy of ../echo/server.ts, because a package embeds only files of
// its own folder. A test compares them.
//
//go:embed echo-server.ts
var server []byte

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
	if err := ensureServer(sandbox); err != nil {
		return nil, err
	}
	// Exposing what is exposed keeps its URL.
	exposed, err := sandbox.ExposePort(port, guest.ExposeOptions{Name: "echo"})
	if err != nil {
		return nil, err
	}
	return guest.JSON(200, address{exposed.WSURL}).WithHeader("Cache-Control", "no-store"), nil
}

// ensureServer returns when the server can be reached. Waiting for the port comes
// first, because with a process id it answers three questions in one call: is the
// process there, does it run, does it listen. So a server that is up costs one
// operation, one that another request is starting is waited for, and only one
// that is missing, or has ended, is written and started.
func ensureServer(sandbox *guest.Sandbox) error {
	ready := guest.WaitForPortOptions{ProcessID: processID, Timeout: guest.Duration(20 * time.Second)}
	err := sandbox.WaitForPort(port, ready)
	if !errors.Is(err, guest.ErrProcessNotFound) && !errors.Is(err, guest.ErrProcessExited) {
		return err
	}
	if err := sandbox.WriteFile(script, server); err != nil {
		return err
	}
	_, err = sandbox.StartProcess("bun run "+script, guest.StartProcessOptions{ProcessID: processID})
	if err != nil && !errors.Is(err, guest.ErrProcessExists) { // "already exists": another request was faster
		return err
	}
	return sandbox.WaitForPort(port, ready)
}
