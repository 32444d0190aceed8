package link

import "edge/plugins/wasmbin"

// encode puts the module together: head, memory, tail and data.
func (b *binary) encode() []byte {
	out := append(b.head(), b.memory(b.pages)...)
	return append(append(out, b.tail()...), dataSection(b.data)...)
}

// head is what comes before the memory.
func (b *binary) head() []byte {
	out := []byte(wasmbin.Header)
	out = vector(out, wasmbin.SectionType, len(b.types), func(o []byte, i int) []byte { return append(o, b.types[i]...) })
	out = vector(out, wasmbin.SectionImport, len(b.imports), func(o []byte, i int) []byte {
		o = wasmbin.AppendName(wasmbin.AppendName(o, b.imports[i].module), b.imports[i].name)
		return wasmbin.AppendU32(append(o, 0), b.imports[i].kind)
	})
	out = vector(out, wasmbin.SectionFunction, len(b.functions), func(o []byte, i int) []byte { return wasmbin.AppendU32(o, b.functions[i].kind) })
	return vector(out, wasmbin.SectionTable, 1, func(o []byte, _ int) []byte { return wasmbin.AppendU32(append(o, wasmbin.TypeFuncref, 0), b.table) })
}

func (b *binary) memory(pages uint32) []byte {
	return vector(nil, wasmbin.SectionMemory, 1, func(o []byte, _ int) []byte { return wasmbin.AppendU32(append(o, 0), pages) })
}

// tail is what comes between the memory and the data.
func (b *binary) tail() []byte {
	out := wasmbin.AppendSection(nil, wasmbin.SectionGlobal, b.globals)
	out = vector(out, wasmbin.SectionExport, len(b.exports), func(o []byte, i int) []byte {
		e := b.exports[i]
		return wasmbin.AppendU32(append(wasmbin.AppendName(o, e.name), e.kind), e.index)
	})
	out = vector(out, wasmbin.SectionElement, len(b.elements), func(o []byte, i int) []byte {
		e := b.elements[i]
		o = wasmbin.AppendConstI32(append(o, 0), int32(e.at))
		o = wasmbin.AppendU32(o, uint32(len(e.functions)))
		for _, f := range e.functions {
			o = wasmbin.AppendU32(o, f)
		}
		return o
	})
	return vector(out, wasmbin.SectionCode, len(b.functions), func(o []byte, i int) []byte {
		return wasmbin.AppendSized(o, b.functions[i].body)
	})
}

// dataSection is a section of encoded segments.
func dataSection(segments [][]byte) []byte {
	return vector(nil, wasmbin.SectionData, len(segments), func(o []byte, i int) []byte { return append(o, segments[i]...) })
}

// segment encodes an active data segment.
func segment(at uint32, content []byte) []byte {
	return wasmbin.AppendSized(wasmbin.AppendConstI32([]byte{0}, int32(at)), content)
}

// vector appends a section of n entries.
func vector(out []byte, id byte, n int, entry func([]byte, int) []byte) []byte {
	content := wasmbin.AppendU32(nil, uint32(n))
	for i := range n {
		content = entry(content, i)
	}
	return wasmbin.AppendSection(out, id, content)
}
