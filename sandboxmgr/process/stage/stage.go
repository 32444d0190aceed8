// Package stage is what happens between the fork of a machine of package
// process and its init: a program that imports it is executed in new namespaces,
// reads an [Order] from a pipe, mounts the machine's files, gives up all
// privilege and executes the init in its own place.
//
// It is a package of its own, and imports next to nothing, because its start is
// part of every cold start: the smaller the program that runs it, the sooner a
// sandbox answers. Package process documents what a machine sees.
//
// What goes wrong is said on the status pipe, on which [Ready] is all that is
// said when the init runs.
package stage

// Command is the hidden command by which a program runs Main.
const Command = "sandbox-stage"

// Descriptors of the stage. Those of the mounts follow.
const (
	OrderFD      = 3 // read: the Order, as JSON, to the end of the pipe
	StatusFD     = 4 // write: Ready, and what failed
	FirstMountFD = 5
)

// Ready is written to the status pipe last before the init is executed: a pipe
// that closes without it means that the stage died. What follows it is why the
// init could not be executed.
const Ready = "ready\n"

// UserID is the user and group that everything in a machine runs as.
const UserID = 10001

// Paths inside a machine.
const (
	InitTarget      = "/.edge/init"
	RunTarget       = "/.edge/run"
	ToolsTarget     = "/.edge/tools"
	WorkspaceTarget = "/workspace"
)

// The presets, as in the configuration. An empty one is PresetDefault.
const (
	PresetStrict  = "strict"
	PresetDefault = "default"
	PresetTrusted = "trusted"
)

// Order is what the stage is told to do.
type Order struct {
	Hostname string
	Mounts   []Mount
	Folders  []string          // empty folders to make
	Links    map[string]string // symbolic links to make: path to target
	Files    map[string]string // files to make: path to content
	// Over are files to make as well, each of which is mounted over a file of
	// the root folder. One that is not there, or no plain file, stays as it is.
	Over map[string]string
	// Ranged: ids 0 to 65535 exist, so that there is a root to prepare things
	// as; otherwise UserID alone does.
	Ranged bool
	// Preset is one of the constants above.
	Preset   string
	TmpBytes int64 // size of /tmp
	ShmBytes int64 // size of /dev/shm
	// Processes and DataBytes bound what no control group does; 0 is no bound.
	// The first counts all of the machine's, the second is each process's own.
	Processes int64
	DataBytes int64
	Args, Env []string
	Probe     bool // end instead of becoming the init
}

// Kind is how a host path appears in a machine.
type Kind int

// The kinds of mounts.
const (
	ReadOnly Kind = iota
	Writable      // without devices and set-user-id
	Device        // a device node
)

// Mount is a host file or folder that appears in a machine.
type Mount struct {
	Source, Target string
	Kind           Kind
	Folder         bool
	// FD is the descriptor of a detached copy of the mount that the edge made,
	// because the stage may not be allowed to reach Source; 0: the stage makes it.
	FD int
}
