//go:build !linux

package acceptance

import "os/exec"

// keepStill leaves a browser as it is: containers have no interfaces here.
func keepStill(*exec.Cmd) {}

// becomeBrowser has nothing to do.
func becomeBrowser() error { return nil }
