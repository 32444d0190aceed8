package stage

import "golang.org/x/sys/unix"

const (
	auditArch = unix.AUDIT_ARCH_AARCH64
	// foreignNumbers: there are none on this architecture.
	foreignNumbers = 0
)

// machineCalls are what no sandbox needs and this architecture alone has.
var machineCalls []uint32
