package acceptance

import (
	"testing"

	"edge/abi"
)

// viteApp is what "npm create vite" makes of its React template, made small.
var viteApp = map[string]string{
	"package.json": `{"name": "app", "private": true, "type": "module", "scripts": {"dev": "vite"}}`,
	"vite.config.js": `import { defineConfig } from 'vite'
import react from '@vitejs/plugin-react'

export default defineConfig({
  plugins: [react()],
})
`,
	"index.html": `<!doctype html>
<html lang="en">
  <head>
    <meta charset="UTF-8" />
    <link rel="icon" href="data:," />
    <title>Vite + React</title>
  </head>
  <body>
    <div id="root"></div>
    <script type="module" src="/src/main.jsx"></script>
  </body>
</html>
`,
	"src/main.jsx": `import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import './index.css'
import App from './App.jsx'

createRoot(document.getElementById('root')).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
`,
	"src/index.css": "body { font: 24px sans-serif; margin: 3em; color: rgb(0, 0, 0); }\n",
	"src/App.jsx":   viteComponent("Vite + React"),
}

func viteComponent(title string) string {
	return `import { useState } from 'react'

export default function App() {
  const [count, setCount] = useState(0)
  return (
    <>
      <h1>` + title + `</h1>
      <button onClick={() => setCount((count) => count + 1)}>count is {count}</button>
    </>
  )
}
`
}

// TestVite edits a component and a style of a page that Vite serves and sees them
// change in the page as it is, with the component's state.
func TestVite(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		s := newSandbox(t, p, "vite")
		s.install("vite", "@vitejs/plugin-react", "react", "react-dom")
		s.project(viteApp)
		s.serve("vite", "node node_modules/vite/bin/vite.js --port 5173", 5173)
		b := openTab(t)
		b.open(s.expose(abi.ExposePortRequest{Port: 5173}))
		b.holds("h1", "Vite + React")
		b.press("button", 3)
		b.holds("button", "count is 3")
		b.mark()

		s.write("src/App.jsx", viteComponent("Edited in the sandbox"))
		b.holds("h1", "Edited in the sandbox")
		b.holds("button", "count is 3")
		s.write("src/index.css", "body { font: 24px sans-serif; margin: 3em; color: rgb(0, 0, 255); }\n")
		b.until("the style changes", "getComputedStyle(document.body).color === 'rgb(0, 0, 255)'")
		b.unmoved()
		b.shot("vite-" + p.String())
		b.quiet()
	})
}
