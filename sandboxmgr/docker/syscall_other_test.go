//go:build !linux

package docker

// These are never used here: guests are Linux programs.
const (
	sysKill   = 0
	sysSetuid = 0
)
