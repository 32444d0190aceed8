package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"edge/bridge"
	"edge/bridge/socket"
	"edge/host"
	"edge/host/admin"
	"edge/host/metrics"
	"edge/plugins"
	"edge/plugins/replay"
	"edge/plugins/worker"
	"edge/sandboxmgr"
	"edge/sandboxmgr/docker"
	"edge/sandboxmgr/state"
)

// stateFile is the store's name in the state folder.
const stateFile = "state.db"

// closeGrace is how long, after connections were drained, everything else may
// take to end.
const closeGrace = 5 * time.Second

// serverOptions is what a server is made of besides its configuration.
type serverOptions struct {
	config   *Config
	settings Settings
	assets   fs.FS
	// executable is this process' own file, the init if none is embedded.
	executable string
	engine     docker.Config // where the Docker engine is
	// keepRuntimes takes for auto what was taken last, whatever answers now.
	keepRuntimes bool
	drain        time.Duration
	// cache is the folder with compiled code; empty is the one in the state folder.
	cache string
	// tool builds plugins in Go; nil is the one on PATH.
	tool goCommand
	// traces has Workers tell where they began an operation that failed.
	traces bool
	// fetchFlag: hosts are allowed by --fetch, because there is no configuration that
	// could grant them.
	fetchFlag bool

	log      *slog.Logger
	guestLog *slog.Logger    // what plugins say; nil is log
	access   *host.AccessLog // nil: requests are not logged
	// recorder is shown what plugins decide; nil: nothing is recorded.
	recorder plugins.Recorder

	// What a person who watches is told; nil is nobody.
	onPlugin  func(plugins.Event)
	onSandbox func(sandboxmgr.Event)
	onRequest func(host.Event)
}

// configure reads the configuration and settles what it, the flags and the
// environment say. state tells the default of the state folder, level that of
// the log; load reads the file. Its error is a usageError but for an executable that
// is not found.
func (f Flags) configure(file string, load func(string) (*Config, error), t *terminal, state func(*Config) string, level string) (serverOptions, error) {
	config, err := load(file)
	if _, none := os.Stat(file); errors.Is(none, fs.ErrNotExist) && err != nil && !isWorkerSource(file) {
		err = noConfig{err}
	}
	if err != nil {
		return serverOptions{}, usageError{err}
	}
	settings, err := settle(f, t.getenv, config, state(config), level)
	if err != nil {
		return serverOptions{}, usageError{err}
	}
	executable, err := os.Executable()
	if err != nil {
		return serverOptions{}, fmt.Errorf("find this executable: %w", err)
	}
	engine, err := engineAt(t.getenv)
	if err != nil {
		return serverOptions{}, usageError{err}
	}
	return serverOptions{
		config: config, settings: settings, assets: assets, executable: executable, engine: engine, log: settings.logger(t.err),
	}, nil
}

// server is everything that one edge runs, opened in this order and closed in
// the reverse: listener, store, runtimes, sandboxes, plugins, host, admin API.
type server struct {
	settings Settings
	log      *slog.Logger
	listener net.Listener
	https    https
	store    *state.Store
	runtimes *runtimes
	manager  *sandboxmgr.Manager
	services pluginServices
	registry *plugins.Registry
	sources  *pluginSources
	builder  pluginBuilder
	host     *host.Server
	metrics  *metrics.Metrics
	events   *admin.Events
	admin    *adminDoor // nil when there is no admin API

	// connections are the live ones, which the admin API lists and closes.
	connections *host.Connections

	// hooks are the plugins that are told what happens to sandboxes, once they
	// are open.
	hooks atomic.Pointer[plugins.Registry]

	// hosts are those that the routes in force name literally.
	hosts atomic.Pointer[[]string]

	// config is what is in force. It belongs to the goroutine that reloads.
	config *Config
}

// openServer opens everything and loads no plugin. The port is taken first, so
// that a port in use is found before anything is touched; connections that are
// made meanwhile wait until serve.
func openServer(ctx context.Context, o serverOptions) (s *server, err error) {
	s = &server{settings: o.settings, log: o.log, config: o.config, events: new(admin.Events)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.release(ctx))
		}
	}()
	listen := socket.ListenConfig{DeadPeer: o.config.Limits.DeadPeer}
	if s.listener, err = listen.Listen(ctx, o.settings.Listen); err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return s, fmt.Errorf("%w (another edge? --listen or EDGE_LISTEN takes another address)", err)
		}
		return s, err // "listen tcp :80: bind: permission denied"
	}
	if err = s.openState(); err != nil {
		return s, err
	}
	if err = s.openHTTPS(ctx, o); err != nil {
		return s, err
	}
	relay, table := s.newRelay(o.config.Limits)
	if s.metrics, err = metrics.New(table.CountBindings); err != nil {
		return s, err
	}
	if err = s.openSandboxes(ctx, o, relay, table); err != nil {
		return s, err
	}
	s.connections = &host.Connections{Table: table, Relay: relay, Sandboxes: s.manager}
	if err = s.openRegistry(o); err != nil {
		return s, err
	}
	o.config.tellWarnings(o.log)
	s.host = &host.Server{
		ExplainToken: s.explainToken, Explain: plugins.WithExplanation,
		Sandboxes: s.manager, Relay: relay, Domains: o.settings.Domains, DrainTimeout: o.drain,
		TrustedProxies: o.config.Proxies.Trusted, ProxyProtocol: o.config.Proxies.Protocol,
		Log: o.log, AccessLog: o.access, Observe: s.requestObserver(o.onRequest),
		Limits: o.config.Limits.host(budgetDescriptors(o.config.Sandboxes)), MaxHeadBytes: int(o.config.Limits.Head), HeadTimeout: o.config.Limits.HeadTimeout,
	}
	s.services.fetch.Inside = &host.Inside{Server: s.host}
	err = s.openAdmin(o)
	return s, err
}

