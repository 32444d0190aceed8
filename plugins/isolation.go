package plugins

import (
	"bytes"

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
// anew. Globals of all types are kept in globals of the meter's, where the guest
// does not reach them. Tables and segments cannot be brought back: the meter notes
// when the guest changes them, and the instance is discarded, as it is when its
// memory has grown, which cannot shrink.
type snapshot struct {
	restore api.Function
	size    uint32 // of memory
	pages   [][]byte
	handle  uint32
}

// image is the memory of a generation's first instance, which the others' snapshots
// share as far as theirs is the same.
type image struct {
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
	memory, _ := in.mem.Read(0, s.size)
	s.pages = in.gen.keep(memory)
	in.snapshot = s
	return nil
}

// keep copies a memory, except for what the generation has a copy of already.
func (g *generation) keep(memory []byte) [][]byte {
	g.imageMu.Lock()
	defer g.imageMu.Unlock()
	if g.image == nil {
		g.image = &image{zero: make([]byte, imagePage)}
	}
	pages := make([][]byte, len(memory)/imagePage) // whose size is a multiple
	for i := range pages {
		now := memory[i*imagePage:][:imagePage]
		switch {
		case bytes.Equal(now, g.image.zero):
			pages[i] = g.image.zero
		case i < len(g.image.pages) && bytes.Equal(now, g.image.pages[i]):
			pages[i] = g.image.pages[i]
		default:
			pages[i] = bytes.Clone(now)
		}
	}
	if g.image.pages == nil {
		g.image.pages = pages
	}
	return pages
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
	for i, was := range s.pages {
		if now := memory[i*imagePage:][:imagePage]; !bytes.Equal(now, was) {
			copy(now, was)
		}
	}
	in.lastHandle, in.kept = s.handle, nil
	for i := range in.output {
		in.output[i].flush(in, i+1)
	}
	return true
}
