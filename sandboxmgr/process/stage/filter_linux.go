package stage

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A filter of system calls is a program of classic BPF over struct seccomp_data
// (seccomp(2)). Ours names what is forbidden and allows the rest: what runs
// inside has no capability, so that most calls do no harm, and the list is of
// those by which kernels are broken nevertheless, or which reach past the
// namespaces. For example, forbidding bpf (321) alone on amd64:
//
//	ld  [4]                     the architecture
//	jeq #0xc000003e, 1, 0
//	ret errno(ENOSYS)           another one's numbers mean something else
//	ld  [0]                     the call's number
//	jge #0x40000000, 0, 1
//	ret errno(ENOSYS)           the x32 numbers are a second way to each call
//	jeq #321, 0, 1
//	ret errno(EPERM)
//	ret allow

// Offsets in struct seccomp_data. Arguments are 64 bits wide; of those that are
// looked at the kernel uses the lower half alone, which comes first on every
// machine that this is built for.
const (
	offsetNumber = 0
	offsetArch   = 4
	offsetArg0   = 16
)

// namespaceFlags are the flags of clone and unshare that make namespaces.
const namespaceFlags = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
	unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

// rule forbids a call: always, or by its first argument.
type rule struct {
	call  uint32
	errno unix.Errno
	// mask: only where the argument has one of these bits.
	mask uint32
	// except: only where the argument is none of these.
	except []uint32
}

// deny forbids calls with EPERM.
func deny(calls ...uint32) []rule {
	rules := make([]rule, len(calls))
	for i, c := range calls {
		rules[i] = rule{call: c, errno: unix.EPERM}
	}
	return rules
}

// rules are what the preset forbids.
func rules(preset string) ([]rule, error) {
	// What no sandbox needs: the kernel's own keys, programs, modules, clocks
	// and counters, and files by handle, which no mount confines.
	out := deny(
		unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
		unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
		unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_REBOOT,
		unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
		unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD,
		unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_SYSLOG, unix.SYS_VHANGUP,
		unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_FANOTIFY_INIT, unix.SYS_LOOKUP_DCOOKIE, unix.SYS_NFSSERVCTL,
	)
	out = append(out, deny(machineCalls...)...)
	switch preset {
	case PresetTrusted:
		return out, nil
	case PresetDefault, PresetStrict, "":
	default:
		return nil, fmt.Errorf("preset %q: want %s, %s or %s", preset, PresetStrict, PresetDefault, PresetTrusted)
	}
	out = append(out, deny(
		unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
		unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_MOUNT_SETATTR,
		unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT, unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK,
		unix.SYS_SETNS,
	)...)
	out = append(out,
		rule{call: unix.SYS_UNSHARE, errno: unix.EPERM, mask: namespaceFlags | unix.CLONE_NEWTIME},
		rule{call: unix.SYS_CLONE, errno: unix.EPERM, mask: namespaceFlags},
		// Its flags are in memory, where a filter cannot look. C libraries take
		// clone where there is no clone3, and do so for this error alone.
		rule{call: unix.SYS_CLONE3, errno: unix.ENOSYS},
		// The families that programs use. The others are seldom used, seldom
		// reviewed, and loaded into the kernel by whoever asks for one.
		rule{call: unix.SYS_SOCKET, errno: unix.EAFNOSUPPORT,
			except: []uint32{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK}},
	)
	if preset == PresetStrict {
		out = append(out, deny(
			unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV,
			unix.SYS_PIDFD_GETFD, unix.SYS_KCMP, unix.SYS_NAME_TO_HANDLE_AT,
		)...)
	}
	return out, nil
}

// Denied is how many system calls the preset forbids, wholly or in part; 0 for
// a preset that does not exist.
func Denied(preset string) int {
	out, _ := rules(preset)
	return len(out)
}

// assemble turns rules into a program.
func assemble(rules []rule) []unix.SockFilter {
	fail := func(e unix.Errno) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(e)}
	}
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	jump := func(op uint16, k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_K | op, K: k, Jt: yes, Jf: no}
	}
	p := []unix.SockFilter{load(offsetArch), jump(unix.BPF_JEQ, auditArch, 1, 0), fail(unix.ENOSYS), load(offsetNumber)}
	if foreignNumbers > 0 {
		p = append(p, jump(unix.BPF_JGE, foreignNumbers, 0, 1), fail(unix.ENOSYS))
	}
	for _, r := range rules {
		var body []unix.SockFilter
		switch {
		case r.mask != 0:
			body = []unix.SockFilter{load(offsetArg0), jump(unix.BPF_JSET, r.mask, 0, 1), fail(r.errno), load(offsetNumber)}
		case len(r.except) > 0:
			body = append(body, load(offsetArg0))
			for i, v := range r.except {
				body = append(body, jump(unix.BPF_JEQ, v, uint8(len(r.except)-i), 0))
			}
			body = append(body, fail(r.errno), load(offsetNumber))
		default:
			body = []unix.SockFilter{fail(r.errno)}
		}
		p = append(p, jump(unix.BPF_JEQ, r.call, 0, uint8(len(body))))
		p = append(p, body...)
	}
	return append(p, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
}

// installFilter forbids this thread, and what it executes and starts, what the
// preset says. There is no way back.
func installFilter(preset string) error {
	rules, err := rules(preset)
	if err != nil {
		return err
	}
	program := assemble(rules)
	f := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if _, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&f))); e != 0 {
		return fmt.Errorf("seccomp: %w", e)
	}
	return nil
}
