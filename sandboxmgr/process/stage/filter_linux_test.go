package stage

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

// call is a system call as a filter sees it.
type call struct {
	number, arch uint32
	arg0         uint64
}

// run interprets a filter as the kernel does and returns its verdict.
func run(t *testing.T, program []unix.SockFilter, c call) uint32 {
	t.Helper()
	var data [64]byte
	binary.LittleEndian.PutUint32(data[offsetNumber:], c.number)
	binary.LittleEndian.PutUint32(data[offsetArch:], c.arch)
	binary.LittleEndian.PutUint64(data[offsetArg0:], c.arg0)
	var a uint32
	for pc := 0; pc < len(program); pc++ {
		in := program[pc]
		var taken bool
		switch in.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			a = binary.LittleEndian.Uint32(data[in.K:])
			continue
		case unix.BPF_RET | unix.BPF_K:
			return in.K
		case unix.BPF_JMP | unix.BPF_K | unix.BPF_JEQ:
			taken = a == in.K
		case unix.BPF_JMP | unix.BPF_K | unix.BPF_JGE:
			taken = a >= in.K
		case unix.BPF_JMP | unix.BPF_K | unix.BPF_JSET:
			taken = a&in.K != 0
		default:
			t.Fatalf("instruction %d is %+v", pc, in)
		}
		if taken {
			pc += int(in.Jt)
		} else {
			pc += int(in.Jf)
		}
	}
	t.Fatal("the program ran over its end")
	return 0
}

// TestFilter: what each preset's filter says of calls.
func TestFilter(t *testing.T) {
	t.Parallel()
	const allow = unix.SECCOMP_RET_ALLOW
	fail := func(e unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(e) }
	native := func(number uint32, arg0 uint64) call { return call{number, auditArch, arg0} }
	tests := []struct {
		name                   string
		call                   call
		strict, usual, trusted uint32
	}{
		{"getpid", native(unix.SYS_GETPID, 0), allow, allow, allow},
		{"execve", native(unix.SYS_EXECVE, 0), allow, allow, allow},
		{"bpf", native(unix.SYS_BPF, 0), fail(unix.EPERM), fail(unix.EPERM), fail(unix.EPERM)},
		{"ptrace", native(unix.SYS_PTRACE, 0), fail(unix.EPERM), allow, allow},
		{"mount", native(unix.SYS_MOUNT, 0), fail(unix.EPERM), fail(unix.EPERM), allow},
		{"clone3", native(unix.SYS_CLONE3, 0), fail(unix.ENOSYS), fail(unix.ENOSYS), allow},
		{"thread", native(unix.SYS_CLONE, unix.CLONE_VM|unix.CLONE_THREAD), allow, allow, allow},
		{"clone with a namespace", native(unix.SYS_CLONE, unix.CLONE_NEWUSER|unix.CLONE_VM), fail(unix.EPERM), fail(unix.EPERM), allow},
		{"flags beyond 32 bits", native(unix.SYS_CLONE, 1<<40|unix.CLONE_NEWNET), fail(unix.EPERM), fail(unix.EPERM), allow},
		{"unshare files", native(unix.SYS_UNSHARE, unix.CLONE_FILES), allow, allow, allow},
		{"unshare time", native(unix.SYS_UNSHARE, unix.CLONE_NEWTIME), fail(unix.EPERM), fail(unix.EPERM), allow},
		{"socket unix", native(unix.SYS_SOCKET, unix.AF_UNIX), allow, allow, allow},
		{"socket netlink", native(unix.SYS_SOCKET, unix.AF_NETLINK), allow, allow, allow},
		{"socket vsock", native(unix.SYS_SOCKET, unix.AF_VSOCK), fail(unix.EAFNOSUPPORT), fail(unix.EAFNOSUPPORT), allow},
		{"after a look at the argument", native(unix.SYS_PIDFD_GETFD, unix.AF_VSOCK), fail(unix.EPERM), allow, allow},
		{"another architecture", call{unix.SYS_GETPID, unix.AUDIT_ARCH_I386, 0}, fail(unix.ENOSYS), fail(unix.ENOSYS), fail(unix.ENOSYS)},
	}
	if foreignNumbers > 0 {
		tests = append(tests, tests[0])
		x32 := &tests[len(tests)-1]
		x32.name, x32.call = "x32", native(foreignNumbers|unix.SYS_GETPID, 0)
		x32.strict, x32.usual, x32.trusted = fail(unix.ENOSYS), fail(unix.ENOSYS), fail(unix.ENOSYS)
	}
	for preset, want := range map[string]func(i int) uint32{
		PresetStrict:  func(i int) uint32 { return tests[i].strict },
		PresetDefault: func(i int) uint32 { return tests[i].usual },
		"":            func(i int) uint32 { return tests[i].usual },
		PresetTrusted: func(i int) uint32 { return tests[i].trusted },
	} {
		rules, err := rules(preset)
		if err != nil {
			t.Fatal(err)
		}
		program := assemble(rules)
		for i, tt := range tests {
			if got := run(t, program, tt.call); got != want(i) {
				t.Errorf("%q, %s: %#x, want %#x", preset, tt.name, got, want(i))
			}
		}
		for _, r := range rules { // each rule is reached
			arg := uint64(r.mask)
			if len(r.except) > 0 {
				arg = 1 << 16
			}
			if got := run(t, program, native(r.call, arg)); got != fail(r.errno) {
				t.Errorf("%q, call %d: %#x, want %#x", preset, r.call, got, fail(r.errno))
			}
		}
	}
	if _, err := rules("loose"); err == nil || Denied("loose") != 0 {
		t.Errorf("an unknown preset: %v", err)
	}
}
