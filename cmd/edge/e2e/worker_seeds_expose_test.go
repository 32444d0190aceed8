package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"edge/abi"
)

// gitServer has a sandbox serve the repository user/static-site with git's own server,
// and its git ask that for what is at github.com, which no sandbox can reach.
func gitServer(t testing.TB, b *box) {
	t.Helper()
	b.run(t, `set -e
mkdir -p /tmp/site /tmp/git/user && cd /tmp/site
echo '<h1>A static site</h1>' > index.html
git init -q -b main && git add . && git -c user.name=a -c user.email=a@b commit -qm site
git clone -q --bare . /tmp/git/user/static-site
cat > /tmp/gitconfig <<END
[url "git://127.0.0.1/"]
	insteadOf = https://github.com/
[safe]
	directory = *
END`)
	b.must(t, "startProcess", &abi.StartProcessRequest{
		ProcessID: "git", Argv: []string{"git", "daemon", "--export-all", "--base-path=/tmp/git", "--listen=127.0.0.1"},
		Env: map[string]string{"GIT_CONFIG_GLOBAL": "/tmp/gitconfig"},
	}, nil)
	b.listens(t, 9418, "git")
}

// TestSeedExposeFirst runs the guide's fragments about one port of one sandbox in
// their order: from the start of a server to the end of its URL.
func TestSeedExposeFirst(t *testing.T) {
	mine := inSandbox("my-sandbox")
	eachRuntime(t, func(t *testing.T, runtime string) {
		w := newWorkers(t, settings{runtime: runtime, files: withNode(t, runtime)}, map[string]string{
			"start":   framed("", seed(t, "expose-quick-start.ts"), "Response.json(exposed)"),
			"names":   framed(mine, seed(t, "expose-names.ts"), "Response.json(exposed)"),
			"list":    framed(mine, seed(t, "expose-list.ts"), "Response.json(result)"),
			"already": framed(mine, seed(t, "expose-already.ts"), `new Response("caught")`),
			// An exposure is changed when it is asked for again; who wants the error says so.
			"already-error": framed(mine, seed(t, "expose-already.ts", "exposePort(8000)", `exposePort(8000, { ifExposed: "error" })`), `new Response("caught")`),
			"finally":       framed(mine, seed(t, "expose-finally.ts"), `new Response("done")`),
			"close":         framed(mine, seed(t, "expose-close.ts"), "Response.json({ isOpen })"),
		})
		var exposed, again abi.ExposedPort
		w.ask("/start", &exposed)
		w.said("Server available at: " + exposed.URL)
		if body, err := fetch(exposed.URL, 200); err != nil || !strings.Contains(body, "Directory listing") {
			t.Errorf("the preview: %q, %v", body, err)
		}
		w.ask("/names", &again)
		if again.URL != exposed.URL || again.Name != "web-server" || again.Port != 8000 {
			t.Errorf("exposed again: %+v, was %+v", again, exposed)
		}
		w.said("Name: web-server")
		w.said("URL: " + exposed.URL)
		w.said("Port: 8000")
		w.ask("/list", nil)
		w.said("Port 8000: " + exposed.URL)
		w.said(" Name: web-server")
		w.ask("/already", nil)
		w.ask("/already-error", nil)
		w.said("Already exposed at: " + exposed.URL)
		if n := strings.Count(w.log.String(), "Already exposed at"); n != 1 {
			t.Errorf("it was already exposed %d times, want 1", n)
		}
		w.ask("/close", nil)
		w.said("Port 8000 exposed: false")
		if _, err := fetch(exposed.URL, 404); err != nil {
			t.Errorf("after closePort: %v", err)
		}
		w.ask("/finally", nil)
		var none abi.ExposedPorts
		if w.ask("/list", &none); len(none.Ports) != 0 {
			t.Errorf("exposed after finally: %+v", none.Ports)
		}
	})
}

// healthServer answers /health as the file /tmp/health says.
const healthServer = `
const http = require("http"), fs = require("fs");
http.createServer((req, res) => {
  res.statusCode = req.url === "/health" ? Number(fs.readFileSync("/tmp/health", "utf8")) : 404;
  res.end("health");
}).listen(3000);
`

