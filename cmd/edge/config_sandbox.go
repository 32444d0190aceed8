package main

import (
	"os"
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

	minMemory = 16 << 20
	maxMemory = 1 << 44
	minPIDs   = 16
	maxPIDs   = 1 << 22
	maxSpan   = 30 * 24 * time.Hour

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
	// Persist is all or nothing.
	Persist     string
	ExecTimeout time.Duration
	Env         map[string]string
	Start       []StartProcess
	// Tools are folders of this machine, absolute.
	Tools []string
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

func (c *Config) readSandbox(name string, v value) Sandbox {
	s := Sandbox{
		Name: name, Runtime: runtimeAuto, Image: defaultImage, MemoryBytes: defaultMemory, CPUs: defaultCPUs, PIDs: defaultPIDs,
		Persist: "all", ExecTimeout: defaultExecTimeout,
	}
	var image, oci, tools value
	v.object(map[string]func(value){
		"runtime":     func(v value) { set(&s.Runtime)(v.oneOf([]string{runtimeAuto, runtimeDocker, runtimeProcess}, nil)) },
		"image":       func(v value) { image = v; set(&s.Image)(v.text("an image's name")) },
		"ociRuntime":  func(v value) { oci = v; set(&s.OCIRuntime)(v.text("a runtime of the engine, like runc")) },
		"memory":      func(v value) { set(&s.MemoryBytes)(v.size(minMemory, maxMemory)) },
		"cpus":        func(v value) { set(&s.CPUs)(v.number(float64(max(1024, runtime.NumCPU())))) },
		"pids":        func(v value) { set(&s.PIDs)(v.integer(minPIDs, maxPIDs)) },
		"persist":     func(v value) { set(&s.Persist)(v.oneOf([]string{"all", "nothing"}, []string{"workspace"})) },
		"execTimeout": func(v value) { set(&s.ExecTimeout)(v.duration(maxSpan)) },
		"env":         func(v value) { s.Env = v.env() },
		"start":       func(v value) { s.Start = v.startProcesses() },
		"tools":       func(v value) { tools = v; s.Tools = c.tools(v) },
		"network":     func(v value) { v.oneOf([]string{"none"}, []string{"bridge", "host", "full", "internet"}) },

		"preset":     func(v value) { v.only("there is only the default preset", "default") },
		"sleepAfter": func(v value) { v.only("a sandbox runs until it is stopped; leave the key out or write never", "never") },
		"deleteAfter": func(v value) {
			v.only("a stopped sandbox stays until it is destroyed; leave the key out or write never", "never")
		},
		"warm": func(v value) { v.only("no sandboxes are started ahead; leave the key out or write 0", "0") },
		"entrypoint": func(v value) {
			v.only("the image's entry point is not run; start: runs processes at every start", "none")
		},
		"build": func(v value) { v.unavailable("build the image beforehand and name it with image") },
	})
	if s.Runtime == runtimeProcess {
		refuseGiven("the process runtime uses the files of this machine; only docker starts images", image, oci)
	}
	if s.Runtime == runtimeDocker {
		refuseGiven("only the process runtime mounts tools; with docker they belong into the image", tools)
	}
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

// refuseGiven records a problem for each of the keys that stands in the file.
func refuseGiven(why string, keys ...value) {
	for _, k := range keys {
		if k.node != nil {
			k.fail("has no meaning here: %s", why)
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

// tools returns the folders, which must exist.
func (c *Config) tools(v value) []string {
	var dirs []string
	v.list(func(_ int, item value) {
		s, ok := item.text("a folder")
		if !ok {
			return
		}
		dir := c.abs(s)
		switch st, err := os.Stat(dir); {
		case err != nil:
			item.fail("%s: %s", s, reason(err))
		case !st.IsDir():
			item.fail("%s is a file; want the folder that it is in", s)
		default:
			dirs = append(dirs, dir)
		}
	})
	return dirs
}
