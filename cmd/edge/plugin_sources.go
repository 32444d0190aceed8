package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"edge/abi"
	"edge/host"
	"edge/plugins"
	"edge/plugins/source"
)

// firstLook bounds how long a start or a reload waits for a registry. The module
// may come later.
const firstLook = 15 * time.Second

// followed tells whether modules of that kind come from elsewhere than one file,
// which the registry of plugins reads and watches itself.
func (k sourceKind) followed() bool {
	return k == sourceVersions || k == sourceUpload || k == sourceLayout || k == sourceRegistry
}

// pluginSources knows where each plugin's modules come from, and keeps those that
// come from elsewhere than one file at what is there. What served last serves
// again after a restart, before anything is asked.
type pluginSources struct {
	registry *plugins.Registry
	// state is the folder in which it is kept what was taken last.
	state  string
	config source.RegistryConfig
	log    *slog.Logger

	// ctx ends with close; running are the followers.
	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup

	mu  sync.Mutex
	all map[string]*pluginSource
}

// pluginSource is one plugin's.
type pluginSource struct {
	plugin   Plugin
	follower *source.Follower // nil if there is nothing to follow
	// end ends the following, and ended is closed then; both are nil before run.
	end   context.CancelFunc
	ended chan struct{}
}

func newPluginSources(registry *plugins.Registry, o serverOptions) *pluginSources {
	s := &pluginSources{
		registry: registry, state: filepath.Join(o.settings.State, "plugins"), log: o.log, all: map[string]*pluginSource{},
		config: source.RegistryConfig{Client: &http.Client{Transport: registryTransport()}, UserAgent: "edge/" + readBuild().version},
	}
	if o.engine.ClientDir != "" {
		s.config.Credentials = filepath.Join(o.engine.ClientDir, "config.json")
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// registryTransport reaches registries as Docker does, through the proxy that the
// environment names. Connections are few and used once a minute.
func registryTransport() *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 30 * time.Second, IdleConnTimeout: 2 * time.Minute,
		MaxIdleConnsPerHost: 1, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10,
	}
}

// close ends what follows sources, and waits for it.
func (s *pluginSources) close() {
	s.stop()
	s.running.Wait()
	s.config.Client.CloseIdleConnections()
}

// load has the plugin serve what its source has, or what served last. A plugin
// whose module cannot be had yet is loaded without one: it is uploaded or fetched
// later, and requests are told so until then.
func (s *pluginSources) load(ctx context.Context, p Plugin) (*plugins.Plugin, error) {
	loaded, err := s.registry.Load(ctx, p.spec(""))
	if err != nil {
		return nil, err
	}
	follower, begun, err := s.follow(p)
	if err != nil || follower == nil {
		return loaded, err
	}
	serves := loaded.Digest() != ""
	if serves {
		follower.Retry()
	} else {
		follower.Forget()
	}
	if !begun || !serves || p.Kind != sourceRegistry {
		err = s.look(ctx, p, follower)
	}
	if begun {
		s.run(p.Name)
	}
	if err != nil && begun && loaded.Digest() != "" {
		err = nil // what served last serves; the log says why nothing newer does
	}
	return loaded, err
}

// refresh looks at the source of a plugin whose configuration is as it was, and
// offers again what was refused.
func (s *pluginSources) refresh(ctx context.Context, p Plugin) error {
	f, same := s.same(p)
	if !same || f == nil {
		return nil
	}
	f.Retry()
	return s.look(ctx, p, f)
}

// look has the follower look once. A registry that cannot be reached is no error:
// its plugin serves on, and the log and the list of plugins say why.
func (s *pluginSources) look(ctx context.Context, p Plugin, f *source.Follower) error {
	if p.Kind == sourceRegistry {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, firstLook)
		defer cancel()
	}
	err := f.Sync(ctx)
	if err == nil || p.Kind == sourceRegistry && !errors.Is(err, source.ErrRefused) {
		return nil
	}
	return fmt.Errorf("plugin %s: %w", p.Name, err)
}

// follow returns what follows the plugin's source, nil for nothing, and whether
// that has just been made.
func (s *pluginSources) follow(p Plugin) (f *source.Follower, begun bool, err error) {
	if f, same := s.same(p); same {
		return f, false, nil
	}
	from, err := s.open(p)
	if err != nil {
		return nil, false, fmt.Errorf("plugin %s: %w", p.Name, err)
	}
	s.note(p)
	if from == nil {
		return nil, false, nil
	}
	f = &source.Follower{
		Plugin: p.Name, Name: p.Source, Source: from, Poll: p.Poll, Memory: filepath.Join(s.state, p.Name, "source.json"), Log: s.log,
		Offer: func(ctx context.Context, m source.Module) error { return s.offer(ctx, p.Name, m) },
	}
	s.mu.Lock()
	s.all[p.Name].follower = f
	s.mu.Unlock()
	return f, true, nil
}

