package plugins

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"time"

	"edge/abi"
)

const (
	// maxFetches bounds the answers that one request holds open.
	maxFetches = 16
	// fetchTimeout bounds a fetch that names no timeout.
	fetchTimeout = 30 * time.Second
	// maxFetchRead bounds the buffer that a started read of an answer gets.
	maxFetchRead = 256 << 10
)

// fetched is an answer that the guest reads. Reads follow each other. It ends
// with fetch_close or its request.
type fetched struct {
	head   []byte // as fetch_head gives it
	body   io.ReadCloser
	cancel context.CancelFunc
	reads  lane
	err    error // of the body; sticky. Whoever reads has it
}

// addFetch gives the exchange an answer, which it closes at its end.
func (x *exchange) addFetch(handle uint32, f *fetched) {
	if x.fetches == nil {
		x.fetches = map[uint32]*fetched{}
	}
	x.fetches[handle] = f
}

// roomForFetch refuses one fetch more than a request may have open.
func (x *exchange) roomForFetch() *abi.Error {
	n := len(x.fetches)
	for _, c := range x.calls {
		if c.fetches {
			n++
		}
	}
	if n >= maxFetches {
		return abi.Errorf(abi.CodeQuotaExceeded, "%d fetches of this request are open already", maxFetches).
			WithSuggestion("close what was read")
	}
	return nil
}

// abandon closes an answer that is not read any more: a goroutine does it, which
// the generation joins, because a connection may take its time.
func (f *fetched) abandon(g *generation) {
	if f == nil {
		return
	}
	f.cancel()
	g.tasks.Add(1)
	go f.seeOff(g)
}

func (f *fetched) seeOff(g *generation) {
	defer g.tasks.Done()
	if err := f.body.Close(); err != nil {
		g.log().Debug("closing a plugin's fetch", "err", err)
	}
}

// read reads the next piece of the body; its end is 0 without an error.
func (f *fetched) read(p []byte) (n int, err error) {
	for tries := 0; n == 0 && f.err == nil && tries < 100; tries++ {
		n, f.err = f.body.Read(p)
	}
	switch {
	case n > 0:
		return n, nil // the error is the next read's
	case f.err == nil:
		f.err = io.ErrNoProgress
	case errors.Is(f.err, io.EOF):
		return 0, nil
	}
	return 0, f.err
}

// fetchHead is an answer's head as fetch_head gives it: status, URL, headers.
func fetchHead(r *FetchResponse) []byte {
	head := binary.LittleEndian.AppendUint32(nil, uint32(r.Status))
	head = binary.LittleEndian.AppendUint32(head, uint32(len(r.URL)))
	return abi.AppendHeaders(append(head, r.URL...), r.Headers)
}

// outboundBody is the client's body on its way out. The first read waits for the
// guest's own reads of it that were started before, and those that are started
// later wait for Close.
type outboundBody struct {
	x     *exchange
	ctx   context.Context
	place place

	begun bool // used by the one goroutine that reads
	once  sync.Once
}

// Read reads what the client sends.
func (b *outboundBody) Read(p []byte) (int, error) {
	if !b.begun {
		if err := b.place.await(b.ctx); err != nil {
			return 0, err
		}
		b.begun = true
	}
	n, err := b.x.readBody(p)
	if n == 0 && err == nil && len(p) > 0 {
		err = io.EOF
	}
	return n, err
}

// Close lets the next reader have its turn.
func (b *outboundBody) Close() error {
	b.once.Do(b.place.done)
	return nil
}
