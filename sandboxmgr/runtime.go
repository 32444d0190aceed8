package sandboxmgr

import (
	"context"
	"errors"
	"net"
	"time"

	"edge/abi"
)

// Errors that a Runtime returns, wrapped, besides its own.
var (
	// ErrNoMachine: the named machine does not exist or does not run.
	ErrNoMachine = errors.New("no such machine")
	// ErrNoImage: the image is not there; the text after it and a colon says
	// how to get it, to whoever started the machine.
	ErrNoImage = errors.New("image not found")
	// ErrBuildFailed: the building of an image went wrong in one of its own
	// steps; the text after it and a colon is what it printed last.
	ErrBuildFailed = errors.New("build failed")
	// ErrRuntimeDown: what runs sandboxes does not answer.
	ErrRuntimeDown = errors.New("runtime unavailable")
	// ErrNoDial: the runtime cannot dial into its machines; the init carries
	// the bytes instead.
	ErrNoDial = errors.New("runtime cannot dial")
)

// Runtime runs machines: what a sandbox is while it runs. All methods may be
// called at the same time.
type Runtime interface {
	// Start makes the machine spec.Name, or finds the stopped one of that
	// name and starts it with what it wrote before; a running one is returned
	// as it is. It returns once the init has been started, not once it has
	// said hello.
	Start(ctx context.Context, spec MachineSpec) (Machine, error)
	// Adopt returns the running machine of that name, started by this edge or
	// by an earlier one; ErrNoMachine otherwise.
	Adopt(ctx context.Context, name string) (Machine, error)
	// Remove ends the machine and deletes all it wrote. One that does not
	// exist is no error.
	Remove(ctx context.Context, name string) error
	// Check tells whether machines can be started now; nil or ErrRuntimeDown
	// wrapped with the reason and the mending.
	Check(ctx context.Context) error
	// Name is "docker" or "process".
	Name() string
}

// Machine is one running sandbox as its runtime sees it.
type Machine interface {
	// PID is the init's process id as this process sees it, or 0 when the
	// runtime cannot know it. It is what the init's connections must come from.
	PID() int
	// Dial connects to a TCP port inside: 127.0.0.1, then ::1, then the
	// machine's own addresses. It fails with syscall.ECONNREFUSED (wrapped)
	// when nothing listens and with ErrNoDial when this runtime cannot.
	Dial(ctx context.Context, port int) (net.Conn, error)
	// Stop ends the machine within grace, keeping what it wrote.
	Stop(ctx context.Context, grace time.Duration) error
	// Wait blocks until the machine has ended (at once if it has).
	Wait(ctx context.Context) (MachineExit, error)
	// Close releases what the edge holds of the machine (descriptors,
	// goroutines). The machine runs on.
	Close() error
}

// Pauser is a Machine that can be frozen. It is optional.
type Pauser interface {
	// Pause freezes every process of the machine; Resume lets them run on.
	// Both do nothing when there is nothing to do. A paused machine can be
	// adopted, stopped and removed.
	Pause(ctx context.Context) error
	Resume(ctx context.Context) error
	// Paused tells whether the machine is frozen.
	Paused(ctx context.Context) (bool, error)
}

// OOMTeller is a Machine that can tell whether the kernel has ended any of its
// processes for want of memory. It is optional, and for machines whose init cannot see
// that.
type OOMTeller interface {
	OOMKilled() bool
}

// Describer is a Machine that can tell how it is bounded. It is optional.
type Describer interface {
	// Describe tells the limits in force and by what, and facts for people
	// ("seccomp", "user", "engine", "cgroup"), without secrets.
	Describe(ctx context.Context) (limits []abi.Limit, facts map[string]string, err error)
}

// Imager is a Runtime whose machines are made of images. It is optional.
type Imager interface {
	// ImageCommand returns what the image runs by itself: its entry point and
	// command, folder and user ("" is the default). ErrNoImage.
	ImageCommand(ctx context.Context, image string) (argv []string, dir, user string, err error)
	// BuildImage builds an image from a folder of this machine and returns what it
	// is called, which depends on name alone: the edge's and the binding's, so that
	// edges that share an engine build side by side. ErrBuildFailed.
	BuildImage(ctx context.Context, name, folder, dockerfile string) (image string, err error)
	// RemoveImage removes what BuildImage built under that name, and returns what it
	// was called; "" if there is none.
	RemoveImage(ctx context.Context, name string) (image string, err error)
}

// Examiner is a Runtime that can tell what is wrong with the machine it is on.
// It is optional.
type Examiner interface {
	// Examine checks all that the runtime needs for such a machine (spec.Name
	// may be empty) and returns what it found, good or bad. It changes nothing.
	Examine(ctx context.Context, spec MachineSpec) []Finding
}

// Finding is the result of one check of the machine.
type Finding struct {
	// Name is what was checked: "docker engine", "user namespaces".
	Name string `json:"name"`
	// Level is "ok", "note" (works, but less well) or "bad" (does not work).
	Level string `json:"level"`
	// Text says what was found, Mend the command or the key that mends it.
	Text string `json:"text"`
	Mend string `json:"mend,omitempty"`
}

// MachineExit is how a machine ended.
type MachineExit struct {
	Code      int
	OOMKilled bool
}

// MachineSpec is what a machine is made of.
type MachineSpec struct {
	// Name is unique for this machine and the same each time:
	// "edge.{owner}.{binding}.{id}".
	Name string
	// Labels are put on what the runtime creates, so that it can be told whose
	// it is.
	Labels map[string]string
	Image  string
	// RunDir is a host folder that appears read-only at /.edge/run inside; the
	// edge's socket "s" is in it.
	RunDir string
	// InitPath is the host path of the init's executable, which appears at
	// /.edge/init; InitArgs follow "/.edge/init" on its command line.
	InitPath string
	InitArgs []string
	// Env is the init's environment; it gives it on to what it starts, except
	// EDGE_INIT_TOKEN.
	Env map[string]string
	// Network is "none", "internal" (machines of this edge reach each other) or
	// "egress" (the machine reaches out).
	Network string
	// Preset is how far the machine is confined: "strict", "default" or
	// "trusted"; empty is default.
	Preset string
	// Workspace keeps /workspace in a volume of its own, which outlives the
	// machine until Remove; Fresh makes a new machine even if a stopped one of
	// that name is there, which is removed without its volume.
	Workspace bool
	Fresh     bool
	// Rootfs is a host folder that becomes the root (process runtime only).
	Rootfs string
	// MemoryBytes, CPUs and PIDs bound the machine; 0 is no bound.
	MemoryBytes int64
	CPUs        float64
	PIDs        int64
	// Tools are host folders mounted read-only and put on PATH (process
	// runtime only).
	Tools []string
	// OCIRuntime is the engine's runtime to use; empty is its default.
	OCIRuntime string
}
