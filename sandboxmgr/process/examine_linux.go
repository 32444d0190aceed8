package process

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"edge/sandboxmgr"
)

// Levels of a finding.
const (
	levelOK   = "ok"
	levelNote = "note"
	levelBad  = "bad"
)

// What is enough of what a machine's computer has.
const (
	enoughFiles  = 4096 // descriptors of the edge
	enoughPIDs   = 4096 // processes of all sandboxes together
	enoughSpaces = 256  // user namespaces
)

var _ sandboxmgr.Examiner = (*Runtime)(nil)

// examiner looks at this computer; tests give it another one.
type examiner struct {
	setting func(name string) string // as readSetting
	root    bool                     // ids can be given away and networks entered
	groups  hierarchies
	rlimit  func(resource int) (uint64, error) // the hard limit
	memory  func() uint64                      // bytes available; 0: not known
}

// Examine looks at what the runtime needs for such a machine, and starts one
// without an init to see.
func (r *Runtime) Examine(ctx context.Context, spec sandboxmgr.MachineSpec) []sandboxmgr.Finding {
	x := examiner{
		setting: readSetting, root: r.spawner.ids.ranged(), groups: r.groups,
		rlimit: hardLimit, memory: availableMemory,
	}
	findings := []sandboxmgr.Finding{
		x.trial(r.try(ctx)),
		x.namespaces(),
		x.rights(r.spawner.ids),
		x.seccomp(),
		x.controlGroups(),
		x.processes(&spec),
		x.descriptors(),
		x.freeMemory(&spec),
		architecture(&spec),
		{Name: "disk", Level: levelNote, Text: "the process runtime cannot bound what a sandbox writes to /workspace",
			Mend: "use runtime: docker on an engine with quotas, or put the state folder on a file system of its own"},
	}
	return append(findings, folders(&spec)...)
}

func (x examiner) trial(err error) sandboxmgr.Finding {
	f := sandboxmgr.Finding{Name: "process runtime", Level: levelOK, Text: "a sandbox can be started; it is no security boundary"}
	if err != nil {
		f.Level, f.Text = levelBad, err.Error()
		f.Mend = cmp.Or(command(mending(err, x.setting)), "use runtime: docker")
	}
	return f
}

// command is what is to be typed, of a clause of mending.
func command(clause string) string {
	if _, after, ok := strings.Cut(clause, ": "); ok {
		return after
	}
	return strings.TrimPrefix(clause, "; ")
}

func (x examiner) namespaces() sandboxmgr.Finding {
	f := sandboxmgr.Finding{Name: "user namespaces", Level: levelOK, Text: "available"}
	most := x.setting("user.max_user_namespaces")
	n, err := strconv.Atoi(most)
	switch {
	case most == "":
		f.Level, f.Text, f.Mend = levelBad, "this kernel has none", "use a kernel with CONFIG_USER_NS, or runtime: docker"
	case err == nil && n == 0:
		f.Level, f.Text, f.Mend = levelBad, "off", "sysctl -w user.max_user_namespaces=15000"
	case !x.root && x.setting("kernel.unprivileged_userns_clone") == "0":
		f.Level, f.Text, f.Mend = levelBad, "for root only", "sysctl -w kernel.unprivileged_userns_clone=1"
	case !x.root && x.setting("kernel.apparmor_restrict_unprivileged_userns") == "1":
		f.Level, f.Text, f.Mend = levelBad, "restricted by AppArmor", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
	case err == nil && n < enoughSpaces:
		f.Level, f.Text = levelNote, fmt.Sprintf("%d at most, one for each sandbox", n)
		f.Mend = "sysctl -w user.max_user_namespaces=15000"
	}
	return f
}

func (x examiner) rights(ids idRange) sandboxmgr.Finding {
	if x.root {
		return sandboxmgr.Finding{Name: "rights", Level: levelOK,
			Text: fmt.Sprintf("root: sandboxes have the ids %d to %d, ports are dialled by namespace", ids.first, ids.first+idCount-1)}
	}
	return sandboxmgr.Finding{Name: "rights", Level: levelNote,
		Text: "not root: sandboxes run as the edge's own user and their inits carry the bytes of connections", Mend: "run the edge as root"}
}

func (x examiner) seccomp() sandboxmgr.Finding {
	if x.setting("kernel.seccomp.actions_avail") == "" {
		return sandboxmgr.Finding{Name: "seccomp", Level: levelBad, Text: "this kernel cannot filter system calls",
			Mend: "use a kernel with CONFIG_SECCOMP_FILTER"}
	}
	return sandboxmgr.Finding{Name: "seccomp", Level: levelOK, Text: "available"}
}

// controlGroups makes a group, looks which bounds it takes, and removes it.
func (x examiner) controlGroups() sandboxmgr.Finding {
	name := fmt.Sprintf("examined-%d", os.Getpid())
	group := x.groups.make(name)
	defer group.remove()
	missing := group.set(&sandboxmgr.MachineSpec{MemoryBytes: 64 << 20, CPUs: 1, PIDs: 64})
	f := sandboxmgr.Finding{Name: "control groups", Level: levelOK, Text: group.describeBy()}
	if len(missing) == 0 {
		return f
	}
	f.Level = levelNote
	f.Text = fmt.Sprintf("not bounded by one: %s; memory and processes have rlimits instead, CPUs nothing", strings.Join(missing, ", "))
	f.Mend = "run the edge as root, or under systemd-run --user --scope -p Delegate=yes"
	return f
}

