package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// How long a process may take to be ready, and to end once it is told to.
const (
	startBound = 3 * time.Minute
	endBound   = time.Minute
)

// process is one that was started here, in a group of its own.
type process struct {
	cmd    *exec.Cmd
	log    *os.File
	exited chan struct{}
}

// startProcess runs a program on one core, with what it prints in a file of dir.
// It ends with this process at the latest; end ends it.
func startProcess(core int, dir, name string, argv ...string) (*process, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(argv[0], argv[1:]...), log: log, exited: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := withCore(core, p.cmd.Start); err != nil {
		log.Close()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go p.wait()
	return p, nil
}

func (p *process) wait() {
	_ = p.cmd.Wait() // how it ended is in ProcessState
	close(p.exited)
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// end ends the process and its group, and waits for it.
func (p *process) end() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.exited:
	case <-time.After(endBound):
	}
	_ = syscall.Kill(-p.pid(), syscall.SIGKILL) // what is left of the group
	<-p.exited
	p.log.Close()
}

// ready waits until check is content; a process that ends before is the error.
func (p *process) ready(ctx context.Context, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, startBound)
	defer cancel()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("it ended: %v\n%s", p.cmd.ProcessState, p.said())
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w: %w\n%s", ctx.Err(), err, p.said())
		}
	}
}

// said is the end of what the process printed.
func (p *process) said() []byte {
	b, err := os.ReadFile(p.log.Name())
	if err != nil {
		return nil
	}
	return b[max(0, len(b)-2000):]
}
