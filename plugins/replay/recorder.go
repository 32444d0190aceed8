package replay

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"edge/abi"
	"edge/plugins"
)

const (
	// DefaultMaxBytes is how large a recording becomes.
	DefaultMaxBytes = 256 << 20
	// maxQueued and maxQueuedBytes bound the lines that wait to be written.
	maxQueued      = 1024
	maxQueuedBytes = 32 << 20
	// flushEvery is how long a line may lie in memory.
	flushEvery = time.Second
	// complainEvery is how often the log says that lines are dropped.
	complainEvery = 10 * time.Second
)

// Options are how a Recorder records. The zero value works.
type Options struct {
	// MaxBytes bounds the file; the recording stops when it is reached. 0 is
	// DefaultMaxBytes.
	MaxBytes int64
	// KeepSecrets writes what is confidential as it is.
	KeepSecrets bool
	// Log gets that the recording stopped or lost lines, and why; nil discards it.
	Log *slog.Logger
}

// Recorder writes a recording. Requests never wait for it: a line for which there
// is no room is dropped, and the file and the log say how many were.
type Recorder struct {
	options Options
	log     *slog.Logger
	file    *os.File
	queue   chan *watch
	done    chan struct{}

	queued  atomic.Int64 // bytes
	dropped atomic.Int64 // since the file was told last
	stopped atomic.Bool  // nothing more is written

	mu     sync.RWMutex // held for writing to close the queue
	closed bool
}

var _ plugins.Recorder = (*Recorder)(nil)

// Create opens a recording, mode 0600, and goes on after what the file holds
// already. Close ends it.
func Create(path string, o Options) (*Recorder, error) {
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	size, err := begin(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r := &Recorder{options: o, log: o.Log, file: f, queue: make(chan *watch, maxQueued), done: make(chan struct{})}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	go r.write(newWriter(r, size))
	return r, nil
}

// begin makes a file ready to be written on, and returns its size.
func begin(f *os.File) (int64, error) {
	st, err := f.Stat()
	switch {
	case err != nil:
		return 0, err
	case !st.Mode().IsRegular():
		return 0, errors.New("is not a regular file")
	}
	if err := f.Chmod(0o600); err != nil {
		return 0, err
	}
	size := st.Size()
	if size == 0 {
		return 0, nil
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], size-1); err != nil {
		return 0, err
	}
	if last[0] == '\n' {
		return size, nil
	}
	// The process before ended in the middle of a line.
	_, err = f.WriteString("\n")
	return size + 1, err
}

// Begin begins to record a request.
func (r *Recorder) Begin(s plugins.Settings, req *abi.Request, services plugins.Services) (plugins.Services, plugins.Recording) {
	if r.stopped.Load() {
		return services, nil
	}
	w := &watch{recorder: r, settings: s, real: services, asked: req}
	w.line = Line{Time: time.Now().UTC(), Plugin: s.Plugin, Digest: s.Digest, Request: requestOf(req)}
	if req.Body != nil {
		w.body, w.read = req.Body, &readBody{Reader: req.Body}
		req.Body = w.read
		if d, ok := w.body.(interface{ SetReadDeadline(time.Time) error }); ok {
			req.Body = deadlineBody{w.read, d}
		}
	}
	return w.services(), w
}

// offer hands a line to the writer, if there is room for it.
func (r *Recorder) offer(w *watch) {
	size := w.line.size()
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.closed || r.stopped.Load() {
		return
	}
	if r.queued.Add(size) <= maxQueuedBytes {
		select {
		case r.queue <- w:
			return
		default:
		}
	}
	r.queued.Add(-size)
	r.dropped.Add(1)
}

// size is about how much memory a line holds.
func (l *Line) size() int64 {
	n := 1024 + len(l.Body) + len(l.Request.Body)
	for i := range l.Calls {
		n += 256 + len(l.Calls[i].Request) + len(l.Calls[i].Answer)
	}
	return int64(n)
}

