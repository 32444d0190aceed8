package acceptance

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"unsafe"
)

// browserPath, in its environment, has this binary become the browser of that path.
const browserPath = "EDGE_TEST_BROWSER"

// Of prctl(2) and seccomp(2).
const (
	noNewPrivileges = 38         // PR_SET_NO_NEW_PRIVS
	filterMode      = 2          // SECCOMP_MODE_FILTER
	refuseWith      = 0x00050000 // SECCOMP_RET_ERRNO
	allow           = 0x7fff0000 // SECCOMP_RET_ALLOW
	numberAt        = 0          // of the call, in seccomp_data
	familyAt        = 16         // its first argument
)

// keepStill has a browser not hear of the machine's network interfaces. Chromium
// breaks off all it has under way (ERR_NETWORK_CHANGED) when one comes or goes, as
// one does with each container that a test starts.
func keepStill(cmd *exec.Cmd) {
	cmd.Env = append(cmd.Env, browserPath+"="+cmd.Path)
	cmd.Path = "/proc/self/exe"
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // as chromedp has it
}

// becomeBrowser turns this process into a browser that is kept still, if it was
// started to be one.
func becomeBrowser() error {
	path := os.Getenv(browserPath)
	if path == "" {
		return nil
	}
	if err := os.Unsetenv(browserPath); err != nil {
		return err
	}
	runtime.LockOSThread() // the filter is this thread's, which exec leaves alone
	if err := refuseNetlink(); err != nil {
		return err
	}
	return fmt.Errorf("exec %s: %w", path, syscall.Exec(path, os.Args, os.Environ()))
}

// refuseNetlink has socket(2) of the family that tells of interfaces fail from now on,
// as where the kernel has none.
func refuseNetlink() error {
	filter := []syscall.SockFilter{
		*syscall.LsfStmt(syscall.BPF_LD|syscall.BPF_W|syscall.BPF_ABS, numberAt),
		*syscall.LsfJump(syscall.BPF_JMP|syscall.BPF_JEQ|syscall.BPF_K, syscall.SYS_SOCKET, 0, 3),
		*syscall.LsfStmt(syscall.BPF_LD|syscall.BPF_W|syscall.BPF_ABS, familyAt),
		*syscall.LsfJump(syscall.BPF_JMP|syscall.BPF_JEQ|syscall.BPF_K, syscall.AF_NETLINK, 0, 1),
		*syscall.LsfStmt(syscall.BPF_RET|syscall.BPF_K, refuseWith|int(syscall.EAFNOSUPPORT)),
		*syscall.LsfStmt(syscall.BPF_RET|syscall.BPF_K, allow),
	}
	program := syscall.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, noNewPrivileges, 1, 0, 0, 0, 0); errno != 0 {
		return os.NewSyscallError("prctl", errno)
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_SECCOMP, filterMode, uintptr(unsafe.Pointer(&program))); errno != 0 {
		return os.NewSyscallError("prctl", errno)
	}
	return nil
}
