package acceptance

import (
	"fmt"
	"testing"

	"edge/abi"
)

// TestVite edits a component and a style of what "npm create vite" makes of its
// React template and sees them change in the page as it is, with the component's
// state. By the name that the client calls it Vite refuses to serve.
func TestVite(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		const port = 5173
		s := newSandbox(t, p, "vite")
		s.install("vite", "@vitejs/plugin-react", "react", "react-dom")
		s.copyIn("vite")
		s.serve("vite", "npm run dev", port)
		b := s.countTo3(port, "Vite + React")

		s.edit("src/App.jsx", "Vite + React", "Edited in the sandbox")
		s.edit("src/index.css", "black", "blue")
		b.until("the style changes", "getComputedStyle(document.body).color === 'rgb(0, 0, 255)'")
		b.edited()
		b.shot("vite-" + p.String())
		s.refuses(port, "/", 403, "Blocked request.")
	})
}

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
		b := s.countTo3(port, "webpack")

		s.edit("src/title.js", "'webpack'", "'Edited in the sandbox'")
		b.edited()
		b.shot("webpack-" + p.String())
		s.refuses(port, "/", 403, "Invalid Host")
	})
}

// countTo3 opens the page that a dev server serves, with a title and a button that
// counts, and presses that three times.
func (s *sandbox) countTo3(port int, title string) *tab {
	s.t.Helper()
	b := openTab(s.t)
	b.open(s.expose(abi.ExposePortRequest{Port: port}))
	b.holds("h1", title)
	b.press("button", 3)
	b.holds("button", "count is 3")
	b.mark()
	return b
}

// edited wants the title that the page was given since, in the page as it was: it
// still counts three, and nothing went wrong in it.
func (b *tab) edited() {
	b.t.Helper()
	b.holds("h1", "Edited in the sandbox")
	b.holds("button", "count is 3")
	b.unmoved()
	b.quiet()
}
