package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"edge/abi"
	"edge/plugins"
	"edge/plugins/worker"
)

// configSource is what the watcher calls edge.yaml; no plugin can have a name
// with a dot.
const configSource = "edge.yaml"

// devDrain is how long edge dev waits for connections when it ends.
const devDrain = time.Second

type devCommand struct {
	Flags
	Dir   string   `arg:"" optional:"" default:"." help:"Folder with edge.yaml, default here; or a Worker's source, like worker.ts, which needs none."`
	Fetch []string `placeholder:"HOST,..." help:"With a Worker's source: hosts that it may fetch from."`

	// tool is what builds plugins; nil is the Go on PATH.
	tool goCommand
	// secondLook is how long to wait for the rest of what may have been read half
	// written; 0 is the constant.
	secondLook time.Duration
}

// Run serves the project until SIGTERM or SIGINT.
func (c *devCommand) Run(ctx context.Context, t *terminal) error {
	file, load, err := c.project()
	if err != nil {
		return err
	}
	o, err := c.configure(file, load, t, localStateOf, devLogLevel)
	if err != nil {
		return err
	}
	o.tool, o.traces, o.fetchFlag, o.cache = c.tool, true, isWorkerSource(c.Dir), userCache()
	c.watchLogs(&o, t)
	signals := make(chan os.Signal, 4)
	defer t.notify(signals, syscall.SIGTERM, os.Interrupt)()
	starting, started := t.interruptible(ctx)
	defer started()

	d := &developer{
		file: file, load: load, clean: c.cleanCommand(file), config: o.config, console: newConsole(t.out, t.getenv),
		digests: map[string]string{}, workers: map[string]worker.Built{}, secondLook: cmp.Or(c.secondLook, secondLook),
	}
	if d.watcher, err = newSourceWatcher(o.settings.State); err != nil {
		return err
	}
	o.drain, o.onSandbox, o.onRequest, o.onPlugin = devDrain, d.console.sandboxEvent, d.console.requestEvent, d.pluginEvent
	d.server, err = openServer(starting, o)
	if err != nil {
		return errors.Join(err, d.watcher.notify.Close())
	}
	if err := d.start(starting); err != nil {
		return errors.Join(err, d.watcher.notify.Close(), d.server.release(ctx))
	}
	started()
	return d.attend(ctx, signals)
}

// watchLogs puts the logs on the console unless another form was asked for. A
// plugin's own lines are shown from info on, because its developer reads them.
func (c *devCommand) watchLogs(o *serverOptions, t *terminal) {
	said := o.settings
	if c.LogLevel == "" && t.getenv("EDGE_LOG_LEVEL") == "" {
		said.LogLevel = slog.LevelInfo
	}
	o.guestLog = said.logger(t.err)
	if c.LogFormat == "" && t.getenv("EDGE_LOG_FORMAT") == "" {
		console := newConsole(t.err, t.getenv)
		o.log, o.guestLog = slog.New(console.handler(o.settings.LogLevel)), slog.New(console.handler(said.LogLevel))
	}
}

// cleanCommand is what a person types to destroy the sandboxes of this project.
func (c *devCommand) cleanCommand(file string) string {
	command := "edge clean"
	if file != configSource {
		command += " --config " + file
	}
	if c.State != "" {
		command += " --state " + c.State
	}
	return command
}

// developer keeps a project served while its sources change.
type developer struct {
	file    string
	load    func(file string) (*Config, error)
	clean   string // the command that destroys the sandboxes
	console *console
	watcher *sourceWatcher
	server  *server

	// config, digests (of the module last loaded, by plugin) and workers (what was
	// built last of those that are Workers) belong to the goroutine that handles
	// changes.
	config  *Config
	digests map[string]string
	workers map[string]worker.Built

	// The same goroutine looks twice at what may be half written (dev_half.go).
	changes    <-chan change // nil until it follows them
	next       change        // that came meanwhile
	secondLook time.Duration
}

