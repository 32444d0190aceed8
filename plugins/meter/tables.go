package meter

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
func (m *rewriter) readTables(r *reader) []byte {
	var tables []table
	held := uint64(0)
	for n := r.u32(); n > 0 && r.err == nil; n-- {
		t := table{element: r.refType()}
		t.min, t.max, t.bounded = r.limits()
		tables = append(tables, t)
		held += uint64(t.min)
		if len(tables) > maxTables || held > maxEntries {
			r.fail(unsupported("more than %d tables, or %d entries in them", maxTables, maxEntries))
		}
	}
	if r.err != nil {
		return nil
	}
	out := appendU32(nil, uint32(len(tables)))
	for _, t := range tables {
		room := t.min + uint32(maxEntries-held)/uint32(len(tables))
		if !t.bounded || t.max > room {
			t.max = room
		}
		out = appendU32(appendU32(append(out, t.element, 1), t.min), t.max)
	}
	return out
}
