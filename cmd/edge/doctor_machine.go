package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"edge/cmd/edge/remote"
	"edge/sandboxmgr"
)

// Bounds of descriptors: each connection that is carried takes two.
const (
	fewDescriptors  = 1024
	goodDescriptors = 16384
)

// maxSocketPath is the longest path of a Unix socket on Linux, less its NUL.
const maxSocketPath = 107

// machine checks what every edge needs of the machine.
func (x *examination) machine(s Settings, c *Config) {
	x.stateFolder(s.State)
	x.socketPath(s)
	x.descriptors(c)
}

// stateFolder checks that the state folder can be made or used.
func (x *examination) stateFolder(dir string) {
	const name = "state folder"
	st, err := os.Stat(dir)
	switch {
	case err == nil && !st.IsDir():
		x.found(levelBad, name, "name another one with --state, EDGE_STATE or the key state", "%s is a file", dir)
	case err == nil && !writable(dir):
		x.found(levelBad, name, "chown "+userName()+" "+dir+", or name another one with --state, EDGE_STATE or the key state",
			"%s cannot be written to by this user", dir)
	case err == nil && st.Mode().Perm()&0o077 != 0:
		x.found(levelNote, name, "chmod 700 "+dir, "%s can be looked into by other users (mode %04o); the edge changes that when it starts", dir, st.Mode().Perm())
	case err == nil:
		x.found(levelOK, name, "", "%s", dir)
	case errors.Is(err, os.ErrNotExist):
		x.futureFolder(dir)
	default:
		x.found(levelBad, name, "", "%v", err)
	}
}

// futureFolder checks that a folder could be made.
func (x *examination) futureFolder(dir string) {
	above := filepath.Dir(dir)
	for above != filepath.Dir(above) {
		if _, err := os.Stat(above); err == nil {
			break
		}
		above = filepath.Dir(above)
	}
	if !writable(above) {
		x.found(levelBad, "state folder", "name another one with --state, EDGE_STATE or the key state", "%s cannot be made: this user cannot write to %s", dir, above)
		return
	}
	x.found(levelOK, "state folder", "", "%s (will be made)", dir)
}

// writable asks the kernel (access(2), W_OK and X_OK).
func writable(dir string) bool { return syscall.Access(dir, 0x2|0x1) == nil }

func userName() string { return fmt.Sprintf("%d", os.Geteuid()) }

// socketPath checks that the sockets of inits and of the admin API can be made.
func (x *examination) socketPath(s Settings) {
	longest := filepath.Join(s.State, "run", strings.Repeat("f", 16), "s")
	if s.Admin.Socket != "" && len(s.Admin.Socket) > len(longest) {
		longest = s.Admin.Socket
	}
	if n := len(longest); n > maxSocketPath {
		x.found(levelBad, "socket paths", "name a shorter folder with --state, EDGE_STATE or the key state",
			"sockets in %s would have paths of %d bytes, and Linux allows %d", s.State, n, maxSocketPath)
		return
	}
	x.found(levelOK, "socket paths", "", "at most %d of %d bytes", len(longest), maxSocketPath)
}

// descriptors checks how many files the edge may have open, and what that is
// enough for.
func (x *examination) descriptors(c *Config) {
	const name = "descriptors"
	b := budgetDescriptors(c.Sandboxes)
	enough := max(65536, b.own+b.sandboxes+maxOwnShare+perConnection*c.Limits.Connections)
	mend := fmt.Sprintf("ulimit -n %[1]d, or LimitNOFILE=%[1]d in the service's unit", enough)
	told := c.Limits.describe(b)
	switch {
	case b.limit == 0:
		x.found(levelNote, name, "", "%s", told)
	case b.limit < fewDescriptors:
		x.found(levelBad, name, mend, "%s", told)
	case b.limit < goodDescriptors, c.Limits.Connections > b.connections():
		x.found(levelNote, name, mend, "%s", told)
	default:
		x.found(levelOK, name, "", "%s", told)
	}
}

// places checks where the edge listens, and tells whether one does already.
func (x *examination) places(ctx context.Context, s Settings) (running bool) {
	if s.Admin.Socket == "" {
		x.found(levelNote, "admin API", "remove admin: off from the configuration", "it is off: edge ps and the other verbs do not work")
	} else {
		running = x.adminAPI(ctx, s)
	}
	x.port("listen", s.Listen, "--listen, EDGE_LISTEN or the key listen", running, levelBad)
	if s.Admin.Listen != "" {
		level := levelBad
		if s.Admin.Listen == defaultAdminListen {
			level = levelNote // the edge does without it
		}
		x.port("admin listen", s.Admin.Listen, "--admin-listen, EDGE_ADMIN_LISTEN or the key admin", running, level)
	}
	return running
}

