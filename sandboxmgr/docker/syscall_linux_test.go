package docker

import "syscall"

const (
	sysKill   = syscall.SYS_KILL
	sysSetuid = syscall.SYS_SETUID
)
