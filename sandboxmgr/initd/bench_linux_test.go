package initd

import "testing"

// BenchmarkLook is one look at what listens, by the kernel's socket diagnosis and by its
// tables, when nothing has changed. Look at the processor time.
func BenchmarkLook(b *testing.B) {
	for _, bb := range []struct {
		name  string
		crude bool
	}{{"diagnosis", false}, {"tables", true}} {
		b.Run(bb.name, func(b *testing.B) {
			table := newPortTable(func(int) string { return "" })
			table.crude = bb.crude
			for range ownerTries { // of sockets that are another namespace's
				if _, err := table.look(); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				if _, err := table.look(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
