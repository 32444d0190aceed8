package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"edge/abi"
	"edge/bridge"
	"edge/bridge/socket"
	"edge/host"
	"edge/sandboxmgr"
)

// BenchmarkPreview compares requests to a preview with requests that the bridge's
// relay carries to the same server: in the same edge, where a route's decision sends
// them there as they are, and alone, with no gate before it, nothing changed and
// nothing logged. All take turns in one run, with one client process for all.
func BenchmarkPreview(b *testing.B) {
	const rounds, requests, clients, goal = 60, 1600, 16, 0.9
	l := newLab(b, func(r labRuntimes) map[string]sandboxmgr.Binding {
		return map[string]sandboxmgr.Binding{"Sandbox": r.process}
	})
	box := l.started("Sandbox")
	if _, err := box.StartProcess(b.Context(), &abi.StartProcessRequest{ProcessID: "web", Argv: []string{"guest", "web", fmt.Sprint(guestPort)}}); err != nil {
		b.Fatal(err)
	}
	if _, err := box.WaitForPort(b.Context(), &abi.WaitForPortRequest{Port: guestPort, ProcessID: "web"}); err != nil {
		b.Fatal(err)
	}
	exposed, err := box.ExposePort(b.Context(), &abi.ExposePortRequest{Port: guestPort})
	if err != nil {
		b.Fatal(err)
	}
	client := startClients(b)
	edge := serveLab(b, l, box)
	preview := &relayed{addr: edge, host: strings.TrimSuffix(strings.TrimPrefix(exposed.URL, "http://"), "/")}
	routed := &relayed{addr: edge, host: "routed.example"}
	alone := &relayed{addr: servePlain(b, box), host: "alone.example"}
	for i := range warmRounds + rounds {
		if i == warmRounds { // connections, pools and caches are there
			*preview, *routed, *alone = preview.anew(), routed.anew(), alone.anew()
		}
		for _, way := range []*relayed{preview, routed, alone} {
			way.ask(client, clients, requests)
		}
	}
	figure(b, "the relay alone", alone.tell(requests))
	figure(b, "the edge, by a route", routed.tell(requests))
	figure(b, "the edge, by a preview's URL", preview.tell(requests))
	figure(b, "a preview's requests/s beside a route's", ratioAtLeast(median(preview.beside(routed)), 1, goal))
	figure(b, "a preview's requests/s beside the relay's alone", ratioAtLeast(median(preview.beside(alone)), 1, goal))
}

const warmRounds = 5

