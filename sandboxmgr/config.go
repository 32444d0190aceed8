package sandboxmgr

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"edge/abi"
)

// Config is what a Manager is made of. StateDir, Store and Bindings are needed;
// the rest has working zero values.
type Config struct {
	// StateDir is a folder of this edge alone; run folders are made below it.
	// Short: the socket {StateDir}/run/{16 hex}/s must fit 107 bytes.
	StateDir string
	// Store stays the caller's, who closes it after Manager.Close.
	Store Store
	// Bindings are the kinds of sandboxes by name.
	Bindings map[string]Binding
	// Earlier opens, by its name, a runtime that made sandboxes whose binding has
	// another one now, so that they can be destroyed. It stays the caller's, who
	// closes it after Manager.Close. nil: nothing can be done with them.
	Earlier func(ctx context.Context, name string) (Runtime, error)
	// InitPath is the host path of the init's executable; InitArgs follow
	// "/.edge/init" on its command line inside.
	InitPath string
	InitArgs []string
	// Previews says what exposure URLs look like.
	Previews PreviewConfig
	// ReservedPorts are refused with INVALID_PORT although they are in range.
	ReservedPorts []int
	// Connections are the live connections to sandboxes; nil when nobody keeps
	// them.
	Connections Connections
	// OpenInit opens the edge's end of an init; default is package initlink.
	OpenInit InitOpener
	// Observe is told what happens, in order for one sandbox. It must return
	// soon. nil is nobody.
	Observe func(Event)
	// Hook is told when a sandbox has started, stopped or failed: in order for
	// one sandbox, from one goroutine, after the fact. nil is nobody.
	Hook func(abi.SandboxEvent)
	// ReconcileEvery is how often the runtimes' machines are compared with what
	// is recorded; default 1m. It is also done at start and when a runtime comes
	// back.
	ReconcileEvery time.Duration
	// FollowOutput makes events of what processes print and of their ends, by
	// asking each init a few times a second: for a developer's terminal.
	FollowOutput bool
	Log          *slog.Logger
}

// Binding is a named kind of sandbox.
type Binding struct {
	Runtime Runtime
	Image   string
	// Build, if there is one, makes the image.
	Build *Build
	// Entrypoint has what the image runs by itself run at every start.
	Entrypoint bool
	// Rootfs is a host folder that is the root (process runtime only).
	Rootfs string
	// Preset is how far a sandbox is confined: "strict", "default" (default) or
	// "trusted".
	Preset string
	// Network is "none" (default), "internal" or "egress".
	Network string
	// Persist is what a stop keeps: "all" (default), "workspace" or "nothing".
	Persist    string
	OCIRuntime string
	// SleepAfter is how long a sandbox may be unused before it is stopped,
	// DeleteAfter how long it may be stopped before it is destroyed; 0 is for
	// ever.
	SleepAfter, DeleteAfter time.Duration
	// Warm is how many unused sandboxes are kept started; MaxSandboxes how many
	// sandboxes may run, 0 for no bound.
	Warm, MaxSandboxes int
	// MemoryBytes, CPUs and PIDs bound a sandbox; 0 is no bound.
	MemoryBytes int64
	CPUs        float64
	PIDs        int64
	// ExecTimeout bounds an exec that names no timeout; default 10m.
	ExecTimeout time.Duration
	// Env is every sandbox's environment; the options of a sandbox come over it.
	Env   map[string]string
	Tools []string
	// Start runs at every start, in this order, before the first operation is
	// served.
	Start []Autostart
}

// Build is what an image is built from.
type Build struct {
	Context    string // a folder of this machine, absolute
	Dockerfile string // relative to Context; empty is the engine's default
}

// Autostart is a process that a binding starts by itself.
type Autostart struct {
	abi.StartProcessRequest
	// Port, when not 0, must answer before the start is complete (30s at most).
	Port int
}

// PreviewConfig says what an exposure's URL looks like.
type PreviewConfig struct {
	Scheme string // "http" (default) or "https"
	// Domains are host names without a port, "localhost" by default. Every label
	// works under each of them; URLs have the first.
	Domains []string
	Port    int // shown in URLs; 0, and the scheme's own port, are not
	// TokensInPath keeps tokens out of the host names of URLs, which have the path
	// form instead: for a domain without a wildcard certificate.
	TokensInPath bool
}

// Connections are the live connections to sandboxes, which somebody else keeps.
// An implementation must not call back into the Manager.
type Connections interface {
	// Through returns what is open through the exposure of that port, by ids in
	// their order, which are never used again.
	Through(binding, id string, port int) []uint64
	// Close closes those of the connections that are still open, with a WebSocket
	// close code and reason.
	Close(connections []uint64, code int, reason string)
	// CloseSockets closes the WebSockets to that generation, which is about to be
	// ended; HTTP answers may go on until it has.
	CloseSockets(binding, id string, generation int64, code int, reason string)
	// CloseSandbox closes what is open to that generation, which has ended.
	CloseSandbox(binding, id string, generation int64, code int, reason string)
	// Count counts what is open to the sandbox (port 0), or through the
	// exposure of the port.
	Count(binding, id string, port int) int
}

// The close codes that a Manager uses (RFC 6455, section 7.4.1).
const (
	closePolicy  = 1008 // the exposure was taken back, or the time of a stream is over
	closeRestart = 1012 // the sandbox ended, or is about to
)

const (
	persistAll       = "all"
	persistWorkspace = "workspace"
	persistNothing   = "nothing"
)

// maxSocketPath is the longest Unix socket path Linux takes (sun_path less its
// final NUL).
const maxSocketPath = 107

