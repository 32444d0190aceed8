package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/versions"

	"edge/sandboxmgr"
)

// The levels of a Finding.
const (
	levelOK   = "ok"
	levelNote = "note"
	levelBad  = "bad"
)

// minAPI is the oldest Engine API with all that containers are made with: private
// control group namespaces came last.
const minAPI = "1.41"

// Examine asks the engine, and makes nothing of it: what it cannot do for such a
// machine, and how to mend that.
func (r *Runtime) Examine(ctx context.Context, spec sandboxmgr.MachineSpec) []sandboxmgr.Finding {
	if err := r.Check(ctx); err != nil {
		text, mend := cutMending(err)
		return []sandboxmgr.Finding{{Name: "docker engine", Level: levelBad, Text: text, Mend: mend}}
	}
	e, err := r.known(ctx)
	if err != nil {
		return []sandboxmgr.Finding{{Name: "docker engine", Level: levelBad, Text: err.Error()}}
	}
	found := []sandboxmgr.Finding{
		{Name: "docker engine", Level: levelOK, Text: e.String() + " answers at " + r.host},
		e.examineAPI(), r.examineFiles(e), e.examineSwap(), e.examineSeccomp(),
		{Name: "disk limit", Level: levelNote, Text: "what a sandbox may write is not bounded: storage driver " + e.storage + " has no quota that works everywhere"},
		e.examineUsers(),
	}
	if !e.privateCgroups() {
		found = append(found, sandboxmgr.Finding{Name: "cgroup namespaces", Level: levelNote,
			Text: e.version + " gives containers none of their own under " + e.cgroup + ": they can see, not change, the names of control groups"})
	}
	if spec.Image != "" {
		found = append(found, r.examineImage(ctx, spec.Image))
	}
	if spec.OCIRuntime != "" {
		found = append(found, e.examineRuntime(spec.OCIRuntime))
	}
	if err := checkConfinement(&spec); err != nil {
		found = append(found, sandboxmgr.Finding{Name: "confinement", Level: levelBad, Text: err.Error()})
	}
	return append(found, r.examineOthers(ctx, spec.Labels[sandboxmgr.LabelOwner])...)
}

// cutMending takes what to do out of an error of explain.
func cutMending(err error) (text, mend string) {
	text = err.Error()
	if errors.Is(err, sandboxmgr.ErrRuntimeDown) {
		text = strings.TrimPrefix(text, sandboxmgr.ErrRuntimeDown.Error()+": ")
	}
	if i := strings.LastIndex(text, " ("); i > 0 {
		text = text[:i]
	}
	if before, after, ok := strings.Cut(text, ": "); ok {
		return before, after
	}
	return text, ""
}

func (e *engine) examineAPI() sandboxmgr.Finding {
	f := sandboxmgr.Finding{Name: "engine API", Level: levelOK, Text: "version " + e.api}
	if versions.LessThan(e.api, minAPI) {
		f.Level, f.Mend = levelBad, "install Docker 20.10 or later"
		f.Text += ": " + minAPI + " is needed for private control group namespaces"
	}
	return f
}

func (r *Runtime) examineFiles(e *engine) sandboxmgr.Finding {
	if e.shared {
		return sandboxmgr.Finding{Name: "engine's files", Level: levelOK, Text: "the engine sees the edge's files: ports are dialled in the sandbox's network namespace (as root), or by its init"}
	}
	return sandboxmgr.Finding{Name: "engine's files", Level: levelNote,
		Text: "the engine at " + r.host + " does not see the edge's files: the init is copied there, and reached through the engine's exec"}
}

func (e *engine) examineSwap() sandboxmgr.Finding {
	if e.swap {
		return sandboxmgr.Finding{Name: "swap", Level: levelOK, Text: "accounted: sandboxes get none"}
	}
	return sandboxmgr.Finding{Name: "swap", Level: levelNote,
		Text: "this kernel does not account swap (" + e.cgroup + "): a sandbox's memory may be swapped if the computer has swap",
		Mend: "swapoff -a, or boot with swapaccount=1"}
}

func (e *engine) examineSeccomp() sandboxmgr.Finding {
	switch {
	case !e.seccomp:
		return sandboxmgr.Finding{Name: "seccomp", Level: levelBad, Text: "the engine cannot filter system calls", Mend: "use a kernel with CONFIG_SECCOMP_FILTER and an engine built with seccomp"}
	case e.podman && !e.shared:
		return sandboxmgr.Finding{Name: "seccomp", Level: levelNote, Text: "podman reads profiles from its own computer: sandboxes get its default profile"}
	}
	return sandboxmgr.Finding{Name: "seccomp", Level: levelOK, Text: "Docker's default profile without " + strings.Join(withheld, ", ")}
}

func (e *engine) examineUsers() sandboxmgr.Finding {
	if e.ownership == "" {
		return sandboxmgr.Finding{Name: "engine's users", Level: levelOK,
			Text: "users inside are users of the engine's computer; presets strict and default run as " + strconv.Itoa(tenantID) + ", or as the image's user"}
	}
	return sandboxmgr.Finding{Name: "engine's users", Level: levelOK, Text: "the engine maps users (" + e.ownership + "): root inside is nobody outside"}
}

func (r *Runtime) examineImage(ctx context.Context, image string) sandboxmgr.Finding {
	f := sandboxmgr.Finding{Name: "image " + image, Level: levelOK, Text: "the engine has it"}
	switch has, err := r.HasImage(ctx, image); {
	case err != nil:
		f.Level, f.Text = levelBad, err.Error()
	case !has:
		f.Level, f.Text, f.Mend = levelBad, "the engine does not have it", howToGet(image)
	}
	return f
}

func (e *engine) examineRuntime(name string) sandboxmgr.Finding {
	f := sandboxmgr.Finding{Name: "OCI runtime " + name, Level: levelOK, Text: "registered with the engine"}
	if !slices.Contains(e.runtimes, name) {
		f.Level, f.Text = levelBad, "the engine knows "+strings.Join(e.runtimes, ", ")
		f.Mend = fmt.Sprintf("add %q to \"runtimes\" in /etc/docker/daemon.json and restart dockerd", name)
	} else if !sharesKernel(name) {
		f.Text += "; ports are reached through the init, because its network is its own"
	}
	return f
}

// examineOthers notes the sandboxes of other edges, which this one never touches.
func (r *Runtime) examineOthers(ctx context.Context, owner string) []sandboxmgr.Finding {
	containers, err := r.list(ctx, filters.Arg("label", sandboxmgr.LabelOwner))
	if err != nil {
		return []sandboxmgr.Finding{{Name: "other edges", Level: levelNote, Text: err.Error()}}
	}
	others := make(map[string][]string)
	for _, c := range containers {
		if o := c.Labels[sandboxmgr.LabelOwner]; o != owner && len(c.Names) > 0 {
			others[o] = append(others[o], strings.TrimPrefix(c.Names[0], "/"))
		}
	}
	var found []sandboxmgr.Finding
	for o, names := range others {
		slices.Sort(names)
		found = append(found, sandboxmgr.Finding{Name: "other edges", Level: levelNote,
			Text: fmt.Sprintf("sandboxes of edge %s: %s", cmp.Or(o, "without a name"), strings.Join(names, ", ")),
			Mend: "nothing if it is in use; else edge clean in its folder, or docker rm -f them if that is gone"})
	}
	slices.SortFunc(found, func(a, b sandboxmgr.Finding) int { return cmp.Compare(a.Text, b.Text) })
	return found
}
