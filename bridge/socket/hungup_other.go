//go:build !linux

package socket

// HungUp is not known here.
func HungUp(uintptr) bool { return false }
