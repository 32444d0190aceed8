package e2e

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"edge/abi"
)

// TestSandboxReachesNobody has the code of a sandbox try to connect to another one,
// to the edge, to what listens on its computer, and to the address where clouds tell
// secrets; and to read the files of all of these. Nothing answers, and nobody is
// connected to. Its own ports and its own preview work meanwhile, which shows that the
// tries are good ones.
func TestSandboxReachesNobody(t *testing.T) {
	eachRuntime(t, func(t *testing.T, runtime string) {
		e := newEdge(t, examples(runtime))
		victim, thief := &box{e: e, id: "victim"}, &box{e: e, id: "thief"}
		for _, b := range []*box{victim, thief} {
			b.listen(t, 8080)
		}
		var reached atomic.Int64
		targets := append(hostListeners(t, &reached), "tcp 127.0.0.1 8081", "tcp ::1 8081", "tcp 169.254.169.254 80", "tcp 169.254.170.2 80", "tcp fd00:ec2::254 80", "tcp 100.100.100.200 80")
		host, port, err := net.SplitHostPort(e.addr)
		if err != nil {
			t.Fatal(err)
		}
		targets = append(targets, "tcp "+host+" "+port, "tcp localhost "+port)
		for _, addr := range victim.addresses(t) {
			targets = append(targets, "tcp "+addr+" 8080")
		}
		for _, addr := range hostAddresses(t) {
			for _, p := range []string{port, "22", "2375", "2376", "53"} {
				targets = append(targets, "tcp "+addr+" "+p)
			}
		}
		targets = append(targets,
			"unix "+filepath.Join(e.state, "admin.sock"), "unix /var/run/docker.sock", "unix /run/docker.sock", "unix /run/containerd/containerd.sock",
			"read "+filepath.Join(e.state, "state.db"), "read "+e.config, "list "+e.state, "list "+filepath.Join(e.state, "run"),
			"read /proc/1/environ", fmt.Sprintf("read /proc/%d/environ", os.Getpid()), fmt.Sprintf("list /proc/%d/root", e.cmd.Process.Pid))
		got := thief.try(t, append(targets, "own 127.0.0.1 8080", "list /.edge/run"))
		for i, target := range targets {
			if !strings.HasPrefix(got[i], "refused") {
				t.Errorf("%s: %s", target, got[i])
			}
		}
		if own := got[len(targets)]; own != "open" {
			t.Errorf("its own port: %s; the tries show nothing", own)
		}
		if run := got[len(targets)+1]; run != "holds s" {
			t.Errorf("the folder of the init's socket %s", run)
		}
		if n := reached.Load(); n > 0 {
			t.Errorf("listeners of the host were connected to %d times", n)
		}
	})
}

// listen has a server of the sandbox listen on all its addresses.
func (b *box) listen(t *testing.T, port int) {
	t.Helper()
	script := fmt.Sprintf(`Bun.serve({ port: %d, hostname: "0.0.0.0", fetch: () => new Response("here") })`, port)
	start := b.call("startProcess", &abi.StartProcessRequest{ProcessID: "server", Argv: []string{"bun", "-e", script}}, nil)
	if err := errors.Join(start, b.call("waitForPort", &abi.WaitForPortRequest{Port: port, ProcessID: "server"}, nil)); err != nil {
		t.Fatal(err)
	}
}

// addresses are those that the sandbox has, but for the loopback.
func (b *box) addresses(t *testing.T) (list []string) {
	t.Helper()
	var out abi.ExecResponse
	err := b.call("exec", abi.ExecRequest{Argv: []string{"bun", "-e", `
for (const a of Object.values(require("os").networkInterfaces()).flat()) if (!a.internal) console.log(a.address)`}}, &out)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(out.Stdout)
}

// tries is a program that tries each line that it is given, and says what came of it.
const tries = `
const net = require("net"), fs = require("fs");
const connect = (to, within = 2000) => new Promise((done) => {
	const s = net.connect(to);
	const end = (what) => { s.destroy(); done(what); };
	s.setTimeout(within, () => end("refused: no answer"));
	s.on("connect", () => end("open"));
	s.on("error", (e) => end("refused: " + e.code));
});
const look = (what) => { try { return "holds " + what(); } catch (e) { return "refused: " + e.code; } };
const kinds = {
	tcp: (host, port) => connect({ host, port: +port }),
	own: (host, port) => connect({ host, port: +port }, 180_000),
	unix: (path) => connect({ path }),
	abstract: (name) => connect({ path: "\0" + name }),
	read: (path) => look(() => fs.readFileSync(path).length + " bytes"),
	list: (path) => look(() => fs.readdirSync(path).join(" ")),
};
const lines = (await Bun.stdin.text()).trim().split("\n").map((l) => l.split(" "));
for (const what of await Promise.all(lines.map(([kind, ...rest]) => kinds[kind](...rest)))) console.log(what);`

// try returns what came of each target.
func (b *box) try(t *testing.T, targets []string) []string {
	t.Helper()
	var out abi.ExecResponse
	if err := b.call("exec", abi.ExecRequest{Argv: []string{"bun", "-e", tries}, Stdin: strings.Join(targets, "\n")}, &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.Stdout), "\n")
	if len(lines) != len(targets) {
		t.Fatalf("%d lines for %d targets: %s %s", len(lines), len(targets), out.Stdout, out.Stderr)
	}
	return lines
}

// hostListeners listen in all the ways that this computer has, and count who connects.
func hostListeners(t *testing.T, reached *atomic.Int64) (targets []string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	abstract := fmt.Sprintf("edge-isolation-%d", os.Getpid())
	for _, l := range [][2]string{{"tcp4", "127.0.0.1:0"}, {"tcp4", "0.0.0.0:0"}, {"unix", filepath.Join(dir, "s")}, {"unix", "@" + abstract}} {
		ln, err := net.Listen(l[0], l[1])
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan struct{})
		s := &http.Server{ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				reached.Add(1)
			}
		}}
		go func() {
			_ = s.Serve(ln) // until it is closed
			close(served)
		}()
		t.Cleanup(func() {
			s.Close()
			<-served
		})
		switch {
		case l[1][0] == '@':
			targets = append(targets, "abstract "+abstract)
		case l[0] == "unix":
			targets = append(targets, "unix "+l[1])
		default:
			_, port, _ := net.SplitHostPort(ln.Addr().String())
			for _, addr := range append(hostAddresses(t), "127.0.0.1", "localhost", "host.docker.internal") {
				targets = append(targets, "tcp "+addr+" "+port)
			}
		}
	}
	return targets
}

// hostAddresses are those of this computer, but for the loopback.
func hostAddresses(t *testing.T) (list []string) {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && !ip.IP.IsLoopback() && !ip.IP.IsLinkLocalUnicast() {
			list = append(list, ip.IP.String())
		}
	}
	return list
}
