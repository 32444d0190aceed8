package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"edge/sandboxmgr"
	"edge/sandboxmgr/docker"
	"edge/sandboxmgr/process"
)

// engineWait bounds the questions to the Docker engine when the edge starts.
const engineWait = 5 * time.Second

// What the runtimes mean, for people.
const (
	dockerMeans  = "docker: containers of the Docker engine"
	processMeans = "process: namespaces of this machine, not a security boundary: run only code you trust"
)

// runtimes opens what runs sandboxes, when the first binding wants it, for all
// bindings together.
type runtimes struct {
	state string
	at    docker.Config // where the Docker engine is
	// stage is a small program that starts sandboxes of the process runtime
	// sooner than this one does; empty is this one.
	stage string
	log   *slog.Logger

	docker  *docker.Runtime // nil until wanted
	engine  error           // why docker did not answer when it was opened
	down    bool            // a binding has docker all the same
	process *process.Runtime
	// notes say, for people, which runtimes were taken and what that means.
	notes []string
}

// choose returns the binding's runtime. One that is named is taken even if it
// does not work now: it is asked again at each use. auto is the one that can do
// what the binding asks for, else docker if an engine answers and has the
// binding's image, else process.
func (r *runtimes) choose(ctx context.Context, b Sandbox) (sandboxmgr.Runtime, error) {
	switch {
	case b.Runtime != runtimeAuto:
	case b.Rootfs != "":
		b.Runtime = runtimeProcess
	case b.needsDocker() != "":
		b.Runtime = runtimeDocker
	}
	if b.Runtime == runtimeProcess {
		return r.openProcess("")
	}
	if err := r.openDocker(ctx); err != nil {
		return nil, err
	}
	means := dockerMeans
	if why := r.notDocker(ctx, b); why != "" {
		if b.Runtime == runtimeAuto {
			return r.openProcess(" (because " + why + ")")
		}
		means += ", but " + why + ": no sandbox of binding " + b.Name + " starts until then"
	}
	r.down = r.engine != nil
	r.note(means)
	return r.docker, nil
}

// notDocker says why docker cannot start the binding's image now, or nothing. An
// image that is built is there when it is needed.
func (r *runtimes) notDocker(ctx context.Context, b Sandbox) string {
	if r.engine != nil {
		return "no Docker engine answers"
	}
	if b.Build != nil {
		return ""
	}
	image := b.Image
	ctx, cancel := context.WithTimeout(ctx, engineWait)
	defer cancel()
	switch has, err := r.docker.HasImage(ctx, image); {
	case err != nil:
		return "the Docker engine does not say whether it has the image " + image
	case !has && image == defaultImage:
		return "the Docker engine has no image " + image + ", which make image builds"
	case !has:
		return "the Docker engine has no image " + image + ", which docker pull or build gets"
	}
	return ""
}

// earlier opens the runtime with that name because a binding had it, to destroy what it
// made.
func (r *runtimes) earlier(ctx context.Context, name string) (sandboxmgr.Runtime, error) {
	switch name {
	case runtimeDocker:
		if err := r.openDocker(ctx); err != nil {
			return nil, err
		}
		return r.docker, nil
	case runtimeProcess:
		if err := r.newProcess(); err != nil {
			return nil, err
		}
		return r.process, nil
	}
	return nil, fmt.Errorf("there is no runtime %q", name)
}

func (r *runtimes) openDocker(ctx context.Context) error {
	if r.docker != nil {
		return nil
	}
	at := r.at
	at.Log = r.log
	rt, err := docker.New(at)
	if err != nil {
		return fmt.Errorf("open the docker runtime: %w", err)
	}
	r.docker = rt
	ctx, cancel := context.WithTimeout(ctx, engineWait)
	defer cancel()
	r.engine = rt.Check(ctx)
	return nil
}

func (r *runtimes) openProcess(why string) (sandboxmgr.Runtime, error) {
	if err := r.newProcess(); err != nil {
		return nil, fmt.Errorf("%w%s", err, why)
	}
	r.note(processMeans + why)
	return r.process, nil
}

func (r *runtimes) newProcess() error {
	if r.process != nil {
		return nil
	}
	rt, err := process.New(process.Config{StateDir: r.state, Executable: r.stage, Log: r.log})
	if err != nil {
		return fmt.Errorf("open the process runtime: %w", err)
	}
	r.process = rt
	return nil
}

// note keeps what a runtime means, once.
func (r *runtimes) note(line string) {
	if !slices.Contains(r.notes, line) {
		r.notes = append(r.notes, line)
	}
}

// Close lets go of the runtimes; what they run goes on.
func (r *runtimes) Close() error {
	var errs []error
	if r.docker != nil {
		errs = append(errs, r.docker.Close())
	}
	if c, ok := any(r.process).(io.Closer); ok && r.process != nil {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