// TestSeedReady runs the fragments about waiting, for a server that gets ready and for
// two that do not.
//
// Substitutions: the server.js that they start, and the process of those that begin
// with one. The last waits for 1.5 seconds instead of 30, which begin once the
// process has printed.
func TestSeedReady(t *testing.T) {
	server := func(id, command string) string {
		return inSandbox(id) + fmt.Sprintf("\n    const server = await sandbox.startProcess(%q);", command)
	}
	eachRuntime(t, func(t *testing.T, runtime string) {
		w := newWorkers(t, settings{runtime: runtime, files: withNode(t, runtime)}, map[string]string{
			"ready":   framed(inSandbox("ready"), seed(t, "expose-ready.ts"), "Response.json(exposed)"),
			"options": framed(server("options", "node server.js"), seed(t, "expose-ready-options.ts"), `new Response("ready")`),
			"ended":   framed(server("ended", "echo it broke >&2; exit 3"), seed(t, "expose-not-ready.ts"), `new Response("caught")`),
			"silent":  framed(server("silent", "echo still here >&2; sleep 600")+"\n    await server.waitForLog(\"still here\");", seed(t, "expose-not-ready.ts", "timeout: 30000", "timeout: 1500"), `new Response("caught")`),
		})
		for _, id := range []string{"ready", "options"} {
			w.box(id).write(t, "server.js", healthServer, "/tmp/health", "200")
		}
		var exposed abi.ExposedPort
		w.ask("/ready", &exposed)
		if body, err := fetch(strings.TrimSuffix(exposed.URL, "/")+"/health", 200); err != nil || body != "health" {
			t.Errorf("the preview: %q, %v", body, err)
		}
		w.ask("/options", nil)
		w.ask("/ended", nil)
		w.said("Server logs: it broke")
		w.said("Process status: failed")
		w.ask("/silent", nil)
		w.said("Server logs: still here")
		w.said("Process status: running")
	})
}

// TestSeedServers runs the guide's patterns, each in a sandbox of its own.
//
// Substitutions: express, ws and Vite are installed beforehand; https://github.com is
// a git server in the sandbox; the projects that npm runs are written beforehand, and
// what Vite prints has single blanks (frontendFiles), and npm with Vite has ten minutes
// to come up and not 30 seconds. After the WebSocket pattern the Worker's socket is
// used, which the guide leaves open.
func TestSeedServers(t *testing.T) {
	needTools(t)
	const used = `await new Promise((resolve, reject) => {
      ws.addEventListener("open", () => ws.send("from the Worker"));
      ws.addEventListener("message", (event: any) => resolve(Response.json({ url: exposed.url, answer: String(event.data) })));
      ws.addEventListener("error", () => reject(new Error("no connection")));
    })`
	eachRuntime(t, func(t *testing.T, runtime string) {
		s := settings{runtime: runtime, files: withNode(t, runtime), binding: "env: {GIT_CONFIG_GLOBAL: /tmp/gitconfig}"}
		w := newWorkers(t, s, map[string]string{
			"dev":      framed(inSandbox("dev"), seed(t, "expose-dev-server.ts", "(\\d+)/)", "(\\d+)/, 600000)"), "null"),
			"api":      framed(inSandbox("express"), seed(t, "expose-api-server.ts"), "Response.json({ url: exposed.url, data })"),
			"socket":   framed(inSandbox("socket"), seed(t, "expose-websocket-server.ts"), used),
			"static":   framed(inSandbox("static"), seed(t, "expose-static-site.ts"), "null"),
			"multiple": framed(inSandbox("multiple"), seed(t, "expose-multiple.ts", "(5173)", "(5173, { timeout: 600000 })", "(3000)", "(3000, { timeout: 600000 })"), "null"),
		})
		var told struct {
			Message, URL, Frontend, Backend, Answer string
			Data                                    struct{ Message string }
		}
		shows := func(what, url, want string) {
			t.Helper()
			eventually(t, what+" is there", func() error { // Vite tries its port before it listens for good
				body, err := fetch(url, 200)
				if err == nil && !strings.Contains(body, want) {
					err = fmt.Errorf("%.300q, want %q", body, want)
				}
				return err
			})
		}
		t.Run("dev server", func(t *testing.T) {
			b := w.box("dev")
			b.install(t, "vite")
			b.write(t, frontendFiles("")...)
			w.ask("/dev", &told)
			if told.Message != "Dev server running" {
				t.Errorf("answered %+v", told)
			}
			shows("the preview", told.URL, "Vite in a sandbox")
		})
		t.Run("API server", func(t *testing.T) {
			w.box("express").install(t, "express")
			w.ask("/api", &told)
			if told.Data.Message != "Hello from sandbox!" {
				t.Errorf("the Worker read %+v", told)
			}
			w.said("Hello from sandbox!")
			shows("the preview", strings.TrimSuffix(told.URL, "/")+"/api/hello", "Hello from sandbox!")
		})
		t.Run("WebSocket server", func(t *testing.T) {
			w.box("socket").install(t, "ws")
			w.ask("/socket", &told)
			if told.Answer != "Echo: from the Worker" {
				t.Errorf("the Worker was answered %+v", told)
			}
			exchange(t, told.URL, "Hello!", "Echo: Hello!")
		})
		t.Run("static site", func(t *testing.T) {
			gitServer(t, w.box("static"))
			w.ask("/static", &told)
			if told.Message != "Site deployed" {
				t.Errorf("answered %+v", told)
			}
			shows("the preview", told.URL, "A static site")
		})
		t.Run("two services", func(t *testing.T) {
			b := w.box("multiple")
			b.install(t, "vite") // found by both folders, which are below
			b.write(t, append(frontendFiles("frontend/"), "backend/package.json", `{"private": true, "scripts": {"start": "node api.js"}}`, "backend/api.js", apiServer)...)
			w.ask("/multiple", &told)
			shows("the frontend", told.Frontend, "Vite in a sandbox")
			shows("the backend", told.Backend, `"port":3000`)
		})
	})
}

