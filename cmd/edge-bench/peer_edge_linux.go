package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// sandboxPort is where the backend listens inside of the sandbox.
const sandboxPort = 9000

// edgeConfig is the edge that is measured: everything that it does not need to
// say is as by default. The sandbox's bounds are beyond what the backend takes.
const edgeConfig = `listen: %q
state: %q
admin: {listen: off}
sandboxes:
  Sandbox:
    runtime: process
    memory: 4GiB
    cpus: 64
    sleepAfter: never
    tools: [%q]
    start:
      - {processId: echo, argv: [edge-bench, echo, -listen, "127.0.0.1:%d", -core, "%d"], port: %[4]d}
plugins:
  route: {source: %[6]q}
routes:
  - {host: "*", path: "/*", plugin: route}
`

func versionEdge(ctx context.Context, s *site) (string, error) {
	if os.Geteuid() != 0 {
		return "", errors.New("the process runtime needs root")
	}
	if _, err := os.Stat(s.plugin); err != nil {
		return "", fmt.Errorf("the routing plugin is not built (make bench builds it): %w", err)
	}
	return programVersion(ctx, s.edge, "version")
}

// startEdge starts the shipped binary with a sandbox, in which the backend is
// this program.
func startEdge(ctx context.Context, s *site, dir string) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	tools, state := filepath.Join(dir, "tools"), filepath.Join(dir, "s")
	err = errors.Join(os.MkdirAll(tools, 0o755), os.MkdirAll(state, 0o700), os.MkdirAll(s.cache, 0o700), os.Chmod(dir, 0o755))
	if err == nil {
		err = errors.Join(os.Symlink(s.cache, filepath.Join(state, "cache")), copyProgram(s.self, filepath.Join(tools, "edge-bench")))
	}
	if err != nil {
		return nil, err
	}
	config, err := writeFile(dir, "edge.yaml", fmt.Sprintf(edgeConfig, addr, state, tools, sandboxPort, s.ownCore, s.plugin))
	if err != nil {
		return nil, err
	}
	srv, err := s.run(ctx, addr, dir, nameEdge, s.edge, "serve", "--config", config)
	if err != nil {
		return nil, errors.Join(err, cleanEdge(s.edge, config))
	}
	end := srv.end
	srv.end = func() error { return errors.Join(end(), cleanEdge(s.edge, config)) }
	srv.target.pids = srv.target.pids[:1] // its own process; the others are the sandbox
	socket := filepath.Join(state, "run", "admin.sock")
	srv.target.goroutines = func(ctx context.Context) *float64 { return gauge(ctx, socket, "go_goroutines") }
	return srv, nil
}

// cleanEdge destroys the sandboxes of an edge that does not run any more.
func cleanEdge(edge, config string) error {
	ctx, cancel := context.WithTimeout(context.Background(), endBound)
	defer cancel()
	if out, err := exec.CommandContext(ctx, edge, "clean", "--config", config).CombinedOutput(); err != nil {
		return fmt.Errorf("edge clean: %w\n%s", err, out)
	}
	return nil
}

func copyProgram(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o755)
}

// gauge reads one metric of the admin API; nil where there is none.
func gauge(ctx context.Context, socket, name string) *float64 {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://edge/metrics", nil)
	if err != nil {
		return nil
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	return findGauge(resp.Body, name)
}

// findGauge finds a metric without labels in the text format of Prometheus.
func findGauge(r io.Reader, name string) *float64 {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			if v, err := strconv.ParseFloat(value, 64); err == nil {
				return &v
			}
		}
	}
	return nil
}
