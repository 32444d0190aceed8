package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"edge/abi"
	"edge/sandboxmgr"
)

type cleanCommand struct {
	Flags
	Config string `short:"c" default:"edge.yaml" placeholder:"FILE" help:"Configuration; default edge.yaml."`
}

// Run destroys every sandbox that the state folder knows of. No edge may use the
// folder meanwhile.
func (c *cleanCommand) Run(ctx context.Context, t *terminal) error {
	config, err := LoadConfig(c.Config)
	if err != nil {
		return usageError{err}
	}
	settings, err := settle(c.Flags, t.getenv, config, cleanedState(config), devLogLevel)
	if err != nil {
		return usageError{err}
	}
	if _, err := os.Stat(filepath.Join(settings.State, stateFile)); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(t.out, "nothing to clean: no edge has used %s\n", settings.State)
		return nil
	}
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this executable: %w", err)
	}
	ctx, stop := t.interruptible(ctx)
	defer stop()
	s := &server{settings: settings, log: settings.logger(t.err), config: config}
	err = s.clean(ctx, t, serverOptions{
		config: config, settings: settings, assets: assets, executable: executable, dockerHost: t.getenv("DOCKER_HOST"), keepRuntimes: true,
	})
	return errors.Join(err, s.release(context.WithoutCancel(ctx)))
}

// cleanedState is the folder to clean when none is named: that of edge dev if
// there is one, else that of edge serve.
func cleanedState(c *Config) string {
	local := filepath.Join(c.Dir, localState)
	if _, err := os.Stat(filepath.Join(local, stateFile)); err == nil {
		return local
	}
	return serverState(c, os.Geteuid())
}

func (s *server) clean(ctx context.Context, t *terminal, o serverOptions) error {
	if err := s.openState(); err != nil {
		return err
	}
	relay, table := s.newRelay()
	if err := s.openSandboxes(ctx, o, relay, table); err != nil {
		return err
	}
	var errs []error
	for _, known := range s.manager.List() {
		if err := destroy(ctx, s.manager, known.Ref); err != nil {
			errs = append(errs, fmt.Errorf("%s/%s: %w", known.Ref.Binding, known.Ref.ID, err))
			continue
		}
		fmt.Fprintf(t.out, "destroyed %s/%s\n", known.Ref.Binding, known.Ref.ID)
	}
	return errors.Join(errs...)
}

func destroy(ctx context.Context, m *sandboxmgr.Manager, ref abi.SandboxRef) error {
	box, err := m.Sandbox(ref)
	if err != nil {
		return err
	}
	_, err = box.Destroy(ctx, &abi.Empty{})
	return err
}
