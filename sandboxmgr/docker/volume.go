package docker

import (
	"context"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/errdefs"

	"edge/sandboxmgr"
)

// workspaceSuffix follows a machine's name in that of its volume.
const workspaceSuffix = ".workspace"

// hasWorkspace tells whether /workspace of a container is its machine's volume.
func hasWorkspace(c container.InspectResponse, machine string) bool {
	for _, m := range c.Mounts {
		if m.Type == mount.TypeVolume && m.Name == machine+workspaceSuffix {
			return true
		}
	}
	return false
}

// workspace is the machine's volume. The engine makes it with the container, and
// fills it with what the image has in /workspace, owner and all.
func (w wish) workspace() mount.Mount {
	return mount.Mount{
		Type: mount.TypeVolume, Source: w.Name + workspaceSuffix, Target: workspaceTarget,
		VolumeOptions: &mount.VolumeOptions{Labels: map[string]string{
			sandboxmgr.LabelOwner: w.Labels[sandboxmgr.LabelOwner],
		}},
	}
}

// removeVolume deletes a volume. One that does not exist is no error.
func (r *Runtime) removeVolume(ctx context.Context, name string) error {
	err := r.call(ctx, callTimeout, func(ctx context.Context) error { return r.client.VolumeRemove(ctx, name, false) })
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}
