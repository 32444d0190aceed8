package e2e

import (
	"fmt"
	"strings"
	"testing"

	"edge/abi"
)

// frontendFiles are a project whose "npm run dev" runs Vite.
//
// Vite 8 prints "Local:   http://localhost:5173/" with more blanks than the seeds'
// expression has, so "dev" squeezes them, line by line.
func frontendFiles(dir string) []string {
	return []string{
		dir + "package.json", `{"private": true, "scripts": {"dev": "vite | sed -u 's/  */ /g'"}}`,
		dir + "index.html", "<h1>Vite in a sandbox</h1>\n",
	}
}

// apiServer is a server on a port with the paths that the seeds ask.
const apiServer = `
const http = require("http");
http.createServer((req, res) => res.end(JSON.stringify({ path: req.url, port: 3000 }))).listen(3000);
`

// TestSeedPorts runs the fragments of the page about ports, one after the other in
// one sandbox.
//
// Substitutions: what they start is there beforehand: api.js, and a project with Vite
// from node_modules; python is python3 where there is no image.
func TestSeedPorts(t *testing.T) {
	eachRuntime(t, func(t *testing.T, runtime string) {
		w := newWorkers(t, settings{runtime: runtime, files: withNode(t, runtime)}, map[string]string{
			"expose":   framed(inSandbox("ports"), seed(t, "ports-expose.js"), "Response.json([exposed, api, frontend])"),
			"list":     framed(inSandbox("ports"), seed(t, "ports-list.js"), "Response.json(ports)"),
			"commit":   framed(inSandbox("ports"), seed(t, "commit-list.ts"), "Response.json(ports)"),
			"unexpose": framed(inSandbox("ports"), seed(t, "ports-unexpose.js"), `new Response("closed")`),
		})
		b := w.box("ports")
		b.install(t, "vite")
		b.write(t, append(frontendFiles(""), "api.js", apiServer)...)
		var exposed []abi.ExposedPort
		w.ask("/expose", &exposed)
		for _, port := range []int{8000, 3000, 5173} {
			b.listens(t, port, "")
		}
		w.said("Available at: " + exposed[0].URL)
		for i, want := range []string{"Vite in a sandbox", `"port":3000`, "/@vite/client"} {
			// Vite tries its port, and listens on it for good a moment later.
			w.eventually(fmt.Sprint("the preview of ", exposed[i].Port, " is there"), func() error {
				body, err := fetch(exposed[i].URL, 200)
				if err == nil && !strings.Contains(body, want) {
					err = fmt.Errorf("%.300q, want %q", body, want)
				}
				return err
			})
		}
		for _, path := range []string{"/list", "/commit"} {
			var ports []abi.ExposedPort
			w.ask(path, &ports)
			if len(ports) != 3 {
				t.Errorf("%s: %d ports are exposed, want 3", path, len(ports))
			}
		}
		for i, name := range []string{"8000", "api", "frontend"} {
			w.said(name + ": " + exposed[i].URL)
		}
		w.ask("/unexpose", nil)
		if _, err := fetch(exposed[0].URL, 404); err != nil {
			t.Errorf("after unexposePort: %v", err)
		}
		if _, err := fetch(exposed[1].URL, 200); err != nil {
			t.Errorf("another port: %v", err)
		}
	})
}
