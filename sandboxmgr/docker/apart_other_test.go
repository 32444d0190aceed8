//go:build !linux

package docker

// sysKill is never used here: guests are Linux programs.
const sysKill = 0
