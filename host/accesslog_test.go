package host

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/bridge"
)

// slogLine is what slog's handler writes of an exchange.
func slogLine(t testing.TB, json bool, now time.Time, r *record, sum *bridge.Summary) string {
	t.Helper()
	rec := slog.NewRecord(now, slog.LevelInfo, "request", 0)
	rec.AddAttrs(
		slog.String("request", r.id), slog.String("remote", r.remote), slog.String("method", r.method),
		slog.String("host", r.host), slog.String("path", r.path), slog.Int("status", sum.Status),
		slog.Int64("in", sum.BytesIn), slog.Int64("out", sum.BytesOut), slog.Duration("duration", sum.Duration))
	if r.plugin != "" {
		rec.AddAttrs(slog.String("plugin", r.plugin))
	}
	if r.place.id != "" {
		rec.AddAttrs(slog.String("binding", r.place.binding), slog.String("sandbox", r.place.id),
			slog.Int("port", r.place.port), slog.Bool("preview", r.place.exposure))
	}
	if r.failure != "" {
		rec.AddAttrs(slog.String("code", r.failure))
	}
	if r.breach != "" {
		rec.AddAttrs(slog.String("breach", r.breach))
	}
	if r.webSocket && sum.Close != "" {
		rec.AddAttrs(slog.String("close", sum.Close), slog.Int64("messages", sum.MessagesIn+sum.MessagesOut))
	}
	if sum.Err != nil {
		rec.AddAttrs(slog.Any("error", sum.Err))
	}
	var b bytes.Buffer
	var h slog.Handler = slog.NewTextHandler(&b, nil)
	if json {
		h = slog.NewJSONHandler(&b, nil)
	}
	if err := h.Handle(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// FuzzAccessLine wants every line to be the one that slog would write.
func FuzzAccessLine(f *testing.F) {
	f.Add("id-1", "/path", "", "", int64(0), int64(0), int64(0))
	f.Add("a b", `/q"u\o=te`, "p", "E\x7f\x1f\n\r\t\b\f", int64(1e9), int64(1_500_000), int64(101))
	f.Add("\xff\xfe", "/\u2028\u2029\u00a0\u200b", "é日本", "\ufffd", int64(-1), int64(-5), int64(-3))
	f.Add("\\", "=", "\U0001F600", "é x", int64(253402300799), int64(999_999_999), int64(1)<<62)
	f.Fuzz(func(t *testing.T, id, path, word, failure string, second, nano, n int64) {
		const year9999 = 253402300799
		now := time.Unix(second%year9999, nano)
		r := &record{id: id, remote: "[::1]:1", method: "GET", host: word, path: path, plugin: word, failure: failure, breach: id, webSocket: n%2 == 0,
			place: place{binding: word, id: failure, port: int(n % 65536), exposure: n%3 == 0}}
		sum := bridge.Summary{Status: int(n % 1000), BytesIn: n, BytesOut: -n, Duration: time.Duration(nano), Close: word, MessagesIn: n / 3}
		if len(failure)%2 == 1 {
			sum.Err = errors.New(failure)
		}
		for _, json := range []bool{false, true} {
			var got bytes.Buffer
			a := NewAccessLog(&got, json)
			a.request(now, r, &sum)
			a.Close()
			if want := slogLine(t, json, now, r, &sum); got.String() != want {
				t.Fatalf("wrote\n%q, slog\n%q", got.String(), want)
			}
		}
	})
}

// sink tells of each write.
type sink struct{ writes chan string }

func (s sink) Write(p []byte) (int, error) {
	s.writes <- string(p)
	return len(p), nil
}

// TestAccessLogKeepsLinesBack wants lines to come together, after a while by
// themselves, and before any other line of the log.
func TestAccessLogKeepsLinesBack(t *testing.T) {
	t.Parallel()
	s := sink{make(chan string, 100)}
	a := NewAccessLog(s, false)
	r := &record{id: "r", path: "/p"}
	for range 3 {
		a.request(time.Now(), r, &bridge.Summary{})
	}
	for lines := 0; lines < 3; { // in one write, unless the machine stood still
		lines += strings.Count(<-s.writes, "\n")
	}
	// The buffer is full before the time is over, whenever that is.
	r.path = "/" + strings.Repeat("p", accessBuffer)
	a.request(time.Now(), r, &bridge.Summary{})
	if got := <-s.writes; strings.Count(got, "\n") != 1 {
		t.Errorf("a full buffer: %d bytes", len(got))
	}
	r.path = "/last"
	a.request(time.Now(), r, &bridge.Summary{})
	log := slog.New(slog.NewTextHandler(a, nil))
	log.Info("told")
	if got := <-s.writes; !strings.Contains(got, "/last") {
		t.Errorf("before another line: %q", got)
	}
	if got := <-s.writes; !strings.Contains(got, "msg=told") {
		t.Errorf("the other line: %q", got)
	}
	a.Close()
	a.request(time.Now(), r, &bridge.Summary{})
	if got := <-s.writes; !strings.Contains(got, "/last") {
		t.Errorf("after the end: %q", got)
	}
}

// TestAccessLogLosesNothing wants each line of many writers, whole, once.
func TestAccessLogLosesNothing(t *testing.T) {
	t.Parallel()
	const writers, each = 8, 2000
	var got bytes.Buffer
	a := NewAccessLog(&got, false)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			r := &record{id: string(rune('a' + w))}
			for n := range each {
				a.request(time.Now(), r, &bridge.Summary{Status: n})
			}
		})
	}
	wg.Wait()
	a.Close()
	next := [writers]string{}
	count := 0
	for line := range strings.Lines(got.String()) {
		count++
		_, id, _ := strings.Cut(line, "request=")
		w := id[0] - 'a'
		_, status, _ := strings.Cut(line, "status=")
		status, _, _ = strings.Cut(status, " ")
		if len(status) < len(next[w]) || len(status) == len(next[w]) && status <= next[w] {
			t.Fatalf("writer %d: %s after %s", w, status, next[w])
		}
		next[w] = status
	}
	if count != writers*each {
		t.Errorf("%d lines", count)
	}
}

