package docker

import (
	"context"
	"errors"
	"testing"
	"time"

	"edge/sandboxmgr"
)

// TestCanceledCreate: a start that is called off while the engine makes the container
// ends when that is made and removed again, so that who removes the machine next leaves
// nothing behind.
func TestCanceledCreate(t *testing.T) {
	t.Parallel()
	asked, answer := make(chan struct{}), make(chan struct{})
	f := &fake{onCreate: func() {
		close(asked)
		<-answer
	}}
	r := newFake(t, f)
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := r.Start(ctx, sandboxmgr.MachineSpec{Name: "m", Image: "i"})
		ended <- err
	}()
	<-asked
	why := errors.New("destroyed meanwhile")
	cancel(why)
	select {
	case err := <-ended:
		t.Errorf("Start = %v before the engine had made the container", err)
		ended <- err
	case <-time.After(100 * time.Millisecond): // time enough to be wrong
	}
	close(answer)
	if err := <-ended; !errors.Is(err, why) {
		t.Errorf("Start = %v, want %v", err, why)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.created != 1 || f.state != nil {
		t.Errorf("%d containers made, %v is left; want one, and none", f.created, f.state)
	}
}
