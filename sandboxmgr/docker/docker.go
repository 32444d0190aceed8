// Package docker is the runtime of package sandboxmgr on a Docker engine, or on
// podman's socket of the same interface: a machine is a container.
//
// # What a container is like
//
// It has its machine's name, so that making it twice makes it once. Our init, a
// file of the host that is mounted read-only, is its process 1 in place of what
// the image would run; /workspace is the working folder. How it is confined is
// the preset's to say:
//
//   - default: no capability and no way to gain one; Docker's seccomp profile
//     without what withheld names; a user who is not root, to whom /workspace
//     belongs; IPC and control group namespaces of its own; bounds on memory (no
//     swap on top), processors and processes; a log of at most 1 MiB; no network
//     but a loopback interface, ::1 included; no device and no file of the host;
//   - strict: all that, and a root that cannot be written, with /tmp and /run in
//     memory and /workspace in a volume;
//   - trusted: the image's own user, the engine's usual capabilities and profile.
//
// # What is kept
//
// Stopping keeps the container with all that was written in it, /tmp included,
// and Start starts it again. An engine cannot change a container's mounts and
// environment; when those differ from what Start is asked for, a new container
// is made from a snapshot of the old one's files and takes its name. Bounds are
// changed in place. A container goes on with the image that it was made from:
// one that was built anew, or another one in the configuration, is for machines
// that are made from then on, and so are changed labels. A /workspace that is in
// a volume stays in it, and outlives the container until Remove.
//
// # Where the engine may be
//
// An engine that shares the edge's file system gets the folders and files of a
// MachineSpec mounted into containers, under the same paths: an edge that runs
// in a container itself needs its state folder mounted there under its host
// path. One that does not (over TCP or SSH, in a virtual machine) gets a copy of
// the init in a volume, and a relay, run through the engine's exec, carries what
// the init says (package initrelay).
//
// Dialling into a container's network namespace needs root on the engine's
// computer and a runtime that shares its kernel; where that is not so, Dial says
// ErrNoDial and PID may be 0.
//
// Every call of the engine has a deadline.
package docker

import (
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
	dyingTimeout  = 5 * time.Second // what the first process of a container may take to die
	callTimeout   = time.Minute     // what an engine under load may take for one call
	commitTimeout = 5 * time.Minute // copies all that was written
)

// dialThreads bounds how many threads are in containers' networks at once.
const dialThreads = 4

// Sharing tells whether the engine sees the edge's files under the same paths.
type Sharing int

// The values of Sharing.
const (
	// SharingAuto: an engine behind a local socket does, unless it is in a
	// virtual machine of its own.
	SharingAuto Sharing = iota
	SharingYes
	SharingNo
)

// Config tells New where the engine is. The zero value is the local one.
type Config struct {
	// Host is the engine's address as in DOCKER_HOST (unix, tcp or ssh); by
	// default the context's.
	Host string
	// CertPath is a folder with the certificates for a Host that speaks TLS, as
	// in DOCKER_CERT_PATH; empty is no TLS.
	CertPath string
	// Context names a context of the Docker client, as DOCKER_CONTEXT does; by
	// default the one that is current in ClientDir.
	Context string
	// ClientDir is the Docker client's folder, ~/.docker as a rule; empty is
	// none, so that the engine is the local one.
	ClientDir string
	// Sharing overrides what is found out about the engine's file system.
	Sharing Sharing
	// Log is told what the engine could not do; nil discards.
	Log *slog.Logger
}

// Runtime runs machines as containers. Its methods may be called at the same
// time.
type Runtime struct {
	client  *client.Client
	host    string
	sharing Sharing
	gate    *netns.Gate
	log     *slog.Logger
	relays  relays

	// seen is what is known of the engine; nil until it was asked, and after it
	// could not be reached.
	seen atomic.Pointer[engine]
	// noIPv6 is set when the engine refused to turn IPv6 on in containers.
	noIPv6 atomic.Bool
	// busy holds a channel for each name whose container, image or network is
	// being worked on, closed when that is over.
	busy sync.Map
	// users holds those of prepared images, by name, as they were last seen.
	users sync.Map
	// digests holds those of inits, by version.
	digests sync.Map
}

var (
	_ sandboxmgr.Runtime  = (*Runtime)(nil)
	_ sandboxmgr.Imager   = (*Runtime)(nil)
	_ sandboxmgr.Examiner = (*Runtime)(nil)
)

// New makes a Runtime; the engine is not called yet. Close releases it.
func New(cfg Config) (*Runtime, error) {
	at, err := cfg.locate()
	if err != nil {
		return nil, err
	}
	c, err := at.client()
	if err != nil {
		return nil, fmt.Errorf("docker engine at %s: %w", at.host, err)
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Runtime{client: c, host: at.host, sharing: cfg.Sharing, gate: netns.NewGate(dialThreads), log: log}, nil
}

// Name is "docker".
func (r *Runtime) Name() string { return "docker" }

// Close releases the connections to the engine. Containers run on. Machines are
// closed before.
func (r *Runtime) Close() error { return r.client.Close() }

// Check tells whether the engine answers.
func (r *Runtime) Check(ctx context.Context) error {
	return r.call(ctx, pingTimeout, func(ctx context.Context) error {
		_, err := r.client.Ping(ctx)
		return err
	})
}

// call runs one call of the engine under a deadline and explains its error.
func (r *Runtime) call(ctx context.Context, timeout time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errSlow)
	defer cancel()
	err := r.explain(ctx, do(ctx))
	if errors.Is(err, sandboxmgr.ErrRuntimeDown) {
		r.seen.Store(nil) // what comes back may be another version
	}
	return err
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
