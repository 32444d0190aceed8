package meter

import "edge/plugins/wasmbin"

const (
	// maxTables bounds how many tables a module has, and maxEntries what they can
	// hold together, grown ones included. A host's bound on memory is not one on
	// them: wazero makes room for a gigabyte per table that a module asks for.
	maxTables  = 100
	maxEntries = 1 << 20
)

// table is the type of a table as it was read.
type table struct {
	element  byte
	min, max uint32
	bounded  bool // max is given
}

// readTables reads the table section and returns it with a maximum for each table.
// What the tables do not hold from the start they share alike.
func (m *rewriter) readTables(r *wasmbin.Reader) []byte {
	var tables []table
	held := uint64(0)
	for n := r.U32(); n > 0 && r.Err() == nil; n-- {
		t := table{element: r.RefType()}
		t.min, t.max, t.bounded = r.Limits()
		tables = append(tables, t)
		held += uint64(t.min)
		if len(tables) > maxTables || held > maxEntries {
			r.Fail(ErrUnsupported, "more than %d tables, or %d entries in them", maxTables, maxEntries)
		}
	}
	if r.Err() != nil {
		return nil
	}
	out := wasmbin.AppendU32(nil, uint32(len(tables)))
	for _, t := range tables {
		room := t.min + uint32(maxEntries-held)/uint32(len(tables))
		if !t.bounded || t.max > room {
			t.max = room
		}
		out = wasmbin.AppendU32(wasmbin.AppendU32(append(out, t.element, 1), t.min), t.max)
	}
	return out
}
