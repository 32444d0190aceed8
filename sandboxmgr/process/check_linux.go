package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"edge/sandboxmgr"
)

// Check starts a machine without an init, once: what the kernel allowed it goes
// on allowing. The error names what is missing and how to get it.
func (r *Runtime) Check(ctx context.Context) error {
	r.mu.Lock()
	works := r.works
	r.mu.Unlock()
	if works {
		return nil
	}
	if err := r.try(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	r.works = true
	r.mu.Unlock()
	return nil
}

func (r *Runtime) try(ctx context.Context) error {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	o, err := plan("probe", "")
	if err != nil {
		return err
	}
	o.Probe = true
	s, err := r.spawner.spawn(o, cgroup{}, null)
	if err != nil {
		return r.explain(err)
	}
	defer s.end()
	defer s.release()
	if err := s.command(ctx, o); err != nil {
		return r.explain(err)
	}
	return nil
}

// explain adds what to do about it to the reason why no namespaces can be made
// or filled.
func (r *Runtime) explain(err error) error {
	return fmt.Errorf("%w: process runtime: %w%s", sandboxmgr.ErrRuntimeDown, err, mending(err, readSetting))
}

// readSetting reads a kernel setting such as "user.max_user_namespaces"; empty
// if the kernel does not have it.
func readSetting(name string) string {
	b, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// mending is a clause on what to change, or empty when nothing is known.
func mending(err error, setting func(name string) string) string {
	switch {
	case setting("user.max_user_namespaces") == "0":
		return "; user namespaces are off: sysctl -w user.max_user_namespaces=15000"
	case setting("kernel.unprivileged_userns_clone") == "0" && os.Geteuid() != 0:
		return "; user namespaces are for root only: sysctl -w kernel.unprivileged_userns_clone=1, or run the edge as root"
	case setting("kernel.apparmor_restrict_unprivileged_userns") == "1" && os.Geteuid() != 0:
		return "; AppArmor restricts user namespaces: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or run the edge as root"
	case errors.Is(err, unix.ENOSYS) || strings.Contains(err.Error(), unix.ENOSYS.Error()):
		return "; Linux 5.12 or newer is needed"
	case errors.Is(err, unix.ENOSPC):
		return "; too many namespaces: raise the settings user.max_*_namespaces"
	case errors.Is(err, os.ErrPermission) || strings.Contains(err.Error(), unix.EPERM.Error()):
		return "; if the edge runs in a container itself, give that --security-opt seccomp=unconfined, " +
			"--security-opt apparmor=unconfined and --security-opt systempaths=unconfined"
	}
	return ""
}
