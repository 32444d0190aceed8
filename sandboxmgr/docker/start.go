package docker

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/errdefs"

	"edge/sandboxmgr"
)

// rounds bounds how often Start begins anew because somebody else changed the
// container meanwhile.
const rounds = 8

// hostnameOf is the last part of a machine's name, which is the sandbox's id.
func hostnameOf(machine string) string { return strings.TrimPrefix(path.Ext(machine), ".") }

// Start makes the container, or starts the stopped one, or returns the one that
// runs. Calls for one name that race end with the same container.
func (r *Runtime) Start(ctx context.Context, spec sandboxmgr.MachineSpec) (m sandboxmgr.Machine, err error) {
	if err = checkConfinement(&spec); err == nil {
		err = r.alone(ctx, spec.Name, func() error {
			m, err = r.start(ctx, &spec)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	return m, nil
}

// start takes steps until the machine runs. It goes slowly where somebody else,
// another edge for one, is at the same container.
func (r *Runtime) start(ctx context.Context, spec *sandboxmgr.MachineSpec) (sandboxmgr.Machine, error) {
	var last error
	pause := time.NewTimer(0)
	defer pause.Stop()
	for round := range rounds {
		m, err := r.step(ctx, spec)
		if m != nil || err != nil && !errors.Is(err, errAgain) {
			return m, err
		}
		if err == nil {
			continue
		}
		last = err
		pause.Reset(10 * time.Millisecond << round)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return nil, fmt.Errorf("the container keeps changing (%v)", last)
}

// errAgain wraps the reason why Start has to look again.
var errAgain = errors.New("changed meanwhile")

// step looks at the container and does what is next. It returns the running
// machine, or nil and no error when there is more to do.
func (r *Runtime) step(ctx context.Context, spec *sandboxmgr.MachineSpec) (sandboxmgr.Machine, error) {
	w, err := r.wish(ctx, spec)
	if err != nil {
		return nil, err
	}
	c, err := r.inspect(ctx, w.Name)
	switch {
	case errdefs.IsNotFound(err):
		id, err := r.make(ctx, w)
		if id == "" || err != nil {
			return nil, err
		}
		return r.launch(ctx, w, id, nil)
	case err != nil:
		return nil, err
	case c.State.Running:
		return r.open(c), nil
	case c.State.Dead || c.State.Status == "removing" || spec.Fresh && !fresh(c):
		return nil, r.remove(ctx, w.Name)
	}
	w.volume = w.volume || hasWorkspace(c, w.Name) // what is in it stays in sight
	if c.Config.Labels[labelFixed] != w.fixed() || w.unbinds(c.HostConfig.Resources) {
		return nil, r.replace(ctx, w, c)
	}
	return r.run(ctx, w, c)
}

// run starts the stopped container c, which is as it is wished but for bounds.
func (r *Runtime) run(ctx context.Context, w wish, c container.InspectResponse) (sandboxmgr.Machine, error) {
	if !w.bounded(c.HostConfig.Resources) {
		err := r.call(ctx, callTimeout, func(ctx context.Context) error {
			_, err := r.client.ContainerUpdate(ctx, c.ID, container.UpdateConfig{Resources: w.bounds()})
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("change bounds: %w", err)
		}
	}
	return r.launch(ctx, w, c.ID, &c)
}

// launch starts the container, which is c as it was found, or nil if it has just
// been made.
func (r *Runtime) launch(ctx context.Context, w wish, id string, c *container.InspectResponse) (sandboxmgr.Machine, error) {
	err := r.ready(ctx, w, id)
	if err == nil {
		err = r.call(ctx, callTimeout, func(ctx context.Context) error {
			return r.client.ContainerStart(ctx, id, container.StartOptions{})
		})
	}
	empty := c == nil || fresh(*c)
	switch {
	case err == nil:
		now, err := r.inspect(ctx, id)
		if err != nil {
			return nil, err
		}
		return r.open(now), nil
	case errdefs.IsNotFound(err):
		return nil, fmt.Errorf("%w: %w", errAgain, err)
	case r.refusedIPv6(w, err) && empty:
		return nil, r.remove(ctx, id)
	case r.refusedIPv6(w, err):
		w.ipv6 = false
		return nil, r.replace(ctx, w, *c)
	case empty && !errors.Is(err, sandboxmgr.ErrRuntimeDown):
		// It holds nothing: the next Start makes it anew. Of an engine that went
		// away nobody knows whether it has started it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		defer cancel()
		return nil, errors.Join(err, r.remove(ctx, id))
	}
	return nil, err
}

// ready sees to what the container needs besides itself to be started.
func (r *Runtime) ready(ctx context.Context, w wish, id string) error {
	if err := r.ensureNetwork(ctx, w); err != nil {
		return err
	}
	return r.ensureInit(ctx, w, id)
}

// fresh tells whether a container never ran, so that nothing is in it.
func fresh(c container.InspectResponse) bool {
	return c.State.Status == container.StateCreated && c.Config.Labels[labelSnapshot] == ""
}

// refusedIPv6 tells whether err says that IPv6 cannot be turned on in a
// container here. It is not asked for again then.
func (r *Runtime) refusedIPv6(w wish, err error) bool {
	if err == nil || !w.ipv6 || !strings.Contains(err.Error(), "sysctl") && !strings.Contains(err.Error(), "disable_ipv6") {
		return false
	}
	if !r.noIPv6.Swap(true) {
		r.log.Warn("containers have no ::1: the engine cannot turn IPv6 on in them", "error", err)
	}
	return true
}

// make creates the container that does not exist, and returns its id. A snapshot
// that was left by an edge which ended while it was replacing one takes its name
// instead, unless nothing of before is wanted; then the id is empty, and so it is
// when there is another reason to look again.
func (r *Runtime) make(ctx context.Context, w wish) (id string, err error) {
	next := w.Name + nextSuffix
	if w.Fresh {
		if err := r.remove(ctx, next); err != nil {
			return "", err
		}
	} else {
		err := r.call(ctx, callTimeout, func(ctx context.Context) error {
			return r.client.ContainerRename(ctx, next, w.Name)
		})
		if !errdefs.IsNotFound(err) {
			return "", again(err)
		}
	}
	from, err := r.base(ctx, w)
	if err != nil {
		return "", err
	}
	id, err = r.create(ctx, w, w.Name, from)
	if errors.Is(err, sandboxmgr.ErrNoImage) && r.users.CompareAndDelete(from.image, from.user) {
		return "", fmt.Errorf("%w: %w", errAgain, err) // it was prepared, and somebody has removed that
	}
	return id, again(err)
}

// again marks an error as a reason to look again when somebody else had the
// name first.
func again(err error) error {
	if errdefs.IsConflict(err) {
		return fmt.Errorf("%w: %w", errAgain, err)
	}
	return err
}

// create creates a container that is called name, and returns its id, which is
// empty when the engine has just refused something and will not be asked for it
// again.
func (r *Runtime) create(ctx context.Context, w wish, name string, from base) (id string, err error) {
	if err := r.ensureNetwork(ctx, w); err != nil {
		return "", err
	}
	id, err = r.createContainer(ctx, name, w.config(from), w.hostConfig(), w.endpoints())
	switch {
	case errdefs.IsNotFound(err):
		return "", fmt.Errorf("%w: %s", sandboxmgr.ErrNoImage, howToGet(w.Image))
	case r.refusedIPv6(w, err):
		return "", nil
	}
	return id, err
}

// createContainer has the engine make a container and returns its id. Once asked for
// it is waited for, ctx's end notwithstanding: an engine whose caller hung up makes it
// all the same, and later than whoever removes the machine looks for it.
func (r *Runtime) createContainer(ctx context.Context, name string, config *container.Config, host *container.HostConfig, endpoints *network.NetworkingConfig) (id string, err error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	err = r.call(context.WithoutCancel(ctx), callTimeout, func(ctx context.Context) error {
		made, err := r.client.ContainerCreate(ctx, config, host, endpoints, nil, name)
		id = made.ID
		return err
	})
	return id, err
}

func howToGet(image string) string {
	if image == "edge-sandbox" || image == "edge-sandbox:latest" {
		return "make image"
	}
	return "docker pull " + image + ", or name another with image: in the configuration"
}

// Adopt returns the running container of that name.
func (r *Runtime) Adopt(ctx context.Context, name string) (sandboxmgr.Machine, error) {
	c, err := r.inspect(ctx, name)
	switch {
	case errdefs.IsNotFound(err) || err == nil && !c.State.Running:
		return nil, fmt.Errorf("adopt %s: %w", name, sandboxmgr.ErrNoMachine)
	case err != nil:
		return nil, fmt.Errorf("adopt %s: %w", name, err)
	}
	return r.open(c), nil
}

// Remove ends the container and deletes it with all it wrote, its volume
// included. One that does not exist is no error.
func (r *Runtime) Remove(ctx context.Context, name string) error {
	err := r.alone(ctx, name, func() error {
		err := errors.Join(r.remove(ctx, name), r.remove(ctx, name+nextSuffix), r.removeContainer(ctx, name+seedSuffix))
		if err != nil {
			return err
		}
		r.removeSnapshots(ctx, name)
		return r.removeVolume(ctx, name+workspaceSuffix)
	})
	if err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}

// remove deletes a container and the snapshot that it was made from.
func (r *Runtime) remove(ctx context.Context, name string) error {
	c, err := r.inspect(ctx, name)
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := r.removeContainer(ctx, c.ID); err != nil {
		return err
	}
	if c.Config.Labels[labelSnapshot] != "" {
		r.removeImage(ctx, c.Image)
	}
	r.dropNetwork(ctx, c)
	r.dropInit(ctx, c)
	return nil
}

// removeTries is how often an engine is asked to delete a container that it could
// not end: its first process may have been dying, which it calls a failure.
const removeTries = 3

// removeContainer deletes a container, and waits for one that somebody else is
// deleting.
func (r *Runtime) removeContainer(ctx context.Context, name string) error {
	var err error
	for range removeTries {
		err = r.call(ctx, callTimeout, func(ctx context.Context) error {
			return r.client.ContainerRemove(ctx, name, container.RemoveOptions{Force: true, RemoveVolumes: true})
		})
		if !errdefs.IsSystem(err) || ctx.Err() != nil {
			break
		}
		r.log.Debug("the engine could not delete a container; asking again", "container", name, "error", err)
		_ = r.call(ctx, dyingTimeout, func(ctx context.Context) error { // that it ends, or time passes, is all that is wanted
			return first(r.client.ContainerWait(ctx, name, container.WaitConditionNotRunning))
		})
	}
	if errdefs.IsConflict(err) {
		err = r.call(ctx, callTimeout, func(ctx context.Context) error {
			return first(r.client.ContainerWait(ctx, name, container.WaitConditionRemoved))
		})
	}
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}

// removeImage deletes a snapshot and those that it was made from. One that
// cannot be deleted costs room only.
func (r *Runtime) removeImage(ctx context.Context, id string) {
	err := r.call(context.WithoutCancel(ctx), callTimeout, func(ctx context.Context) error {
		_, err := r.client.ImageRemove(ctx, id, image.RemoveOptions{PruneChildren: true})
		return err
	})
	if err != nil && !errdefs.IsNotFound(err) {
		r.log.Warn("a sandbox's snapshot stays behind", "image", id, "error", err)
	}
}

// removeSnapshots deletes the machine's snapshots of which no container is made:
// what an edge left that ended before it had made one.
func (r *Runtime) removeSnapshots(ctx context.Context, name string) {
	err := r.call(ctx, callTimeout, func(ctx context.Context) error {
		images, err := r.client.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("label", labelSnapshot+"="+name))})
		for _, img := range images {
			_, rerr := r.client.ImageRemove(ctx, img.ID, image.RemoveOptions{PruneChildren: true})
			if rerr != nil && !errdefs.IsNotFound(rerr) && !errdefs.IsConflict(rerr) {
				err = rerr
			}
		}
		return err
	})
	if err != nil {
		r.log.Warn("a sandbox's snapshot may stay behind", "machine", name, "error", err)
	}
}

func (r *Runtime) inspect(ctx context.Context, name string) (c container.InspectResponse, err error) {
	err = r.call(ctx, callTimeout, func(ctx context.Context) error {
		c, err = r.client.ContainerInspect(ctx, name)
		return err
	})
	return c, err
}