// Dropped is how many requests are missing because they came too fast; those that
// the file was told of are not counted.
func (r *Recorder) Dropped() int64 { return r.dropped.Load() }

// Close writes what waits and closes the file.
func (r *Recorder) Close() error {
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		close(r.queue)
	}
	r.mu.Unlock()
	<-r.done
	return r.file.Close()
}

// writer is what the goroutine of a Recorder alone uses.
type writer struct {
	recorder   *Recorder
	out        *bufio.Writer
	size       int64 // of the file, with what out holds
	secrets    *redactor
	told       map[string]string // the settings written last, by plugin
	complained time.Time
}

func newWriter(r *Recorder, size int64) *writer {
	w := &writer{recorder: r, out: bufio.NewWriterSize(r.file, 256<<10), size: size, told: map[string]string{}}
	if !r.options.KeepSecrets {
		w.secrets = newRedactor()
	}
	return w
}

// write is the Recorder's goroutine: it writes the lines until Close.
func (r *Recorder) write(w *writer) {
	defer close(r.done)
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for {
		select {
		case line, open := <-r.queue:
			if !open {
				w.gaps()
				w.flush()
				return
			}
			r.queued.Add(-line.line.size())
			w.record(line)
		case <-ticker.C:
			w.gaps()
			w.flush()
		}
	}
}

// record writes one request, and before it the plugin's settings if they are new.
func (w *writer) record(line *watch) {
	if w.recorder.stopped.Load() {
		return
	}
	l := &line.line
	settings := settingsOf(line.settings)
	w.secrets.know(line.settings.Spec.Secrets)
	text, err := marshal(w.secrets.settings(settings))
	if err == nil && w.told[l.Plugin] != l.Digest+string(text) {
		w.told[l.Plugin] = l.Digest + string(text)
		w.append(&Line{Time: l.Time, Plugin: l.Plugin, Digest: l.Digest, Settings: w.secrets.settings(settings)})
	}
	w.append(w.secrets.line(l))
}

func settingsOf(s plugins.Settings) *Settings {
	return &Settings{Async: s.Async, Config: s.Spec.Config, Secrets: s.Spec.Secrets, Grants: s.Spec.Grants, Bindings: s.Spec.Bindings}
}

// append writes one line, unless the file is full.
func (w *writer) append(l *Line) {
	r := w.recorder
	if r.stopped.Load() {
		return
	}
	text, err := marshal(l)
	if err != nil { // a part that is no JSON: our defect
		r.dropped.Add(1)
		r.log.Error("a request cannot be recorded", "plugin", l.Plugin, "err", err)
		return
	}
	if w.size+int64(len(text))+1 > r.options.MaxBytes {
		r.stopped.Store(true)
		r.log.Warn("the recording is full and has stopped; --record-max lets it grow", "file", r.file.Name(), "bytes", w.size)
		return
	}
	w.size += int64(len(text)) + 1
	_, err = w.out.Write(append(text, '\n'))
	w.failed(err)
}

// gaps tells the file and the log how many requests are missing since the last
// time.
func (w *writer) gaps() {
	r := w.recorder
	n := r.dropped.Load()
	if n == 0 || time.Since(w.complained) < complainEvery {
		return
	}
	r.dropped.Add(-n)
	w.complained = time.Now()
	r.log.Warn("requests came faster than they could be recorded, and are missing", "file", r.file.Name(), "requests", n)
	w.append(&Line{Time: time.Now().UTC(), Dropped: int(n)})
}

func (w *writer) flush() {
	if !w.recorder.stopped.Load() || w.out.Buffered() > 0 {
		w.failed(w.out.Flush())
	}
}

// failed ends the recording after an error of the file.
func (w *writer) failed(err error) {
	if err == nil || w.recorder.stopped.Swap(true) {
		return
	}
	w.out.Reset(io.Discard)
	w.recorder.log.Error("the recording has stopped: the file cannot be written", "file", w.recorder.file.Name(), "err", err)
}
