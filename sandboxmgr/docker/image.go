package docker

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/docker/docker/errdefs"
)

// HasImage tells whether the engine has the image. Nothing is fetched.
func (r *Runtime) HasImage(ctx context.Context, image string) (bool, error) {
	_, err := r.inspectImage(ctx, image)
	switch {
	case errdefs.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("image %q: %w", image, err)
	}
	return true, nil
}

// ImageCommand returns the image's entry point with its command, and the folder
// that they run in. The user is empty: whatever runs in a machine runs as the
// image's user already, or as one without privileges in root's place.
func (r *Runtime) ImageCommand(ctx context.Context, image string) (argv []string, dir, user string, err error) {
	img, err := r.image(ctx, image)
	if err != nil {
		return nil, "", "", err
	}
	return slices.Concat(img.Config.Entrypoint, img.Config.Cmd), cmp.Or(img.Config.WorkingDir, "/"), "", nil
}
