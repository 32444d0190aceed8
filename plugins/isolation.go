package plugins

import (
	"bytes"
	"sync"

	"github.com/tetratelabs/wazero/api"
)

// The names of the two functions that the meter exports of a module which is reset.
const (
	saveExport    = meterModule + ".save"
	restoreExport = meterModule + ".restore"
)

// imagePage is the piece of memory that is compared, and copied if it differs.
const imagePage = 4 << 10

// snapshot is an instance after edge_init: what IsolationReset goes back to.
//
// Memory is compared with what it was, page by page, and what differs is written
// anew; of memory that is mapped, the pages alone that the guest ever wrote to, for the
// others are the image's. Globals of all types are kept in globals of the meter's, where
// the guest does not reach them. Tables and segments cannot be brought back: the meter
// notes when the guest changes them, and the instance is discarded, as it is when its
// memory has grown, which cannot shrink.
type snapshot struct {
	restore api.Function
	size    uint32   // of memory
	pages   [][]byte // nil: what the contents' image has
	handle  uint32
}

// keptPages is the memory of a generation's first instance, which the others' snapshots
// share as far as theirs is the same.
type keptPages struct {
	mu    sync.Mutex
	pages [][]byte
	zero  []byte
}

// resets tells whether instances are reset after each request.
func (g *generation) resets() bool { return g.spec.Isolation == IsolationReset }

// save takes the snapshot, if one is wanted.
func (in *instance) save() error {
	if !in.gen.resets() {
		return nil
	}
	if err := in.mod.ExportedFunction(saveExport).CallWithStack(in.life, in.stack[:]); err != nil {
		return err
	}
	s := &snapshot{restore: in.mod.ExportedFunction(restoreExport), size: in.mem.Size(), handle: in.lastHandle}
	s.pages = make([][]byte, s.size/imagePage) // whose size is a multiple
	memory, _ := in.mem.Read(0, s.size)
	k := &in.gen.kept
	k.mu.Lock()
	defer k.mu.Unlock()
	in.written(func(at, n uint64) { k.keep(s.pages, memory, at, n) })
	if k.pages == nil {
		k.pages = s.pages
	}
	in.snapshot = s
	return nil
}

// written calls f for all pieces of memory that the guest may have written to since the
// instance was made, n bytes from at on. It may call it for a piece again.
func (in *instance) written(f func(at, n uint64)) {
	if in.mapped == nil || !in.mapped.Written(f) {
		f(0, uint64(in.mem.Size()))
	}
}

// keep copies pages of a memory, n bytes from at on, but for what there is a copy of
// already. k.mu is held.
func (k *keptPages) keep(pages [][]byte, memory []byte, at, n uint64) {
	if k.zero == nil {
		k.zero = make([]byte, imagePage)
	}
	for i := at / imagePage; i < (at+n)/imagePage; i++ {
		now := memory[i*imagePage:][:imagePage]
		switch {
		case bytes.Equal(now, k.zero):
			pages[i] = k.zero
		case i < uint64(len(k.pages)) && bytes.Equal(now, k.pages[i]):
			pages[i] = k.pages[i]
		default:
			pages[i] = bytes.Clone(now)
		}
	}
}

// renew makes an instance without requests ready for the next one. It is false if
// no other request may have the instance.
func (in *instance) renew() bool {
	switch in.gen.spec.Isolation {
	case IsolationFresh:
		return false
	case IsolationReset:
		return in.snapshot.bringBack(in)
	}
	return true
}

// rewrite writes anew what differs in n bytes of memory from at on, whole pages.
func (s *snapshot) rewrite(c *contents, memory []byte, at, n uint64) {
	for i := at / imagePage; i < (at+n)/imagePage; i++ {
		now, was := memory[i*imagePage:][:imagePage], s.pages[i]
		switch {
		case was == nil:
			c.image.Copy(memory, i*imagePage, imagePage)
		case !bytes.Equal(now, was):
			copy(now, was)
		}
	}
}

// bringBack resets the instance. Handles are numbered as before, too: how many a
// request used is a thing that it could tell the next one.
func (s *snapshot) bringBack(in *instance) bool {
	if in.mem.Size() != s.size {
		return false
	}
	if err := s.restore.CallWithStack(in.life, in.stack[:]); err != nil || in.stack[0] != 0 {
		return false
	}
	memory, _ := in.mem.Read(0, s.size)
	in.written(func(at, n uint64) { s.rewrite(in.gen.contents, memory, at, n) })
	in.lastHandle, in.kept = s.handle, nil
	for i := range in.output {
		in.output[i].flush(in, i+1)
	}
	return true
}
