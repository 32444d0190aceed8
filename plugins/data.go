package plugins

import (
	"bytes"

	"github.com/tetratelabs/wazero/api"
)

// contents is what a module has in its memory when it is instantiated. It is taken out
// of the module before that is compiled, so that modules which differ in it alone, as
// those do that an engine was prepared for with one script or another, share their
// compiled code.
type contents struct {
	pages    uint32 // of memory, at first
	segments []segment
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
	sections, ok := sectionsOf(module)
	if !ok {
		return module, nil
	}
	size := 0
	for _, s := range sections {
		if s.id != sectionData {
			size += len(s.whole)
		}
	}
	code = append(make([]byte, 0, 8+size), module[:8]...)
	for _, s := range sections {
		switch s.id {
		case sectionStart, sectionDataCount:
			return module, nil
		case sectionCustom:
			if s.name == "name" {
				code = append(code, s.whole...)
			}
		case sectionMemory:
			var emptied []byte
			if c, emptied = splitMemory(s.content, most); c == nil {
				return module, nil
			}
			code = append(append(code, sectionMemory, byte(len(emptied))), emptied...)
		case sectionData:
			if c == nil || !c.read(bytes.Clone(s.content)) {
				return module, nil
			}
		default:
			code = append(code, s.whole...)
		}
	}
	if c == nil {
		return module, nil
	}
	return code, c
}

// splitMemory reads a memory section (section 5.5.8) and returns it with a memory that
// has no pages. Without contents the section has not one memory, or not a valid one.
func splitMemory(section []byte, most uint64) (c *contents, emptied []byte) {
	const maxPages = 1 << 16
	in := cursor{b: section}
	memories, bounded := in.u32(), in.byte()
	pages := in.u32()
	rest := in.b
	limit := uint32(maxPages)
	if bounded == 1 {
		limit = in.u32()
	}
	switch {
	case in.bad || len(in.b) > 0 || memories != 1 || bounded > 1:
		return nil, nil
	case limit > maxPages || pages > limit || uint64(pages)*wasmPage > most:
		return nil, nil
	}
	return &contents{pages: pages}, append([]byte{1, bounded, 0}, rest...)
}

// read reads a data section (section 5.5.14) and keeps views into it. It is false for
// anything but active segments at constant places in memory.
func (c *contents) read(section []byte) bool {
	const active, i32Const, end = 0, 0x41, 0x0b
	in := cursor{b: section}
	for n := in.u32(); n > 0 && !in.bad; n-- {
		if in.u32() != active || in.byte() != i32Const {
			return false
		}
		at := uint32(in.i32())
		if in.byte() != end {
			return false
		}
		b := in.take(in.u32())
		if uint64(at)+uint64(len(b)) > uint64(c.pages)*wasmPage {
			return false
		}
		c.segments = append(c.segments, segment{at, b})
	}
	return !in.bad && len(in.b) == 0
}

// fill puts the contents into the memory of a new instance, in their order: later
// segments may lie over earlier ones. It is false if there is no room.
func (c *contents) fill(memory api.Memory) bool {
	if c == nil {
		return true
	}
	if _, ok := memory.Grow(c.pages); !ok {
		return false
	}
	for _, s := range c.segments {
		if !memory.Write(s.at, s.bytes) {
			return false
		}
	}
	return true
}
