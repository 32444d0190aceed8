package docker

import "syscall"

const sysKill = syscall.SYS_KILL
