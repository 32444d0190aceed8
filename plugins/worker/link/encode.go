package link

// encode puts the module together: head, memory, tail and data.
func (b *binary) encode() []byte {
	out := append(b.head(), b.memory(b.pages)...)
	return append(append(out, b.tail()...), dataSection(b.data)...)
}

// head is what comes before the memory.
func (b *binary) head() []byte {
	out := []byte(magic)
	out = vector(out, sectionType, len(b.types), func(o []byte, i int) []byte { return append(o, b.types[i]...) })
	out = vector(out, sectionImport, len(b.imports), func(o []byte, i int) []byte {
		o = appendName(appendName(o, b.imports[i].module), b.imports[i].name)
		return appendU32(append(o, 0), b.imports[i].kind)
	})
	out = vector(out, sectionFunction, len(b.functions), func(o []byte, i int) []byte { return appendU32(o, b.functions[i].kind) })
	return vector(out, sectionTable, 1, func(o []byte, _ int) []byte { return appendU32(append(o, 0x70, 0), b.table) })
}

func (b *binary) memory(pages uint32) []byte {
	return vector(nil, sectionMemory, 1, func(o []byte, _ int) []byte { return appendU32(append(o, 0), pages) })
}

// tail is what comes between the memory and the data.
func (b *binary) tail() []byte {
	out := section(nil, sectionGlobal, b.globals)
	out = vector(out, sectionExport, len(b.exports), func(o []byte, i int) []byte {
		e := b.exports[i]
		return appendU32(append(appendName(o, e.name), e.kind), e.index)
	})
	out = vector(out, sectionElement, len(b.elements), func(o []byte, i int) []byte {
		e := b.elements[i]
		o = append(appendSigned(append(o, 0, opI32Const), int64(int32(e.at))), opEnd)
		o = appendU32(o, uint32(len(e.functions)))
		for _, f := range e.functions {
			o = appendU32(o, f)
		}
		return o
	})
	return vector(out, sectionCode, len(b.functions), func(o []byte, i int) []byte {
		return append(appendU32(o, uint32(len(b.functions[i].body))), b.functions[i].body...)
	})
}

// dataSection is a section of encoded segments.
func dataSection(segments [][]byte) []byte {
	return vector(nil, sectionData, len(segments), func(o []byte, i int) []byte { return append(o, segments[i]...) })
}

// segment encodes an active data segment.
func segment(at uint32, content []byte) []byte {
	s := append(appendSigned([]byte{0, opI32Const}, int64(int32(at))), opEnd)
	return append(appendU32(s, uint32(len(content))), content...)
}

// vector appends a section of n entries.
func vector(out []byte, id byte, n int, entry func([]byte, int) []byte) []byte {
	content := appendU32(nil, uint32(n))
	for i := range n {
		content = entry(content, i)
	}
	return section(out, id, content)
}

func section(out []byte, id byte, content []byte) []byte {
	return append(appendU32(append(out, id), uint32(len(content))), content...)
}

func appendU32(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

func appendSigned(b []byte, v int64) []byte {
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

func appendName(b []byte, s string) []byte { return append(appendU32(b, uint32(len(s))), s...) }
