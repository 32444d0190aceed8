package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// freshRounds is how many rounds the modes have that start each server anew:
// what they measure does not change from one to the next.
const freshRounds = 3

// run is one run of the benchmark.
type run struct {
	options
	site  *site
	modes []mode
	peers []peer // those that are installed
	out   results
	told  io.Writer // progress
	// left is what went wrong when servers were ended, which spoils no figure.
	left error
}

// measure runs the benchmark and returns what it found, also beside an error of
// the end. Everything that it starts has ended when it returns.
func measure(ctx context.Context, o options, told io.Writer) (found *results, err error) {
	r := &run{options: o, told: told}
	if err := r.choose(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "edge-bench-") // short: a socket's path is in it
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil { // nginx' worker is another user
		return nil, err
	}
	if err := r.prepare(ctx, dir); err != nil {
		return nil, err
	}
	backend, err := r.site.startBackend(ctx)
	if err != nil {
		return nil, err
	}
	defer backend.end()
	err = errors.Join(r.steady(ctx), r.fresh(ctx))
	return &r.out, errors.Join(err, r.left)
}

// choose settles which modes are run.
func (r *run) choose() error {
	all := modes()
	for _, name := range r.only {
		if !slices.ContainsFunc(all, func(m mode) bool { return m.name == name }) {
			return fmt.Errorf("no mode is called %q", name)
		}
	}
	for _, m := range all {
		if len(r.only) == 0 || slices.Contains(r.only, m.name) {
			if m.conns == 0 && m.kind != kindIdle {
				m.conns = r.conns
			}
			r.modes = append(r.modes, m)
			r.out.Modes = append(r.out.Modes, modeResult{Name: m.name, Title: m.title, Unit: m.unit, Conns: m.conns, Samples: map[string][]sample{}})
		}
	}
	return nil
}

// prepare finds out what there is to measure, and on what.
func (r *run) prepare(ctx context.Context, dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	on, err := cores()
	if err != nil {
		return err
	}
	r.site = &site{dir: dir, self: self, edge: r.edge, plugin: r.plugin, workerd: r.workerd, cache: filepath.Join(r.outDir, "cache"), ownCore: on[0], proxyCore: on[len(on)-1]}
	if r.site.proxyCore == r.site.ownCore {
		fmt.Fprintln(r.told, "there is one core only: the proxy shares it with the load and the backend, and no ratio means much")
	}
	if r.out.Machine, err = describeMachine(ctx, r.site); err != nil {
		return err
	}
	r.out.Rounds, r.out.Seconds = r.rounds, r.window.measure.Seconds()
	all := peers()
	for _, name := range r.want {
		if !slices.ContainsFunc(all, func(p peer) bool { return p.name == name }) {
			return fmt.Errorf("no peer is called %q", name)
		}
	}
	for _, p := range all {
		found := peerResult{Name: p.name, About: p.about}
		if len(r.want) > 0 && !slices.Contains(r.want, p.name) {
			found.Missing = "not asked for"
		} else if found.Version, err = p.version(ctx, r.site); err != nil {
			found.Missing = err.Error()
		} else {
			r.peers = append(r.peers, p)
		}
		if found.Missing != "" {
			fmt.Fprintf(r.told, "%s is not measured: %s\n", p.name, found.Missing)
		}
		r.out.Peers = append(r.out.Peers, found)
	}
	return ctx.Err()
}

// steady runs the modes for which all servers run side by side: each round has
// every mode, and each mode all servers in turn, another one first each round.
func (r *run) steady(ctx context.Context) error {
	servers := map[string]*server{}
	defer func() {
		for _, s := range servers {
			r.close(s)
		}
	}()
	for _, p := range r.peers {
		s, err := r.start(ctx, p, "steady")
		if err != nil {
			return err
		}
		servers[p.name] = s
		found := verdicts(ctx, s.target.addr)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.out.peer(p.name).Failed = found
		for name, why := range found {
			fmt.Fprintf(r.told, "%s fails the check %q: %s\n", p.name, name, why)
		}
	}
	for round := range r.rounds {
		for i, m := range r.modes {
			if m.fresh {
				continue
			}
			for _, p := range rotated(r.peers, round) {
				s, err := r.sample(ctx, m, p.name, servers[p.name])
				if err != nil {
					return err
				}
				r.keep(i, round, p.name, s)
			}
			r.tell(i, round)
		}
	}
	if edge := servers[nameEdge]; r.profile && edge != nil {
		return r.profiles(ctx, edge)
	}
	return nil
}

