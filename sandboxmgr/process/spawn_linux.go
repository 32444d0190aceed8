package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"edge/sandboxmgr/process/stage"
)

// stageTimeout bounds how long a stage may take to become the init.
const stageTimeout = 20 * time.Second

// stageCapabilities are what the stage needs in its own user namespace: mounts,
// network, ids and limits. None is left when the init runs.
var stageCapabilities = []uintptr{
	unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_SETPCAP, unix.CAP_SETUID, unix.CAP_SETGID,
	unix.CAP_DAC_OVERRIDE, unix.CAP_SYS_RESOURCE,
}

// spawner starts stages.
type spawner struct {
	executable string
	args       []string
	ids        idRange
	cloneTrees bool // the edge may copy mounts, and does it for the stage
}

// spawned is a stage that waits for its order.
type spawned struct {
	*process
	order, status *os.File
}

// spawn starts a stage in new namespaces and in the machine's control groups.
// Its standard output and error are output. The caller orders, or kills and
// reaps, and calls release in any case.
func (s *spawner) spawn(o *stage.Order, group cgroup, output *os.File) (*spawned, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	orderRead, orderWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer orderRead.Close()
	statusRead, statusWrite, err := os.Pipe()
	if err != nil {
		orderWrite.Close()
		return nil, err
	}
	defer statusWrite.Close()
	files := []uintptr{null.Fd(), output.Fd(), output.Fd(), orderRead.Fd(), statusWrite.Fd()}
	o.Ranged = s.ids.ranged()
	p, err := s.start(o, group, files)
	if err != nil {
		return nil, errors.Join(err, orderWrite.Close(), statusRead.Close())
	}
	return &spawned{process: p, order: orderWrite, status: statusRead}, nil
}

// start starts the stage with files and with the mounts that are made for it.
func (s *spawner) start(o *stage.Order, group cgroup, files []uintptr) (*process, error) {
	if s.cloneTrees {
		for i := range o.Mounts {
			fd, err := stage.Detach(o.Mounts[i].Source)
			if err != nil {
				return nil, err
			}
			defer unix.Close(fd)
			o.Mounts[i].FD = stage.FirstMountFD + i
			files = append(files, uintptr(fd))
		}
	}
	return group.fork(func(v2 int) (*process, error) { return s.fork(files, v2) })
}

// fork starts the stage, in the control group that v2 is open on unless that is
// negative.
func (s *spawner) fork(files []uintptr, v2 int) (*process, error) {
	pidfd := -1
	sys := &syscall.SysProcAttr{
		Setsid: true,
		PidFD:  &pidfd,
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET |
			unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		UidMappings:                s.ids.mapping(os.Geteuid()),
		GidMappings:                s.ids.mapping(os.Getegid()),
		GidMappingsEnableSetgroups: s.ids.ranged(),
		AmbientCaps:                stageCapabilities,
	}
	if v2 >= 0 {
		sys.UseCgroupFD, sys.CgroupFD = true, v2
	}
	pid, err := syscall.ForkExec(s.executable, append([]string{"edge"}, s.args...), &syscall.ProcAttr{
		Dir: "/", Env: []string{"GOMAXPROCS=1"}, Files: files, Sys: sys,
	})
	if err != nil {
		return nil, fmt.Errorf("start in new namespaces: %w", err)
	}
	if pidfd < 0 {
		return nil, errors.Join(errors.New("start in new namespaces: the kernel gives no pidfd (Linux 5.12 is needed)"), abandon(pid))
	}
	// Before it becomes a file, which takes Go's poller for one that does not block.
	if err := unix.SetNonblock(pidfd, true); err != nil {
		return nil, errors.Join(err, unix.Close(pidfd), abandon(pid))
	}
	return &process{pid: pid, file: os.NewFile(uintptr(pidfd), "pidfd")}, nil
}

// abandon ends a child that cannot be held.
func abandon(pid int) error {
	err := syscall.Kill(pid, syscall.SIGKILL)
	var status syscall.WaitStatus
	_, werr := syscall.Wait4(pid, &status, 0, nil)
	return errors.Join(err, werr)
}

// command hands the order over and waits until the init runs or, for a probe,
// could have. Its error is the stage's own.
func (s *spawned) command(ctx context.Context, o *stage.Order) error {
	ctx, cancel := context.WithTimeoutCause(ctx, stageTimeout, errors.New("the sandbox was not prepared in time"))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		past := time.Unix(1, 0)
		s.order.SetDeadline(past)
		s.status.SetDeadline(past)
	})
	defer stop()
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_, sendErr := s.order.Write(text)
	s.order.Close()
	said, err := io.ReadAll(io.LimitReader(s.status, 4096))
	why, ready := strings.CutPrefix(string(said), stage.Ready)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case why != "":
		return errors.New(strings.TrimSpace(why))
	case sendErr != nil:
		return fmt.Errorf("hand over the order: %w", sendErr)
	case err == nil && !ready:
		return errDied
	}
	return err
}

// errDied: the stage ended without a word, for want of memory for example.
var errDied = errors.New("the sandbox ended before its init was started")

// release closes the pipes; the process stays.
func (s *spawned) release() {
	s.order.Close()
	s.status.Close()
}

// end kills the process and all that is in its namespace, reaps it and closes
// its pidfd.
func (p *process) end() {
	if p.signal(syscall.SIGKILL) == nil {
		_ = p.wait()
	}
	p.reap()
	p.close()
}