// describeBy says which version bounds what.
func (c cgroup) describeBy() string {
	var parts []string
	for _, b := range c.bounds(&sandboxmgr.MachineSpec{}) {
		if b.dir != "" {
			parts = append(parts, b.name+" by "+b.by)
		}
	}
	return strings.Join(parts, ", ")
}

func (x examiner) processes(spec *sandboxmgr.MachineSpec) sandboxmgr.Finding {
	f := sandboxmgr.Finding{Name: "process limit", Level: levelOK}
	most, err := x.rlimit(unix.RLIMIT_NPROC)
	mend := "ulimit -u unlimited, or TasksMax=infinity and LimitNPROC=infinity in the edge's unit"
	if n, perr := strconv.ParseUint(x.setting("kernel.pid_max"), 10, 64); perr == nil && (err != nil || n < most) {
		most, err, mend = n, nil, "sysctl -w kernel.pid_max=4194304"
	}
	f.Text = fmt.Sprintf("%d", most)
	if err == nil && most < max(enoughPIDs, uint64(spec.PIDs)) {
		f.Level, f.Mend = levelNote, mend
	}
	return f
}

func (x examiner) descriptors() sandboxmgr.Finding {
	n, err := x.rlimit(unix.RLIMIT_NOFILE)
	f := sandboxmgr.Finding{Name: "descriptors", Level: levelOK, Text: fmt.Sprintf("%d for the edge", n)}
	if err != nil || n < enoughFiles {
		f.Level, f.Mend = levelNote, "ulimit -n 65536, or LimitNOFILE=65536 in the edge's unit"
	}
	return f
}

func hardLimit(resource int) (uint64, error) {
	var l unix.Rlimit
	err := unix.Getrlimit(resource, &l)
	return l.Max, err
}

func (x examiner) freeMemory(spec *sandboxmgr.MachineSpec) sandboxmgr.Finding {
	n := x.memory()
	f := sandboxmgr.Finding{Name: "memory", Level: levelOK, Text: formatBytes(n) + " available"}
	if spec.MemoryBytes > 0 && n < uint64(spec.MemoryBytes) {
		f.Level = levelNote
		f.Text += fmt.Sprintf(", a sandbox may use %s", formatBytes(uint64(spec.MemoryBytes)))
		f.Mend = "lower memory: of the binding"
	}
	return f
}

func availableMemory() uint64 {
	file, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer file.Close()
	for s := bufio.NewScanner(file); s.Scan(); {
		var kib uint64
		if n, _ := fmt.Sscanf(s.Text(), "MemAvailable: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	return 0
}

// architecture tells whether the init is for this computer.
func architecture(spec *sandboxmgr.MachineSpec) sandboxmgr.Finding {
	f := sandboxmgr.Finding{Name: "architecture", Level: levelOK, Text: runtime.GOARCH}
	if spec.InitPath == "" {
		return f
	}
	own, err := machineOf("/proc/self/exe")
	its, ierr := machineOf(spec.InitPath)
	switch {
	case err != nil || ierr != nil:
		f.Level, f.Text, f.Mend = levelBad, fmt.Sprintf("the init cannot be read: %v", errors.Join(err, ierr)), "start the edge again: it writes its init anew"
	case own != its:
		f.Level, f.Text = levelBad, fmt.Sprintf("the init %s is for another architecture than %s", spec.InitPath, runtime.GOARCH)
		f.Mend = "remove the folder bin in the edge's state folder and start it again"
	}
	return f
}

// machineOf is what an ELF file (elf(5)) says it runs on.
func machineOf(path string) (uint16, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	var head [20]byte
	if _, err := io.ReadFull(file, head[:]); err != nil || string(head[:4]) != "\x7fELF" {
		return 0, fmt.Errorf("%s is no program", path)
	}
	return binary.LittleEndian.Uint16(head[18:]), nil
}

// folders looks at the folders that the binding names.
func folders(spec *sandboxmgr.MachineSpec) []sandboxmgr.Finding {
	var found []sandboxmgr.Finding
	for _, folder := range spec.Tools {
		f := sandboxmgr.Finding{Name: "tools", Level: levelOK, Text: folder}
		if info, err := os.Stat(folder); err != nil || !info.IsDir() {
			f.Level, f.Text = levelBad, fmt.Sprintf("%s: %v", folder, cmp.Or(err, error(unix.ENOTDIR)))
			f.Mend = "make it, or take it out of tools: of the binding"
		}
		found = append(found, f)
	}
	if spec.Rootfs == "" {
		return found
	}
	f := sandboxmgr.Finding{Name: "rootfs", Level: levelOK, Text: spec.Rootfs}
	if _, err := plan("probe", spec.Rootfs); err != nil {
		f.Level, f.Text = levelBad, err.Error()
		f.Mend = "name a folder that holds a root file system, or take rootfs: out of the binding"
	} else if _, err := os.Lstat(filepath.Join(spec.Rootfs, "bin")); err != nil {
		f.Level, f.Text = levelNote, spec.Rootfs+" has no /bin: commands need a shell, argv works"
		f.Mend = "unpack a root file system into it"
	}
	return append(found, f)
}
