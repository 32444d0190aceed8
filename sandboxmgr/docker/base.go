package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/errdefs"

	"edge/sandboxmgr"
)

// preparedRepo names the images that prepare makes; their tags are the digests of
// what they were made from.
const preparedRepo = "edge-prepared"

// seedSuffix follows a machine's name in that of a container which never runs but
// fills an image or a volume for it.
const seedSuffix = ".seed"

// base is what a container is made from.
type base struct {
	image string // a name or an id
	user  string // numeric "uid:gid"
	env   []string
	unset []string // variables of the image that shall not be there
	// snapshot is set when image is a snapshot of an earlier container.
	snapshot bool
}

// base finds what a new container of w is made from. A trusted one is the image
// as it is. Others get the image with /workspace given to a user of no
// privileges, which costs a moment the first time that an image is used.
func (r *Runtime) base(ctx context.Context, w wish) (base, error) {
	img, err := r.image(ctx, w.Image)
	if err != nil {
		return base{}, err
	}
	if w.trusted() {
		return base{image: w.Image, user: cmp.Or(img.Config.User, rootUser)}, nil
	}
	ref := preparedRef(img.ID)
	if user, ok := r.users.Load(ref); ok {
		return base{image: ref, user: user.(string)}, nil
	}
	var prepared image.InspectResponse
	for range rounds { // somebody may clean images up meanwhile
		prepared, err = r.inspectImage(ctx, ref)
		if !errdefs.IsNotFound(err) {
			break
		}
		err = r.alone(ctx, ref, func() error { return r.prepare(ctx, w, img, ref) })
		if err != nil {
			return base{}, fmt.Errorf("prepare image %s: %w", w.Image, err)
		}
	}
	if err == nil && prepared.Config == nil {
		err = errors.New("it is gone as soon as it is made")
	}
	if err != nil {
		return base{}, fmt.Errorf("image %s, prepared: %w", w.Image, err)
	}
	r.users.Store(ref, prepared.Config.User)
	return base{image: ref, user: prepared.Config.User}, nil
}

func preparedRef(id string) string {
	return preparedRepo + ":" + strings.TrimPrefix(id, "sha256:")[:32]
}

// image describes an image; ErrNoImage if it is not there.
func (r *Runtime) image(ctx context.Context, name string) (image.InspectResponse, error) {
	img, err := r.inspectImage(ctx, name)
	switch {
	case errdefs.IsNotFound(err):
		return img, fmt.Errorf("%w: %s", sandboxmgr.ErrNoImage, howToGet(name))
	case err != nil:
		return img, fmt.Errorf("image %q: %w", name, err)
	case img.Config == nil:
		return img, fmt.Errorf("image %q: the engine does not say what is in it", name)
	}
	return img, nil
}

func (r *Runtime) inspectImage(ctx context.Context, name string) (img image.InspectResponse, err error) {
	err = r.call(ctx, callTimeout, func(ctx context.Context) error {
		img, err = r.client.ImageInspect(ctx, name)
		return err
	})
	return img, err
}

// prepare makes the image ref of img: the same, with a user of no privileges to
// whom /workspace belongs. It is done by the engine alone, in a container that
// never runs, so that no process in any sandbox ever needs a privilege for it.
func (r *Runtime) prepare(ctx context.Context, w wish, img image.InspectResponse, ref string) error {
	if _, err := r.inspectImage(ctx, ref); !errdefs.IsNotFound(err) {
		return err // somebody else has just done it
	}
	seed := w.Name + seedSuffix
	if err := r.removeContainer(ctx, seed); err != nil {
		return err
	}
	if _, err := r.createContainer(ctx, seed, w.seedConfig(img.ID), w.seedHost(), nil); err != nil {
		return err
	}
	defer r.forget(ctx, seed)
	who, err := r.account(ctx, seed, img.Config.User)
	if err != nil {
		return err
	}
	if err := r.give(ctx, seed, who); err != nil {
		return err
	}
	changes := []string{
		"USER " + who.String(),
		// The image takes on the container's labels; those that say whose it is
		// are for the container alone.
		labelLine(labelPrepared, w.Image), labelLine(labelStandIn, ""), labelLine(sandboxmgr.LabelOwner, ""),
	}
	if who.home == "" && !hasVariable(img.Config.Env, "HOME") {
		changes = append(changes, "ENV HOME="+workspaceTarget)
	}
	id, err := r.commit(ctx, seed, "prepared for sandboxes", changes)
	if err != nil {
		return err
	}
	if err := r.name(ctx, id, ref); err != nil {
		return err
	}
	r.log.Info("prepared an image for sandboxes", "image", w.Image, "user", who.String())
	r.removeOutdated(ctx, w.Image, ref)
	return nil
}

// labelLine is a line of a Dockerfile. One label a line, and no quotes: podman
// reads no others. Values are names, without space.
func labelLine(label, value string) string { return "LABEL " + label + "=" + value }

// name gives an image a name, or removes it if another edge has just made one of
// that name.
func (r *Runtime) name(ctx context.Context, id, ref string) error {
	if _, err := r.inspectImage(ctx, ref); !errdefs.IsNotFound(err) {
		r.removeImage(ctx, id)
		return err
	}
	return r.call(ctx, callTimeout, func(ctx context.Context) error { return r.client.ImageTag(ctx, id, ref) })
}

// seedConfig is a container that never runs.
func (w wish) seedConfig(image string) *container.Config {
	return &container.Config{
		Image: image, Entrypoint: []string{initTarget}, Cmd: []string{}, WorkingDir: workspaceTarget,
		Labels: map[string]string{
			sandboxmgr.LabelOwner: w.Labels[sandboxmgr.LabelOwner],
			labelStandIn:          w.Name, // so that it is found, and removed with the machine, after a crash
		},
	}
}

func (w wish) seedHost() *container.HostConfig {
	return &container.HostConfig{NetworkMode: networkNone, CapDrop: []string{"ALL"}}
}

// forget removes a container that was only needed for a moment. One that stays
// is removed with its machine.
func (r *Runtime) forget(ctx context.Context, name string) {
	if err := r.removeContainer(context.WithoutCancel(ctx), name); err != nil {
		r.log.Warn("a container that is not needed any more stays behind", "container", name, "error", err)
	}
}

// removeOutdated removes what was prepared of earlier images of that name, unless
// a sandbox is still made of it.
func (r *Runtime) removeOutdated(ctx context.Context, name, ref string) {
	var images []image.Summary
	err := r.call(ctx, callTimeout, func(ctx context.Context) (err error) {
		images, err = r.client.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(
			filters.Arg("reference", preparedRepo), filters.Arg("label", labelPrepared+"="+name),
		)})
		return err
	})
	for _, img := range images {
		for _, tag := range img.RepoTags {
			if strings.HasSuffix("/"+tag, "/"+ref) { // podman puts a registry before it
				continue
			}
			if rerr := r.removeUnused(ctx, tag); rerr != nil {
				err = rerr
			}
		}
	}
	if err != nil {
		r.log.Debug("cannot remove outdated images", "image", name, "error", err)
	}
}

func hasVariable(env []string, name string) bool {
	for _, entry := range env {
		if strings.HasPrefix(entry, name+"=") {
			return true
		}
	}
	return false
}
