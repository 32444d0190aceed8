package main

import (
	"context"
	"errors"
	"fmt"

	"edge/abi"
	"edge/bridge"
	"edge/host"
	"edge/sandboxmgr"
)

// openSandboxes opens the runtimes of the bindings, and the sandboxes that earlier runs
// of the edge left.
func (s *server) openSandboxes(ctx context.Context, o serverOptions, relay *bridge.Relay, table *bridge.Table) error {
	program, err := installInit(o.assets, s.settings.State, o.executable)
	if err != nil {
		return err
	}
	s.runtimes = &runtimes{state: s.settings.State, at: o.engine, stage: program.stage(), log: s.log}
	bindings := map[string]sandboxmgr.Binding{}
	for _, b := range o.config.Sandboxes {
		rt, err := s.chooseRuntime(ctx, b, o.keepRuntimes)
		if err != nil {
			return fmt.Errorf("binding %s: %w", b.Name, err)
		}
		bindings[b.Name] = b.binding(rt)
	}
	s.manager, err = sandboxmgr.New(ctx, sandboxmgr.Config{
		StateDir: s.settings.State, Store: s.store, Bindings: bindings, Earlier: s.runtimes.earlier,
		InitPath: program.Path, InitArgs: program.Args,
		Previews:      s.previewConfig(),
		ReservedPorts: o.config.ReservedPorts,
		Connections:   &host.Connections{Table: table, Relay: relay},
		Observe:       s.observer(o.onSandbox), FollowOutput: o.onSandbox != nil,
		Hook: s.notifyPlugins,
		Log:  s.log,
	})
	if err == nil && s.runtimes.down {
		// Asking is what makes the manager say, once, that the engine is down.
		_ = s.manager.Ready(ctx)
	}
	return err
}

// requestObserver counts what happens to requests, and tells a person who
// watches, if there is one.
func (s *server) requestObserver(person func(host.Event)) func(host.Event) {
	if person == nil {
		return s.metrics.Observe
	}
	return func(e host.Event) {
		s.metrics.Observe(e)
		person(e)
	}
}

// observer tells the admin API what happens to sandboxes, and a person who
// watches, if there is one. What was counted of a sandbox ends with it.
func (s *server) observer(person func(sandboxmgr.Event)) func(sandboxmgr.Event) {
	return func(e sandboxmgr.Event) {
		if person != nil {
			person(e)
		}
		if s.metrics != nil && e.Kind == sandboxmgr.EventDestroyed {
			s.metrics.Forget(e.Ref.Binding, e.Ref.ID)
		}
		if s.events != nil && e.Kind != sandboxmgr.EventOutput { // logs are asked for
			s.events.Publish(e)
		}
	}
}

// notifyPlugins tells the plugins' hooks.
func (s *server) notifyPlugins(e abi.SandboxEvent) {
	if r := s.hooks.Load(); r != nil {
		r.Notify(e)
	}
}

// chooseRuntime returns the binding's runtime and remembers it, because the
// sandboxes that it runs can be found through no other.
func (s *server) chooseRuntime(ctx context.Context, b Sandbox, keep bool) (sandboxmgr.Runtime, error) {
	key := "edge/runtime/" + b.Name
	last, err := s.store.Get(ctx, key)
	if err != nil && !errors.Is(err, sandboxmgr.ErrNoEntry) {
		return nil, err
	}
	before := string(last.Value)
	if keep && b.Runtime == runtimeAuto && before != "" {
		b.Runtime = before
	}
	rt, err := s.runtimes.choose(ctx, b)
	if err != nil || rt.Name() == before {
		return rt, err
	}
	if before != "" {
		s.log.Warn("the binding's runtime is another one than before; sandboxes of the earlier one are out of reach, but can be destroyed",
			"binding", b.Name, "before", before, "now", rt.Name())
	}
	_, err = s.store.Commit(ctx, sandboxmgr.Change{Key: key, Value: []byte(rt.Name()), Expect: sandboxmgr.AnyRevision})
	return rt, err
}

// binding is the configured binding as the manager takes it.
func (b Sandbox) binding(rt sandboxmgr.Runtime) sandboxmgr.Binding {
	m := sandboxmgr.Binding{
		Runtime: rt, Image: b.Image, Entrypoint: b.Entrypoint, Rootfs: b.Rootfs, OCIRuntime: b.OCIRuntime,
		Preset: b.Preset, Network: b.Network, Persist: b.Persist, MemoryBytes: b.MemoryBytes, CPUs: b.CPUs, PIDs: b.PIDs,
		ExecTimeout: b.ExecTimeout, SleepAfter: b.SleepAfter, DeleteAfter: b.DeleteAfter, Warm: b.Warm, MaxSandboxes: b.MaxSandboxes,
		Env: b.Env, Tools: b.Tools,
	}
	if rt.Name() == runtimeProcess {
		m.Image = "" // its files are this machine's
	}
	if b.Build != nil {
		m.Build = &sandboxmgr.Build{Context: b.Build.Context, Dockerfile: b.Build.Dockerfile}
	}
	for _, p := range b.Start {
		var a sandboxmgr.Autostart
		a.ProcessID, a.Command, a.Argv, a.Cwd, a.Env, a.Port = p.ProcessID, p.Command, p.Argv, p.Cwd, p.Env, p.Port
		m.Start = append(m.Start, a)
	}
	return m
}
