package docker

import (
	"cmp"
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
// label with that value, or with any when it is empty, in order. A container that
// was about to take another one's place, or that only serves to make one, stands
// for that machine, under its name.
func (r *Runtime) Machines(ctx context.Context, label, value string) ([]string, error) {
	if value != "" {
		label += "=" + value
	}
	containers, err := r.list(ctx, filters.Arg("label", label))
	if err != nil {
		return nil, fmt.Errorf("list machines: %w", err)
	}
	var names []string
	for _, c := range containers {
		// By its label, because a name's end does not tell: a sandbox may be
		// called "next".
		name := cmp.Or(c.Labels[labelStandIn], c.Labels[labelSnapshot])
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

// list returns the containers, running or not, that pass the filter.
func (r *Runtime) list(ctx context.Context, filter filters.KeyValuePair) (containers []container.Summary, err error) {
	err = r.call(ctx, callTimeout, func(ctx context.Context) error {
		containers, err = r.client.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filter)})
		return err
	})
	return containers, err
}