// BenchmarkPreviewRefused compares how long a refusal takes where there is an
// exposure that the token does not open, and where there is none: whoever can tell
// them apart learns which sandboxes there are. They take turns, and so does the
// unknown one with itself, which tells how far ratios of equals are from 1 here.
func BenchmarkPreviewRefused(b *testing.B) {
	const rounds = 4000
	l := newLab(b, func(r labRuntimes) map[string]sandboxmgr.Binding {
		return map[string]sandboxmgr.Binding{"Sandbox": r.process}
	})
	box := l.started("Sandbox")
	if _, err := box.ExposePort(b.Context(), &abi.ExposePortRequest{Port: guestPort, TokenIn: abi.TokenInRequest}); err != nil {
		b.Fatal(err)
	}
	c, err := net.Dial("tcp", serveLab(b, l, box))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	refused := func(label string) {
		fmt.Fprintf(c, "GET /?edge_token=0123456789abcdef HTTP/1.1\r\nHost: %s.localhost\r\nX-Edge-Token: 0123456789abcdef\r\nCookie: edge-preview=1.x\r\n\r\n", label)
		resp, err := http.ReadResponse(r, nil)
		if err != nil || resp.StatusCode != 404 {
			b.Fatalf("%s: %+v, %v", label, resp, err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			b.Fatal(err)
		}
	}
	id := box.Ref().ID
	known, unknown := fmt.Sprintf("%d-%s", guestPort, id), fmt.Sprintf("%d-%sx", guestPort, id[:len(id)-1])
	var there, nowhere, again times
	for i := range rounds {
		if i == rounds/10 {
			there, nowhere, again = nil, nil, nil
		}
		there.took(func() { refused(known) })
		nowhere.took(func() { refused(unknown) })
		again.took(func() { refused(unknown) })
	}
	figure(b, "a refusal where there is an exposure", there.String())
	figure(b, "a refusal where there is none", nowhere.String())
	figure(b, "the first beside the second", fmt.Sprintf("%.3fx, and the second beside itself %.3fx",
		float64(there.p50())/float64(nowhere.p50()), float64(again.p50())/float64(nowhere.p50())))
}

// beside are the rates by those of another way, round by round.
func (r *relayed) beside(other *relayed) []float64 {
	ratios := make([]float64, len(r.rates))
	for i := range ratios {
		ratios[i] = r.rates[i] / other.rates[i]
	}
	return ratios
}

func (r *relayed) anew() relayed { return relayed{addr: r.addr, host: r.host} }

// relayed is one way to a server.
type relayed struct {
	addr, host string
	rates      []float64 // requests a second, of each round
	cpu        time.Duration
}

func (r *relayed) ask(c *loadClient, wide, n int) {
	before := processorTime(c.b)
	took := c.ask(r.addr, r.host, wide, n)
	r.cpu += processorTime(c.b) - before
	r.rates = append(r.rates, float64(n)/took.Seconds())
}

// tell says what came of rounds of n requests.
func (r *relayed) tell(n int) string {
	return fmt.Sprintf("%.0f/s, %.1f us of this process each", median(r.rates), float64(r.cpu.Microseconds())/float64(len(r.rates)*n))
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func processorTime(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// listenHere listens as the edge does.
func listenHere(b *testing.B) net.Listener {
	ln, err := (&socket.ListenConfig{DeadPeer: time.Minute}).Listen(b.Context(), "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	return ln
}

// toServer decides that every request goes to the sandbox's server.
type toServer struct{ abi.Proxy }

func (d *toServer) Decide(context.Context, *abi.Request) (abi.Decision, error) { return &d.Proxy, nil }

// serveLab serves the lab's previews, and everything else by a route to a sandbox,
// as the edge does, its log too.
func serveLab(b *testing.B, l *lab, box *sandboxmgr.Sandbox) (addr string) {
	ln := listenHere(b)
	log := host.NewAccessLog(io.Discard, false)
	s := &host.Server{Sandboxes: l.Manager, Relay: &bridge.Relay{}, AccessLog: log}
	d := &toServer{abi.Proxy{Sandbox: box.Ref(), Port: guestPort}}
	if err := s.SetRoutes([]host.Route{{Chain: []host.Plugin{{Name: "native", Decider: d}}}}); err != nil {
		b.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	b.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			b.Error(err)
		}
		if err := <-served; err != nil {
			b.Error(err)
		}
		log.Close()
	})
	return ln.Addr().String()
}

// servePlain has every request carried to the sandbox's server, as it is.
func servePlain(b *testing.B, box *sandboxmgr.Sandbox) (addr string) {
	ln := listenHere(b)
	relay := &bridge.Relay{}
	up := bridge.Upstream{Key: "plain", Dial: func(ctx context.Context) (net.Conn, error) {
		c, _, err := box.Dial(ctx, guestPort)
		return c, err
	}}
	s := &fasthttp.Server{Handler: func(rc *fasthttp.RequestCtx) {
		head := &bridge.Head{Method: string(rc.Method()), Target: string(rc.Request.Header.RequestURI())}
		for line := range strings.SplitSeq(string(rc.Request.Header.RawHeaders()), "\r\n") {
			if name, value, ok := strings.Cut(line, ": "); ok {
				head.Headers = append(head.Headers, bridge.Header{Name: name, Value: value})
			}
		}
		if err := relay.HTTP(context.Background(), rc, head, up, bridge.Owner{}, bridge.Policy{}, nil); err != nil {
			rc.SetStatusCode(502)
		}
	}}
	bridge.Configure(s)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	b.Cleanup(func() {
		if err := s.Shutdown(); err != nil {
			b.Error(err)
		}
		if err := <-served; err != nil {
			b.Error(err)
		}
		if err := relay.Shutdown(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return ln.Addr().String()
}

// loadClient is the guest's load, in a process of its own.
type loadClient struct {
	b   *testing.B
	in  io.Writer
	out *bufio.Reader
}

func startClients(b *testing.B) *loadClient {
	cmd := exec.Command(filepath.Join(guestProgram(b), "guest"), "load")
	cmd.Env, cmd.Stderr = append(os.Environ(), "GOMAXPROCS=1"), os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	return &loadClient{b, in, bufio.NewReader(out)}
}

// ask makes n requests and tells how long they took together.
func (c *loadClient) ask(addr, host string, wide, n int) time.Duration {
	c.b.Helper()
	fmt.Fprintln(c.in, addr, host, wide, n)
	line, err := c.out.ReadString('\n')
	if err != nil {
		c.b.Fatal("client: ", err)
	}
	took, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	if err != nil {
		c.b.Fatal("client: ", err)
	}
	return time.Duration(took)
}
