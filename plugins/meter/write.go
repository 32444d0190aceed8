package meter

import (
	"fmt"

	"edge/plugins/wasmbin"
)

// write puts the module together.
func (m *rewriter) write() ([]byte, error) {
	code, err := m.code()
	if err != nil {
		return nil, err
	}
	size := len(code) + 256
	for _, s := range m.sections {
		size += len(s.content) + 16
	}
	out := append(make([]byte, 0, size), wasmbin.Header...)
	missing := m.missing()
	for _, s := range m.sections {
		for s.id != wasmbin.SectionCustom && len(missing) > 0 && missing[0].id < s.id {
			out = wasmbin.AppendSection(out, missing[0].id, m.grown(missing[0]))
			missing = missing[1:]
		}
		if s.id == wasmbin.SectionCode {
			out = wasmbin.AppendSection(out, s.id, code)
			continue
		}
		out = wasmbin.AppendSection(out, s.id, m.grown(s))
	}
	return out, nil
}

// missing returns the sections, empty, that the guest lacks and something is added
// to. A module with code has the others.
func (m *rewriter) missing() []section {
	var ids []section
	for _, id := range []byte{wasmbin.SectionImport, wasmbin.SectionGlobal, wasmbin.SectionExport} {
		found := id == wasmbin.SectionExport && m.options.Fuel == "" && !m.restores()
		for _, s := range m.sections {
			found = found || s.id == id
		}
		if !found {
			ids = append(ids, section{id, []byte{0}})
		}
	}
	return ids
}

// appendExports appends what is exported for the host, and returns how many those
// are.
func (m *rewriter) appendExports(out []byte) ([]byte, uint32) {
	n := uint32(0)
	if m.options.Fuel != "" {
		out = wasmbin.AppendU32(append(wasmbin.AppendName(out, m.options.Fuel), 3), m.globals)
		n++
	}
	if m.restores() {
		out = wasmbin.AppendU32(append(wasmbin.AppendName(out, m.options.Save), 0), m.helpers[helperSave])
		out = wasmbin.AppendU32(append(wasmbin.AppendName(out, m.options.Restore), 0), m.helpers[helperRestore])
		n += 2
	}
	return out, n
}

// grown returns a section's content with the entries that are added at its end.
func (m *rewriter) grown(s section) []byte {
	var more []byte
	n := uint32(1)
	switch s.id {
	case wasmbin.SectionType: // () -> (), (i32) -> (i32), (i32) -> () and () -> (i32)
		more, n = []byte{0x60, 0, 0, 0x60, 1, 0x7f, 1, 0x7f, 0x60, 1, 0x7f, 0, 0x60, 0, 1, 0x7f}, 4
	case wasmbin.SectionImport:
		more = wasmbin.AppendName(wasmbin.AppendName(nil, m.options.Module), m.options.Name)
		more = wasmbin.AppendU32(append(more, 0), m.types+1)
	case wasmbin.SectionFunction:
		for _, h := range m.added {
			more = wasmbin.AppendU32(more, m.helperType(h))
		}
		n = uint32(len(m.added))
	case wasmbin.SectionGlobal:
		more = wasmbin.AppendConstI32(append(more, wasmbin.TypeI32, 1), m.options.Quantum) // mutable
		if m.restores() {
			more = m.appendShadows(more)
			n += 1 + uint32(len(m.mutable))
		}
	case wasmbin.SectionExport:
		more, n = m.appendExports(nil)
	default:
		return s.content
	}
	r := wasmbin.NewReader(s.content)
	out := wasmbin.AppendU32(make([]byte, 0, len(s.content)+len(more)+5), r.U32()+n)
	return append(append(out, r.Rest()...), more...)
}

// code rewrites the functions and returns the code section's content.
func (m *rewriter) code() ([]byte, error) {
	if err := m.findLeaves(); err != nil {
		return nil, err
	}
	if m.restores() {
		m.helper(helperSave)
		m.helper(helperRestore)
	}
	size := 0
	for _, b := range m.bodies {
		size += len(b.Rest())
	}
	bodies := make([]byte, 0, size+size/8)
	var body []byte
	for i, b := range m.bodies {
		if err := m.walk.body(m, b); err != nil {
			return nil, inFunction(m.imports+uint32(i), err)
		}
		body = m.walk.rewrite(body[:0], uint32(i), m.leaves[i] == 0)
		bodies = wasmbin.AppendSized(bodies, body)
	}
	for i := 0; i < len(m.added); i++ { // a helper may want another
		bodies = m.appendHelper(bodies, m.added[i])
	}
	return append(wasmbin.AppendU32(nil, uint32(len(m.bodies)+len(m.added))), bodies...), nil
}

// findLeaves finds the functions that their callers are charged for. Only short
// bodies are looked at: each instruction has at most 21 bytes, and locals come
// before.
func (m *rewriter) findLeaves() error {
	m.leaves = make([]uint8, len(m.bodies))
	for i, b := range m.bodies {
		size := len(b.Rest())
		if size > MaxBody {
			b.Fail(ErrUnsupported, "%d bytes are more than the %d that it may have", size, MaxBody)
			return inFunction(m.imports+uint32(i), b.Err())
		}
		if size > 4*maxLeaf {
			continue
		}
		if err := m.walk.body(m, b); err != nil {
			return inFunction(m.imports+uint32(i), err)
		}
		if m.walk.isLeaf() {
			m.leaves[i] = uint8(m.walk.count)
		}
	}
	return nil
}

// rewrite appends the function that was read, which is the module's nth own, with its
// edits and, if it is metered, its points.
func (w *walker) rewrite(out []byte, own uint32, metered bool) []byte {
	points := w.points
	if !metered {
		points = nil
	}
	copied := w.from
	copyTo := func(at int) {
		out = append(out, w.Slice(copied, at)...)
		copied = at
	}
	for edits := w.edits; len(edits) > 0 || len(points) > 0; {
		if len(points) > 0 && (len(edits) == 0 || points[0].at < edits[0].at || points[0].at == edits[0].at && edits[0].insert == nil) {
			p := points[0]
			points = points[1:]
			if p.dominant == check {
				copyTo(p.at)
				out = w.m.appendPoint(out, &p, own)
			} else if p.cost > 0 {
				copyTo(p.at)
				out = w.m.appendCharge(out, p.cost)
			}
			continue
		}
		e := edits[0]
		edits = edits[1:]
		if e.goesOn {
			if rest := w.rest(&e); rest > maxRest {
				copyTo(e.at)
				out = w.m.appendRest(out, rest/restShare)
			}
			continue
		}
		copyTo(e.at)
		if e.insert != nil {
			out = append(out, e.insert...)
			continue
		}
		if e.isCall {
			out = append(out, wasmbin.OpCall)
		}
		out = wasmbin.AppendU32(out, e.index)
		copied += e.n
	}
	return append(out, w.Slice(copied, w.Offset())...)
}

// inFunction is an error in a function's body.
func inFunction(index uint32, err error) error { return fmt.Errorf("function %d: %w", index, err) }
