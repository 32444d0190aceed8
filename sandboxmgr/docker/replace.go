package docker

import (
	"context"
	"fmt"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/errdefs"
)

// nextSuffix follows the name of a container that is about to take the place of
// the one with that name.
const nextSuffix = ".next"

// replace puts a container as it is wished in the place of the stopped one c.
func (r *Runtime) replace(ctx context.Context, w wish, c container.InspectResponse) error {
	if fresh(c) {
		return r.remove(ctx, c.ID)
	}
	return r.remake(ctx, w, c)
}

// alone runs do when no other call of this runtime works on the container of
// that name.
func (r *Runtime) alone(ctx context.Context, name string, do func() error) error {
	mine := make(chan struct{})
	for {
		theirs, busy := r.busy.LoadOrStore(name, mine)
		if !busy {
			break
		}
		select {
		case <-theirs.(chan struct{}):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	defer close(mine)
	defer r.busy.Delete(name)
	return do()
}

// remake makes a container as it is wished with the files of the stopped one c,
// which it deletes. At every moment one of the two has all of them.
func (r *Runtime) remake(ctx context.Context, w wish, c container.InspectResponse) error {
	next := w.Name + nextSuffix
	if err := r.removeContainer(ctx, next); err != nil {
		return err
	}
	r.removeSnapshots(ctx, w.Name)
	from, err := r.snapshot(ctx, w, c)
	if err != nil {
		return fmt.Errorf("keep the files: %w", again(err))
	}
	if _, err := r.create(ctx, w, next, from); err != nil {
		r.removeImage(ctx, from.image)
		return again(err)
	}
	if err := r.removeContainer(ctx, c.ID); err != nil {
		return err
	}
	err = r.call(ctx, callTimeout, func(ctx context.Context) error {
		return r.client.ContainerRename(ctx, next, w.Name)
	})
	if errdefs.IsNotFound(err) { // somebody else was quicker
		return fmt.Errorf("%w: %w", errAgain, err)
	}
	return again(err)
}

// snapshot makes an image of the files of the stopped container c, which belong
// to whom the next one runs as.
func (r *Runtime) snapshot(ctx context.Context, w wish, c container.InspectResponse) (base, error) {
	from := base{user: rootUser, unset: w.dropped(c.Config), snapshot: true}
	if w.trusted() {
		if img, err := r.image(ctx, w.Image); err == nil && img.Config.User != "" {
			from.user = img.Config.User
		}
	} else {
		who, err := r.account(ctx, c.ID, c.Config.User)
		if err != nil {
			return from, err
		}
		from.user = who.String()
		if c.Config.User != from.user {
			if err := r.give(ctx, c.ID, who); err != nil {
				return from, err
			}
		}
		if who.home == "" && !hasVariable(c.Config.Env, "HOME") {
			from.env = []string{"HOME=" + workspaceTarget}
		}
	}
	var err error
	from.image, err = r.commit(ctx, c.ID, "what sandbox "+w.Name+" wrote", []string{labelLine(labelSnapshot, w.Name)})
	return from, err
}

// commit makes an image of a container's files, with changes as lines of a
// Dockerfile, and returns its id.
func (r *Runtime) commit(ctx context.Context, id, comment string, changes []string) (image string, err error) {
	err = r.call(ctx, commitTimeout, func(ctx context.Context) error {
		res, err := r.client.ContainerCommit(ctx, id, container.CommitOptions{
			Changes: changes, Comment: comment,
			Config: &container.Config{}, // podman wants one
		})
		image = res.ID
		return err
	})
	return image, err
}
