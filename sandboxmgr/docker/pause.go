package docker

import (
	"context"
	"fmt"

	"github.com/docker/docker/errdefs"
)

// Pause freezes the container. One that is frozen is no error.
func (m *machine) Pause(ctx context.Context) error {
	return m.freeze(ctx, true, m.runtime.client.ContainerPause)
}

// Resume lets the container run on. One that runs is no error.
func (m *machine) Resume(ctx context.Context) error {
	return m.freeze(ctx, false, m.runtime.client.ContainerUnpause)
}

// freezeTries is how often an engine that contradicts itself is asked.
const freezeTries = 3

// freeze does what makes the container paused or not, and looks at it when that
// failed: somebody may have done it before. If nobody has, it is tried again,
// because an engine notes a change some moments after it has made it, and refuses
// to undo one that it has not noted.
func (m *machine) freeze(ctx context.Context, paused bool, do func(context.Context, string) error) (err error) {
	for range freezeTries {
		err = m.runtime.call(ctx, callTimeout, func(ctx context.Context) error { return do(ctx, m.id) })
		if err == nil {
			return nil
		}
		is, perr := m.Paused(ctx)
		if perr != nil {
			break
		}
		if is == paused {
			return nil
		}
	}
	return fmt.Errorf("pause or resume %s: %w", m.name, m.gone(err))
}

// Paused tells whether the container is frozen.
func (m *machine) Paused(ctx context.Context) (bool, error) {
	c, err := m.runtime.inspect(ctx, m.id)
	if err != nil {
		return false, fmt.Errorf("look at %s: %w", m.name, m.gone(err))
	}
	if !c.State.Running {
		return false, fmt.Errorf("look at %s: %w", m.name, errEnded)
	}
	return c.State.Paused, nil
}

// gone makes ErrNoMachine of a container that does not exist any more.
func (m *machine) gone(err error) error {
	if errdefs.IsNotFound(err) {
		return errEnded
	}
	return err
}