// discard is an io.Writer that is not known to be io.Discard.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkAccessLine is one line of a WebSocket's end.
func BenchmarkAccessLine(b *testing.B) {
	r := &record{id: "0123456789ab-1a2b", remote: "127.0.0.1:54321", method: "GET", host: "edge.example.com", path: "/ws", plugin: "route", webSocket: true,
		place: place{binding: "box", id: "sandbox-1", port: 8080}}
	sum := bridge.Summary{Status: 101, BytesIn: 100, BytesOut: 1000, Duration: 1234567, Close: "1000 client", MessagesIn: 3, MessagesOut: 4}
	b.Run("line", func(b *testing.B) {
		a := NewAccessLog(discard{}, false)
		defer a.Close()
		b.ReportAllocs()
		for b.Loop() {
			a.request(time.Now(), r, &sum)
		}
	})
	b.Run("slog", func(b *testing.B) {
		log := slog.New(slog.NewTextHandler(discard{}, nil))
		b.ReportAllocs()
		for b.Loop() {
			log.LogAttrs(context.Background(), slog.LevelInfo, "request",
				slog.String("request", r.id), slog.String("remote", r.remote), slog.String("method", r.method),
				slog.String("host", r.host), slog.String("path", r.path), slog.Int("status", sum.Status),
				slog.Int64("in", sum.BytesIn), slog.Int64("out", sum.BytesOut), slog.Duration("duration", sum.Duration),
				slog.String("plugin", r.plugin), slog.String("binding", r.place.binding), slog.String("sandbox", r.place.id),
				slog.Int("port", r.place.port), slog.Bool("preview", r.place.exposure),
				slog.String("close", sum.Close), slog.Int64("messages", sum.MessagesIn+sum.MessagesOut))
		}
	})
}