// explainToken is the admin API's token, with which a request may have itself
// explained; empty if there is none.
func (s *server) explainToken() string {
	if s.admin == nil {
		return ""
	}
	return s.admin.server.Token
}

func (s *server) openState() error {
	dir := s.settings.State
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the state folder: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("keep the state folder to its owner: %w", err)
	}
	if filepath.Base(dir) == localState { // it stands among somebody's sources
		if err := replaceFile(filepath.Join(dir, ".gitignore"), []byte("*\n")); err != nil {
			return fmt.Errorf("keep the state folder out of git: %w", err)
		}
	}
	store, err := state.Open(filepath.Join(dir, stateFile))
	if err != nil {
		return err
	}
	s.store = store
	return nil
}

func (s *server) newRelay(l Limits) (*bridge.Relay, *bridge.Table) {
	table := new(bridge.Table)
	return &bridge.Relay{Table: table, HandshakeTimeout: l.HandshakeTimeout, DeadPeer: l.DeadPeer}, table
}

func (s *server) openRegistry(o serverOptions) error {
	services, err := s.openPluginServices(o.fetchFlag)
	if err != nil {
		return err
	}
	cache := cmp.Or(o.cache, filepath.Join(s.settings.State, "cache"))
	registry, err := plugins.NewRegistry(plugins.Config{
		Services: services,
		CacheDir: cache, StateDir: filepath.Join(s.settings.State, "plugins"), Log: s.log, GuestLog: o.guestLog,
		Observe: s.pluginObserver(o.onPlugin), Recorder: o.recorder, Replay: replay.Gate,
	})
	if err != nil {
		return fmt.Errorf("open the plugins: %w", err)
	}
	s.registry = registry
	s.builder = pluginBuilder{dir: filepath.Join(s.settings.State, "build"), tool: o.tool, workers: newWorkerBuilder(o.assets, worker.Config{CacheDir: cache, Traces: o.traces, Log: s.log})}
	s.sources = newPluginSources(registry, o)
	s.hooks.Store(registry)
	return s.metrics.TellPlugins(s.pluginGenerations)
}

// port is the one that is listened on, or 0.
func (s *server) port() int {
	if s.listener == nil {
		return 0
	}
	if a, ok := s.listener.Addr().(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}

// url is where a browser on this machine finds the edge.
func (s *server) url() string {
	name := s.settings.Domains[0]
	if h, _, err := net.SplitHostPort(s.settings.Listen); err == nil && net.ParseIP(h) != nil && !net.ParseIP(h).IsUnspecified() && name == defaultDomain && !net.ParseIP(h).IsLoopback() {
		name = h
	}
	if p := s.port(); p != defaultPorts[s.scheme()] {
		name = net.JoinHostPort(name, strconv.Itoa(p))
	}
	return s.scheme() + "://" + name
}

// defaultPorts are those that a scheme's URLs do not show.
var defaultPorts = map[string]int{"http": 80, "https": 443}

// previewConfig says what preview URLs look like.
func (s *server) previewConfig() sandboxmgr.PreviewConfig {
	c := s.settings.previews(s.scheme(), s.port())
	c.TokensInPath = s.https.certs != nil && !s.https.certs.CoversPreviews(s.settings.Domains[0])
	return c
}

// shutdown drains connections, closes what is left of them, and then everything
// else. Sandboxes run on. The end of ctx skips what is still waited for.
func (s *server) shutdown(ctx context.Context) error {
	err := s.host.Shutdown(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeGrace)
	defer cancel()
	return errors.Join(err, s.release(ctx))
}

// hurry makes a shutdown under way skip its waiting.
func (s *server) hurry() {
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	_ = s.host.Shutdown(ctx)
}

// release closes what is open, whatever that is.
func (s *server) release(ctx context.Context) error {
	var errs []error
	if s.admin != nil {
		s.admin.close(ctx)
	}
	if s.sources != nil {
		s.sources.close()
	}
	if s.registry != nil {
		errs = append(errs, s.registry.Close(ctx))
	}
	errs = append(errs, s.builder.close())
	errs = append(errs, s.services.close())
	if s.manager != nil {
		errs = append(errs, s.manager.Close())
	}
	if s.runtimes != nil {
		errs = append(errs, s.runtimes.Close())
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	errs = append(errs, s.https.close())
	if s.listener != nil {
		if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// describePlugins is "chat sha256:0123456789ab" for each, for the first line.
func (s *server) describePlugins() string {
	var list []string
	for _, p := range s.config.Plugins {
		if s.serves(p.Name) {
			list = append(list, p.Name+" "+shortDigest(s.registry.Plugin(p.Name).Digest()))
		}
	}
	return strings.Join(list, ", ")
}
