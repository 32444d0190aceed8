package process

import "context"

// nameLock lets one call at a time work on a machine.
type nameLock struct {
	turn  chan struct{} // holds a token while locked
	users int           // guarded by Runtime.mu; the lock goes with the last
}

// lock waits for the turn to work on the machine of that name; the caller calls
// unlock once.
func (r *Runtime) lock(ctx context.Context, name string) (unlock func(), err error) {
	r.mu.Lock()
	l := r.locks[name]
	if l == nil {
		l = &nameLock{turn: make(chan struct{}, 1)}
		r.locks[name] = l
	}
	l.users++
	r.mu.Unlock()
	select {
	case l.turn <- struct{}{}:
		return func() {
			<-l.turn
			r.leave(name, l)
		}, nil
	case <-ctx.Done():
		r.leave(name, l)
		return nil, context.Cause(ctx)
	}
}

func (r *Runtime) leave(name string, l *nameLock) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(r.locks, name)
	}
}
