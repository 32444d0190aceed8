package docker

import (
	"context"
	"fmt"

	"github.com/docker/docker/errdefs"
)

// HasImage tells whether the engine has the image. Nothing is fetched.
func (r *Runtime) HasImage(ctx context.Context, image string) (bool, error) {
	err := r.call(ctx, callTimeout, func(ctx context.Context) error {
		_, err := r.engine.ImageInspect(ctx, image)
		return err
	})
	switch {
	case errdefs.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("image %q: %w", image, err)
	}
	return true, nil
}
