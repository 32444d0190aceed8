package sandboxmgr

import (
	"context"
	"errors"
	"log/slog"
	"sync"
)

// health remembers which runtimes do not answer, so that it is said once when
// one goes and once when it comes back, and so that a runtime which is down is
// asked cheaply before a start is recorded.
type health struct {
	log    *slog.Logger
	onBack func() // called when a runtime came back

	mu   sync.Mutex
	down map[Runtime]bool
	back []Runtime // came back, and returned did not say so yet
}

func newHealth(log *slog.Logger, onBack func()) *health {
	return &health{log: log, onBack: onBack, down: map[Runtime]bool{}}
}

// returned returns the runtimes that came back since it was asked last.
func (h *health) returned() []Runtime {
	h.mu.Lock()
	defer h.mu.Unlock()
	back := h.back
	h.back = nil
	return back
}

// note takes what came of asking rt something. Errors that do not speak of the
// runtime itself say nothing.
func (h *health) note(rt Runtime, err error) {
	down := errors.Is(err, ErrRuntimeDown)
	if err != nil && !down {
		return
	}
	if _, absent := rt.(absentRuntime); absent && !down {
		return // that one was destroyed does not bring the others back
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case down && !h.down[rt]:
		h.log.Warn("runtime unavailable; sandboxes that run are served as far as possible, the rest waits until it is back", "runtime", rt.Name(), "error", err)
	case !down && h.down[rt]:
		h.log.Info("runtime is back", "runtime", rt.Name())
		h.back = append(h.back, rt)
		h.onBack()
	}
	h.down[rt] = down
}

// gate asks a runtime that was down whether it still is.
func (h *health) gate(ctx context.Context, rt Runtime) error {
	h.mu.Lock()
	down := h.down[rt]
	h.mu.Unlock()
	if !down {
		return nil
	}
	err := rt.Check(ctx)
	h.note(rt, err)
	return err
}
