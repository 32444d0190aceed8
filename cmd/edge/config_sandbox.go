package main

import (
	"runtime"
	"time"

	"edge/abi"
)

// Names of the runtimes that a binding can ask for.
const (
	runtimeAuto    = "auto"
	runtimeDocker  = "docker"
	runtimeProcess = "process"
)

// Defaults and bounds of a binding.
const (
	defaultImage       = "edge-sandbox"
	defaultMemory      = 1 << 30
	defaultCPUs        = 1
	defaultPIDs        = 512
	defaultExecTimeout = abi.DefaultExecTimeout
	defaultSleepAfter  = 10 * time.Minute

	minMemory    = 16 << 20
	maxMemory    = 1 << 44
	minPIDs      = 16
	maxPIDs      = 1 << 22
	maxWarm      = 100
	maxSandboxes = 100_000
	maxSpan      = 30 * 24 * time.Hour

	minPort = abi.MinPort
	maxPort = abi.MaxPort
)

// Sandbox is one binding: a named kind of sandbox.
type Sandbox struct {
	Name string
	// Runtime is auto, docker or process.
	Runtime string
	// Image is what docker starts.
	Image string
	// OCIRuntime is the engine's runtime; empty is its default.
	OCIRuntime  string
	MemoryBytes int64
	CPUs        float64
	PIDs        int64
	// Preset is strict, default or trusted; Network none, internal or egress.
	Preset, Network string
	// Persist is all, workspace or nothing.
	Persist     string
	ExecTimeout time.Duration
	// SleepAfter is how long a sandbox may be unused, DeleteAfter how long it may
	// be stopped; 0 is for ever.
	SleepAfter, DeleteAfter time.Duration
	// Warm is how many sandboxes are started ahead, MaxSandboxes how many there
	// may be; 0 is no bound.
	Warm, MaxSandboxes int
	Env                map[string]string
	Start              []StartProcess
	// Entrypoint has the image's own entry point run at every start.
	Entrypoint bool
	// Build, if there is one, is what the image is built from.
	Build *ImageBuild
	// Rootfs is the folder that is the root, absolute; empty is this machine's
	// own files.
	Rootfs string
	// Tools are folders of this machine, absolute.
	Tools []string
}

// ImageBuild is what an image is built from. Both paths are absolute.
type ImageBuild struct {
	Context    string
	Dockerfile string
}

// StartProcess is one process that runs at every start of a sandbox. Exactly one
// of Command and Argv is set.
type StartProcess struct {
	ProcessID string
	Command   string
	Argv      []string
	Cwd       string
	Env       map[string]string
	// Port is waited for before the start counts as complete; 0 is none.
	Port int
}

func (c *Config) readSandboxes(v value) {
	v.entries(func(name string, key, val value) {
		if !abi.ValidBinding(name) {
			key.fail("%q cannot name a binding; want a letter, then letters, digits and \"_\", at most %d", name, abi.MaxBindingLength)
			return
		}
		c.Sandboxes = append(c.Sandboxes, c.readSandbox(name, val))
	})
}

// defaultSandbox is a binding of which the file says nothing.
func defaultSandbox(name string) Sandbox {
	return Sandbox{
		Name: name, Runtime: runtimeAuto, Image: defaultImage, MemoryBytes: defaultMemory, CPUs: defaultCPUs, PIDs: defaultPIDs,
		Preset: presetDefault, Network: networkNone, Persist: "all", ExecTimeout: defaultExecTimeout, SleepAfter: defaultSleepAfter,
	}
}

func (c *Config) readSandbox(name string, v value) Sandbox {
	s := defaultSandbox(name)
	given := map[string]value{}
	keys := map[string]func(value){
		"runtime":      func(v value) { set(&s.Runtime)(v.oneOf([]string{runtimeAuto, runtimeDocker, runtimeProcess}, nil)) },
		"image":        func(v value) { set(&s.Image)(v.text("an image's name")) },
		"build":        func(v value) { s.Build = c.readBuild(v) },
		"entrypoint":   func(v value) { set(&s.Entrypoint)(v.eitherOr("image", "none")) },
		"ociRuntime":   func(v value) { set(&s.OCIRuntime)(v.text("a runtime of the engine, like runc")) },
		"rootfs":       func(v value) { s.Rootfs = c.shownFolder(v) },
		"tools":        func(v value) { s.Tools = c.tools(v) },
		"preset":       func(v value) { set(&s.Preset)(v.oneOf([]string{"strict", presetDefault, "trusted"}, nil)) },
		"network":      func(v value) { set(&s.Network)(v.network()) },
		"memory":       func(v value) { set(&s.MemoryBytes)(v.size(minMemory, maxMemory)) },
		"cpus":         func(v value) { set(&s.CPUs)(v.number(float64(max(1024, runtime.NumCPU())))) },
		"pids":         func(v value) { set(&s.PIDs)(v.integer(minPIDs, maxPIDs)) },
		"persist":      func(v value) { set(&s.Persist)(v.oneOf([]string{"all", "workspace", "nothing"}, nil)) },
		"execTimeout":  func(v value) { set(&s.ExecTimeout)(v.duration(maxSpan)) },
		"sleepAfter":   func(v value) { set(&s.SleepAfter)(v.durationOrNever(maxSpan)) },
		"deleteAfter":  func(v value) { set(&s.DeleteAfter)(v.durationOrNever(maxSpan)) },
		"warm":         func(v value) { set(&s.Warm)(v.count(maxWarm)) },
		"maxSandboxes": func(v value) { set(&s.MaxSandboxes)(v.count(maxSandboxes)) },
		"env":          func(v value) { s.Env = v.env() },
		"start":        func(v value) { s.Start = v.startProcesses() },
	}
	for key, read := range keys {
		keys[key] = func(v value) { given[key] = v; read(v) }
	}
	v.object(keys)
	s.refuseCombinations(given)
	return s
}

// set returns a function that stores a value if it was good.
func set[T any](to *T) func(T, bool) {
	return func(v T, ok bool) {
		if ok {
			*to = v
		}
	}
}

func (v value) startProcesses() []StartProcess {
	var list []StartProcess
	ids := map[string]bool{}
	v.list(func(_ int, item value) {
		p := item.startProcess()
		if p.ProcessID != "" && ids[p.ProcessID] {
			item.fail("the process id %q is used twice", p.ProcessID)
		}
		ids[p.ProcessID] = true
		list = append(list, p)
	})
	return list
}

func (v value) startProcess() StartProcess {
	var p StartProcess
	var command, argv bool
	v.object(map[string]func(value){
		"processId": func(v value) { set(&p.ProcessID)(v.text("a name")) },
		"command":   func(v value) { command = true; set(&p.Command)(v.text("a command line")) },
		"argv":      func(v value) { argv = true; p.Argv = v.words("a word of the command") },
		"cwd":       func(v value) { set(&p.Cwd)(v.text("a folder inside the sandbox")) },
		"env":       func(v value) { p.Env = v.env() },
		"port": func(v value) {
			n, ok := v.integer(minPort, maxPort)
			set(&p.Port)(int(n), ok)
		},
	})
	switch {
	case command && argv:
		v.fail("has both command and argv; want one of them")
	case !command && !argv:
		v.fail("has neither command nor argv")
	case argv && len(p.Argv) == 0:
		v.fail("argv is empty")
	}
	if len(p.ProcessID) > 128 {
		v.fail("processId is longer than 128 characters")
	}
	return p
}
