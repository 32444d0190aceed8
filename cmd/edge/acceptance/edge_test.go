package acceptance

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"edge/cmd/edge/testport"
)

// domain is what the previews are under. It is nobody's (RFC 6761, section 6.2), and
// not localhost, for which browsers and tools make exceptions.
const domain = "preview.test"

// schemes are what previews are reached over, each by an edge of its own.
var schemes = []string{"http", "https"}

// bindings are those of every edge, by runtime.
func bindings() map[string]string {
	return map[string]string{
		"process": fmt.Sprintf("{runtime: process, tools: [%q, %q]}", filepath.Join(root, "bin", "node"), filepath.Join(root, "bin", "tools")),
		"docker":  "{runtime: docker, image: edge-sandbox}",
		"jupyter": "{runtime: docker, image: edge-jupyter}",
	}
}

// edge is one running edge.
type edge struct {
	scheme string
	binary string
	// addr is where it listens: a loopback address, whose port is held until the end.
	addr string
	held *testport.Port
	// dir has everything of it: edge.yaml and the state, s.
	dir string
	// roots vouch for it; nil over http.
	roots  *x509.CertPool
	log    *transcript
	cmd    *exec.Cmd
	exited chan struct{}
}

// startEdge runs an edge whose files are in dir, and waits until it serves.
func startEdge(binary, scheme, dir string) (*edge, error) {
	port, err := testport.Hold()
	if err != nil {
		return nil, err
	}
	e := &edge{scheme: scheme, binary: binary, addr: port.Addr(), held: port, dir: dir, log: &transcript{}, exited: make(chan struct{})}
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(e.config(), e.yaml(), 0o600)); err != nil {
		return nil, errors.Join(err, port.Release())
	}
	e.cmd = exec.Command(binary, "serve", "--config", e.config())
	e.cmd.Stdout, e.cmd.Stderr = e.log, e.log
	if err := e.cmd.Start(); err != nil {
		return nil, errors.Join(err, port.Release())
	}
	go e.wait()
	if err := errors.Join(e.ready(), e.readRoot()); err != nil {
		return nil, errors.Join(err, e.end())
	}
	return e, nil
}

// readRoot has the client of the previews trust the edge's own authority.
func (e *edge) readRoot() error {
	if e.scheme != "https" {
		return nil
	}
	e.roots = x509.NewCertPool()
	pem, err := os.ReadFile(e.rootFile())
	if err == nil && !e.roots.AppendCertsFromPEM(pem) {
		err = fmt.Errorf("%s holds no certificate", e.rootFile())
	}
	return err
}

// rootFile has the certificate of the edge's own authority.
func (e *edge) rootFile() string { return filepath.Join(e.dir, "s", "tls", "root.pem") }

func (e *edge) config() string { return filepath.Join(e.dir, "edge.yaml") }

func (e *edge) yaml() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "listen: %q\ndomain: %s\nstate: %q\nadmin: {listen: off}\n", e.addr, domain, filepath.Join(e.dir, "s"))
	if e.scheme == "https" {
		b.WriteString("tls: internal\n")
	}
	b.WriteString("sandboxes:\n")
	for runtime, binding := range bindings() {
		if runtime != "process" && findDocker() != nil {
			continue
		}
		fmt.Fprintf(&b, "  %s: %s\n", runtime, binding)
	}
	return b.Bytes()
}

func (e *edge) wait() {
	_ = e.cmd.Wait() // its exit code is read from ProcessState
	close(e.exited)
}

// ready waits until the edge serves.
func (e *edge) ready() error {
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case <-e.exited:
			return fmt.Errorf("edge ended at start:\n%s", e.log)
		default:
		}
		var resp *http.Response
		if resp, err = e.admin().Get("http://edge/healthz"); err == nil {
			return resp.Body.Close()
		}
	}
	return fmt.Errorf("edge does not serve after %v: %w\n%s", patience, err, e.log)
}

// end stops the edge and destroys what it left running, as a user would.
func (e *edge) end() error {
	_ = e.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	var err error
	select {
	case <-e.exited:
	case <-time.After(patience):
		_ = e.cmd.Process.Kill()
		<-e.exited
		err = fmt.Errorf("edge did not drain within %v:\n%s", patience, e.log)
	}
	if s := e.log.since(0); strings.Contains(s, "DATA RACE") {
		err = errors.Join(err, fmt.Errorf("data race in the edge:\n%s", s))
	}
	return errors.Join(err, said(exec.Command(e.binary, "clean", "--config", e.config())), e.held.Release())
}

// port is the one that it listens on.
func (e *edge) port() int {
	return int(netip.MustParseAddrPort(e.addr).Port())
}

// admin returns a client of the admin API; the host in its URLs does not matter.
func (e *edge) admin() *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(e.dir, "s", "run", "admin.sock"))
	}
	return &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial}}
}

// client returns a client of the previews. It has no timeout: it carries bodies of
// any size.
func (e *edge) client() *http.Client {
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, e.addr)
	}
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true, DialContext: dial, TLSClientConfig: &tls.Config{RootCAs: e.roots}}}
}

// transcript keeps what a process printed.
type transcript struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *transcript) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *transcript) String() string { return l.since(0) }

// size is how much there is by now.
func (l *transcript) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Len()
}

// since returns what was printed after the first n bytes.
func (l *transcript) since(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.b.Bytes()[n:])
}
