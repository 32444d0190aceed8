package plugins

import (
	"bytes"
	"context"
	"crypto/sha256"
	"sync"
)

// programs is the compiled code that a registry's generations have. Those whose code is
// the same share it, so that a module which differs in its data alone (contents) costs
// no compilation and no second copy. It is kept for as long as a generation has it.
type programs struct {
	// compiling has room for one: modules are compiled one at a time.
	compiling chan struct{}

	mu   sync.Mutex
	have map[programKey]*program
	// last is the code that was asked for last, with its digest: to compare it costs a
	// tenth of hashing.
	last struct {
		code   []byte
		digest [sha256.Size]byte
	}
}

// programKey is what makes programs of a registry the same.
type programKey struct {
	digest [sha256.Size]byte // of the code before it is metered
	memory uint64            // that an instance may have
	resets bool              // it exports what isolation reset needs
}

func newPrograms() *programs {
	return &programs{compiling: make(chan struct{}, 1), have: map[programKey]*program{}}
}

// get returns the program of a generation's code, for release to give back. It tells
// the generation how far it comes.
func (ps *programs) get(ctx context.Context, g *generation, code []byte) (*program, error) {
	key := programKey{ps.digest(code), g.spec.Memory, g.resets()}
	if p := ps.find(key); p != nil {
		return p, nil
	}
	if g.reg.stopBy == byFuel {
		var err error
		if code, err = metered(g.reg.config.CacheDir, key.digest, code, g.meterOptions()); err != nil {
			return nil, refusal(&guestError{"compiling it", err})
		}
	}
	g.reach(StepCompile)
	select {
	case ps.compiling <- struct{}{}:
		defer func() { <-ps.compiling }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if p := ps.find(key); p != nil {
		return p, nil
	}
	p, err := newProgram(ctx, code, programOptions{g.reg.config.CacheDir, g.spec.Memory, g.reg.stopBy})
	if err != nil {
		p.close()
		return nil, uncompiled(ctx, err)
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.key, p.refs = key, 1
	ps.have[key] = p
	return p, nil
}

// digest returns the SHA-256 of code, which must not change any more.
func (ps *programs) digest(code []byte) [sha256.Size]byte {
	ps.mu.Lock()
	last := ps.last
	ps.mu.Unlock()
	if last.code != nil && bytes.Equal(last.code, code) {
		return last.digest
	}
	last.code, last.digest = code, sha256.Sum256(code)
	ps.mu.Lock()
	ps.last = last
	ps.mu.Unlock()
	return last.digest
}

// find returns a program that there is, or nil.
func (ps *programs) find(key programKey) *program {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := ps.have[key]
	if p != nil {
		p.refs++
	}
	return p
}

// release gives a program back; nil is none. The last one closes it.
func (ps *programs) release(p *program) {
	if p == nil {
		return
	}
	ps.mu.Lock()
	p.refs--
	last := p.refs == 0
	if last {
		delete(ps.have, p.key)
	}
	ps.mu.Unlock()
	if last {
		p.close()
	}
}
