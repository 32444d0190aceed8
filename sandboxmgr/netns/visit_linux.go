package netns

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// visit runs do on a thread of its own in the network namespace target, brings
// the thread back to home and sends do's error to done, which has room for it.
//
// It is a goroutine because of what happens when the way back fails: it then
// ends with the thread still locked to it, upon which the Go runtime destroys
// the thread. No other goroutine ever runs in a foreign namespace.
func visit(target, home int, do func() error, done chan<- error) {
	runtime.LockOSThread()
	if err := unix.Setns(target, unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		done <- explain(fmt.Errorf("enter network namespace: %w", err))
		return
	}
	err := do()
	if back := unix.Setns(home, unix.CLONE_NEWNET); back != nil {
		done <- fmt.Errorf("leave network namespace: %w", back)
		return
	}
	runtime.UnlockOSThread()
	done <- err
}
