package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"edge/abi"
	"edge/host"
	"edge/plugins"
)

// load loads the plugin's module, or replaces the generation that serves. When
// it fails, that one goes on serving. A source that is no file is asked what it has.
// What was built serves before it is written: nobody waits for the disk.
func (s *server) load(ctx context.Context, p Plugin, module moduleFile) (*plugins.Plugin, error) {
	if p.Kind.followed() {
		return s.sources.load(ctx, p)
	}
	s.sources.note(p)
	if module.built == nil {
		return s.registry.Load(ctx, p.spec(module.path))
	}
	loaded, err := s.registry.LoadBuilt(ctx, p.spec(module.path), *module.built)
	return loaded, errors.Join(err, module.write())
}

// route puts the configuration's routes in force. A plugin that is not loaded is
// an error, unless the server is tolerant: then requests for it are answered
// with the reason until it is.
func (s *server) route(c *Config, tolerant bool) error {
	onFailure := map[string]host.OnFailure{}
	for _, p := range c.Plugins {
		onFailure[p.Name] = p.OnFailure
	}
	routes := make([]host.Route, 0, len(c.Routes))
	for _, r := range c.Routes {
		chain := make([]host.Plugin, 0, len(r.Plugins))
		for _, name := range r.Plugins {
			p, err := s.asked(name, onFailure[name], tolerant)
			if err != nil {
				return err
			}
			chain = append(chain, p)
		}
		routes = append(routes, host.Route{Host: r.Host, Path: r.Path, Chain: chain})
	}
	var previews *host.Plugin
	if c.PreviewPlugin != "" {
		p, err := s.asked(c.PreviewPlugin, onFailure[c.PreviewPlugin], tolerant)
		if err != nil {
			return err
		}
		previews = &p
	}
	if err := s.host.SetRoutes(routes); err != nil {
		return err
	}
	s.host.SetPreviews(previews)
	s.keepHosts(c.Routes)
	s.config = c
	return nil
}

// asked is the plugin as the host asks it.
func (s *server) asked(name string, onFailure host.OnFailure, tolerant bool) (host.Plugin, error) {
	d := s.sources.decider(name)
	switch {
	case d != nil:
	case s.serves(name):
		d = s.registry.Plugin(name)
	case tolerant:
		d = &lateDecider{s.registry, name}
	default:
		return host.Plugin{}, fmt.Errorf("the plugin %s is not loaded", name)
	}
	return host.Plugin{Name: name, Decider: d, OnFailure: onFailure}, nil
}

// reload takes over a new configuration while the server runs: plugins that are
// new, configured otherwise, or whose modules changed, and the routes. A plugin
// that cannot be loaded keeps the version it had, and the routes stay as they
// are. A plugin that is not named any more is out of all routes and stays loaded.
// What else changed needs a restart and is returned, by key.
func (s *server) reload(ctx context.Context, c *Config) (restart []string, err error) {
	c.tellWarnings(s.log)
	before := map[string]Plugin{}
	for _, p := range s.config.Plugins {
		before[p.Name] = p
	}
	var errs []error
	for _, p := range c.Plugins {
		if err := s.renew(ctx, p, sameSpec(before[p.Name], p)); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	s.sources.keep(c)
	restart = needsRestart(s.config, c)
	return restart, s.route(c, false)
}

// renew has the plugin serve what its source holds now; same tells that it is
// configured as it was.
func (s *server) renew(ctx context.Context, p Plugin, same bool) error {
	if same && p.Kind.followed() {
		return s.sources.refresh(ctx, p)
	}
	module, err := s.module(ctx, p)
	if err != nil || same && s.current(p.Name, module) {
		return err
	}
	_, err = s.load(ctx, p, module)
	return err
}

// module is the file of a plugin's module, which is built if its source is a Worker. It is
// written at once: the registry watches the file, and must not find there what served
// before.
func (s *server) module(ctx context.Context, p Plugin) (moduleFile, error) {
	if p.Kind != sourceWorker {
		return moduleFile{path: p.Source}, nil
	}
	module, built, err := s.builder.buildWorker(ctx, p.Name, p.Source)
	for _, w := range built.Warnings {
		s.log.Warn("plugin source", "plugin", p.Name, "warning", w)
	}
	for _, line := range built.Said {
		s.log.Info(line, "plugin", p.Name)
	}
	if err == nil {
		err = module.write()
	}
	return moduleFile{path: module.path}, err
}

// serves tells whether a version of the plugin is loaded.
func (s *server) serves(plugin string) bool {
	p := s.registry.Plugin(plugin)
	return p != nil && p.Digest() != ""
}

// current tells whether what serves is what the file holds.
func (s *server) current(plugin string, module moduleFile) bool {
	digest, err := module.digest()
	return err == nil && s.serves(plugin) && s.registry.Plugin(plugin).Digest() == digest
}

// sameSpec tells whether the two would be loaded alike.
func sameSpec(a, b Plugin) bool {
	a.At, b.At = place{}, place{}
	a.OnFailure, b.OnFailure = host.OnFailure{}, host.OnFailure{} // the routes'
	return reflect.DeepEqual(a, b)
}

// needsRestart names the keys that differ and cannot be changed while serving.
func needsRestart(old, new *Config) []string {
	var keys []string
	for _, k := range []struct {
		key      string
		old, new any
	}{
		{"listen", old.Listen, new.Listen},
		{"domain", old.Domains, new.Domains},
		{"external", old.External, new.External},
		{"trustedProxies", old.Proxies.Trusted, new.Proxies.Trusted},
		{"proxyProtocol", old.Proxies.Protocol, new.Proxies.Protocol},
		{"state", old.State, new.State},
		{"admin", old.Admin, new.Admin},
		{"reservedPorts", old.ReservedPorts, new.ReservedPorts},
		{"limits", old.Limits, new.Limits},
		{"sandboxes", old.Sandboxes, new.Sandboxes},
	} {
		if !reflect.DeepEqual(k.old, k.new) {
			keys = append(keys, k.key)
		}
	}
	if !old.TLS.same(new.TLS) {
		keys = append(keys, "tls")
	}
	return keys
}

// lateDecider is a plugin that may be loaded later than its routes.
type lateDecider struct {
	registry *plugins.Registry
	name     string
}

// MayReach asks the plugin what it was granted.
func (d *lateDecider) MayReach(ref abi.SandboxRef, port int) error {
	if p := d.registry.Plugin(d.name); p != nil {
		return p.MayReach(ref, port)
	}
	return abi.Errorf(abi.CodePluginFailed, "the plugin %s is not loaded", d.name)
}

// Decide asks the plugin, if it is there by now.
func (d *lateDecider) Decide(ctx context.Context, req *abi.Request) (abi.Decision, error) {
	if p := d.registry.Plugin(d.name); p != nil {
		return p.Decide(ctx, req)
	}
	return nil, abi.Errorf(abi.CodePluginFailed, "the plugin %s is not loaded", d.name).
		WithSuggestion("the terminal in which edge dev runs says why")
}