// TestSeedGuards runs the server that asks for a token, and those that listen on all
// addresses and on the loopback alone, which the guide warns of: here both are
// reached.
//
// Substitutions: express is installed beforehand; the lines after "Your routes..." that
// answer and listen; each of the two ways to listen is a program of its own.
func TestSeedGuards(t *testing.T) {
	needTools(t)
	bad, good, ok := strings.Cut(seed(t, "expose-refused.js"), "// Good")
	if !ok {
		t.Fatal("expose-refused.js has no second half")
	}
	const app = "const app = require('express')();\napp.get('/', (req, res) => { res.send('reached'); });\n"
	eachRuntime(t, func(t *testing.T, runtime string) {
		const start = `
    const server = await sandbox.startProcess("node server.js");
    await server.waitForPort(3000);
    const exposed = await sandbox.exposePort(3000);`
		s := settings{runtime: runtime, files: withNode(t, runtime)}
		w := newWorkers(t, s, map[string]string{
			"validate": framed(inSandbox("validate"), seed(t, "expose-validate.ts", "// Your routes...", "app.get('/', (req, res) => { res.send('let in'); });\napp.listen(3000);")+start, "Response.json(exposed)"),
			"local":    framed(inSandbox("local"), start, "Response.json(exposed)"),
			"all":      framed(inSandbox("all"), start, "Response.json(exposed)"),
		})
		var exposed abi.ExposedPort
		w.box("validate").install(t, "express")
		w.ask("/validate", &exposed)
		if body, err := fetch(exposed.URL, 401); err != nil || body != `{"error":"Unauthorized"}` {
			t.Errorf("without the header: %q, %v", body, err)
		}
		if body, err := fetchAuthorized(t, exposed.URL, "Bearer secret-token"); err != nil || body != "let in" {
			t.Errorf("with the header: %q, %v", body, err)
		}
		for name, listen := range map[string]string{"local": bad, "all": "// Good" + good} {
			w.box(name).install(t, "express")
			w.box(name).write(t, "server.js", app+listen)
			w.ask("/"+name, &exposed)
			if body, err := fetch(exposed.URL, 200); err != nil || body != "reached" {
				t.Errorf("listening on %s: %q, %v", name, body, err)
			}
		}
	})
}