// adminAPI tells whether an edge runs with these settings and answers.
func (x *examination) adminAPI(ctx context.Context, s Settings) (running bool) {
	const name = "admin API"
	client, err := remote.Dial(ctx, []remote.Address{{Socket: s.Admin.Socket, From: "state folder"}})
	var none *remote.NotRunning
	switch {
	case errors.As(err, &none):
		x.found(levelOK, name, "", "no edge runs with this state folder")
		return false
	case err != nil:
		x.found(levelBad, name, "", "%v", err)
		return false
	}
	defer client.Close()
	version, err := client.Version(ctx)
	if err != nil {
		x.found(levelBad, name, "restart the edge, or ask as its own user or root", "an edge listens on %s, but: %v", s.Admin.Socket, err)
		return true
	}
	x.found(levelOK, name, "", "an edge runs with this state folder and answers: %s", version)
	x.askOthers(ctx, client)
	return true
}

// port checks that an address can be listened on, or that an edge does.
func (x *examination) port(name, address, keys string, running bool, level string) {
	ln, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		ln.Close()
		x.found(levelOK, name, "", "%s is free", address)
	case !errors.Is(err, syscall.EADDRINUSE):
		x.found(levelBad, name, "take another address with "+keys, "%v", err)
	case running:
		x.found(levelOK, name, "", "%s is taken, by the edge that runs", address)
	case answersHealth(address):
		x.found(level, name, "stop that one, or take another address with "+keys, "%s is taken by another edge", address)
	default:
		_, port, _ := net.SplitHostPort(address)
		x.found(level, name, "ss -ltnp 'sport = :"+port+"' tells which; or take another address with "+keys, "%s is taken by another program", address)
	}
}

// healthTime bounds the question whether an edge listens somewhere.
const healthTime = 5 * time.Second

// answersHealth tells whether an edge listens at the address: /healthz is
// answered at the public one and at that of the admin API.
func answersHealth(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	client := http.Client{Timeout: healthTime, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + net.JoinHostPort(host, port) + "/healthz")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusServiceUnavailable
}

// bindings checks what every binding needs, as edge serve would choose it.
func (x *examination) bindings(ctx context.Context, r *runtimes, c *Config) {
	if len(c.Sandboxes) == 0 {
		// What a binding with the defaults would need.
		c = &Config{Sandboxes: []Sandbox{defaultSandbox("Sandbox")}}
	}
	for _, b := range c.Sandboxes {
		rt, err := r.choose(ctx, b)
		if err != nil {
			x.found(levelBad, "binding "+b.Name, "", "%v", err)
			continue
		}
		x.binding(ctx, b, rt)
	}
	for _, n := range r.notes {
		x.found(levelOK, "runtime", "", "%s", n)
	}
}

// binding checks one binding on its runtime.
func (x *examination) binding(ctx context.Context, b Sandbox, rt sandboxmgr.Runtime) {
	if e, ok := rt.(sandboxmgr.Examiner); ok {
		spec := b.spec()
		spec.Labels = map[string]string{sandboxmgr.LabelOwner: x.owner}
		for _, f := range e.Examine(ctx, spec) {
			if f.Name != othersName || !x.othersTold {
				x.add(f)
			}
		}
	} else if err := rt.Check(ctx); err != nil {
		x.found(levelBad, rt.Name()+" runtime", "", "%v", err)
	} else {
		x.found(levelOK, rt.Name()+" runtime", "", "it answers")
	}
}

// spec is a machine of the binding, for an examination.
func (b Sandbox) spec() sandboxmgr.MachineSpec {
	spec := sandboxmgr.MachineSpec{
		Image: b.Image, Network: b.Network, Preset: b.Preset, Workspace: b.Persist == "workspace", Rootfs: b.Rootfs,
		MemoryBytes: b.MemoryBytes, CPUs: b.CPUs, PIDs: b.PIDs, Tools: b.Tools, OCIRuntime: b.OCIRuntime,
	}
	if b.Build != nil {
		spec.Image = "" // it is built when it is needed
	}
	return spec
}
