// Package process is the embedded runtime of package sandboxmgr: a machine is a
// handful of Linux namespaces on this computer's own programs, or on a folder of
// them, with no engine and no image. It starts in some 20 milliseconds.
//
// It is not a security boundary. What runs inside shares this computer's kernel;
// it is kept from the host's files, processes and network, and from the system
// calls by which kernels are broken most, as long as the kernel has no other
// hole. Use an engine for code that you would not run yourself.
//
// # What a machine sees
//
// The host's /usr, /bin, /sbin, /lib* and /opt, read-only, and an /etc made for
// it; or, with MachineSpec.Rootfs, what that folder holds, read-only, its own
// hosts, hostname and resolv.conf aside. Then its own /proc, /dev with
// pseudo-terminals, /tmp and /dev/shm (in memory, lost at a stop) and a network
// with a loopback interface; /workspace, a folder that stays until Remove, or
// until the next start where that is to be fresh; /.edge/init, /.edge/run and
// the tools that the binding names, read-only. MachineSpec.Image is ignored.
//
// # How it is confined
//
// Everything runs as user 10001, with no capability and no way to gain one,
// under a filter of system calls. The presets differ in that filter alone, but
// for what is said here:
//
//   - trusted forbids what no sandbox needs: bpf, perf events, kernel keys,
//     userfaultfd, modules, kexec, clocks, files by handle. User namespaces and
//     what can be done in them are allowed.
//   - default forbids io_uring, mounts, namespaces and rare socket families too.
//   - strict forbids tracing and reading other processes too, and executing what
//     is in /dev/shm.
//
// # How it is bounded
//
// By control groups: of version 2 where the edge has been given its part of the
// tree, of version 1 where it is root and the computer has them. Elsewhere by
// rlimits: processes for the machine, memory for each process and with some
// 256 MiB to spare, because what is counted is what a process maps. CPUs are not
// bounded then, and the disk never is. Describe tells which it is.
//
// A machine is paused by its control group (version 2, else version 1) or else
// by SIGSTOP to all in it, which programs can notice.
//
// # How it starts
//
// The edge forks a small program into new namespaces and into the machine's
// control groups (package stage is what runs there), hands over a description
// through a pipe, and waits for another pipe to close, which happens when the
// stage becomes the init. The init is process 1 of its namespace: when it ends,
// all inside does. A start that fails leaves nothing.
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
	// very program, even where its file has been replaced since. A smaller one
	// starts machines sooner.
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
