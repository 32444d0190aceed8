package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"edge/abi"
	"edge/host/admin"
	"edge/host/metrics"
	"edge/plugins"
)

// pluginDoor is the plugins as the admin API sees them.
type pluginDoor struct {
	registry *plugins.Registry
	sources  *pluginSources
}

var _ admin.Plugins = (*pluginDoor)(nil)

// List tells of every plugin, by name.
func (d *pluginDoor) List() []admin.Plugin {
	var list []admin.Plugin
	for _, st := range d.registry.Status() {
		p := admin.Plugin{
			Name: st.Name, Source: st.Source, Digest: st.Digest, Generation: int64(st.Generation), Pinned: st.Pinned,
			Generations: []admin.PluginGeneration{},
		}
		if configured, problem, known := d.sources.of(st.Name); known {
			p.Source, p.SourceProblem = configured.Source, problem
			if configured.Kind.followed() {
				p.Pinned = "" // whatever serves was offered
			}
		}
		for _, g := range distinct(st.Generations) {
			p.Generations = append(p.Generations, admin.PluginGeneration{
				Number: int64(g.Number), Digest: g.Digest, Origin: g.Origin, Size: int64(g.Size), State: string(g.State), Step: string(g.Step),
				LoadedAt: g.LoadedAt, Why: plainly(g.Why), Percent: g.Percent, Instances: g.Instances,
				Requests: int64(g.Requests), Failures: int64(g.Failures), Timeouts: int64(g.Timeouts), Fuel: int64(g.Fuel),
			})
		}
		for _, q := range st.Quarantine {
			p.Quarantine = append(p.Quarantine, admin.GivenUp{Digest: q.Digest, Since: q.Since, Why: plainly(q.Why)})
		}
		list = append(list, p)
	}
	return list
}

// distinct leaves out the second mention of a generation: one that was given up is
// told of as such while its last calls end.
func distinct(list []plugins.GenerationStatus) []plugins.GenerationStatus {
	seen := map[uint64]bool{}
	var kept []plugins.GenerationStatus
	for _, g := range list {
		if !seen[g.Number] {
			seen[g.Number] = true
			kept = append(kept, g)
		}
	}
	return kept
}

// plainly is a reason without the words that say that the module is refused, which
// the state says already.
func plainly(why string) string { return strings.TrimPrefix(why, plugins.ErrRefused.Error()+": ") }

// History tells what became of a plugin's modules, oldest first.
func (d *pluginDoor) History(name string) ([]admin.PluginEvent, error) {
	var list []admin.PluginEvent
	for _, e := range d.registry.History(name) {
		list = append(list, admin.PluginEvent{
			Time: e.Time, Kind: string(e.Kind), Generation: int64(e.Generation), Digest: e.Digest, Origin: e.Origin, Step: string(e.Step), Why: plainly(e.Why),
		})
	}
	return list, nil
}

// Uploadable is nil if the plugin's source is upload.
func (d *pluginDoor) Uploadable(name string) error {
	p, _, known := d.sources.of(name)
	switch {
	case !known:
		return pluginError(name, plugins.ErrNoPlugin)
	case p.Kind != sourceUpload:
		return abi.Errorf(abi.CodeConflict, "plugin %s: its modules come from %s", name, p.Source).
			WithSuggestion("put the module there, or configure \"source: upload\"")
	}
	return nil
}

// Load has a plugin take a module that was uploaded.
func (d *pluginDoor) Load(ctx context.Context, name string, module, signature []byte) error {
	return pluginError(name, d.registry.Offer(ctx, name, plugins.Module{Bytes: module, Signature: signature, Origin: string(sourceUpload), Asked: true}))
}

// Rollback has an earlier version of a plugin serve.
func (d *pluginDoor) Rollback(ctx context.Context, name, digest string) error {
	return pluginError(name, d.registry.Rollback(ctx, name, digest))
}

// pluginError is err as the admin API answers with it.
func pluginError(name string, err error) error {
	var refused *plugins.RefusedError
	switch {
	case errors.As(err, &refused):
		e := abi.Errorf(abi.CodePluginRefused, "plugin %s: the module is refused at %s: %v", name, refused.Step, refused.Err)
		if details, err := json.Marshal(map[string]string{"step": string(refused.Step)}); err == nil {
			e.Details = details
		}
		return e
	case errors.Is(err, plugins.ErrNoPlugin):
		return abi.Errorf(abi.CodeNotFound, "there is no plugin %q", name).WithSuggestion("edge plugin list names those that there are")
	case errors.Is(err, plugins.ErrNoVersion):
		return abi.Errorf(abi.CodeNotFound, "%v", err).WithSuggestion("edge plugin history %s tells which versions there were", name)
	}
	return err
}

// pluginObserver counts what becomes of modules, and tells a person who watches, if
// there is one.
func (s *server) pluginObserver(person func(plugins.Event)) func(plugins.Event) {
	return func(e plugins.Event) {
		switch e.Kind {
		case plugins.EventDrained:
		case plugins.EventLoaded, plugins.EventReloaded:
			s.metrics.ObserveLoad(e.Plugin, string(plugins.EventLoaded), "", max(e.Duration, time.Microsecond))
		case plugins.EventCanary:
			s.metrics.ObserveLoad(e.Plugin, string(e.Kind), "", max(e.Duration, time.Microsecond))
		default:
			s.metrics.ObserveLoad(e.Plugin, string(e.Kind), string(e.Step), 0)
		}
		if person != nil {
			person(e)
		}
	}
}

// pluginGenerations is what the metrics tell of the plugins.
func (s *server) pluginGenerations() []metrics.PluginGeneration {
	var list []metrics.PluginGeneration
	for _, p := range s.registry.Status() {
		for _, g := range p.Generations {
			list = append(list, metrics.PluginGeneration{
				Plugin: p.Name, Generation: g.Number, Digest: g.Digest, State: string(g.State), Instances: g.Instances,
				Requests: g.Requests, Failures: g.Failures, Timeouts: g.Timeouts, Fuel: g.Fuel,
			})
		}
	}
	return list
}
