// Package docker is the runtime of package sandboxmgr on a Docker engine: a
// machine is a container.
//
// # What a container is like
//
// It has its machine's name, so that making it twice makes it once; no network
// but a loopback interface, ::1 included; no capability and no way to gain one;
// bounds on memory (no swap on top), processors and processes; a log of at most
// 1 MiB. Our init, a file of the host that is mounted read-only, is its process
// 1 in place of what the image would run, and the image's user, environment and
// files are as they are. /workspace is the working folder.
//
// # What is kept
//
// Stopping keeps the container with all that was written in it, /tmp included,
// and Start starts it again. An engine cannot change a container's mounts and
// environment; when those differ from what Start is asked for, a new container
// is made from a snapshot of the old one's files and takes its name. Bounds are
// changed in place. A container goes on with the image that it was made from:
// one that was built anew, or another one in the configuration, is for machines
// that are made from then on, and so are changed labels.
//
// # Where the engine may be
//
// The folders and files of a MachineSpec are mounted into containers, so that
// the engine must see them under the same paths: an edge that runs in a
// container itself needs its state folder mounted there under its host path,
// and an engine on another computer cannot be used. Dialling into a container's
// network namespace needs root on the engine's computer and a runtime that
// shares its kernel; where that is not so, Dial says ErrNoDial and PID may be 0.
//
// Every call of the engine has a deadline.
package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docker/docker/client"

	"edge/sandboxmgr"
	"edge/sandboxmgr/netns"
)

// Bounds on calls of the engine.
const (
	pingTimeout   = 5 * time.Second
	callTimeout   = time.Minute     // what an engine under load may take for one call
	commitTimeout = 5 * time.Minute // copies all that was written
)

// dialThreads bounds how many threads are in containers' networks at once.
const dialThreads = 4

// Config tells New where the engine is. The zero value is the local one.
type Config struct {
	// Host is the engine's address as in DOCKER_HOST; by default the client's,
	// unix:///var/run/docker.sock.
	Host string
	// Log is told what the engine could not do; nil discards.
	Log *slog.Logger
}

// Runtime runs machines as containers. Its methods may be called at the same
// time.
type Runtime struct {
	engine *client.Client
	host   string
	gate   *netns.Gate
	log    *slog.Logger

	// noIPv6 is set when the engine refused to turn IPv6 on in containers.
	noIPv6 atomic.Bool
	// busy holds a channel for each name whose container is being started or
	// removed, closed when that is over.
	busy sync.Map
}

var _ sandboxmgr.Runtime = (*Runtime)(nil)

// New makes a Runtime; the engine is not called yet. Close releases it.
func New(cfg Config) (*Runtime, error) {
	host := cmp.Or(cfg.Host, client.DefaultDockerHost)
	engine, err := client.NewClientWithOpts(client.WithHost(host), client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, fmt.Errorf("docker engine at %s: %w", host, err)
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Runtime{engine: engine, host: host, gate: netns.NewGate(dialThreads), log: log}, nil
}

// Name is "docker".
func (r *Runtime) Name() string { return "docker" }

// Close releases the connections to the engine. Containers run on.
func (r *Runtime) Close() error { return r.engine.Close() }

// Check tells whether the engine answers.
func (r *Runtime) Check(ctx context.Context) error {
	return r.call(ctx, pingTimeout, func(ctx context.Context) error {
		_, err := r.engine.Ping(ctx)
		return err
	})
}

// call runs one call of the engine under a deadline and explains its error.
func (r *Runtime) call(ctx context.Context, timeout time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errSlow)
	defer cancel()
	return r.explain(ctx, do(ctx))
}

// errSlow is why a call ended that the engine did not answer in time.
var errSlow = errors.New("the engine did not answer in time")

// explain makes ErrRuntimeDown, with what to do, of an engine that cannot be
// reached; ctx is what the call ran under.
func (r *Runtime) explain(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrPermission) || strings.Contains(err.Error(), "permission denied while trying to connect"):
		return fmt.Errorf("%w: no permission to use the Docker engine at %s: run edge as root, or put its user into the group docker", sandboxmgr.ErrRuntimeDown, r.host)
	case context.Cause(ctx) == errSlow:
		return fmt.Errorf("%w: the Docker engine at %s hangs: restart dockerd (%w)", sandboxmgr.ErrRuntimeDown, r.host, errSlow)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case client.IsErrConnectionFailed(err):
		return fmt.Errorf("%w: no Docker engine answers at %s: start dockerd, or use runtime: process (%w)", sandboxmgr.ErrRuntimeDown, r.host, err)
	}
	return err
}
