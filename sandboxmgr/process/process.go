// Package process is the embedded runtime of package sandboxmgr: a machine is a
// handful of Linux namespaces on this computer's own programs, with no engine
// and no image. It starts in some tens of milliseconds.
//
// It is not a security boundary. What runs inside shares this computer's kernel
// without a system call filter; it is kept from the host's files, processes and
// network, as long as the kernel has no hole. Use an engine for code that you
// would not run yourself.
//
// # What a machine sees
//
// The host's /usr, /bin, /sbin, /lib* and /opt, read-only; an /etc made for it;
// its own /proc, /dev, /tmp (in memory, lost at a stop) and network with a
// loopback interface; /workspace, a folder that stays until Remove; /.edge/init,
// /.edge/run and the tools that the binding names, read-only. MachineSpec.Image
// is ignored: the host is the image. Everything runs as user 10001, with no
// capability and no way to gain one.
//
// # How it starts
//
// The edge forks itself into new namespaces ([Stage] is what runs there), hands
// over a description through a pipe, moves the child into its control groups,
// and waits for another pipe to close, which happens when the stage becomes the
// init. The init is process 1 of its namespace: when it ends, all inside does.
//
// As root, machines get a range of user ids of their own and can be dialled
// into. Without root everything works but that: Dial fails with ErrNoDial and
// the init carries the bytes.
//
// # What survives the edge
//
// A machine is no part of the edge's session or process group and dies with
// neither. {StateDir}/machines/{name} holds its workspace, its init's output, its
// labels, and a record (process id, start time, boot id) by which a later edge
// finds it again and cannot take another process for it.
package process

import (
	"log/slog"

	"edge/sandboxmgr/process/stage"
)

// StageCommand is the hidden command by which a program that uses this package
// runs Stage, unless Config.StageArgs says otherwise.
const StageCommand = stage.Command

// Stage turns the process that it is called in into the init of a machine; see
// package stage.
func Stage(args []string) int { return stage.Main(args) }

// DefaultFirstID is the first of the host's user ids that machines run as when
// the edge is root.
const DefaultFirstID = 300000

// Config tells what New needs to know. All but StateDir has a default.
type Config struct {
	// StateDir is where the folder "machines" is made. A machine's files stay
	// in it until Remove.
	StateDir string
	// Executable runs Stage when it is called with StageArgs; by default this
	// very program, even where its file has been replaced since.
	Executable string
	// StageArgs are the arguments that make Executable call Stage; by default
	// StageCommand alone.
	StageArgs []string
	// FirstID is the first of 65,536 user and group ids of the host that
	// machines are given when the edge is root; by default DefaultFirstID.
	// Ids that a kernel namespace of the edge does not have are not used.
	FirstID int
	// Log is told what cannot be enforced on this computer; nil discards.
	Log *slog.Logger
}

// runtimeName is what Runtime.Name says.
const runtimeName = "process"
