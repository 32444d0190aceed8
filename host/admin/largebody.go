package admin

import (
	"context"
	"sync/atomic"

	"edge/abi"
)

const (
	// largeBody is how much of a request is read without asking, in bytes.
	largeBody = 1 << 20
	// maxLargeBodies is how many longer ones are in memory at once, maxLargeWaiting
	// how many wait for their turn.
	maxLargeBodies  = 8
	maxLargeWaiting = 64
)

// bodyPlaces bounds the requests in memory that are large: from before they are
// read until the operation was carried out, or its stream has begun.
type bodyPlaces struct {
	places     chan struct{}
	waiting    atomic.Int64
	maxWaiting int64
}

func newBodyPlaces(places int, waiting int64) *bodyPlaces {
	return &bodyPlaces{places: make(chan struct{}, places), maxWaiting: waiting}
}

// take waits for a place until ctx ends. When too many wait already it is
// TOO_MANY_REQUESTS.
func (p *bodyPlaces) take(ctx context.Context) error {
	select {
	case p.places <- struct{}{}:
		return nil
	default:
	}
	defer p.waiting.Add(-1)
	if p.waiting.Add(1) > p.maxWaiting {
		e := abi.Errorf(abi.CodeTooManyRequests, "the admin API reads %d requests of more than %d bytes, and %d more wait", cap(p.places), largeBody, p.maxWaiting)
		e.RetryAfterMs = 1000
		return e.WithSuggestion("write large files with writeFileStream")
	}
	select {
	case p.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leave gives a place back.
func (p *bodyPlaces) leave() { <-p.places }

// enlarge waits until the exchange may hold a large request.
func (x *exchange) enlarge(ctx context.Context) error {
	if x.large {
		return nil
	}
	err := x.s.bodies.take(ctx)
	x.large = err == nil
	return err
}

// shrink says that the request is not in memory any more. Idempotent.
func (x *exchange) shrink() {
	if x.large {
		x.large = false
		x.s.bodies.leave()
	}
}
