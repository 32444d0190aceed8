package host

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edge/abi"
)

// tenancy is what the owner of a sandbox says of its URLs: label -> *epoch.
type tenancy struct{ labels sync.Map }

// epoch is odd while an exposure's taking back has been answered and no other exposing
// has begun.
type epoch struct{ n atomic.Int64 }

// outcome counts what happened in a race. An owner that waits for requests receives
// from visits.
type outcome struct {
	operations, inside, refused atomic.Int64
	visits                      chan struct{}
}

// visited waits for the ends of some requests: owners alone could do all operations
// between two.
func (o *outcome) visited(n int, stop <-chan struct{}) {
	for range n {
		select {
		case <-o.visits:
		case <-stop:
			return
		}
	}
}

// TestTenThousandOperations races exposing, taking back, expiring and destroying with
// requests and WebSockets: who asks after a taking back was answered, and is answered
// before anything is exposed again, is refused, and whoever gets in is where the label
// leads.
func TestTenThousandOperations(t *testing.T) {
	t.Parallel()
	const (
		boxes, clients = 4, 3 // owners and visitors of each
		want           = 10_000
	)
	a := newArena(t, &Server{}, nil)
	done := outcome{visits: make(chan struct{})}
	stop := make(chan struct{})
	var owners, users sync.WaitGroup
	for i := range boxes {
		id := fmt.Sprint("race-", i)
		a.machines.set("Sandbox."+id, 8080, backend(t, func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.RequestURI, "/"+id+"/") {
				t.Errorf("sandbox %s is asked for %s", id, r.RequestURI)
			}
			echoSocket(w, r)
		}))
		ten := &tenancy{}
		owners.Go(func() { a.own(t, id, ten, &done, stop) })
		for range clients {
			users.Go(func() { a.visit(t, id, ten, &done, stop) })
		}
	}
	enough := func() bool {
		return done.operations.Load() >= want && done.inside.Load() >= 3 && done.refused.Load() >= want/100
	}
	deadline := time.Now().Add(5 * time.Minute)
	for !enough() && time.Now().Before(deadline) && !t.Failed() {
		time.Sleep(5 * time.Millisecond)
	}
	close(stop)
	users.Wait()
	owners.Wait()
	if n := done.operations.Load(); n < want {
		t.Errorf("only %d operations", n)
	}
	if in, out := done.inside.Load(), done.refused.Load(); in < 3 || out < want/100 {
		t.Errorf("%d requests got in and %d were refused: this shows too little", in, out)
	}
	for i := range boxes {
		a.unexpose(t, fmt.Sprint("race-", i), 8080)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		a.slots.mu.Lock()
		held := a.slots.all + len(a.slots.exposures)
		a.slots.mu.Unlock()
		if held == 0 && a.table.Count(nil) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d slots are held and %d connections open", held, a.table.Count(nil))
		}
	}
}

// own exposes the port, and takes it back, in all ways, until stop.
func (a *arena) own(t *testing.T, id string, ten *tenancy, done *outcome, stop <-chan struct{}) {
	var live *epoch
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		req := abi.ExposePortRequest{Port: 8080, Token: fmt.Sprint("token_", rand.IntN(5))}
		if rand.IntN(4) == 0 {
			req.Token, req.Access = "", abi.AccessPublic
		}
		label := "8080-" + id
		if req.Token != "" {
			label += "-" + req.Token
		}
		next, _ := ten.labels.LoadOrStore(label, new(epoch))
		if next := next.(*epoch); next != live {
			if next.n.Load()%2 == 1 {
				next.n.Add(1)
			}
			a.expose(t, id, req) // another one than the live one takes that back
			if live != nil {
				live.n.Add(1)
			}
			live = next
		}
		if n%2 == 0 {
			done.visited(2, stop)
		}
		switch n % 8 {
		case 1, 3:
			a.unexpose(t, id, 8080)
		case 5:
			if _, err := a.box(t, id).Destroy(t.Context(), &abi.Empty{}); err != nil {
				t.Error(err)
			}
		case 7:
			a.expireNow(t, id)
		default:
			done.operations.Add(1)
			continue // the next exposing takes it back, or keeps it
		}
		live.n.Add(1)
		live = nil
		done.operations.Add(2)
	}
}

// expireNow has the exposure expire, and waits until it is gone.
func (a *arena) expireNow(t *testing.T, id string) {
	a.expose(t, id, abi.ExposePortRequest{Port: 8080, TTL: 1})
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Microsecond) {
		got, err := a.box(t, id).IsPortExposed(t.Context(), &abi.PortRequest{Port: 8080})
		if err == nil && !got.Value {
			return
		}
		if time.Now().After(deadline) {
			t.Error("it does not expire")
			return
		}
	}
}

// visit asks for all labels that there ever were, until stop.
func (a *arena) visit(t *testing.T, id string, ten *tenancy, done *outcome, stop <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		label, e := "8080-"+id, (*epoch)(nil)
		if n%5 > 0 {
			label += fmt.Sprint("-token_", n%5)
		}
		if v, ok := ten.labels.Load(label); ok {
			e = v.(*epoch)
		}
		head := ""
		if n%3 == 0 {
			head = handshake
		}
		before := int64(0)
		if e != nil {
			before = e.n.Load()
		}
		status := a.knock(t, label, "/"+id+"/", head)
		switch {
		case e != nil && before%2 == 1 && e.n.Load() == before && status != 404:
			t.Errorf("%s was taken back before the request and not exposed again, and is answered %d", label, status)
		// 499 CANCELED is of a request that was cut when its exposure was taken back, and
		// whose address is exposed again by the time it is answered.
		case status != 0 && status != 200 && status != 101 && status != 404 && status != 499 && status != 502 && status != 503 && status != 410:
			t.Errorf("%s is answered %d", label, status)
		}
		done.operations.Add(1)
		select {
		case done.visits <- struct{}{}:
		default:
		}
		switch status {
		case 200, 101:
			done.inside.Add(1)
		case 404:
			done.refused.Add(1)
		}
	}
}

// knock asks once, and returns the status of the answer; 0 is one that broke off.
func (a *arena) knock(t *testing.T, label, path, head string) int {
	c, err := net.Dial("tcp", a.addr)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s.localhost\r\n%s\r\n", path, label, head); err != nil {
		t.Errorf("send: %v", err)
		return 0
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		if isTimeout(err) {
			t.Errorf("%s: %v", label, err)
		}
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}
