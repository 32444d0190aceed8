package meter

import (
	"bytes"
	"strings"
)

// The sections of a module (WebAssembly 2.0, section 5.5.2).
const (
	sectionCustom    = 0
	sectionType      = 1
	sectionImport    = 2
	sectionFunction  = 3
	sectionTable     = 4
	sectionMemory    = 5
	sectionGlobal    = 6
	sectionExport    = 7
	sectionStart     = 8
	sectionElement   = 9
	sectionCode      = 10
	sectionData      = 11
	sectionDataCount = 12
)

// section is one section of the module that is read: its content, or, once the
// rewriter has changed it, the new one.
type section struct {
	id      byte
	content []byte
}

// rewriter holds one module on its way. read takes it apart and checks every
// index; write puts it together with what was added.
type rewriter struct {
	options  Options
	sections []section

	types     uint32   // the guest's own, as are all counts
	params    []uint32 // how many each type has
	kinds     []uint32 // the type of each of the module's own functions
	imports   uint32   // imported functions
	functions uint32   // with the imported ones
	globals   uint32   // with the imported ones
	mutable   []global
	bodies    [][]byte

	helpers [numHelpers]uint32 // index of each function that was added, 0 for none
	added   []helper           // in the order of their indices
	leaves  []uint8            // cost of a function that is charged to its callers, by index among the module's own; else 0
	walk    walker             // reused for all functions
}

// own returns the new index of one of the guest's functions.
func (m *rewriter) own(function uint32) uint32 {
	if function >= m.imports {
		return function + 1
	}
	return function
}

// read splits the module and reads what comes before the code.
func (m *rewriter) read(module []byte) error {
	if !bytes.HasPrefix(module, []byte("\x00asm")) {
		return malformed("no magic number")
	}
	if !bytes.HasPrefix(module[4:], []byte{1, 0, 0, 0}) {
		return unsupported("not version 1 of the binary format")
	}
	r := reader{b: module, at: 8}
	for last := 0; r.more(); {
		id := r.byte()
		content := r.take(r.u32())
		if r.err != nil {
			return r.err
		}
		if id != sectionCustom {
			rank, err := rankOf(id)
			if err != nil {
				return err
			}
			if rank <= last {
				return malformed("section %d is out of order", id)
			}
			last = rank
		}
		if err := m.readSection(id, content); err != nil {
			return err
		}
	}
	if uint32(len(m.bodies)) != m.functions-m.imports {
		return malformed("%d functions have %d bodies", m.functions-m.imports, len(m.bodies))
	}
	return nil
}

// rankOf is a section's place in the order: the data count comes before the code.
func rankOf(id byte) (int, error) {
	switch {
	case id == sectionDataCount:
		return 2*sectionElement + 1, nil
	case id <= sectionData:
		return 2 * int(id), nil
	}
	return 0, unsupported("section %d", id)
}

func (m *rewriter) readSection(id byte, content []byte) error {
	r := &reader{b: content}
	switch id {
	case sectionCustom:
		name := r.name()
		switch {
		case r.err != nil:
			return r.err
		case locates(name):
			return nil
		case name == "name":
			content = m.renumberNames(content[:r.at], content[r.at:])
		}
		m.sections = append(m.sections, section{id, content})
		return nil
	case sectionType:
		m.readTypes(r)
	case sectionImport:
		m.readImports(r)
	case sectionFunction:
		for n := r.u32(); n > 0 && r.err == nil; n-- {
			m.kinds = append(m.kinds, r.index("type", m.types))
			m.functions++
		}
	case sectionTable:
		content = m.readTables(r)
	case sectionMemory:
		for n := r.u32(); n > 0 && r.err == nil; n-- {
			r.limits()
		}
	case sectionCode:
		for n := r.u32(); n > 0 && r.err == nil; n-- {
			m.bodies = append(m.bodies, r.take(r.u32()))
		}
	case sectionDataCount:
		r.u32()
	default:
		content = m.renumber(id, r)
	}
	if r.more() {
		r.fail(malformed("section %d is longer than what it holds", id))
	}
	m.sections = append(m.sections, section{id, content})
	return r.err
}

// locates tells whether a custom section speaks of positions in the code.
func locates(custom string) bool {
	for _, prefix := range []string{".debug_", "reloc.", "metadata.code."} {
		if strings.HasPrefix(custom, prefix) {
			return true
		}
	}
	return custom == "linking" || custom == "sourceMappingURL" || custom == "external_debug_info"
}

func (m *rewriter) readTypes(r *reader) {
	for n := r.u32(); n > 0 && r.err == nil; n-- {
		if form := r.byte(); form != 0x60 && r.err == nil {
			r.fail(unsupported("type of form %#x", form))
		}
		params := r.values()
		r.values() // results
		m.params = append(m.params, params)
		m.types++
	}
}

func (m *rewriter) readImports(r *reader) {
	for n := r.u32(); n > 0 && r.err == nil; n-- {
		if module := r.name(); module == m.options.Module && r.err == nil {
			r.fail(reserved(module))
		}
		r.name()
		switch kind := r.byte(); kind {
		case 0:
			r.index("type", m.types)
			m.functions++
			m.imports++
		case 1:
			r.refType()
			r.limits()
		case 2:
			r.limits()
		case 3:
			m.readGlobal(r)
		default:
			r.fail(unsupported("import of kind %#x", kind))
		}
	}
}

// readGlobal reads a global's type.
func (m *rewriter) readGlobal(r *reader) {
	if kind := r.valueType(); r.byte() != 0 {
		m.mutable = append(m.mutable, global{m.globals, kind})
	}
	m.globals++
}

// renumber reads a section that may name functions and returns it with their new
// indices.
func (m *rewriter) renumber(id byte, r *reader) []byte {
	e := &editor{reader: r, m: m}
	switch id {
	case sectionGlobal:
		for n := r.u32(); n > 0 && r.err == nil; n-- {
			m.readGlobal(r)
			e.constant()
		}
	case sectionExport:
		for n := r.u32(); n > 0 && r.err == nil; n-- {
			if name := r.name(); m.options.exports(name) && r.err == nil {
				r.fail(reserved(name))
			}
			switch r.byte() {
			case 0:
				e.function()
			case 3:
				r.index("global", m.globals)
			default: // a table or memory, or what the compiler refuses
				r.u32()
			}
		}
	case sectionStart:
		e.function()
	case sectionElement:
		for n := r.u32(); n > 0 && r.err == nil; n-- {
			e.element()
		}
	case sectionData:
		for n := r.u32(); n > 0 && r.err == nil; n-- {
			e.data()
		}
	}
	return e.finish()
}
