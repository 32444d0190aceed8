package bridge

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
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

// TestTableSelect asks for connections by each of their marks.
func TestTableSelect(t *testing.T) {
	t.Parallel()
	var table Table
	at := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 5} }
	owners := []struct {
		own    Owner
		remote net.Addr
	}{
		{Owner{Binding: "A", ID: "one", Port: 80, Plugin: "p", Request: "r1", Generation: 3}, at("127.0.0.1")},
		{Owner{Binding: "A", ID: "one", Port: 80, Exposure: true}, at("::ffff:127.0.0.1")},
		{Owner{Binding: "A", ID: "two", Port: 81, Plugin: "q"}, at("2001:db8::1")},
		{Owner{Binding: "B", ID: "one", Port: 65535, Plugin: "p"}, &net.UnixAddr{Name: "s"}},
		{Owner{}, nil},
	}
	lives := make([]fake, len(owners))
	for i, o := range owners {
		table.Add(o.own, o.remote, &lives[i])
	}
	for _, tt := range []struct {
		name string
		f    Filter
		want []uint64
	}{
		{"all", Filter{}, []uint64{1, 2, 3, 4, 5}},
		{"binding", Filter{Binding: "A"}, []uint64{1, 2, 3}},
		{"id", Filter{ID: "one"}, []uint64{1, 2, 4}},
		{"sandbox", Filter{Binding: "A", ID: "one"}, []uint64{1, 2}},
		{"no sandbox", Filter{Binding: "A", ID: "three"}, nil},
		{"plugin", Filter{Plugin: "p"}, []uint64{1, 4}},
		{"port", Filter{Port: 65535}, []uint64{4}},
		{"exposure", Filter{Binding: "A", ID: "one", Port: 80, Exposure: true}, []uint64{2}},
		{"client", Filter{Client: netip.MustParseAddr("127.0.0.1")}, []uint64{1, 2}},
		{"client as IPv6", Filter{Client: netip.MustParseAddr("::ffff:127.0.0.1")}, []uint64{1, 2}},
		{"other client", Filter{Client: netip.MustParseAddr("2001:db8::1"), Plugin: "p"}, nil},
	} {
		list, more := table.Select(tt.f, 0)
		var got []uint64
		for _, e := range list {
			got = append(got, e.ID)
			if want := owners[e.ID-1]; e.Owner != want.own || e.Remote != want.remote {
				t.Errorf("%s: entry %+v, want %+v", tt.name, e, want)
			}
		}
		if !slices.Equal(got, tt.want) || more {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
		for i := range lives {
			lives[i].closed.Store(0)
		}
		if n := table.CloseFiltered(tt.f, 3000+len(tt.want), "x"); n != len(tt.want) {
			t.Errorf("%s: %d closed", tt.name, n)
		}
		for i := range lives {
			if closed := lives[i].closed.Load() != 0; closed != slices.Contains(tt.want, uint64(i+1)) {
				t.Errorf("%s: %d closed: %t", tt.name, i+1, closed)
			}
		}
	}
	if list, more := table.Select(Filter{}, 2); len(list) != 2 || !more || list[1].ID != 2 {
		t.Errorf("a bounded list: %+v, %t", list, more)
	}
	if _, more := table.Select(Filter{}, 5); more {
		t.Error("more than all")
	}
	if got := table.CountBindings(); !maps.Equal(got, map[string]int{"A": 3, "B": 1, "": 1}) {
		t.Errorf("by binding: %v", got)
	}
}

// TestTableKind wants what an exchange carries, which may be known late.
func TestTableKind(t *testing.T) {
	t.Parallel()
	var table Table
	x := &exchange{}
	table.Add(Owner{}, nil, x)
	table.Add(Owner{}, nil, &exchange{websocket: true})
	table.Add(Owner{}, nil, &fake{})
	x.mu.Lock()
	x.events = true
	x.mu.Unlock()
	for i, want := range []Kind{KindEvents, KindWebSocket, KindHTTP} {
		if got := table.List()[i].Kind; got != want {
			t.Errorf("%d is %s, want %s", i, got, want)
		}
	}
}

// TestTableMemory wants nothing left of what was there.
func TestTableMemory(t *testing.T) {
	t.Parallel()
	var table Table
	var ids []uint64
	for i := range 1000 {
		ids = append(ids, table.Add(Owner{ID: []string{"a", "b"}[i%2], Port: i}, nil, &fake{}))
	}
	rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	for n, id := range ids {
		for _, s := range table.sandboxes {
			for i, e := range s.list {
				if e.at != uint32(i) || table.entries[e.id] != e {
					t.Fatalf("entry %d at %d says %d", e.id, i, e.at)
				}
			}
			if cap(s.list) > shrinkAbove && cap(s.list) > 4*len(s.list)+4 {
				t.Fatalf("%d places for %d entries", cap(s.list), len(s.list))
			}
		}
		if table.Remove(id); table.Count(nil) != len(ids)-n-1 {
			t.Fatalf("%d entries after %d of %d left", table.Count(nil), n+1, len(ids))
		}
	}
	if len(table.sandboxes) != 0 {
		t.Errorf("%d sandboxes left", len(table.sandboxes))
	}
}

// TestTableHammer has entries come and go while they are looked at and closed
// in every way.
func TestTableHammer(t *testing.T) {
	t.Parallel()
	var table Table
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			mine := func(o Owner) bool { return o.Port == i }
			sandbox := []string{"a", "b"}[i%2]
			for range 300 {
				f := &fake{}
				id := table.Add(Owner{ID: sandbox, Port: i, Plugin: sandbox}, nil, f)
				if n := table.Count(mine); n != 1 {
					t.Errorf("%d of mine", n)
				}
				if n := table.CountSandbox("", sandbox, nil); n < 1 || n > 4 {
					t.Errorf("%d in %s", n, sandbox)
				}
				table.CloseSandbox("", sandbox, mine, 1001, "")
				table.CloseFiltered(Filter{Plugin: sandbox}, 1002, "")
				table.Close(mine, 1000, "")
				if f.closed.Load() == 0 || !table.CloseID(id, 1008, "") {
					t.Error("not closed")
				}
				if i := slices.IndexFunc(table.List(), func(e Entry) bool { return e.ID == id }); i < 0 {
					t.Error("not listed")
				}
				table.CountBindings()
				table.Remove(id)
				table.Remove(id)
				if table.CloseID(id, 1008, "") {
					t.Error("closed after its end")
				}
			}
		})
	}
	wg.Wait()
	if n := table.Count(nil); n != 0 || len(table.sandboxes) != 0 {
		t.Errorf("%d left, %d sandboxes", n, len(table.sandboxes))
	}
}

// BenchmarkTableMemory tells what an entry takes besides the connection: with
// all in few sandboxes, and with a sandbox for each.
func BenchmarkTableMemory(b *testing.B) {
	const live = 9000
	for _, sandboxes := range []int{9, live} {
		names := make([]string, sandboxes)
		for i := range names {
			names[i] = fmt.Sprint("sandbox-", i)
		}
		b.Run(fmt.Sprintf("sandboxes=%d", sandboxes), func(b *testing.B) {
			for b.Loop() {
				table, f := new(Table), &fake{}
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				for i := range live {
					table.Add(Owner{Binding: "Sandbox", ID: names[i%sandboxes], Plugin: "chat", Request: "r"}, nil, f)
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/live, "B/entry")
				runtime.KeepAlive(table)
			}
		})
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
