package meter

import (
	"fmt"
	"strings"

	"edge/plugins/wasmbin"
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
	bodies    []wasmbin.Reader

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
	for s, err := range wasmbin.Sections(module) {
		if err == nil {
			err = m.readSection(&s)
		}
		if err != nil {
			return err
		}
	}
	if uint32(len(m.bodies)) != m.functions-m.imports {
		return fmt.Errorf("%w: %d functions have %d bodies", ErrMalformed, m.functions-m.imports, len(m.bodies))
	}
	return nil
}

func (m *rewriter) readSection(s *wasmbin.Section) error {
	r, content := s.Reader(), s.Content
	switch s.ID {
	case wasmbin.SectionCustom:
		switch {
		case locates(s.Name):
			return nil
		case s.Name == "name":
			content = m.renumberNames(content[:len(content)-len(r.Rest())], r)
		}
		m.sections = append(m.sections, section{s.ID, content})
		return nil
	case wasmbin.SectionType:
		m.readTypes(r)
	case wasmbin.SectionImport:
		m.readImports(r)
	case wasmbin.SectionFunction:
		for n := r.U32(); n > 0 && r.Err() == nil; n-- {
			m.kinds = append(m.kinds, r.Index("type", m.types))
			m.functions++
		}
	case wasmbin.SectionTable:
		content = m.readTables(r)
	case wasmbin.SectionMemory:
		for n := r.U32(); n > 0 && r.Err() == nil; n-- {
			r.Limits()
		}
	case wasmbin.SectionCode:
		for n := r.U32(); n > 0 && r.Err() == nil; n-- {
			m.bodies = append(m.bodies, r.Part(r.U32()))
		}
	case wasmbin.SectionDataCount:
		r.U32()
	default:
		content = m.renumber(s.ID, r)
	}
	m.sections = append(m.sections, section{s.ID, content})
	return r.Done()
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

func (m *rewriter) readTypes(r *wasmbin.Reader) {
	for n := r.U32(); n > 0 && r.Err() == nil; n-- {
		if form := r.Byte(); form != wasmbin.TypeFunction {
			r.Fail(ErrUnsupported, "type of form %#x", form)
		}
		m.params = append(m.params, values(r))
		values(r) // results
		m.types++
	}
}

// values reads a list of value types and returns how many there are.
func values(r *wasmbin.Reader) (n uint32) {
	for k := r.U32(); k > 0 && r.Err() == nil; k-- {
		r.ValueType()
		n++
	}
	return n
}

func (m *rewriter) readImports(r *wasmbin.Reader) {
	for n := r.U32(); n > 0 && r.Err() == nil; n-- {
		if module := r.Name(); module == m.options.Module {
			r.Fail(ErrReserved, "%q", module)
		}
		r.Name()
		switch kind := r.Byte(); kind {
		case 0:
			r.Index("type", m.types)
			m.functions++
			m.imports++
		case 1:
			r.RefType()
			r.Limits()
		case 2:
			r.Limits()
		case 3:
			m.readGlobal(r)
		default:
			r.Fail(ErrUnsupported, "import of kind %#x", kind)
		}
	}
}

// readGlobal reads a global's type.
func (m *rewriter) readGlobal(r *wasmbin.Reader) {
	if kind := r.ValueType(); r.Byte() != 0 {
		m.mutable = append(m.mutable, global{m.globals, kind})
	}
	m.globals++
}

// renumber reads a section that may name functions and returns it with their new
// indices.
func (m *rewriter) renumber(id byte, r *wasmbin.Reader) []byte {
	e := m.editor(r)
	switch id {
	case wasmbin.SectionGlobal:
		for n := r.U32(); n > 0 && r.Err() == nil; n-- {
			m.readGlobal(r)
			e.constant()
		}
	case wasmbin.SectionExport:
		for n := r.U32(); n > 0 && r.Err() == nil; n-- {
			if name := r.Name(); m.options.exports(name) {
				r.Fail(ErrReserved, "%q", name)
			}
			switch r.Byte() {
			case 0:
				e.function()
			case 3:
				r.Index("global", m.globals)
			default: // a table or memory, or what the compiler refuses
				r.U32()
			}
		}
	case wasmbin.SectionStart:
		e.function()
	case wasmbin.SectionElement:
		for n := r.U32(); n > 0 && r.Err() == nil; n-- {
			e.element()
		}
	case wasmbin.SectionData:
		for n := r.U32(); n > 0 && r.Err() == nil; n-- {
			e.data()
		}
	}
	return e.finish()
}
