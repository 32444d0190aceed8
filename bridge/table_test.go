package bridge

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// fake is a Live that notes how it was closed.
type fake struct{ closed atomic.Int32 }

func (f *fake) Close(code int, _ string) { f.closed.Store(int32(code)) }

func TestTable(t *testing.T) {
	t.Parallel()
	var table Table
	remote := &net.TCPAddr{Port: 1}
	lives := make([]fake, 4)
	ids := make([]uint64, len(lives))
	for i := range lives {
		ids[i] = table.Add(Owner{ID: string(rune('a' + i%2)), Port: i}, remote, &lives[i])
	}
	isA := func(o Owner) bool { return o.ID == "a" }
	if got := table.Count(isA); got != 2 {
		t.Errorf("Count(a) = %d", got)
	}
	if got := table.Count(nil); got != 4 {
		t.Errorf("Count = %d", got)
	}
	list := table.List()
	for i, e := range list {
		if e.ID != ids[i] || e.Owner.Port != i || e.Remote != remote || e.Since.IsZero() {
			t.Errorf("entry %d: %+v", i, e)
		}
	}
	if got := table.Close(isA, 1008, "x"); got != 2 || lives[0].closed.Load() != 1008 || lives[1].closed.Load() != 0 || lives[2].closed.Load() != 1008 {
		t.Errorf("Close(a) = %d, %v", got, lives)
	}
	if got := table.CountSandbox("", "b", func(o Owner) bool { return o.Port == 3 }); got != 1 {
		t.Errorf("CountSandbox(b, 3) = %d", got)
	}
	if got := table.CloseSandbox("", "b", func(o Owner) bool { return o.Port == 3 }, 1011, ""); got != 1 || lives[3].closed.Load() != 1011 || lives[1].closed.Load() != 0 {
		t.Errorf("CloseSandbox(b, 3) = %d", got)
	}
	if !table.CloseID(ids[1], 1012, "y") || lives[1].closed.Load() != 1012 || table.CloseID(99, 1012, "y") {
		t.Error("CloseID")
	}
	for _, id := range append(ids, 99) {
		table.Remove(id)
	}
	if got := table.Count(nil); got != 0 {
		t.Errorf("%d left", got)
	}
	if again := table.Add(Owner{}, remote, &lives[0]); again <= ids[3] {
		t.Errorf("id %d was used again", again)
	}
}

func TestTableHammer(t *testing.T) {
	t.Parallel()
	var table Table
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 500 {
				id := table.Add(Owner{Port: i}, nil, &fake{})
				table.Count(func(o Owner) bool { return o.Port == i })
				table.Close(func(o Owner) bool { return o.Port == i }, 1000, "")
				table.List()
				table.Remove(id)
			}
		})
	}
	wg.Wait()
	if n := table.Count(nil); n != 0 {
		t.Errorf("%d left", n)
	}
}

// BenchmarkTable measures an Add with its Remove, and a Count, beside what is
// live; shards is the variant that was not taken.
func BenchmarkTable(b *testing.B) {
	for _, live := range []int{0, 1000, 10000} {
		for _, shards := range []int{1, 16} {
			tables := make([]Table, shards)
			for i := range live {
				tables[i%shards].Add(Owner{ID: fmt.Sprint(i % 100), Port: i}, nil, &fake{})
			}
			b.Run(fmt.Sprintf("add/live=%d/shards=%d", live, shards), func(b *testing.B) {
				var next atomic.Uint64
				b.RunParallel(func(pb *testing.PB) {
					f := &fake{}
					for pb.Next() {
						t := &tables[next.Add(1)%uint64(shards)]
						t.Remove(t.Add(Owner{}, nil, f))
					}
				})
			})
			b.Run(fmt.Sprintf("count/live=%d/shards=%d", live, shards), func(b *testing.B) {
				for b.Loop() {
					for i := range tables {
						tables[i].Count(func(o Owner) bool { return o.ID == "7" })
					}
				}
			})
			b.Run(fmt.Sprintf("countSandbox/live=%d/shards=%d", live, shards), func(b *testing.B) {
				for b.Loop() {
					for i := range tables {
						tables[i].CountSandbox("", "7", nil)
					}
				}
			})
		}
	}
}
