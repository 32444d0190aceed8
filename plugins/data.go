package plugins

import (
	"bytes"
	"slices"

	"github.com/tetratelabs/wazero/api"

	"edge/plugins/linear"
	"edge/plugins/wasmbin"
)

// contents is what a module has in its memory when it is instantiated. It is taken out
// of the module before that is compiled, so that modules which differ in it alone, as
// those do that an engine was prepared for with one script or another, share their
// compiled code.
type contents struct {
	pages    uint32        // of memory, at first
	image    *linear.Image // nil: each instance has a copy
	spares   int32         // memories that the image may keep
	segments []segment     // nil if there is an image
}

// segment is a piece of it.
type segment struct {
	at    uint32
	bytes []byte
}

// split takes a module's contents out. What is left has a memory without pages and no
// data, nor custom sections but the functions' names. Without contents, which is nil
// then, the module is left as it is, for the compiler to judge or because it does more
// with its data than to find it in memory: it has a start function, which would run
// before the data is there; its code may use the data itself (memory.init), which is
// what a count of the data is there for; it says with globals where the data is; or
// the data does not fit. Its memory is to have at most most bytes at first, which is
// the compiler's to refuse.
//
// Nothing else of the module is looked at.
func split(module []byte, most uint64) (code []byte, c *contents) {
	kept := [][]byte{[]byte(wasmbin.Header)}
	for s, err := range wasmbin.Sections(module) {
		if err != nil {
			return module, nil
		}
		switch s.ID {
		case wasmbin.SectionStart, wasmbin.SectionDataCount:
			return module, nil
		case wasmbin.SectionCustom:
			if s.Name == "name" {
				kept = append(kept, s.Whole)
			}
		case wasmbin.SectionMemory:
			var emptied []byte
			if c, emptied = splitMemory(s.Reader(), most); c == nil {
				return module, nil
			}
			kept = append(kept, wasmbin.AppendSection(nil, s.ID, emptied))
		case wasmbin.SectionData:
			if c == nil || !c.read(bytes.Clone(s.Content)) {
				return module, nil
			}
		default:
			kept = append(kept, s.Whole)
		}
	}
	if c == nil {
		return module, nil
	}
	return slices.Concat(kept...), c
}

// splitMemory reads a memory section (section 5.5.8) and returns it with a memory that
// has no pages. Without contents the section has not one memory, or not a valid one.
func splitMemory(r *wasmbin.Reader, most uint64) (c *contents, emptied []byte) {
	const maxPages = 1 << 16
	memories := r.U32()
	pages, limit, bounded := r.Limits()
	emptied = []byte{1, 0, 0}
	if bounded {
		emptied = wasmbin.AppendU32([]byte{1, 1, 0}, limit)
	} else {
		limit = maxPages
	}
	switch {
	case r.Done() != nil || memories != 1:
		return nil, nil
	case limit > maxPages || pages > limit || uint64(pages)*wasmPage > most:
		return nil, nil
	}
	return &contents{pages: pages}, emptied
}

// read reads a data section (section 5.5.14) and keeps views into it. It is false for
// anything but active segments at constant places in memory.
func (c *contents) read(section []byte) bool {
	r := wasmbin.NewReader(section)
	for n := r.U32(); n > 0 && r.Err() == nil; n-- {
		if r.U32() != 0 { // not active, or with the index of a memory
			return false
		}
		at := uint32(r.ConstI32())
		b := r.Bytes(r.U32())
		if uint64(at)+uint64(len(b)) > uint64(c.pages)*wasmPage {
			return false
		}
		c.segments = append(c.segments, segment{at, b})
	}
	return r.Done() == nil
}

// memory returns all of it.
func (c *contents) memory() []byte {
	b := make([]byte, uint64(c.pages)*wasmPage)
	for _, s := range c.segments { // in their order: later ones may lie over earlier ones
		copy(b[s.at:], s.bytes)
	}
	return b
}

// fill puts the contents into the memory of a new instance, unless it is mapped: they
// are there then. It is false if there is no room.
func (c *contents) fill(memory api.Memory, mapped bool) bool {
	if c == nil {
		return true
	}
	if _, ok := memory.Grow(c.pages); !ok {
		return false
	}
	switch {
	case mapped:
		return true
	case c.image != nil:
		b, _ := memory.Read(0, memory.Size())
		c.image.Copy(b, 0, uint64(len(b)))
		return true
	}
	for _, s := range c.segments {
		if !memory.Write(s.at, s.bytes) {
			return false
		}
	}
	return true
}