func fetchAuthorized(t testing.TB, url, authorization string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", authorization)
	c := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialLocalhost}}
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// TestSeedTimers runs what the guide leaves running after the answer: a port that is
// closed after an hour, and a look at a server's health twice a minute. A reload drops
// both and says so.
//
// Substitutions: in the variants that are waited for the hour is 300 milliseconds and
// the half minute 100, and the look at the health says so first. /health is broken by
// the test.
func TestSeedTimers(t *testing.T) {
	eachRuntime(t, func(t *testing.T, runtime string) {
		s := settings{runtime: runtime, files: withNode(t, runtime)}
		w := newWorkers(t, s, map[string]string{
			"named":       framed(inSandbox("named"), seed(t, "expose-named.ts"), "Response.json(await sandbox.getExposedPorts())"),
			"limited":     framed(inSandbox("limited"), seed(t, "expose-limited.ts"), "Response.json(exposed)"),
			"soon":        framed(inSandbox("soon"), seed(t, "expose-limited.ts", "3600000", "300"), "Response.json(exposed)"),
			"health":      framed(inSandbox("health"), seed(t, "expose-health.ts"), "Response.json(exposed)"),
			"health-soon": framed(inSandbox("health"), seed(t, "expose-health.ts", "30000", "100", "setInterval(async () => {\n", "setInterval(async () => {\nconsole.log('looks again');\n"), "Response.json(exposed)"),
		})
		var named abi.ExposedPorts
		w.ask("/named", &named)
		if got := fmt.Sprint(names(named.Ports)); got != "[api-server vite-dev websocket]" {
			t.Errorf("exposed by name: %s", got)
		}

		var limited, soon abi.ExposedPort
		w.box("limited").serve(t, 8000)
		w.ask("/limited", &limited)
		w.box("soon").serve(t, 8000)
		w.ask("/soon", &soon)
		w.eventually("the port is closed by the timer", func() error {
			_, err := fetch(soon.URL, 404)
			return err
		})
		if _, err := fetch(limited.URL, 200); err != nil {
			t.Errorf("the port that is open for an hour: %v", err)
		}

		b := w.box("health")
		b.write(t, "server.js", healthServer, "/tmp/health", "200")
		b.must(t, "startProcess", &abi.StartProcessRequest{ProcessID: "server", Command: "node server.js"}, nil)
		b.listens(t, 3000, "server")
		w.ask("/health", nil)
		w.ask("/health-soon", nil)
		b.write(t, "/tmp/health", "503")
		w.said("Service unhealthy: 503")

		// The hour of the timer is far away: a reload drops it, and the port stays open.
		w.reload(t, "limited", "health-soon")
		w.eventually("each Worker's timer is dropped with a line", func() error {
			for _, name := range []string{"limited", "health-soon"} {
				n := 0
				for line := range strings.Lines(w.log.String()) {
					if strings.Contains(line, "timer") && strings.Contains(line, "ttl") && strings.Contains(line, "plugin="+name+" ") {
						n++
					}
				}
				if n != 1 {
					return fmt.Errorf("%d lines about %s", n, name)
				}
			}
			return nil
		})
		looks := strings.Count(w.log.String(), "looks again")
		if _, err := fetch(limited.URL, 200); err != nil {
			t.Errorf("after the reload: %v", err)
		}
		w.ask("/soon", &soon) // its timer takes as long as three looks
		w.eventually("the port is closed by the timer again", func() error {
			_, err := fetch(soon.URL, 404)
			return err
		})
		if more := strings.Count(w.log.String(), "looks again") - looks; looks == 0 || more != 0 {
			t.Errorf("the interval looked %d times, and %d times after it was dropped", looks, more)
		}
	})
}

func names(ports []abi.ExposedPort) (names []string) {
	for _, p := range ports {
		names = append(names, p.Name)
	}
	return names
}

// serve has Python serve the sandbox's files on a port.
func (b *box) serve(t testing.TB, port int) {
	t.Helper()
	b.must(t, "startProcess", &abi.StartProcessRequest{ProcessID: "files", Argv: []string{"python3", "-m", "http.server", fmt.Sprint(port)}}, nil)
	b.listens(t, port, "files")
}
