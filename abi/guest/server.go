package guest

import "errors"

// Server is a program in a sandbox that listens on a port, under a process id by
// which every request finds the same one.
type Server struct {
	ProcessID string
	Port      int
	// Path is where Source is written before Command starts the program. An
	// empty Path writes nothing.
	Path   string
	Source []byte
	// Command is run by /bin/sh -c.
	Command string
	// Timeout bounds the wait until the port answers; default 30s.
	Timeout Duration
}

// EnsureServer returns when the server can be reached, and starts it if need be.
//
// It waits for the port first, because with a process id that answers three
// questions in one call: is the process there, does it run, does it listen. So a
// server that is up costs one operation, one that another request is starting is
// waited for, and only one that is missing, has ended, or was lost with its sandbox, is written
// and started.
func (s *Sandbox) EnsureServer(sv Server) error {
	ready := WaitForPortOptions{ProcessID: sv.ProcessID, Timeout: sv.Timeout}
	err := s.WaitForPort(sv.Port, ready)
	if !errors.Is(err, ErrProcessNotFound) && !errors.Is(err, ErrProcessExited) && !errors.Is(err, ErrSandboxLost) {
		return err
	}
	if sv.Path != "" {
		if err := s.WriteFile(sv.Path, sv.Source); err != nil {
			return err
		}
	}
	_, err = s.StartProcess(sv.Command, StartProcessOptions{ProcessID: sv.ProcessID})
	if err != nil && !errors.Is(err, ErrProcessExists) { // "already exists": another request was faster
		return err
	}
	return s.WaitForPort(sv.Port, ready)
}
