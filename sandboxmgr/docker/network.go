package docker

import (
	"context"
	"fmt"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/errdefs"

	"edge/sandboxmgr"
)

// networkMode is the engine's name for the network of w.
func (w wish) networkMode() container.NetworkMode {
	switch w.Network {
	case networkInternal:
		return container.NetworkMode(internalOf(w.Labels[sandboxmgr.LabelOwner]))
	case networkEgress:
		return network.NetworkBridge
	}
	return network.NetworkNone
}

// internalOf names the network on which the sandboxes of one edge reach each
// other and nothing else.
func internalOf(owner string) string { return "edge." + owner + ".internal" }

// endpoints give the sandbox the name "id.Binding" on the internal network.
func (w wish) endpoints() *network.NetworkingConfig {
	id, binding := w.Labels["edge.id"], w.Labels["edge.binding"]
	if w.Network != networkInternal || id == "" || binding == "" {
		return nil
	}
	return &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
		string(w.networkMode()): {Aliases: []string{id + "." + binding}},
	}}
}

// ensureNetwork makes the internal network if w wants it and it is not there.
func (r *Runtime) ensureNetwork(ctx context.Context, w wish) error {
	if w.Network != networkInternal {
		return nil
	}
	name := string(w.networkMode())
	err := r.alone(ctx, name, func() error {
		err := r.call(ctx, callTimeout, func(ctx context.Context) error {
			_, err := r.client.NetworkInspect(ctx, name, network.InspectOptions{})
			return err
		})
		if !errdefs.IsNotFound(err) {
			return err
		}
		return r.call(ctx, callTimeout, func(ctx context.Context) error {
			_, err := r.client.NetworkCreate(ctx, name, network.CreateOptions{
				Driver: network.NetworkBridge, Internal: true,
				Labels: map[string]string{sandboxmgr.LabelOwner: w.Labels[sandboxmgr.LabelOwner]},
				// The engine's computer has no address on it: what listens there
				// on all addresses is no business of a sandbox.
				Options: map[string]string{"com.docker.network.bridge.inhibit_ipv4": "true"},
			})
			return err
		})
	})
	if err != nil && !errdefs.IsConflict(err) {
		return fmt.Errorf("internal network %s: %w", name, err)
	}
	return nil
}

// dropNetwork removes the internal network on which a container was, now removed,
// unless another container, running or not, is on it.
func (r *Runtime) dropNetwork(ctx context.Context, c container.InspectResponse) {
	owner := c.Config.Labels[sandboxmgr.LabelOwner]
	name := internalOf(owner)
	if owner == "" || string(c.HostConfig.NetworkMode) != name {
		return
	}
	err := r.alone(ctx, name, func() error {
		others, err := r.list(ctx, filters.Arg("label", sandboxmgr.LabelOwner+"="+owner))
		if err != nil {
			return err
		}
		for _, other := range others {
			if other.HostConfig.NetworkMode == name {
				return nil
			}
		}
		return r.call(ctx, callTimeout, func(ctx context.Context) error { return r.client.NetworkRemove(ctx, name) })
	})
	// A sandbox that has just been made is on it, or somebody was quicker.
	if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsForbidden(err) && !errdefs.IsConflict(err) {
		r.log.Warn("an internal network that nobody uses stays behind", "network", name, "error", err)
	}
}
