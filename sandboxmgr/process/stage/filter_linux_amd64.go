package stage

import "golang.org/x/sys/unix"

const (
	auditArch = unix.AUDIT_ARCH_X86_64
	// foreignNumbers: from here on numbers are those of the x32 ABI.
	foreignNumbers = 0x40000000
)

// machineCalls are what no sandbox needs and this architecture alone has.
var machineCalls = []uint32{unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_USELIB, unix.SYS__SYSCTL}
