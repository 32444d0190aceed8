package bridge

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	edgePing = string(frame(0x89, "", false))
	pong     = frame(0x8a, "", true)
)

// TestEnginePing: a silent client is sent pings, and its pongs go on to the backend
// as any frame. When none comes back it is cut, and the backend told.
func TestEnginePing(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		r := e.rig(t, Policy{PingInterval: 2 * time.Second})
		for range 2 {
			r.client.expect(edgePing)
			r.client.Write(pong)
			r.backend.expect(string(pong))
		}
		got, err := io.ReadAll(r.client.br) // and then is silent
		for bytes.HasPrefix(got, []byte(edgePing)) {
			got = got[len(edgePing):]
		}
		if _, ok := wholeClose(got, false); len(got) > 0 && !ok || isTimeout(err) {
			t.Errorf("after the pings % x, %v", got, err)
		}
		told, err := io.ReadAll(r.backend.br)
		if _, ok := wholeClose(told, true); len(told) > 0 && !ok || isTimeout(err) {
			t.Errorf("the backend heard % x, %v", told, err)
		}
		r.client.Close()
		r.backend.Close()
		if s := r.summary(); s.Breach != BreachPing || s.Close != "client dead" || !errors.Is(s.Err, ErrPolicy) || s.MessagesIn != 0 {
			t.Errorf("summary %+v", s)
		}
	})
}

// TestEnginePingNotNeeded: who is heard or spoken to is not pinged.
func TestEnginePingNotNeeded(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		const interval = 2 * time.Second
		e.bothSides(t, Policy{PingInterval: interval}, func(t *testing.T, r *rig, s side) {
			f := frame(0x82, text(100), s.masked)
			c := r.chat()
			for begun := time.Now(); time.Since(begun) < 3*interval/2; {
				c.says(s, f)
				if s.to == r.client {
					c.pinged += r.client.answerPings()
				}
				s.to.expect(string(f))
				c.quiet(c.before)
				time.Sleep(50 * time.Millisecond)
			}
			if s.from == r.client {
				r.client.SetReadDeadline(time.Now().Add(time.Millisecond)) // what has come by now
				c.pinged += r.client.answerPings()
				r.client.SetReadDeadline(time.Now().Add(wait))
				c.quiet(c.said)
			}
			if c.pinged > 0 && c.silence < interval {
				t.Errorf("%d pings, and never silence for longer than %v", c.pinged, c.silence)
			}
			r.client.expect(edgePing) // when the talk has ended
		})
	})
}

// chat is one side of a bridge saying a frame again and again, which the other hears.
// A busy machine may have it pause.
type chat struct {
	before, said time.Time     // no later than the last frame but one went by, and the last
	silence      time.Duration // between no two frames was there more
	pinged       int
}

func (r *rig) chat() chat { return chat{said: r.made} }

func (c *chat) says(s side, f []byte) {
	c.before, c.said = c.said, time.Now()
	s.from.Write(f)
}

// quiet notes that the bridge has been silent since then.
func (c *chat) quiet(since time.Time) { c.silence = max(c.silence, time.Since(since)) }

// answerPings answers the pings that come before anything else, and says how many
// there were.
func (r *raw) answerPings() (n int) {
	for {
		head, _ := r.br.Peek(2)
		if string(head) != edgePing {
			return n
		}
		r.br.Discard(2)
		r.Write(pong)
		n++
	}
}

// TestEnginePingWaitsForTheFrame: a ping that is due while a frame is half sent
// comes behind it.
func TestEnginePingWaitsForTheFrame(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		r := e.rig(t, Policy{PingInterval: time.Second})
		f := frame(0x82, text(1000), false)
		r.backend.Write(f[:500])
		r.client.answerPings() // which may have been due before
		r.client.expect(string(f[:500]))
		time.Sleep(1500 * time.Millisecond) // the backend's silence: a ping is due in it, the client's end is not
		r.backend.Write(f[500:])
		r.client.expect(string(f[500:]))
		r.client.expect(edgePing)
	})
}

// TestEnginePingHammer pings a client among frames that come in slices with pauses.
// It hears every frame exact, and pings between frames alone.
func TestEnginePingHammer(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		const interval = 50 * time.Millisecond
		r := e.rig(t, Policy{PingInterval: interval})
		sent, first := make(chan error, 1), make(chan struct{}) // first is closed by the client's first ping
		ended := make(chan struct{})
		go func() {
			defer r.backend.CloseWrite()
			said, pace := newTraffic(seed, false), rand.New(rand.NewPCG(seed, 1))
			for range 40 {
				if pace.IntN(2) == 0 {
					time.Sleep(time.Duration(pace.Int64N(int64(3 * interval)))) // in a frame or between two
				}
				if pace.IntN(2) == 0 {
					if err := said.send(r.backend, said.sent, pace); err != nil { // the rest of the frame
						sent <- err
						return
					}
				}
				p := said.ahead()
				p = p[:1+pace.IntN(len(p))]
				n, err := r.backend.Write(p)
				if said.took(n); err != nil {
					sent <- err
					return
				}
			}
			sent <- said.send(r.backend, said.sent, pace)
			select { // all pauses may have been within frames
			case <-first:
			case <-ended: // it was cut, or the client has lost patience
			}
		}()
		heard := newTraffic(seed, false)
		hear := sync.OnceFunc(func() { close(first) })
		pings, err := heard.pinged(r.client.br, func() {
			hear()
			r.client.Write(pong)
		})
		close(ended)
		if err != nil {
			t.Errorf("after %d bytes and %d pings: %v", heard.sent, pings, err)
		}
		err = <-sent
		r.client.Close()
		r.backend.Close()
		s := r.summary()
		t.Logf("%d bytes, %d pings, %s", heard.sent, pings, s.Close)
		// A machine that lets the client wait for two intervals has it cut.
		if s.Breach != BreachPing && (err != nil || s.BytesOut != heard.sent || pings == 0) {
			t.Errorf("%d bytes, %d pings, %v, summary %+v", heard.sent, pings, err, s)
		}
	})
}

// pinged reads the stream to its end with empty pings between its frames, of which
// it has none itself, and answers them. The Close of a bridge that is cut may be
// the last.
func (t *traffic) pinged(br *bufio.Reader, answer func()) (pings int, err error) {
	for {
		head, err := br.Peek(2)
		switch {
		case err == io.EOF && len(head) == 0 || errors.Is(err, syscall.ECONNRESET):
			return pings, nil
		case err != nil:
			return pings, err
		case string(head) == edgePing:
			br.Discard(2)
			pings++
			answer()
			continue
		case head[0] == bitFin|opClose:
			rest, _ := io.ReadAll(br)
			if _, ok := wholeClose(rest, false); !ok {
				return pings, fmt.Errorf("% x", rest)
			}
			return pings, nil
		}
		if err := t.oneFrame(br); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, syscall.ECONNRESET) {
			return pings, err
		}
	}
}

// oneFrame reads the next frame of the stream.
func (t *traffic) oneFrame(br *bufio.Reader) error {
	for first := true; first || !t.between(); first = false {
		want := t.ahead()
		got := make([]byte, len(want))
		n, err := io.ReadFull(br, got)
		if !bytes.Equal(got[:n], want[:n]) {
			return errors.New("the frame differs")
		}
		if t.took(n); err != nil {
			return err
		}
	}
	return nil
}
