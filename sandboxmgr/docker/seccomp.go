package docker

import (
	_ "embed" // the profile
)

// seccompProfile is Docker's default profile without what withheld names, in
// the form that the engine takes. A test derives it anew and wants the same.
//
//go:embed seccomp.json
var seccompProfile string

// withheld are the system calls that no sandboxed program needs and through which
// the kernel has been attacked: Docker's default profile allows some of them, or
// has done so in some version, or does with a capability.
var withheld = []string{
	"add_key", "bpf", "io_uring_enter", "io_uring_register", "io_uring_setup", "keyctl", "perf_event_open",
	"request_key", "userfaultfd",
}