// same returns what follows the plugin's source already, if that is as it was.
func (s *pluginSources) same(p Plugin) (f *source.Follower, same bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.all[p.Name]
	if known == nil || known.plugin.Kind != p.Kind || known.plugin.Source != p.Source || known.plugin.Poll != p.Poll {
		return nil, false
	}
	known.plugin = p
	return known.follower, true
}

// open returns the source that a configuration names, nil for one that is not
// followed.
func (s *pluginSources) open(p Plugin) (source.Source, error) {
	switch p.Kind {
	case sourceVersions:
		return source.NewVersions(p.Source), nil
	case sourceLayout:
		ref, err := source.ParseLayout(p.Source)
		return source.NewLayout(ref), err
	case sourceRegistry:
		ref, err := source.ParseRegistry(p.Source)
		return source.NewRegistry(ref, s.config), err
	}
	return nil, nil
}

// note keeps where a plugin's modules come from. What followed another source of
// it has ended when it returns: nothing of that one comes after what is of this.
func (s *pluginSources) note(p Plugin) {
	s.drop(p.Name)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[p.Name] = &pluginSource{plugin: p}
}

// drop ends what follows a plugin's source.
func (s *pluginSources) drop(name string) {
	s.mu.Lock()
	known := s.all[name]
	delete(s.all, name)
	s.mu.Unlock()
	if known != nil && known.end != nil {
		known.end()
		<-known.ended
	}
}

// keep ends what follows plugins that the configuration does not name any more.
func (s *pluginSources) keep(c *Config) {
	s.mu.Lock()
	gone := maps.Clone(s.all)
	s.mu.Unlock()
	for _, p := range c.Plugins {
		delete(gone, p.Name)
	}
	for name := range gone {
		s.drop(name)
	}
}

// run begins to follow the plugin's source.
func (s *pluginSources) run(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.all[name]
	ctx, end := context.WithCancel(s.ctx)
	known.end, known.ended = end, make(chan struct{})
	s.running.Go(func() { runFollower(ctx, known.follower, known.ended) })
}

func runFollower(ctx context.Context, f *source.Follower, ended chan<- struct{}) {
	defer close(ended)
	f.Run(ctx)
}

// offer gives a plugin what its source has.
func (s *pluginSources) offer(ctx context.Context, name string, m source.Module) error {
	err := s.registry.Offer(ctx, name, plugins.Module{Bytes: m.Bytes, Signature: m.Signature, Origin: m.Origin})
	if errors.Is(err, plugins.ErrRefused) {
		return refusedOffer{err}
	}
	return err
}

// refusedOffer is a module's refusal, in the registry's words.
type refusedOffer struct{ error }

// Is tells a follower that the module is to blame.
func (refusedOffer) Is(target error) bool { return target == source.ErrRefused }

// Unwrap returns the registry's error.
func (e refusedOffer) Unwrap() error { return e.error }

// of tells where a plugin's modules come from, and why that cannot be followed.
func (s *pluginSources) of(name string) (p Plugin, problem string, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry := s.all[name]
	if entry == nil {
		return Plugin{}, "", false
	}
	if entry.follower != nil {
		problem = entry.follower.Problem()
	}
	return entry.plugin, problem, true
}

// decider is the plugin for routes: one whose module may come later, if it is
// followed, else nil.
func (s *pluginSources) decider(name string) host.Decider {
	p, _, known := s.of(name)
	loaded := s.registry.Plugin(name)
	if !known || !p.Kind.followed() || loaded == nil {
		return nil
	}
	hint := "edge plugin list says why"
	if p.Kind == sourceUpload {
		hint = "edge plugin load " + name + " FILE gives it one"
	}
	return &awaitedDecider{loaded, hint}
}

// awaitedDecider is a plugin whose module may come later than requests do.
type awaitedDecider struct {
	*plugins.Plugin
	hint string
}

// Decide asks the plugin, if it has a module by now.
func (d *awaitedDecider) Decide(ctx context.Context, req *abi.Request) (abi.Decision, error) {
	decision, err := d.Plugin.Decide(ctx, req)
	if err != nil && d.Digest() == "" {
		return nil, abi.Errorf(abi.CodePluginFailed, "the plugin %s has no module yet", d.Name()).WithSuggestion("%s", d.hint)
	}
	return decision, err
}
