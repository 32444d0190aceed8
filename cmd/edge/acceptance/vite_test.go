package acceptance

import (
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
		b := openTab(t)
		b.open(s.expose(abi.ExposePortRequest{Port: port}))
		b.holds("h1", "Vite + React")
		b.press("button", 3)
		b.holds("button", "count is 3")
		b.mark()

		s.edit("src/App.jsx", "Vite + React", "Edited in the sandbox")
		b.holds("h1", "Edited in the sandbox")
		s.edit("src/index.css", "black", "blue")
		b.until("the style changes", "getComputedStyle(document.body).color === 'rgb(0, 0, 255)'")
		b.holds("button", "count is 3")
		b.unmoved()
		b.shot("vite-" + p.String())
		b.quiet()
		s.refuses(port, "/", 403, "Blocked request.")
	})
}
