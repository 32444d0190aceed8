package docker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"edge/sandboxmgr"
)

var _ sandboxmgr.Lister = (*Runtime)(nil)

// Machines returns the names of the machines, running or not, that carry the
// label with that value, in order. A container that was about to take another
// one's place stands for that machine, under its name.
func (r *Runtime) Machines(ctx context.Context, label, value string) ([]string, error) {
	var containers []container.Summary
	err := r.call(ctx, callTimeout, func(ctx context.Context) (err error) {
		containers, err = r.engine.ContainerList(ctx, container.ListOptions{
			All: true, Filters: filters.NewArgs(filters.Arg("label", label+"="+value)),
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list machines: %w", err)
	}
	var names []string
	for _, c := range containers {
		// By its label, because a name's end does not tell: a sandbox may be
		// called "next".
		name := c.Labels[labelSnapshot]
		if name == "" && len(c.Names) > 0 {
			name = strings.TrimPrefix(c.Names[0], "/")
		}
		if name != "" { // else it is just being removed
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