// fresh runs the modes for which each server is started anew.
func (r *run) fresh(ctx context.Context) error {
	for i, m := range r.modes {
		if !m.fresh {
			continue
		}
		for round := range min(r.rounds, freshRounds) {
			if err := ctx.Err(); err != nil {
				return err
			}
			for _, p := range rotated(r.peers, round) {
				if p.name == nameDirect || (len(m.only) > 0 && !slices.Contains(m.only, p.name)) {
					continue
				}
				if err := r.freshSample(ctx, i, round, p); err != nil {
					return err
				}
			}
			r.tell(i, round)
		}
	}
	return nil
}

// freshSample starts a server, measures it and ends it. One that cannot hold all
// the bridges is asked to hold half of them, down to a thousand.
func (r *run) freshSample(ctx context.Context, i, round int, p peer) error {
	m := r.modes[i]
	for m.conns = r.bridges; ; m.conns /= 2 {
		s, err := r.freshOnce(ctx, m, fmt.Sprintf("fresh-%d-%d-%d", i, round, m.conns), p)
		if err != nil {
			return err
		}
		if s.Failed == "" || r.out.peer(p.name).lacks(m) != "" || m.conns < 2*fewestBridges {
			r.keep(i, round, p.name, s)
			return nil
		}
		fmt.Fprintf(r.told, "%s does not hold %d bridges: %s\n", p.name, m.conns, s.Failed)
	}
}

// fewestBridges is how many a server must hold to be measured idle.
const fewestBridges = 1000

func (r *run) freshOnce(ctx context.Context, m mode, dir string, p peer) (sample, error) {
	srv, err := r.start(ctx, p, dir)
	if err != nil {
		return sample{}, err
	}
	defer r.close(srv)
	return r.sample(ctx, m, p.name, srv)
}

// close ends a server.
func (r *run) close(s *server) { r.left = errors.Join(r.left, s.close()) }

func (r *run) start(ctx context.Context, p peer, name string) (*server, error) {
	dir := filepath.Join(r.site.dir, name, p.name)
	if err := os.MkdirAll(filepath.Join(dir, "tmp"), 0o755); err != nil {
		return nil, err
	}
	return p.start(ctx, r.site, dir)
}

// rotated begins with another one each round.
func rotated(list []peer, round int) []peer {
	n := round % len(list)
	return append(slices.Clone(list[n:]), list[:n]...)
}

// sample measures one mode against one server. What fails there is in the
// sample; the error is the end of ctx.
func (r *run) sample(ctx context.Context, m mode, name string, srv *server) (sample, error) {
	if need := r.out.peer(name).lacks(m); need != "" {
		return sample{Failed: fmt.Sprintf("fails the check %q", need)}, nil
	}
	var runs []sample
	for range max(1, (m.runs+r.rounds-1)/r.rounds) {
		s, err := r.once(ctx, m, srv.target)
		if ctx.Err() != nil {
			return s, ctx.Err()
		}
		if err != nil {
			fmt.Fprintf(r.told, "%s in %s: %v\n", name, m.name, err)
			if srv.said != nil {
				fmt.Fprintf(r.told, "it said at last:\n%s\n", srv.said())
			}
			return sample{Failed: err.Error()}, nil
		}
		runs = append(runs, s)
	}
	return typical(runs), nil
}

// once runs one mode once.
func (r *run) once(ctx context.Context, m mode, t target) (sample, error) {
	switch m.kind {
	case kindPaced:
		l := &pacedLoad{Conns: m.conns, Size: m.size, Interval: pacedInterval}
		s, err := drive(ctx, t, r.window, l)
		return s.timed(&l.times), err
	case kindHandshake:
		return drive(ctx, t, r.window, &handshakeLoad{Slots: m.conns, Size: m.size})
	case kindHTTP:
		return drive(ctx, t, r.window, &httpLoad{Conns: m.conns, Path: m.path, Size: int64(m.size)})
	case kindEvents:
		l := &eventsLoad{Conns: m.conns}
		s, err := drive(ctx, t, r.window, l)
		return s.timed(&l.times), err
	case kindIdle:
		return driveIdle(ctx, t, idleBounds{open: 2 * time.Minute, settle: r.settle}, m.path, m.conns)
	}
	return drive(ctx, t, r.window, &echoLoad{Conns: m.conns, InFlight: m.inFlight, Size: m.size})
}

func (r *run) keep(i, round int, name string, s sample) {
	samples := r.out.Modes[i].Samples
	if len(samples[name]) == round {
		samples[name] = append(samples[name], s)
	}
}

// tell prints what one round of one mode came to.
func (r *run) tell(i, round int) {
	m := r.out.Modes[i]
	var b strings.Builder
	fmt.Fprintf(&b, "round %d %-12s", round+1, m.Name)
	for _, p := range r.peers {
		if len(m.Samples[p.name]) > round {
			fmt.Fprintf(&b, "  %s %s", p.name, m.Samples[p.name][round].brief())
		}
	}
	fmt.Fprintln(r.told, b.String())
}
