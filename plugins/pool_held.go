package plugins

import "container/list"

// heldPerOpen is how many requests of an instance may go on after their decision, as a
// multiple of those that it may have open.
const heldPerOpen = 4

// standing is how the pool counts an exchange. The pool's lock guards it.
type standing struct {
	apart bool          // from the open ones: it goes on after its decision
	back  bool          // put gave its room back
	place *list.Element // in instance.aside; nil of one that is not counted apart, or was ended
}

// setAside counts a request that goes on after its decision apart from the open ones,
// so that another may come in its place, and ends the oldest such request of an
// instance that has too many. An instance that must not have two requests' contents
// at once, by its isolation, has no room for another until put.
func (p *pool) setAside(in *instance, x *exchange) {
	if oldest := p.countApart(in, x); oldest != nil {
		oldest.displace()
	}
}

// countApart does setAside's counting and returns the request that is to be ended, or
// nil.
func (p *pool) countApart(in *instance, x *exchange) (oldest *exchange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, here := p.all[in]; !here || x.apart || x.back || p.spec.Isolation != IsolationPooled {
		return nil
	}
	in.load--
	in.apart++
	x.apart, x.place = true, in.aside.PushBack(x)
	p.makeSpare(in)
	p.serve()
	if in.aside.Len() > heldPerOpen*p.room {
		oldest = in.aside.Remove(in.aside.Front()).(*exchange)
		oldest.place = nil
	}
	return oldest
}

// discount takes a request off the instance's count. p.mu is held.
func (p *pool) discount(in *instance, x *exchange) {
	x.back = true
	if !x.apart {
		in.load--
		return
	}
	in.apart--
	if x.place != nil {
		in.aside.Remove(x.place)
		x.place = nil
	}
}

// makeSpare has an instance that was full and is not any more serve others. p.mu is
// held.
func (p *pool) makeSpare(in *instance) {
	if in.full && !in.retired && in.load < p.roomIn(in) {
		p.spare, in.full = append(p.spare, in), false
	}
}
