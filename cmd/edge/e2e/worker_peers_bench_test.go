package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edge/abi"
)

// peers are the edge and workerd with one Worker, and servers of one program behind
// them: in a sandbox, and beside it, since workerd does not reach into sandboxes.
type peers struct{ edge, workerd *edge }

// proxying is the Worker that both run, in the form of the seeds.
const proxying = `import { getSandbox, proxyToSandbox } from "@cloudflare/sandbox";

export { Sandbox } from "@cloudflare/sandbox";

export default {
  async fetch(request, env) {
    if (request.headers.get("Upgrade")?.toLowerCase() === "websocket") {
      const sandbox = getSandbox(env.Sandbox, "bench");
      return await sandbox.wsConnect(request, 8080);
    }
    return proxyToSandbox(request, env.Sandbox, "bench");
  },
};
`

// workerdConfig has workerd run the Worker. What it imports sends requests on to the
// server, which is the least that can stand there.
const workerdConfig = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .proxying),
    (name = "server", external = (address = %q, http = ())),
  ],
  sockets = [(name = "http", address = %q, http = (), service = "main")],
);
const proxying :Workerd.Worker = (
  modules = [
    (name = "worker.js", esModule = embed "worker.js"),
    (name = "@cloudflare/sandbox", esModule = embed "sandbox.js"),
  ],
  compatibilityDate = "2025-06-01",
  bindings = [(name = "Sandbox", service = "server")],
);
`

const workerdSandbox = `export class Sandbox {}
export const getSandbox = (server) => ({ wsConnect: (request) => server.fetch(request) });
export const proxyToSandbox = (request, server) => server.fetch(request);
`

// startWorkerd runs workerd in front of a server.
func startWorkerd(b *testing.B, server string) *edge {
	program := filepath.Join(root, "bin", "peers", "workerd")
	if _, err := os.Stat(program); err != nil {
		if err := makeTargets("bin/peers/workerd"); err != nil {
			b.Fatal(err)
		}
	}
	dir, w := b.TempDir(), &edge{t: b, addr: freeAddr(b), log: &logBuffer{}}
	for name, content := range map[string]string{"worker.js": proxying, "sandbox.js": workerdSandbox, "config.capnp": fmt.Sprintf(workerdConfig, server, w.addr)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	w.cmd = exec.Command(program, "serve", filepath.Join(dir, "config.capnp"))
	w.run(b)
	return w
}

// run starts a program that listens at the address, and ends it with the benchmark.
func (e *edge) run(b *testing.B) {
	e.cmd.Stdout, e.cmd.Stderr = e.log, e.log
	if err := e.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	e.exited = make(chan struct{})
	go wait(e.cmd, e.exited)
	b.Cleanup(func() {
		_ = e.cmd.Process.Kill() // it may have ended
		<-e.exited
	})
	eventually(b, "it listens", func() error {
		c, err := net.Dial("tcp", e.addr)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, e.log)
		}
		return c.Close()
	})
}

// newPeers starts both in front of the guest program's server of that kind. The edge
// writes no line for each request, as workerd writes none.
func newPeers(b *testing.B, kind string) peers {
	guest := guestProgram(b)
	s := settings{
		runtime: "process", files: fmt.Sprintf("tools: [%q]", guest), routes: [][2]string{{"/*", "proxying"}}, env: []string{"EDGE_LOG_LEVEL=warn"},
		binding: fmt.Sprintf(`start: [{processId: server, argv: [guest, %s, "8080"], port: 8080}]`, kind),
	}
	w := newWorkers(b, s, map[string]string{"proxying": proxying})
	w.box("bench").must(b, "exposePort", &abi.ExposePortRequest{Port: 8080}, nil)
	server := &edge{t: b, addr: freeAddr(b), log: &logBuffer{}}
	_, port, err := net.SplitHostPort(server.addr)
	if err != nil {
		b.Fatal(err)
	}
	server.cmd = exec.Command(filepath.Join(guest, "guest"), kind, port)
	server.run(b)
	return peers{edge: w.edge, workerd: startWorkerd(b, server.addr)}
}

// computed is the processor time of a process so far.
func computed(b *testing.B, pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var ticks int64
	for _, field := range fields[11:13] { // utime and stime (proc(5)), in hundredths of a second
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// side is one of two that take turns.
type side struct {
	pid   int
	addr  string
	rates []float64
	cpu   time.Duration
	n     int
}

// turn measures n pieces of work.
func (s *side) turn(b *testing.B, n int, work func(addr string, n int)) {
	before, began := computed(b, s.pid), time.Now()
	work(s.addr, n)
	s.rates = append(s.rates, float64(n)/time.Since(began).Seconds())
	s.cpu += computed(b, s.pid) - before
	s.n += n
}

func (s *side) cost() time.Duration { return s.cpu / time.Duration(s.n) }

// compare has the edge and workerd take turns, and prints their rates, the ratio and
// what each took of the processor.
func compare(b *testing.B, p peers, what string, rounds, n int, goal float64, work func(addr string, n int)) {
	const warm = 3
	ours, theirs := &side{pid: p.edge.cmd.Process.Pid, addr: p.edge.addr}, &side{pid: p.workerd.cmd.Process.Pid, addr: p.workerd.addr}
	for i := range warm + rounds {
		if i == warm { // connections, pools and compiled code are there
			*ours, *theirs = side{pid: ours.pid, addr: ours.addr}, side{pid: theirs.pid, addr: theirs.addr}
		}
		ours.turn(b, n, work)
		theirs.turn(b, n, work)
	}
	ratios := make([]float64, rounds)
	for i := range ratios {
		ratios[i] = ours.rates[i] / theirs.rates[i]
	}
	figure(b, what+"/s", fmt.Sprintf("%.0f", median(ours.rates)), fmt.Sprintf("workerd %.0f", median(theirs.rates)), ratioAtLeast(median(ratios), 1, goal))
	figure(b, what+", of the processor", short(ours.cost()), "workerd "+short(theirs.cost()), fmt.Sprintf("%.2fx for each second of it", float64(theirs.cost())/float64(ours.cost())))
}

// BenchmarkWorkersHTTP compares requests that a Worker sends on with workerd's.
func BenchmarkWorkersHTTP(b *testing.B) {
	const rounds, requests, clients = 30, 1600, 16
	p, client := newPeers(b, "web"), startClients(b)
	compare(b, p, "HTTP requests", rounds, requests, 2, func(addr string, n int) { client.ask(addr, "localhost", clients, n) })
}

// BenchmarkWorkersHandshake compares WebSockets that a Worker connects with workerd's:
// each is opened and closed.
func BenchmarkWorkersHandshake(b *testing.B) {
	const rounds, handshakes = 30, 320
	p := newPeers(b, "upgrade")
	compare(b, p, "handshakes", rounds, handshakes, 2.5, func(addr string, n int) {
		var turn atomic.Int64
		var wg sync.WaitGroup
		for range clientsAtOnce {
			wg.Go(func() {
				for turn.Add(1) <= int64(n) {
					if err := openAndClose(addr); err != nil {
						b.Errorf("%s: %v", addr, err)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

func openAndClose(addr string) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	const head = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	if _, err := io.WriteString(c, head); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReaderSize(c, 512), nil)
	if err == nil && resp.StatusCode != 101 {
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	return err
}
