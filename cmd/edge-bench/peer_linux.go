package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// site is what all servers of a run share.
type site struct {
	dir     string // temporary; each server gets a folder below it
	self    string // this program's file, which is also the backend
	edge    string // the edge's binary
	plugin  string // the module that routes
	workerd string
	cache   string // compiled modules, kept between runs
	// proxyCore is where proxies run, ownCore where the load and the backend do.
	proxyCore, ownCore int
	// backend is the one outside of any sandbox.
	backend netip.AddrPort
}

// peer is a server that can be measured.
type peer struct {
	name  string
	about string // how it is set up
	// version tells which one is installed; its error, why none is.
	version func(context.Context, *site) (string, error)
	start   func(ctx context.Context, s *site, dir string) (*server, error)
}

// server is a peer that runs.
type server struct {
	target target
	// said is the end of what it printed; nil prints nothing.
	said func() []byte
	// end ends it and removes what it left; nil has nothing to end.
	end func() error
}

func (s *server) close() error {
	if s.end == nil {
		return nil
	}
	return s.end()
}

// peers are all that can be measured, in the order of the tables.
func peers() []peer {
	return []peer{
		{nameDirect, "the load straight to the backend, without a proxy", versionNone, startDirect},
		{nameEdge, "`edge serve` as shipped: gate, policy, access log and metrics as by default; a Go plugin decides each request; the backend is in a sandbox of the `process` runtime", versionEdge, startEdge},
		{nameNginx, "1 worker, `proxy_buffer_size 64k`, connections to the backend kept, access log as by default", versionNginx, startNginx},
		{nameHAProxy, "`nbthread 1`, `http-reuse always`, `option httplog`", versionHAProxy, startHAProxy},
		{nameWorkerd, "a Worker that forwards each request with `fetch`; it logs none", versionWorkerd, startWorkerd},
		{nameGo, "Go's `httputil.ReverseProxy`; it logs none", versionGo, startGo},
	}
}

func versionNone(context.Context, *site) (string, error) { return "-", nil }

func startDirect(_ context.Context, s *site, _ string) (*server, error) {
	return &server{target: s.target(s.backend, nil)}, nil
}

func (s *site) target(addr netip.AddrPort, pids []int) target {
	return target{addr: addr, pids: pids, core: s.proxyCore, own: s.ownCore}
}

// startBackend runs the echo backend on this machine's loopback.
func (s *site) startBackend(ctx context.Context) (*process, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	p, err := startProcess(s.ownCore, s.dir, "backend", s.self, "echo", "-listen", addr.String(), "-core", fmt.Sprint(s.ownCore))
	if err != nil {
		return nil, err
	}
	if err := p.ready(ctx, func() error { return answers(ctx, addr) }); err != nil {
		p.end()
		return nil, fmt.Errorf("backend: %w", err)
	}
	s.backend = addr
	return p, nil
}

// run starts a proxy that listens on addr and waits until the backend answers
// through it.
func (s *site) run(ctx context.Context, addr netip.AddrPort, dir, name string, argv ...string) (*server, error) {
	p, err := startProcess(s.proxyCore, dir, name, argv...)
	if err != nil {
		return nil, err
	}
	end := func() error { p.end(); return nil }
	if err := p.ready(ctx, func() error { return answers(ctx, addr) }); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), end())
	}
	return &server{target: s.target(addr, processTree(p.pid())), said: p.said, end: end}, nil
}

// answers asks the backend, through a proxy or not, for its small answer.
func answers(ctx context.Context, addr netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr.String()+pathSmall, nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || len(body) != smallBody {
		return fmt.Errorf("status %d: %.500s", resp.StatusCode, body)
	}
	return nil
}

// freeAddr is one of the loopback that nobody listens on. It is of a host address of its
// own: whoever asks for any port of 127.0.0.1 meanwhile cannot be given the same.
func freeAddr() (netip.AddrPort, error) {
	host := netip.AddrFrom4([4]byte{127, byte(1 + rand.IntN(254)), byte(rand.IntN(256)), byte(1 + rand.IntN(254))})
	ln, err := net.Listen("tcp4", netip.AddrPortFrom(host, 0).String())
	if err != nil {
		return netip.AddrPort{}, err
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).AddrPort(), nil
}

// programVersion is the first line that a program prints of itself.
func programVersion(ctx context.Context, argv ...string) (string, error) {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return "", errors.New("not installed (make bench-peers installs it)")
	}
	out, err := exec.CommandContext(ctx, path, argv[1:]...).CombinedOutput()
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", argv[0], err, line)
	}
	return strings.Join(strings.Fields(line), " "), nil
}

// writeFile writes one of a peer's files and returns its path.
func writeFile(dir, name, content string) (string, error) {
	path := filepath.Join(dir, name)
	return path, os.WriteFile(path, []byte(content), 0o644)
}