const (
	defaultReconcile = time.Minute
	maxWarm          = 1000 // sandboxes of one binding that are started ahead
)

// withDefaults returns a checked copy with everything filled in.
func (c Config) withDefaults() (Config, error) {
	if c.Store == nil {
		return c, fmt.Errorf("sandbox manager: no store")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.OpenInit == nil {
		c.OpenInit = openLink
	}
	if c.Connections == nil {
		c.Connections = noConnections{}
	}
	if c.Observe == nil {
		c.Observe = func(Event) {}
	}
	dir, err := filepath.Abs(c.StateDir)
	if err != nil {
		return c, fmt.Errorf("state folder: %w", err)
	}
	c.StateDir = dir
	if n := len(c.runDir(strings.Repeat("f", runNameLength))) + len("/s"); n > maxSocketPath {
		return c, fmt.Errorf("state folder %s is too deep: the sockets in it would have paths of %d bytes, and Linux allows %d; name a shorter one", dir, n, maxSocketPath)
	}
	if c.ReconcileEvery <= 0 {
		c.ReconcileEvery = defaultReconcile
	}
	bindings := make(map[string]Binding, len(c.Bindings))
	for name, b := range c.Bindings {
		if b, err = b.withDefaults(name); err != nil {
			return c, err
		}
		bindings[name] = b
	}
	c.Bindings = bindings
	c.Previews, err = c.Previews.withDefaults()
	return c, err
}

func (c *Config) runDir(name string) string { return filepath.Join(c.StateDir, "run", name) }

func (b Binding) withDefaults(name string) (Binding, error) {
	if !abi.ValidBinding(name) {
		return b, fmt.Errorf("binding %q: want a letter, then letters, digits and \"_\", at most %d characters", name, abi.MaxBindingLength)
	}
	if b.Runtime == nil {
		return b, fmt.Errorf("binding %s has no runtime", name)
	}
	if b.Network == "" {
		b.Network = "none"
	}
	if b.Preset == "" {
		b.Preset = "default"
	}
	if b.ExecTimeout <= 0 {
		b.ExecTimeout = abi.DefaultExecTimeout
	}
	switch b.Persist {
	case "":
		b.Persist = persistAll
	case persistAll, persistWorkspace, persistNothing:
	default:
		return b, fmt.Errorf("binding %s: persist %q: want \"all\", \"workspace\" or \"nothing\"", name, b.Persist)
	}
	if err := firstError(checkOneOf("network", b.Network, "none", "internal", "egress"),
		checkOneOf("preset", b.Preset, "strict", "default", "trusted")); err != nil {
		return b, fmt.Errorf("binding %s: %w", name, err)
	}
	switch {
	case b.SleepAfter < 0 || b.DeleteAfter < 0:
		return b, fmt.Errorf("binding %s: sleepAfter and deleteAfter are not negative", name)
	case b.Warm < 0 || b.Warm > maxWarm:
		return b, fmt.Errorf("binding %s: warm is %d; want 0 to %d", name, b.Warm, maxWarm)
	case b.MaxSandboxes < 0:
		return b, fmt.Errorf("binding %s: maxSandboxes is %d; want 0 or more", name, b.MaxSandboxes)
	}
	if err := b.checkImages(name); err != nil {
		return b, err
	}
	for i := range b.Start {
		if err := checkAutostart(&b.Start[i]); err != nil {
			return b, fmt.Errorf("binding %s: start %d: %w", name, i+1, err)
		}
	}
	return b, nil
}

// maxDomain leaves room for the longest label and its dot in the 253 bytes of a
// host name (RFC 1035, section 2.3.4, less the root).
const maxDomain = 253 - maxLabel - 1

func (p PreviewConfig) withDefaults() (PreviewConfig, error) {
	if p.Scheme == "" {
		p.Scheme = "http"
	}
	if len(p.Domains) == 0 {
		p.Domains = []string{"localhost"}
	}
	switch {
	case p.Scheme != "http" && p.Scheme != "https":
		return p, fmt.Errorf("preview scheme %q: want http or https", p.Scheme)
	case p.Port < 0 || p.Port > abi.MaxPort:
		return p, fmt.Errorf("preview port %d is not between 0 and %d", p.Port, abi.MaxPort)
	}
	p.Domains = slices.Clone(p.Domains)
	for i, d := range p.Domains {
		p.Domains[i] = strings.ToLower(strings.TrimSuffix(d, "."))
		if err := checkDomain(p.Domains[i]); err != nil {
			return p, err
		}
	}
	return p, nil
}

func checkDomain(domain string) error {
	if len(domain) > maxDomain {
		return fmt.Errorf("preview domain has %d bytes; at most %d leave room for a label", len(domain), maxDomain)
	}
	if _, err := netip.ParseAddr(domain); err == nil {
		return fmt.Errorf("preview domain %s is an address, which has no names below it; use localhost or a host name", domain)
	}
	for label := range strings.SplitSeq(domain, ".") {
		if !validLabel(label) {
			return fmt.Errorf("preview domain %q is not a host name without a port", domain)
		}
	}
	return nil
}

// validLabel tells whether s is a label of a host name (RFC 1123, section 2.1).
func validLabel(s string) bool {
	if s == "" || len(s) > maxLabel || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// noConnections stands in when nobody keeps connections.
type noConnections struct{}

func (noConnections) Through(string, string, int) []uint64            { return nil }
func (noConnections) Close([]uint64, int, string)                     {}
func (noConnections) CloseSockets(string, string, int64, int, string) {}
func (noConnections) CloseSandbox(string, string, int64, int, string) {}
func (noConnections) Count(string, string, int) int                   { return 0 }