// start builds and loads everything. What does not build or load is shown and
// may be mended while the rest is served; the end of ctx is an error.
func (d *developer) start(ctx context.Context) error {
	for _, n := range d.server.runtimes.notes {
		d.console.line(dimText, "runtime", "%s", n)
	}
	d.console.line(dimText, "state", "%s", d.server.settings.State)
	d.console.line(dimText, "limits", "%s", d.config.Limits.describe(budgetDescriptors(d.config.Sandboxes)))
	if err := d.watcher.set(configSource, watchedSource{files: d.configFiles()}); err != nil {
		return err
	}
	for _, p := range d.config.Plugins {
		d.update(ctx, p, "plugin", time.Now())
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := d.server.route(d.config, true); err != nil {
		return err
	}
	d.console.line(greenText, "serving", "%s", d.server.url())
	return nil
}

// configFiles are the files that the configuration is made of, as the watcher reports
// them.
func (d *developer) configFiles() []string {
	files := []string{filepath.Join(d.config.Dir, workerVariables)}
	if !isWorkerSource(d.file) {
		files = append(files, filepath.Join(d.config.Dir, filepath.Base(d.file)))
	}
	return files
}

// attend serves and follows the sources until a signal comes.
func (d *developer) attend(ctx context.Context, signals <-chan os.Signal) error {
	following, stop := context.WithCancel(ctx)
	defer stop()
	changes := make(chan change)
	served, watched, followed := make(chan error, 1), make(chan struct{}), make(chan struct{})
	d.server.admin.begin()
	go d.server.runHost(served)
	go d.runWatcher(following, changes, watched)
	go d.runFollow(following, changes, followed)
	var failed error
	select {
	case failed = <-served:
	case <-signals:
	case <-ctx.Done():
	}
	stop()
	<-followed
	<-watched
	if failed != nil {
		return errors.Join(failed, d.server.release(ctx))
	}
	d.takeLeave()
	return errors.Join(d.server.end(context.WithoutCancel(ctx), signals), <-served)
}

// takeLeave tells what goes on when the edge ends.
func (d *developer) takeLeave() {
	running := 0
	for _, known := range d.server.manager.List() {
		if known.State == abi.StateRunning {
			running++
		}
	}
	switch {
	case running == 1:
		d.console.line(dimText, "ending", "1 sandbox runs on; %s destroys it", d.clean)
	case running > 1:
		d.console.line(dimText, "ending", "%d sandboxes run on; %s destroys them", running, d.clean)
	}
}

func (d *developer) runWatcher(ctx context.Context, changes chan<- change, watched chan<- struct{}) {
	defer close(watched)
	d.watcher.run(ctx, changes)
}

// runFollow carries out one change after the other until ctx ends.
func (d *developer) runFollow(ctx context.Context, changes <-chan change, followed chan<- struct{}) {
	defer close(followed)
	d.changes = changes
	for ctx.Err() == nil {
		c := d.next
		d.next = change{}
		if len(c.names) == 0 {
			select {
			case <-ctx.Done():
				return
			case c = <-changes:
			}
		}
		d.follow(ctx, c)
	}
}

func (d *developer) follow(ctx context.Context, c change) {
	for _, name := range c.names {
		if name == configSource {
			d.reconfigure(ctx, c.since)
		}
	}
	for _, p := range d.config.Plugins {
		for _, name := range c.names {
			if name == p.Name {
				d.update(ctx, p, "reload", c.since)
			}
		}
	}
}

// update builds and loads the plugin if its module is new, prints one line about
// it, and watches what it is made of now.
func (d *developer) update(ctx context.Context, p Plugin, what string, since time.Time) {
	err := d.renew(ctx, p, what, since)
	if ctx.Err() != nil || err != nil && d.misread(ctx, p, err) {
		return
	}
	if err != nil {
		d.console.failure(p.Name, err, d.server.serves(p.Name))
	}
	if err := d.watch(ctx, p, err == nil); err != nil && ctx.Err() == nil {
		d.console.line(yellowText, "watch", "%s: %v", p.Name, err)
	}
}

func (d *developer) renew(ctx context.Context, p Plugin, what string, since time.Time) error {
	if p.Kind.followed() {
		return d.followed(ctx, p)
	}
	module, err := d.build(ctx, p)
	if err != nil {
		return err
	}
	digest, err := module.digest()
	if err != nil {
		return err
	}
	if d.digests[p.Name] == digest {
		d.console.line(dimText, "unchanged", "%s %s", p.Name, milliseconds(time.Since(since)))
		return nil
	}
	loaded, err := d.server.load(ctx, p, module)
	if err != nil {
		return err
	}
	d.digests[p.Name] = digest
	d.console.line(greenText, what, "%s %s %s", p.Name, milliseconds(time.Since(since)), shortDigest(loaded.Digest()))
	return nil
}

// build makes the plugin's module, if its source is none, and returns its file.
func (d *developer) build(ctx context.Context, p Plugin) (moduleFile, error) {
	switch p.Kind {
	case sourceGo:
		path, err := d.server.builder.build(ctx, p.Name, p.Source)
		return moduleFile{path: path}, err
	case sourceWorker:
		return d.buildWorker(ctx, p)
	}
	return moduleFile{path: p.Source}, nil
}

// followed loads a plugin whose modules come from elsewhere than one file or
// folder of sources. What comes of them is told by pluginEvent.
func (d *developer) followed(ctx context.Context, p Plugin) error {
	loaded, err := d.server.load(ctx, p, moduleFile{})
	if err == nil && loaded.Digest() == "" && p.Kind == sourceUpload {
		d.console.line(yellowText, "plugin", "%s has no module yet: edge plugin load %s FILE", p.Name, p.Name)
	}
	if errors.Is(err, plugins.ErrRefused) {
		return nil // pluginEvent told of it
	}
	return err
}

// pluginEvent tells of versions that are given up, and of modules that come to a
// plugin by themselves; of the others update does.
func (d *developer) pluginEvent(e plugins.Event) {
	if e.Kind == plugins.EventRolledBack {
		d.console.block(redText, "plugin", e.Plugin+" serves its version before again, until the source changes", []string{e.Err.Error()})
		return
	}
	if p, _, known := d.server.sources.of(e.Plugin); !known || !p.Kind.followed() {
		return
	}
	switch e.Kind {
	case plugins.EventLoaded, plugins.EventReloaded:
		d.console.line(greenText, "plugin", "%s %s %s", e.Plugin, milliseconds(e.Duration), shortDigest(e.Digest))
	case plugins.EventRefused:
		d.console.failure(e.Plugin, e.Err, d.server.serves(e.Plugin))
	}
}

// watch follows the plugin's source: a module alone, or a folder with everything
// below it and the packages it is made of elsewhere. Sources that do not build may
// not tell those, so they stay what they were.
func (d *developer) watch(ctx context.Context, p Plugin, builds bool) error {
	if p.Kind.followed() {
		d.watcher.drop(p.Name)
		return nil
	}
	switch p.Kind {
	case sourceGo:
	case sourceWorker:
		return d.watcher.set(p.Name, d.workerFiles(p, builds))
	default:
		return d.watcher.set(p.Name, watchedSource{files: []string{p.Source}})
	}
	s := watchedSource{trees: []string{p.Source}}
	dirs, err := d.server.builder.packageDirs(ctx, p.Source)
	s.folders = dirs
	if !builds {
		s.folders, err = append(d.watcher.folders(p.Name), dirs...), nil
		slices.Sort(s.folders)
		s.folders = slices.Compact(s.folders)
	}
	return errors.Join(d.watcher.set(p.Name, s), err)
}

// reconfigure takes over a changed edge.yaml: plugins and routes; the rest needs
// a restart, and says so.
func (d *developer) reconfigure(ctx context.Context, since time.Time) {
	config, err := d.load(d.file)
	what := filepath.Base(d.file)
	if isWorkerSource(d.file) {
		what = workerVariables
	}
	if (err != nil || cleared(d.config, config)) && d.halfWritten(ctx, configSource) {
		return
	}
	if err != nil {
		d.console.block(redText, "config", what+" is refused; the old one stays in force", lines(err))
		return
	}
	before := map[string]Plugin{}
	for _, p := range d.config.Plugins {
		before[p.Name] = p
	}
	restart := needsRestart(d.config, config)
	d.config = config
	for _, p := range config.Plugins {
		old, known := before[p.Name]
		delete(before, p.Name)
		if !known || !sameSpec(old, p) {
			delete(d.digests, p.Name)
			d.update(ctx, p, "plugin", since)
		}
	}
	for name := range before {
		d.watcher.drop(name)
	}
	d.server.sources.keep(config)
	if err := d.server.route(config, true); err != nil {
		d.console.line(redText, "config", "%v", err)
		return
	}
	d.console.line(greenText, "config", "%s %s", what, milliseconds(time.Since(since)))
	for _, key := range restart {
		d.console.line(yellowText, "config", "%s changed: restart edge dev to put it in force", key)
	}
}
