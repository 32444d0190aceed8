package initd

import (
	"cmp"
	"slices"
	"strconv"
	"sync"

	"edge/abi"
)

// table holds the processes by their ids: those that run, and the last ones
// that have ended.
type table struct {
	mu   sync.Mutex
	byID map[string]*process
	last uint64
	// replaced are ended processes whose id was claimed by a start that is
	// under way, by the claiming process.
	replaced map[*process]*process
}

// claim takes id (empty: a generated one) for a new process, in place of one
// that has ended. It returns the running process instead if there is one.
func (t *table) claim(id string, rings *budget) (p, running *process, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id == "" {
		id = t.freeID()
	}
	old := t.byID[id]
	if old != nil && !old.over() {
		return nil, old, nil
	}
	if n := t.running(); n >= maxRunning {
		return nil, nil, abi.Errorf(abi.CodeQuotaExceeded, "%d processes are running, and no more are allowed", n)
	}
	t.last++
	p = &process{
		id: id, run: t.last,
		started: make(chan struct{}), ended: make(chan struct{}),
		stdout: &ring{budget: rings}, stderr: &ring{budget: rings},
	}
	t.byID[id] = p
	if old != nil {
		if t.replaced == nil {
			t.replaced = make(map[*process]*process)
		}
		t.replaced[p] = old
	}
	return p, nil, nil
}

// freeID makes up an id. The caller holds mu.
func (t *table) freeID() string {
	for {
		t.last++
		if id := "proc-" + strconv.FormatUint(t.last, 10); t.byID[id] == nil {
			return id
		}
	}
}

// started makes the claim final.
func (t *table) started(p *process) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if old := t.replaced[p]; old != nil {
		delete(t.replaced, p)
		old.forget()
	}
}

// disclaim undoes a claim whose start failed; the id is again what it was.
func (t *table) disclaim(p *process) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byID, p.id)
	if old := t.replaced[p]; old != nil {
		delete(t.replaced, p)
		t.byID[p.id] = old
	}
	p.stdout.free()
	p.stderr.free()
	close(p.started)
	close(p.ended)
}

// get returns the process, or PROCESS_NOT_FOUND.
func (t *table) get(id string) (*process, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.byID[id]; p != nil {
		return p, nil
	}
	return nil, noProcess(id)
}

func noProcess(id string) error {
	return abi.Errorf(abi.CodeProcessNotFound, "there is no process with id %.60q", id).
		WithSuggestion("listProcesses (edge top) tells those that there are")
}

// list returns all processes, the oldest first.
func (t *table) list() []*process {
	t.mu.Lock()
	defer t.mu.Unlock()
	ps := make([]*process, 0, len(t.byID))
	for _, p := range t.byID {
		ps = append(ps, p)
	}
	slices.SortFunc(ps, func(a, b *process) int { return cmp.Compare(a.run, b.run) })
	return ps
}

// running counts those that have not ended. The caller holds mu.
func (t *table) running() int {
	n := 0
	for _, p := range t.byID {
		if !p.over() {
			n++
		}
	}
	return n
}

// prune forgets the oldest of the ended processes when there are too many.
func (t *table) prune() {
	t.mu.Lock()
	defer t.mu.Unlock()
	var ended []*process
	for _, p := range t.byID {
		if p.over() {
			ended = append(ended, p)
		}
	}
	if len(ended) <= keepEnded {
		return
	}
	slices.SortFunc(ended, func(a, b *process) int { return a.child.ended.Compare(b.child.ended) })
	for _, p := range ended[:len(ended)-keepEnded] {
		delete(t.byID, p.id)
		p.forget()
	}
}
