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

// Run destroys every sandbox that the state folder knows of, and then removes the
// images that were built for bindings. No edge may use the folder meanwhile.
func (c *cleanCommand) Run(ctx context.Context, t *terminal) error {
	o, err := c.configure(c.Config, loadWithoutPlugins, t, cleanedState, devLogLevel)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(o.settings.State, stateFile)); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(t.out, "nothing to clean: no edge has used %s\n", o.settings.State)
		return nil
	}
	ctx, stop := t.interruptible(ctx)
	defer stop()
	o.keepRuntimes = true
	s := &server{settings: o.settings, log: o.log, config: o.config}
	err = s.clean(ctx, t, o)
	return errors.Join(err, s.release(context.WithoutCancel(ctx)))
}

// cleanedState is the folder to clean when none is named: that of edge dev if
// there is one, else that of edge serve.
func cleanedState(c *Config) string {
	local := localStateOf(c)
	if _, err := os.Stat(filepath.Join(local, stateFile)); err == nil {
		return local
	}
	return serverState(c)
}

func (s *server) clean(ctx context.Context, t *terminal, o serverOptions) error {
	if err := s.openState(); err != nil {
		return err
	}
	relay, table := s.newRelay(o.config.Limits)
	if err := s.openSandboxes(ctx, o, relay, table); err != nil {
		return err
	}
	var errs []error
	list := s.manager.List()
	if len(list) == 0 {
		fmt.Fprintf(t.out, "nothing to clean: there is no sandbox in %s\n", s.settings.State)
	}
	for _, known := range list {
		if err := destroy(ctx, s.manager, known.Ref); err != nil {
			errs = append(errs, fmt.Errorf("%s/%s: %w", known.Ref.Binding, known.Ref.ID, err))
			continue
		}
		fmt.Fprintf(t.out, "destroyed %s/%s\n", known.Ref.Binding, known.Ref.ID)
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	images, err := s.manager.RemoveImages(ctx)
	for _, image := range images {
		fmt.Fprintf(t.out, "removed image %s\n", image)
	}
	return err
}

func destroy(ctx context.Context, m *sandboxmgr.Manager, ref abi.SandboxRef) error {
	box, err := m.Sandbox(ref)
	if err != nil {
		return err
	}
	_, err = box.Destroy(ctx, &abi.Empty{})
	return err
}
