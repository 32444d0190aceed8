package acceptance

import (
	"fmt"
	"testing"

	"edge/abi"
)

// TestWebpack edits a module of a page that webpack's dev server serves and sees it
// change in the page as it is. By the name that the client calls it the dev server
// refuses to serve.
//
// The page asks for its WebSocket at the port that the server itself has, not at its
// own, so the server is told to listen on the port that the edge has.
func TestWebpack(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		s := newSandbox(t, p, "webpack")
		port := s.edge.port()
		s.install("webpack", "webpack-cli", "webpack-dev-server")
		s.copyIn("webpack")
		s.serve("webpack", fmt.Sprint("npm run dev -- --port ", port), port)
		b := openTab(t)
		b.open(s.expose(abi.ExposePortRequest{Port: port}))
		b.holds("h1", "webpack")
		b.press("button", 3)
		b.holds("button", "count is 3")
		b.mark()

		s.edit("src/title.js", "'webpack'", "'Edited in the sandbox'")
		b.holds("h1", "Edited in the sandbox")
		b.holds("button", "count is 3")
		b.unmoved()
		b.shot("webpack-" + p.String())
		b.quiet()
		s.refuses(port, "/", 403, "Invalid Host")
	})
}
